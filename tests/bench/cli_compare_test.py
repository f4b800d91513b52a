#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""lockbench compare from the shell: which runs it refuses, what it prints, how it exits."""
import gzip
import json
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cli_case import CELLS, SHORT, SMALL, Case, lockbench, windows_of  # noqa: E402


class Compare(Case):
    def test_a_run_with_itself_and_with_others(self):
        self.run_into(*CELLS, "--no-uncontended", "--repetitions=4")
        result = lockbench("compare", self.out, self.out)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("faster", result.stdout)
        self.assertIn("cannot say", result.stdout)
        rows = json.loads(lockbench("compare", self.out, self.out, "--json").stdout)
        self.assertEqual({row["verdict"] for row in rows}, {"cannot say"})
        other = self.folder / "other"
        shutil.copytree(self.out, other)
        run = json.loads((other / "run.json").read_text())
        run["host"]["cpu"]["model"] = "another CPU"
        (other / "run.json").write_text(json.dumps(run))
        self.assertEqual(lockbench("compare", self.out, other).returncode, 2)
        self.assertEqual(lockbench("compare", self.out, other, "--other-machines").returncode, 0)
        self.assertEqual(lockbench("compare", self.out, self.folder / "absent").returncode, 2)

    def test_a_real_difference_is_told(self):
        self.run_into(*CELLS, "--no-uncontended", "--repetitions=6")
        other = self.folder / "slow"
        shutil.copytree(self.out, other)
        lines = windows_of(other)
        for window in lines:
            window["ops_per_s"] = {name: rate / 50 for name, rate in window["ops_per_s"].items()}
        (other / "windows.jsonl").write_text("".join(json.dumps(window) + "\n" for window in lines))
        rows = json.loads(lockbench("compare", self.out, other, "--json").stdout)
        self.assertEqual({row["verdict"] for row in rows}, {"B is slower"})

    def changed(self, **plan_or_host):
        """A copy of the run whose plan and host say something else."""
        copy = self.folder / "changed"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.out, copy)
        run = json.loads((copy / "run.json").read_text())
        for part, fields in plan_or_host.items():
            run[part].update(fields)
        (copy / "run.json").write_text(json.dumps(run))
        return copy

    def test_other_windows_are_refused_and_another_build_is_told(self):
        self.run_into(*SMALL, "--no-uncontended", "--no-untimed")
        for key in ("window_ms", "warmup_ms"):
            result = lockbench("compare", self.out, self.changed(plan={key: 77}))
            self.assertEqual(result.returncode, 2)
            self.assertIn(key, result.stderr)
            self.assertIn("77", result.stderr)
        for key in ("commit", "build"):
            other = self.changed(host={key: "another"})
            result = lockbench("compare", self.out, other)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertRegex(result.stdout.splitlines()[0], f"differ in {key}: .*another")
            self.assertGreater(len(json.loads(lockbench("compare", self.out, other, "--json").stdout)), 0)
        result = lockbench("compare", self.out, self.out)
        self.assertNotIn("the runs differ", result.stdout)
        self.assertIn("only 2 windows", result.stdout)

    def test_a_machine_is_the_same_whatever_its_clock_rate_of_the_moment(self):
        self.run_into(*SMALL, "--no-uncontended", "--no-untimed")
        cpu = json.loads((self.out / "run.json").read_text())["host"]["cpu"]
        result = lockbench("compare", self.out, self.changed(host={"cpu": {**cpu, "mhz": 1, "allowed_cpus": "77"}}))
        self.assertEqual(result.returncode, 0, result.stderr)
        for change, says in (({"cpu": {**cpu, "model": "an other CPU"}}, "cpu/model"), ({"smt": "forceoff"}, "smt"),
                             ({"mitigations": {"meltdown": "an other word"}}, "mitigations/meltdown")):
            result = lockbench("compare", self.out, self.changed(host=change))
            self.assertEqual(result.returncode, 2, result.stdout)
            self.assertIn(says, result.stderr)
            self.assertNotIn("mhz", result.stderr)

    def test_a_recorded_run_is_read_and_never_added_to(self):
        self.run_into(*SHORT, "--workloads=rw_mix", "--locks=qrwlock", "--threads=1", "--repetitions=1",
                      "--no-uncontended", "--no-untimed")
        other = self.changed()
        packed = gzip.compress((other / "windows.jsonl").read_bytes())
        (other / "windows.jsonl").unlink()
        (other / "windows.jsonl.gz").write_bytes(packed)
        result = lockbench("compare", self.out, other)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("rw_mix qrwlock 1 thr", result.stdout)
        result = lockbench("run", f"--resume={other}")
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stderr, r"windows\.jsonl\.gz is compressed.*nothing is added")
        self.assertFalse((other / "windows.jsonl").exists())
        (other / "windows.jsonl.gz").write_bytes(packed[:-20])
        result = lockbench("compare", self.out, other)
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stderr, r"cannot read .*windows\.jsonl\.gz: unexpected end of file")

    def test_what_failed_its_checks_gets_no_verdict(self):
        self.run_into(*SHORT, "--workloads=rw_mix", "--locks=qrwlock,rwsem_3_10,null", "--threads=1",
                      "--repetitions=1", "--no-uncontended", "--no-untimed")
        result = lockbench("compare", self.out, self.out)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"never compared, as control locks: null\n")
        self.assertNotIn("rw_mix null", result.stdout)
        other = self.changed()
        lines = windows_of(other)
        for window in lines:
            if window["lock"] == "qrwlock":
                window["flags"].append("check_failed")
                window["checks"] = {"passed": False, "failed": ["two writers at once"]}
        (other / "windows.jsonl").write_text("".join(json.dumps(window) + "\n" for window in lines))
        result = lockbench("compare", self.out, other)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertRegex(result.stdout, r"rw_mix qrwlock .* no verdict: B failed the checks")
        result = lockbench("compare", self.out, other, "--json")
        self.assertEqual(result.returncode, 1)
        self.assertEqual({(row["cell"], row["failed"]) for row in json.loads(result.stdout)},
                         {("rw_mix qrwlock 1 thr", "B"), ("rw_mix rwsem_3_10 1 thr", "")})


if __name__ == "__main__":
    unittest.main()
