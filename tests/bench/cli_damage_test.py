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


class FullDisk(Case):
    def test_a_disk_that_is_full_at_once_leaves_a_free_folder(self):
        self.run_into(*BARE)
        sizes = {name: (self.out / name).stat().st_size for name in ("run.json", "topology.xml")}
        # Limits on the size of a file, in KiB: the first is too small for either file, the others for one of them.
        limits = {0, 1, min(sizes.values()) // 1024 - 1, max(sizes.values()) // 1024 - 1}
        for name, is_there in (("new", False), ("there", True)):
            folder = self.folder / name
            for limit in sorted(limits):
                if is_there:
                    folder.mkdir(exist_ok=True)
                command = f"ulimit -f {limit}; exec '{TOOL}' run --out='{folder}' {' '.join(BARE)}"
                result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120,
                                        check=False)
                self.assertEqual(result.returncode, 3, result.stderr)
                self.assertIn("cannot write", result.stderr.lower())
                left = [path.name for path in folder.iterdir()] if is_there else folder.exists()
                self.assertFalse(left, limit)
            self.assertEqual(lockbench("run", f"--out={folder}", *BARE).returncode, 0)

    def test_a_folder_in_which_a_run_was_killed_before_it_began_is_free(self):
        self.out.mkdir()
        (self.out / "windows.jsonl").touch()
        (self.out / "run.json.new").write_text("{")
        self.run_into(*BARE)
        self.assertEqual(lockbench("run", f"--out={self.out}", *BARE).returncode, 2, "a run is never overwritten")
        (self.out / "run.json").unlink()
        self.assertEqual(lockbench("run", f"--out={self.out}", *BARE).returncode, 2, "nor are windows")


class FullOutput(Case):
    def test_output_that_nobody_takes_is_no_success(self):
        self.run_into(*BARE)
        again = self.folder / "again"
        for arguments in (["list", "locks"], ["list", "params", "--json"], ["list", "placements"], ["--help"],
                          ["--version"], ["machine"], ["compare", self.out, self.out],
                          ["run", f"--out={again}", *BARE]):
            with open("/dev/full", "w", encoding="utf-8") as full:
                result = subprocess.run([TOOL, *map(str, arguments)], stdout=full, stderr=subprocess.PIPE, text=True,
                                        timeout=120, check=False)
            self.assertEqual(result.returncode, 3, (arguments, result.stderr))
            self.assertIn("cannot write to the standard output", result.stderr)
        self.assertEqual(lockbench("run", f"--resume={again}").returncode, 0, "what was measured is good")


class Damaged(Case):
    """One sentence with the file, the line and the field; never the words of a library."""

    def setUp(self):
        super().setUp()
        self.run_into(*BARE)
        self.run = (self.out / "run.json").read_text()
        self.windows = (self.out / "windows.jsonl").read_text()

    def told(self, says, commands=("run", "compare")):
        for command in commands:
            arguments = [f"--resume={self.out}"] if command == "run" else [self.out, self.out]
            result = lockbench(command, *arguments)
            self.assertEqual(result.returncode, 2, (says, result.stdout, result.stderr))
            self.assertIn(says, result.stderr)
            self.assertIn(str(self.out), result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
            self.assertNotIn("exception", result.stderr)

    def with_run(self, change, says, **options):
        run = json.loads(self.run)
        (self.out / "run.json").write_text(json.dumps(change(run) or run))
        self.told(says, **options)

    def test_run_json(self):
        for field, value, says in (("host", None, "'host' is not an object"), ("plan", "x", "'plan' is not an object"),
                                   ("tool", 5, "'tool' is not text"),
                                   ("workloads", [{"name": 1}], "'workloads.name' is not text"),
                                   ("host", {"warnings": "x"}, "'host.warnings' is not a list of objects"),
                                   ("host", {"cpu": 5}, "'host.cpu' is not an object")):
            self.with_run(lambda run, f=field, v=value: run.update({f: v}), f"run.json is damaged: {says}")
        self.with_run(lambda run: [1], "run.json is damaged: it is not a JSON object")
        self.with_run(lambda run: run.pop("workloads") and None, "run.json is damaged: it has no 'workloads'")
        self.with_run(lambda run: run["plan"].pop("window_ms") and None, "it has no 'plan.window_ms'")
        self.with_run(lambda run: run["plan"]["cells"][0].update(lock=5), "a field of its plan", commands=["run"])
        for field, value in (("window_ms", -5), ("window_ms", 1e12), ("warmup_ms", -1)):
            self.with_run(lambda run, f=field, v=value: run["plan"].update({f: v}), f"its plan has {json.dumps(value)}",
                          commands=["run"])
        for field, value in (("threads", 10 ** 9), ("threads", 0), ("cpus", []), ("qnode_nodes", [0, 0, 0, 0, 0])):
            self.with_run(lambda run, f=field, v=value: run["plan"]["cells"][0].update({f: v}), "of its plan has",
                          commands=["run"])
        self.with_run(lambda run: run["host"].update(binary_id=None), "which binary measured", commands=["run"])
        for text in ("", "{", self.run[:len(self.run) // 2]):
            (self.out / "run.json").write_text(text)
            self.told("run.json is not valid JSON from its byte")

    def test_windows_jsonl(self):
        lines = self.windows.splitlines()
        third = json.loads(lines[2])
        for change, says in (([], "it is not a JSON object"), (5, "it is not a JSON object"),
                             ({**third, "flags": "untimed"}, "'flags' is not a list of texts"),
                             ({**third, "checks": {"passed": "yes", "failed": []}}, "'checks.passed' is not true"),
                             ({**third, "ops_per_s": {"read": "many"}}, "'ops_per_s' is not an object of numbers"),
                             ({**third, "order": None}, "'order' is not a count"),
                             *(({k: v for k, v in third.items() if k != name}, f"it has no '{name}'")
                               for name in ("checks", "lock", "block", "order", "ops", "params"))):
            lines[2] = json.dumps(change)
            (self.out / "windows.jsonl").write_text("\n".join(lines) + "\n")
            self.told(f"windows.jsonl: line 3 is damaged: {says}")
        self.assertEqual(json.loads((self.out / "run.json").read_text())["status"], "done", "nothing was changed")


if __name__ == "__main__":
    unittest.main()
