# SPDX-License-Identifier: MIT
"""The table of uncontended costs: what it says of made-up runs, and that the recorded one is neither stale nor silent
about a cost."""
import json
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from plot_folder import ROOT, FolderTest, run_plot, small  # noqa: E402
from plotting import cells, costs, runfiles  # noqa: E402

RECORDED = "results/native/xeon-2vcpu-vm-uncontended"


class RecordedTest(unittest.TestCase):
    """results/uncontended.md."""

    def setUp(self):
        self.dataset = cells.datasets_of([runfiles.read_run(ROOT / RECORDED, 0)])[0]

    def test_page_is_what_its_command_prints(self):
        lines, _ = costs.markdown(self.dataset, f"./plot.py {RECORDED} --table=uncontended")
        self.assertEqual((ROOT / "results/uncontended.md").read_text(encoding="utf-8"), "\n".join(lines) + "\n",
                         f"stale: ./plot.py {RECORDED} --table=uncontended > results/uncontended.md")

    def test_every_cost_far_above_its_floor_has_a_reason(self):
        found = costs.rows(self.dataset)
        self.assertEqual([f"{row.lock} {row.mode}: {row.spaced.value:.2f} x {row.floor}"
                          for row in found if row.verdict == "above" and not row.reason], [])
        self.assertLess(sum(row.verdict == "above" for row in found), len(found))
        self.assertEqual({row.lock for row in found}, {lock for lock, _, _ in self.dataset.uncontended})

    def test_it_has_every_lock_of_the_registry(self):
        build = pathlib.Path(os.environ.get("LOCKBENCH_BUILD_DIR", ROOT / "build" / "release"))
        done = subprocess.run([build / "lockbench", "list", "locks", "--json"], capture_output=True, check=True)
        # A .yield build differs where it waits, which nobody does here; controls are no locks.
        wanted = {lock["name"] for lock in json.loads(done.stdout)
                  if lock["family"] != "control" and not lock["name"].endswith(".yield")}
        self.assertEqual({row.lock for row in costs.rows(self.dataset)}, wanted)


class ReasonTest(unittest.TestCase):
    def test_a_reason_is_one_against_a_floor(self):
        self.assertIs(costs.reason_for("rwsem_3_16", "write", "faa64+faa64", 1.2), costs.OWNER)
        self.assertIsNone(costs.reason_for("rwsem_3_16", "write", "xadd64+xadd64", 1.2), "not against that floor")
        self.assertIsNone(costs.reason_for("rwsem_3_16", "write", "faa64+faa64", 5), "two stores do not cost that")
        self.assertIsNone(costs.reason_for("rwlock_classic", "write", "subz32+add32", 1.2))


class TableTest(FolderTest):
    def table(self, *arguments, edit=None):
        fake = small(self.folder / "run", locks=["ticket", "rwlock_classic", "mutex_3_10"], threads=(2,))
        fake.uncontended, fake.edit = True, edit
        done = run_plot(fake.write(), "--table=uncontended", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [[cell.strip() for cell in line.strip("|").split("|")]
                for line in done.stdout.splitlines() if line.startswith("| `")]
        return {(row[0].strip("`"), row[1]): row for row in rows}, done

    def test_rows_and_ratios(self):
        def edit(window):
            if window["workload"] == "uncontended":
                spaced = window["params"]["spacing"] == "spaced"
                window["uncontended"].update(cost_ns=12.0 if spaced else 10.0, floor_ns=10.0)
        rows, done = self.table(edit=edit)
        self.assertEqual(set(rows), {("ticket", "write"), ("rwlock_classic", "write"), ("rwlock_classic", "read"),
                                     ("mutex_3_10", "write")})
        self.assertEqual(rows["ticket", "write"][2:9], ["xadd32+st16", "10.00", "10.00", "1.00 [1.00, 1.00]", "12.00",
                                                        "10.00", "1.20 [1.20, 1.20]"])
        self.assertEqual(rows["rwlock_classic", "read"][9], "above, **not explained**")
        self.assertIn("warning: rwlock_classic, read, costs 1.20 times its floor xadd32+xadd32", done.stderr)
        self.assertIn("Of 4 rows 0 reach the goal, 4 lie above it, and of 0 this measurement cannot say.", done.stdout)
        self.assertFalse((self.folder / "run" / "plots").exists(), "a table draws nothing")

    def test_what_reaches_the_goal_needs_no_reason(self):
        def edit(window):
            if window["workload"] == "uncontended":
                window["uncontended"].update(cost_ns=10.9, floor_ns=10.0)
        rows, done = self.table(edit=edit)
        self.assertEqual({row[9] for row in rows.values()}, {"within"})
        self.assertIn("Of 4 rows 4 reach the goal", done.stdout)
        self.assertNotIn("Why those", done.stdout)
        self.assertEqual(done.stderr, "")

    def test_wrong_usage(self):
        path = small(self.folder / "run", locks=["ticket"], threads=(2,))
        path.uncontended = False
        path = path.write()
        for status, words, arguments in ((1, "no uncontended costs were measured", (path, "--table=uncontended")),
                                         (2, "invalid choice: 'costs'", (path, "--table=costs")),
                                         (2, "of 1 run(s), not 2", (path, self.folder, "--table=uncontended"))):
            done = run_plot(*arguments)
            self.assertEqual((done.returncode, words in done.stderr), (status, True), done.stderr)


if __name__ == "__main__":
    unittest.main()
