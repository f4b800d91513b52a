# SPDX-License-Identifier: MIT
"""--table=agreement on made-up runs: orders that are the same, reversed and unknown; errors; wrong usage."""
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from plot_folder import FEW, PYTHON, ROOT, FolderTest, run_plot, small  # noqa: E402

RATES = dict(zip(FEW, (1.0, 2.0, 3.0, 4.0)))


RECORDED = ("results/native/xeon-2vcpu-vm-all", "results/sim/xeon-2vcpu-vm")


class RecordedTest(unittest.TestCase):
    def test_page_is_what_its_command_prints(self):
        done = subprocess.run([PYTHON, "plot.py", *RECORDED, "--table=agreement"], cwd=ROOT, capture_output=True,
                              text=True, check=True)
        self.assertEqual((ROOT / "results/agreement.md").read_text(encoding="utf-8"), done.stdout,
                         f"stale: ./plot.py {' '.join(RECORDED)} --table=agreement > results/agreement.md")


class AgreementTest(FolderTest):
    def run_of(self, name, factor, simulated, noise=0.01, slept=(), model=None, **options):
        fake = small(self.folder / name, threads=(2,), **options)
        fake.aa_lock, fake.untimed, fake.uncontended = None, False, False
        fake.noise = fake.block_noise = noise
        fake.factor = lambda lock, workload, threads: factor(RATES[lock])
        fake.model = model or fake.model
        if simulated:
            fake.platform, fake.machine, fake.tool = "sim", "twin", "locksim"

        def edit(window):
            window["events"] = dict(window["events"] or {}, slept=int(window["lock"] in slept))
        fake.edit = edit
        return fake.write()

    def table(self, factor, **options):
        native = self.run_of("native", lambda rate: rate, False, **options)
        simulated = self.run_of("simulated", factor, True, seed=2)
        done = run_plot(native, simulated, "--table=agreement")
        self.assertEqual(done.returncode, 0, done.stderr)
        row = next(line for line in done.stdout.splitlines() if line.startswith("| fork_server"))
        return [cell.strip() for cell in row.strip("|").split("|")], done.stdout

    def test_the_same_order(self):
        row, text = self.table(lambda rate: 2 * rate)
        self.assertEqual(row[:5], ["fork_server", "2", "4", "+1.00 of 6", "+1.00 of 6"])
        self.assertTrue(95 <= int(row[5].split()[0]) <= 105, row)
        self.assertEqual(row[5], row[6])
        self.assertIn("Over all: tau +1.00 of 6 pairs, +1.00 of 6 told apart", text)
        self.assertIn("SIMULATED machine twin", text)

    def test_the_opposite_order(self):
        row, text = self.table(lambda rate: 1 / rate)
        self.assertEqual(row[3:5], ["-1.00 of 6", "-1.00 of 6"])
        self.assertIn("Over all: tau -1.00", text)

    def test_what_the_native_run_cannot_tell_apart_counts_in_one_of_the_two(self):
        row, _ = self.table(lambda rate: rate, noise=1.5)
        self.assertTrue(row[3].endswith("of 6"))
        self.assertLess(int(row[4].split()[-1]), 6)

    def test_locks_that_slept_are_left_out_of_the_last_column(self):
        row, text = self.table(lambda rate: rate if rate < 3 else 10 * rate, slept=FEW[2:])
        self.assertLess(int(row[6].split()[0]), 5)
        self.assertGreater(int(row[5].split()[0]), 100)
        self.assertIn("where nobody slept (2 of 4)", text)

    def test_wrong_usage(self):
        native = self.run_of("native", lambda rate: rate, False)
        twin = self.run_of("twin", lambda rate: rate, False, model="Another CPU")
        for words, runs in (("of 2 run(s), not 1", (native,)),
                            ("of one native run and one simulated run", (native, twin))):
            done = run_plot(*runs, "--table=agreement")
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn(words, done.stderr)
        RATES["ticket"] = 1.0
        other = self.run_of("other", lambda rate: rate, True, locks=["ticket"])
        done = run_plot(native, other, "--table=agreement")
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("no lock, workload and thread count in common", done.stderr)


if __name__ == "__main__":
    unittest.main()
