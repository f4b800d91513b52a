# SPDX-License-Identifier: MIT
"""What the tests of lockbench from the shell share: the tool, its run folders and their files."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LOCKBENCH_BUILD_DIR", ROOT / "build" / "release"))
TOOL = BUILD / "lockbench"
SHORT = ["--window-ms=5", "--warmup-ms=1"]
CELLS = [*SHORT, "--workloads=rw_mix", "--locks=qrwlock,rwsem_3_10", "--threads=1"]
SMALL = [*CELLS, "--repetitions=2"]


def lockbench(*arguments, **options):
    command = [TOOL, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


def windows_of(folder):
    text = (folder / "windows.jsonl").read_text()
    assert text == "" or text.endswith("\n"), "a torn line"
    return [json.loads(line) for line in text.splitlines()]


def timed(windows):
    return [window for window in windows if window["workload"] != "uncontended"]


class Case(unittest.TestCase):
    def setUp(self):
        self.assertTrue(TOOL.exists(), f"{TOOL} is not built")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="lockbench-cli-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.out = self.folder / "run"

    def run_into(self, *arguments, status=0):
        result = lockbench("run", f"--out={self.out}", *arguments)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result

    def refused(self, *arguments, status=2, says=()):
        result = lockbench(*arguments)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        for text in says:
            self.assertIn(text, result.stderr)
        self.assertFalse(self.out.exists(), "a refused run leaves no folder")
        return result
