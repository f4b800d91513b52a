#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""lockbench from the shell on folders that something else has changed, or changes at the same time."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cli_case import SMALL, TOOL, Case, lockbench, timed, windows_of  # noqa: E402

BARE = [*SMALL, "--no-uncontended", "--no-untimed"]


class TwoAtOnce(Case):
    LONG = ["--window-ms=60", "--warmup-ms=1", "--workloads=rw_mix", "--locks=qrwlock,rwsem_3_10", "--threads=1",
            "--repetitions=10", "--no-uncontended"]

    def start(self, *arguments):
        process = subprocess.Popen([TOOL, "run", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   start_new_session=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def wait_for_a_window(self):
        deadline = time.monotonic() + 120
        while not ((self.out / "windows.jsonl").exists() and windows_of(self.out)):
            self.assertLess(time.monotonic(), deadline, "no windows came")
            time.sleep(0.02)

    def test_one_process_writes_into_a_folder(self):
        first = self.start(f"--out={self.out}", *self.LONG)
        self.wait_for_a_window()
        second = lockbench("run", f"--resume={self.out}")
        self.assertEqual(second.returncode, 2, second.stderr)
        self.assertIn("another lockbench process", second.stderr)
        os.kill(first.pid, signal.SIGKILL)
        first.communicate()
        time.sleep(0.3)
        third = lockbench("run", f"--resume={self.out}")
        self.assertEqual(third.returncode, 0, third.stderr + "the lock dies with its holder")
        run = json.loads((self.out / "run.json").read_text())
        self.assertEqual(sorted(w["order"] for w in timed(windows_of(self.out))),
                         list(range(len(run["plan"]["order"]))))

    def test_one_of_two_new_runs_gets_the_folder(self):
        both = [self.start(f"--out={self.out}", *BARE) for _ in range(2)]
        told = [process.communicate(timeout=120) for process in both]
        self.assertEqual(sorted(process.returncode for process in both), [0, 2], told)

    def test_a_window_that_is_there_twice(self):
        self.run_into(*BARE)
        path = self.out / "windows.jsonl"
        lines = path.read_text().splitlines()
        path.write_text("\n".join([*lines, lines[1]]) + "\n")
        for command in (["run", f"--resume={self.out}"], ["compare", self.out, self.out]):
            result = lockbench(*command)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn(f"{path}: line {len(lines) + 1} holds window 1 of the run, as line 2 does", result.stderr)


if __name__ == "__main__":
    unittest.main()
