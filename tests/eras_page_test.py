# SPDX-License-Identifier: MIT
"""Holds docs/eras.md to the registry and to the tests: a row for every lock, with its release, and tests that exist."""
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "eras.md"
TOOL = pathlib.Path(os.environ.get("LOCKBENCH_BUILD_DIR", ROOT / "build" / "release")) / "lockbench"
ROW = re.compile(r"^\| `([^`]+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
NAMED = re.compile(r"`(\w+\.\w+)`")
FILE = re.compile(r"\]\(\.\./(tests/[^)]+)\)")
DEFINED = re.compile(r"^(?:TEST|TEST_F|TEST_P|TYPED_TEST)\((\w+), (\w+)\)", re.MULTILINE)


def defined_in(path):
    return {f"{suite}.{name}" for suite, name in DEFINED.findall(path.read_text(encoding="utf-8"))}


class ErasPage(unittest.TestCase):
    def setUp(self):
        self.text = PAGE.read_text(encoding="utf-8")
        self.rows = ROW.findall(self.text)

    def test_every_lock_has_one_row_with_its_release(self):
        self.assertTrue(TOOL.exists(), f"{TOOL} is not built")
        listed = subprocess.run([TOOL, "list", "locks", "--json"], capture_output=True, text=True, check=True)
        releases = {lock["name"]: lock["kernel_release"] for lock in json.loads(listed.stdout)
                    if lock["family"] != "control"}
        names = [name for name, *_ in self.rows]
        self.assertEqual(sorted(names), sorted(releases), "a row for each lock of `lockbench list locks`, and no other")
        for name, release, *_ in self.rows:
            self.assertEqual(release, releases[name], name)

    def test_every_row_names_tests_of_the_file_it_links(self):
        for name, _, behaviour, shown in self.rows:
            files = FILE.findall(shown)
            named = NAMED.findall(shown)
            self.assertTrue(behaviour.strip() and files and named, f"{name}: what it does, tests, and their file")
            there = set().union(*(defined_in(ROOT / file) for file in files))
            self.assertEqual(set(named) - there, set(), f"{name}: tests that {files} does not have")
            for file in files:
                self.assertTrue(defined_in(ROOT / file) & set(named), f"{name}: no test of {file} is named")

    def test_tests_named_beside_the_tables_exist(self):
        everywhere = set().union(*(defined_in(path) for path in (ROOT / "tests").glob("*/*_test.cpp")))
        named = set(re.findall(r"\b[A-Z]\w+\.[A-Z]\w+\b", self.text))
        self.assertEqual(named - everywhere, set(), "tests that nobody has")


if __name__ == "__main__":
    sys.exit(unittest.main())
