# SPDX-License-Identifier: MIT
"""Legal and illegal cells of pageable_reclaim, from the shell: refused with a reason, recorded in a sweep, or run by
--allow-illegal and marked."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from cli_case import SHORT, Case, lockbench, timed, windows_of  # noqa: E402

BARE = [*SHORT, "--workloads=pageable_reclaim", "--threads=1", "--repetitions=1", "--no-uncontended", "--no-untimed",
        "--no-aa"]
SLEEPS = "the device's callback sleeps inside the lock of the reverse map, and this lock's waiters spin"


def cell(client, policy):
    return [f"--param=pageable_reclaim.client={client}", f"--param=pageable_reclaim.policy={policy}"]


class PageableTest(Case):
    def test_an_illegal_cell_is_refused_with_the_reason(self):
        self.refused("run", f"--out={self.out}", *BARE, *cell("rdma", "a0"), "--locks=qrwlock",
                     says=["pageable_reclaim with client=rdma, policy=a0 on qrwlock is illegal", SLEEPS,
                           "--allow-illegal"])
        self.refused("run", f"--out={self.out}", *BARE, *cell("gpu", "pte,late"), "--locks=rwsem",
                     says=["policy=pte on rwsem is illegal", "So are all others that were asked for"])

    def test_a_sweep_leaves_it_out_and_records_it(self):
        told = self.run_into(*BARE, *cell("rdma", "a0,a3"), "--locks=rwsem,qrwlock")
        plan = json.loads((self.out / "run.json").read_text())["plan"]
        self.assertEqual([(entry["lock"], entry["params"]["policy"], entry["why"]) for entry in plan["refused"]],
                         [("qrwlock", "a0", SLEEPS)])
        self.assertIn("refused as illegal: pageable_reclaim with client=rdma, policy=a0 on qrwlock", told.stdout)
        windows = timed(windows_of(self.out))
        self.assertEqual(sorted((window["lock"], window["params"]["policy"]) for window in windows),
                         [("qrwlock", "a3"), ("rwsem", "a0"), ("rwsem", "a3")])
        for window in windows:
            self.assertTrue(window["checks"]["passed"], window["checks"])
            self.assertEqual(window["ops"]["illegal_access"], 0)
            self.assertNotIn("illegal_allowed", window["flags"])

    def test_allowed_it_runs_and_what_breaks_fails_it(self):
        self.run_into("--window-ms=50", "--warmup-ms=1", *BARE[2:], *cell("rdma", "a0"), "--locks=ticket",
                      "--allow-illegal", status=1)
        window, = timed(windows_of(self.out))
        self.assertLessEqual({"illegal_allowed", "check_failed"}, set(window["flags"]))
        self.assertIn("slept where nobody may sleep", " ".join(window["checks"]["failed"]))
        self.assertEqual(json.loads((self.out / "run.json").read_text())["plan"]["refused"], [])

    def test_legal_cells_need_no_leave(self):
        self.run_into(*BARE, *cell("kvm,none", "a0,pte"), "--locks=ticket")
        self.assertEqual(len(timed(windows_of(self.out))), 4)

    def test_the_table_is_listed(self):
        table = json.loads(lockbench("list", "notifiers", "--json").stdout)
        self.assertEqual(len(table), 6 * 8 * 2)
        by = {(entry["client"], entry["policy"], entry["lock_kind"]): entry for entry in table}
        self.assertEqual(by["rdma", "a0", "spin"]["reason"], SLEEPS)
        self.assertTrue(by["rdma", "a0", "sleep"]["legal"])
        self.assertIsNone(by["kvm", "a0", "spin"]["reason"])
        text = lockbench("list", "notifiers").stdout
        self.assertRegex(text, r"(?m)^rdma +sleeping( +any lock){5} +illegal +illegal")
        self.assertRegex(text, r"(?m)^  a5 +inside, but may not wait")


if __name__ == "__main__":
    unittest.main()
