# SPDX-License-Identifier: MIT
"""tests/explorer_long.sh with stand-ins for ctest and Python: what it calls, what it keeps, how it ends."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent


class ExplorerLongTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name in ("tests", "results", "bin", "build"):
            (self.root / name).mkdir()
        shutil.copy(ROOT / "tests/explorer_long.sh", self.root / "tests")
        self.tool("build/lockcheck", "exit 0")
        self.tool("bin/ctest", "echo all passed")
        self.tool("python", "echo OK")

    def tool(self, name, behaviour):
        path = self.root / name
        say = f'echo "$(basename "$0") LONG=$LOCKBENCH_LONG $*" >>{self.root}/calls'
        path.write_text(f"#!/bin/sh\n{say}\n{behaviour}\n")
        path.chmod(0o755)

    def go(self, *arguments, build="build"):
        environment = dict(os.environ, PATH=f"{self.root}/bin:{os.environ['PATH']}", PYTHON=f"{self.root}/python",
                           LOCKBENCH_BUILD_DIR=str(self.root / build))
        return subprocess.run([self.root / "tests/explorer_long.sh", *arguments], env=environment, capture_output=True,
                              text=True, check=False)

    def test_all_parts_run_long_and_the_result_is_kept(self):
        done = self.go()
        self.assertEqual(done.returncode, 0, done.stderr)
        calls = (self.root / "calls").read_text().splitlines()
        self.assertEqual([call.split()[:2] for call in calls],
                         [["ctest", "LONG=1"], ["python", "LONG=1"], ["python", "LONG=1"]])
        self.assertIn("checked_page_test.py", calls[1])
        self.assertIn("mutations_page_test.py", calls[2])
        kept = (self.root / "results/explorer-long.txt").read_text()
        self.assertIn("commit unknown", kept)
        for part, said in (("ctest", "all passed"), ("docs/checked.md", "OK"), ("docs/mutations.md", "OK")):
            self.assertRegex(kept, f"(?m)^{part}: passed, [0-9]+ s: {said}")

    def test_a_failure_is_kept_and_the_rest_goes_on(self):
        self.tool("bin/ctest", "echo 2 tests failed; exit 8")
        self.assertEqual(self.go().returncode, 1)
        kept = (self.root / "results/explorer-long.txt").read_text()
        self.assertRegex(kept, "ctest: FAILED, [0-9]+ s: 2 tests failed")
        self.assertIn("docs/mutations.md: passed", kept)

    def test_wrong_usage(self):
        self.assertEqual(self.go("--help").returncode, 0)
        self.assertEqual(self.go("x").returncode, 2)
        done = self.go(build="nowhere")
        self.assertEqual((done.returncode, "has no lockcheck" in done.stderr), (3, True))
        self.assertFalse((self.root / "results/explorer-long.txt").exists())


if __name__ == "__main__":
    unittest.main()
