# SPDX-License-Identifier: MIT
"""Every lock with every workload, as the tool itself measures them: compiled once, and optimised as figures are.
tests/workloads/*_native_test.cpp go through the rules of the workloads, for a sample of the locks."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from cli_case import Case, lockbench, timed, windows_of  # noqa: E402

SETTING = ("--repetitions=1", "--window-ms=15", "--warmup-ms=1", "--no-untimed", "--no-aa", "--no-uncontended",
           "--param", "fork_server.children=4", "--param", "exit_storm.children=4", "--param", "aim7.children=4",
           "--param", "reclaim_scan.children=4", "--param", "numa_migration.pages_per_vma=40")


def listed(what):
    return json.loads(lockbench("list", what, "--json").stdout)


class EveryCellTest(Case):
    def test_each_lock_keeps_each_workload_whole(self):
        locks = [lock["name"] for lock in listed("locks") if not lock["control"]]
        workloads = [workload["name"] for workload in listed("workloads")]
        self.assertGreater(len(locks), 30)
        self.run_into(*SETTING, "--threads=1,2", f"--locks={','.join(locks)}")
        windows = timed(windows_of(self.out))
        self.assertEqual({(window["lock"], window["workload"], window["threads"]) for window in windows},
                         {(lock, workload, threads) for lock in locks for workload in workloads for threads in (1, 2)})
        for window in windows:
            with self.subTest(lock=window["lock"], workload=window["workload"], threads=window["threads"]):
                self.assertTrue(window["checks"]["passed"], window["checks"])
                self.assertGreater(sum(window["acquisitions"][kind] for kind in ("read", "write")), 0)

    def test_a_lock_that_excludes_nobody_fails(self):
        # Where the two threads meet within one window is chance; they have a second.
        self.run_into("--repetitions=1", "--window-ms=1000", "--warmup-ms=1", "--no-untimed", "--no-aa",
                      "--no-uncontended", "--threads=2", "--workloads=rw_mix", "--locks=null", status=1)
        self.assertFalse(timed(windows_of(self.out))[0]["checks"]["passed"])


if __name__ == "__main__":
    unittest.main()
