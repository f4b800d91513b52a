#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""docs/placements.md says what the code does: fails when the page is stale.

By hand, after a build: tests/bench/placements_page_test.py --write
"""
import difflib
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LOCKBENCH_BUILD_DIR", ROOT / "build" / "release"))
MAKER = BUILD / "bench_placement_page_test"
PAGE = ROOT / "docs" / "placements.md"


def make(path):
    """Lets the C++ test write the page; raises with its output if it fails."""
    environment = {**os.environ, "LOCKBENCH_PLACEMENTS_PAGE": str(path)}
    done = subprocess.run([MAKER, "--gtest_brief=1"], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)


class PageTest(unittest.TestCase):
    def test_page_is_what_the_code_makes(self):
        self.assertTrue(MAKER.exists(), f"{MAKER} is not built")
        with tempfile.TemporaryDirectory() as folder:
            fresh = pathlib.Path(folder, "placements.md")
            make(fresh)
            new = fresh.read_text(encoding="utf-8")
        old = PAGE.read_text(encoding="utf-8")
        changes = "\n".join(list(difflib.unified_diff(old.split("\n"), new.split("\n"), lineterm=""))[:40])
        self.assertEqual(old, new, f"{PAGE.name} is stale; write it anew with {pathlib.Path(__file__).name} --write\n"
                                   f"{changes}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        make(PAGE)
    else:
        unittest.main()
