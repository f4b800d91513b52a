# SPDX-License-Identifier: MIT
"""What the report counts with: intervals, modes, merged waits, datasets and verdicts, on runs with known answers."""
import math
import pathlib
import sys
import tempfile
import unittest

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(pathlib.Path(__file__).resolve().parent)]

from fake_run import Fake, bucket_lower  # noqa: E402
from plotting import cells, compare, runfiles, stats, table, verdict  # noqa: E402

DEBATE = ["rwlock_classic", "qrwlock", "mutex_3_10", "rwsem_3_8", "rwsem_3_10", "rwsem_3_16"]


class RunsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def fake(self, name="run", **options):
        """Small and fast unless told otherwise."""
        options = {"locks": DEBATE, "workloads": ["fork_server"], "threads": (2,), **options}
        fake = Fake(self.folder / name, **options)
        fake.samples, fake.uncontended, fake.untimed, fake.involuntary = 40, False, False, 0
        return fake

    def datasets(self, *fakes):
        return cells.datasets_of([runfiles.read_run(fake.write(), at) for at, fake in enumerate(fakes)])

    def dataset(self, fake):
        found = self.datasets(fake)
        self.assertEqual(len(found), 1)
        return found[0]


class StatsTest(unittest.TestCase):
    def setUp(self):
        self.random = numpy.random.default_rng(7)

    def test_interval_of_a_median_covers_it_as_often_as_it_says(self):
        hits = 0
        for _ in range(300):
            found = stats.median_interval(self.random.lognormal(0, 0.2, 10))
            hits += found.low <= 1 <= found.high
        self.assertGreater(hits, 0.90 * 300)
        self.assertLess(hits, 0.995 * 300)

    def test_interval_is_missing_below_six_values(self):
        self.assertFalse(stats.median_interval([1, 2, 3, 4, 5]).known)
        self.assertTrue(stats.median_interval([1, 2, 3, 4, 5, 6]).known)
        self.assertEqual(stats.median_interval([3, 1, 2]).value, 2)
        self.assertEqual(stats.median_interval([]), stats.NOTHING)

    def test_pairs_cancel_what_a_block_did_to_both(self):
        block = self.random.lognormal(0, 0.3, 20)
        pairs = [(1.5 * b * e, b) for b, e in zip(block, self.random.lognormal(0, 0.01, 20))]
        paired = stats.ratio_interval(pairs)
        torn = stats.ratio_interval(list(zip([a for a, _ in pairs], self.random.permutation([b for _, b in pairs]))))
        self.assertAlmostEqual(paired.value, 1.5, delta=0.05)
        self.assertLess(paired.high - paired.low, 0.4 * (torn.high - torn.low))

    def test_ratio_of_medians_not_median_of_ratios(self):
        self.assertEqual(stats.ratio_interval([(1, 1), (4, 2), (6, 8)]).value, 2)

    def test_rare_events_are_summed(self):
        found = stats.sum_ratio_interval([0] * 9 + [10], [100] * 10)
        self.assertEqual(found.value, 0.01)
        self.assertEqual(found.low, 0)

    def test_two_modes_are_found(self):
        values = numpy.concatenate([self.random.normal(100, 3, 6), self.random.normal(200, 5, 4)])
        low, high = stats.two_modes(self.random.permutation(values))
        self.assertEqual((len(low), len(high)), (6, 4))

    def test_one_mode_is_rarely_called_two(self):
        found = sum(stats.two_modes(self.random.lognormal(0, 0.15, 10)) is not None for _ in range(1000))
        self.assertLess(found, 20)

    def test_two_modes_need_ten_percent_three_windows_and_eight_values(self):
        self.assertIsNone(stats.two_modes([100] * 5 + [108] * 5))
        self.assertIsNotNone(stats.two_modes([100] * 5 + [112] * 5))
        self.assertIsNone(stats.two_modes([100] * 8 + [300] * 2))
        self.assertIsNone(stats.two_modes([100] * 4 + [300] * 3))
        self.assertIsNone(stats.two_modes([100] * 10))


def waits_window(hist, longest=None, every=128):
    return {"wait_ns": {"read": {"hist": hist, "max": longest, "sampled_every": every}, "write": None}}


class WaitsTest(unittest.TestCase):
    def test_percentiles_come_from_the_sum(self):
        # The mean of the two p50 would be 505; of the sum it is the value that most waits have.
        waits = stats.Waits([waits_window([[10, 900]], 10), waits_window([[1000, 100]], 1000)], "read")
        self.assertEqual(waits.percentile(0.5).value, 10)
        self.assertEqual(waits.percentile(0.9).value, 10)
        self.assertEqual(waits.longest, 1000)
        self.assertEqual(waits.samples, 1000)

    def test_percentile_is_absent_below_ten_over_one_minus_p(self):
        for p, needed in ((0.5, 20), (0.9, 100), (0.99, 1000), (0.999, 10000)):
            self.assertTrue(math.isnan(stats.Waits([waits_window([[5, needed - 1]])], "read").percentile(p).value))
            self.assertEqual(stats.Waits([waits_window([[5, needed]])], "read").percentile(p).value, 5)

    def test_unused_mode_has_no_samples(self):
        waits = stats.Waits([waits_window([[5, 100]])], "write")
        self.assertEqual(waits.samples, 0)
        self.assertIsNone(waits.longest)

    def test_interval_over_windows(self):
        windows = [waits_window([[100 + 10 * at, 100]]) for at in range(10)]
        found = stats.Waits(windows, "read").percentile(0.5)
        self.assertLess(found.low, found.value)
        self.assertGreater(found.high, found.value)

    def test_rank_agrees_with_the_recorder(self):
        # results/README.md: the lower bound of the bucket in which the ceil(p n)-th wait lies.
        values = sorted(bucket_lower(value) for value in range(1, 2001))
        counts = sorted({value: values.count(value) for value in values}.items())
        waits = stats.Waits([waits_window([list(pair) for pair in counts])], "read")
        for _, p in stats.PERCENTILES[:3]:
            self.assertEqual(waits.percentile(p).value, values[math.ceil(p * 2000) - 1])


class DatasetTest(RunsTest):
    def test_native_and_simulated_are_apart(self):
        sim = self.fake("sim")
        sim.platform, sim.machine, sim.tool = "sim", "two-sockets", "locksim"
        found = self.datasets(sim, self.fake("native"))
        self.assertEqual([dataset.simulated for dataset in found], [False, True])
        self.assertIn("SIMULATED", found[1].label)
        self.assertNotIn("SIMULATED", found[0].label)
        for dataset in found:
            self.assertEqual({w["platform"] for cell in dataset.cells.values() for w in cell.windows},
                             {"sim" if dataset.simulated else "native"})

    def test_runs_of_one_host_and_binary_are_pooled_and_others_are_not(self):
        other = self.fake("other", seed=3)
        other.model = "Another CPU"
        found = self.datasets(self.fake("one"), self.fake("two", seed=2), other)
        self.assertEqual(sorted(len(dataset.runs) for dataset in found), [1, 2])
        pooled = max(found, key=lambda dataset: len(dataset.runs))
        cell = next(iter(pooled.cells.values()))
        self.assertEqual(len(cell.windows), 20)
        # The same block number of two runs is two blocks.
        self.assertEqual(len(cells.pairs(cell.windows, cell.windows, "fork")), 20)

    def test_half_a_stands_for_its_cell_and_untimed_windows_stay_out(self):
        fake = self.fake(threads=(1, 2))
        fake.untimed = True
        dataset = self.dataset(fake)
        variant = next(iter(dataset.variants.values()))
        cell = dataset.cell(variant, 2, "rwsem_3_10")
        self.assertEqual({window["aa"] for window in cell.windows}, {"a"})
        cell = dataset.cell(variant, 1, "qrwlock")
        self.assertEqual((len(cell.windows), len(cell.untimed)), (10, 10))
        self.assertIn("timed over untimed", "\n".join(verdict.noise_lines(dataset)))

    def test_interrupted_and_killed_windows_are_listed_but_no_measurement(self):
        for flag in ("interrupted", "killed"):
            fake = self.fake(flag)

            def edit(window, flag=flag):
                if window["lock"] == "qrwlock" and window["repetition"] == 0:
                    window.update({"flags": [flag], "ops_per_s": None, "wait_ns": None, "acquisitions": None})
            fake.edit = edit
            dataset = self.dataset(fake)
            cell = dataset.cell(next(iter(dataset.variants.values())), 2, "qrwlock")
            self.assertEqual((len(cell.windows), len(cell.all_windows())), (9, 10))
            self.assertEqual(cell.failed, flag == "killed")
            self.assertIn(f"1/10 {flag}", table.flag_words(cell))

    def test_variants_of_a_workload_are_told_apart_by_what_differs(self):
        fake = self.fake()

        def edit(window):
            window["params"] = {"children": 4 if window["repetition"] % 2 else 8, "pages": 32}
        fake.edit = edit
        titles = {variant.title for variant in self.dataset(fake).variants.values()}
        self.assertEqual(titles, {"fork_server, children=4", "fork_server, children=8"})

    def test_counter_that_one_window_lacks_is_no_number(self):
        fake = self.fake()

        def edit(window):
            window["counters"]["hitm"] = None if window["repetition"] == 3 and window["lock"] == "qrwlock" else 50
        fake.edit = edit
        dataset = self.dataset(fake)
        variant = next(iter(dataset.variants.values()))
        self.assertIsNone(dataset.cell(variant, 2, "qrwlock").per_acquisition("hitm"))
        self.assertGreater(dataset.cell(variant, 2, "rwsem_3_8").per_acquisition("hitm").value, 0)


class VerdictTest(RunsTest):
    def outcome(self, fake, first="rwlock_classic", second="rwsem_3_10", threads=2):
        """(outcome, why, calm outcome) of one sign on fork_server."""
        for finding in verdict.findings(self.dataset(fake)):
            if (finding.sign.first, finding.sign.second, finding.ratio.threads) == (first, second, threads):
                self.finding = finding
                return finding.outcome, finding.why, finding.calm_outcome
        return None

    def fake_ratio(self, ratio, **options):
        """rwlock_classic is `ratio` times as fast as everything else."""
        fake = self.fake(**options)
        fake.factor = lambda lock, workload, threads: ratio if lock == "rwlock_classic" else 1.0
        return fake

    def test_supported_and_contradicted(self):
        self.assertEqual(self.outcome(self.fake_ratio(1.5)), ("supported", "", "supported"))
        self.assertEqual(self.outcome(self.fake_ratio(0.7, name="b")), ("contradicted", "", "contradicted"))
        self.assertAlmostEqual(self.finding.ratio.all_windows.value, 0.7, delta=0.05)

    def test_migration_is_what_sharing_was_claimed_for(self):
        fake = self.fake(workloads=["numa_migration"])
        fake.factor = lambda lock, workload, threads: 0.5 if lock == "mutex_3_10" else 1.0
        self.assertEqual(self.outcome(fake, "rwsem_3_10", "mutex_3_10")[0], "supported")
        self.assertEqual(self.finding.place(), "numa_migration, page_migrated/s, 2 threads")
        self.assertEqual({finding.ratio.op for finding in verdict.findings(self.dataset_of(fake))}, {"page_migrated"})

    def test_interval_that_includes_one_says_nothing(self):
        outcome, why, _ = self.outcome(self.fake_ratio(1.0))
        self.assertEqual(outcome, "cannot say")
        self.assertIn("includes 1", why)

    def test_difference_below_the_noise_of_the_aa_pair_says_nothing(self):
        self.slower_half(self.fake_ratio(1.04), 0.004, 0.9)
        self.assertLess(self.finding.ratio.all_windows.value, self.finding.ratio.floor.factor)

    def test_an_interval_that_reaches_into_the_noise_says_nothing(self):
        self.slower_half(self.fake_ratio(1.15), 0.05, 0.97)
        self.assertGreater(self.finding.ratio.all_windows.value, self.finding.ratio.floor.factor)

    def slower_half(self, fake, noise, factor):
        """One half of the A/A pair by `factor` slower."""
        fake.noise = noise
        fake.edit = lambda window: window["ops_per_s"].update(
            {"fork": window["ops_per_s"]["fork"] * (factor if window["aa"] == "b" else 1)})
        outcome, why, _ = self.outcome(fake)
        self.assertEqual(outcome, "cannot say")
        self.assertIn("not clear of the A/A noise", why)
        self.assertGreater(self.finding.ratio.all_windows.low, 1)
        if factor < 0.95:
            self.assertIn(verdict.DIFFERS, "\n".join(verdict.noise_lines(self.dataset_of(fake))))

    def dataset_of(self, fake):
        return cells.datasets_of([runfiles.read_run(fake.path, 0)])[0]

    def test_without_an_aa_pair_nothing_can_be_told_from_noise(self):
        fake = self.fake_ratio(1.5)
        fake.aa_lock = None
        outcome, why, _ = self.outcome(fake)
        self.assertEqual((outcome, why), ("cannot say", "no A/A pair tells the noise of this run"))

    def test_noise_is_that_of_the_nearest_pair(self):
        fake = self.fake_ratio(1.5, workloads=["fork_server", "rw_mix"], threads=(1, 2))
        dataset = self.dataset(fake)
        floors = compare.Floors(dataset)
        variant = next(iter(dataset.variants.values()))
        self.assertIn("of this cell", floors.near(variant, 2, "fork").source)
        self.assertIn("of this workload", floors.near(variant, 2, "no_such_op").source)
        self.assertIn("elsewhere in the run", floors.near(variant, 64, "fork").source)
        near = floors.near(variant, 2, "fork")
        self.assertAlmostEqual(near.factor, max(near.interval.high, 1 / near.interval.low))

    def test_noise_beyond_percents_is_a_factor(self):
        self.assertEqual(compare.Floor(1.037, "", stats.NOTHING).words, "3.7 %")
        self.assertEqual(compare.Floor(214.2, "", stats.NOTHING).words, "a factor of 214")

    def test_too_few_pairs(self):
        outcome, why, _ = self.outcome(self.fake_ratio(1.5, repetitions=5))
        self.assertEqual(outcome, "cannot say")
        self.assertIn("only 5 pairs", why)

    def test_broken_lock_cannot_win(self):
        fake = self.fake_ratio(3.0)

        def edit(window):
            if window["lock"] == "rwlock_classic" and window["repetition"] == 2:
                window["flags"].append("check_failed")
        fake.edit = edit
        outcome, why, _ = self.outcome(fake)
        self.assertEqual((outcome, why), ("cannot say", "rwlock_classic failed the checks"))

    def bimodal(self, high, name):
        fake = self.fake_ratio(1.0, name=name)

        def edit(window):
            if window["lock"] == "rwlock_classic":
                window["ops_per_s"]["fork"] *= high if window["repetition"] % 2 else 1.3
        fake.edit = edit
        return fake

    def test_two_modes_give_no_number_unless_every_pair_agrees(self):
        outcome, why, _ = self.outcome(self.bimodal(0.6, "both sides"))
        self.assertEqual(outcome, "cannot say")
        self.assertIn("two modes", why)
        self.assertEqual(self.outcome(self.bimodal(2.6, "one side"))[0], "supported")
        self.assertEqual(self.finding.ratio.bimodal, ("rwlock_classic",))

    def preempted(self, share, factor, name):
        """So many blocks of 40 are preempted, and there rwlock_classic is factor(block) times as fast."""
        fake = self.fake_ratio(1.4, name=name, repetitions=40)

        def edit(window):
            if window["lock"] == "rwlock_classic" and window["repetition"] < share:
                window["flags"].append("involuntary_switch")
                window["ops_per_s"]["fork"] *= factor(window["repetition"])
        fake.edit = edit
        return fake

    def test_verdict_without_preempted_windows(self):
        self.assertEqual(self.outcome(self.preempted(16, lambda _: 1.0, "same")), ("supported", "", "supported"))
        self.assertEqual(self.finding.ratio.undisturbed.count, 24)
        self.assertEqual(self.outcome(self.preempted(36, lambda _: 1.0, "few")), ("supported", "", "cannot say"))
        self.assertIn("only 4 pairs", self.finding.calm_why)
        self.assertIn("without preempted windows: cannot say", "\n".join(self.finding.lines()))
        outcome, why, _ = self.outcome(self.preempted(30, lambda at: 0.2 + 0.015 * at, "against"))
        self.assertEqual(outcome, "cannot say")
        self.assertEqual(why, "all windows: contradicted, without preempted ones: supported")

    def test_one_thread_and_oversubscribed_cells_test_no_sign(self):
        fake = self.fake_ratio(1.5, threads=(1, 2, 4), cpus=2)
        self.assertEqual(self.outcome(fake, threads=1)[0], "not tested")
        dataset = self.dataset_of(fake)
        words = "\n".join(verdict.verdict(dataset))
        self.assertIn("1 thread (no contention", words)
        self.assertIn("4 threads (OVERSUBSCRIBED", words)
        outcomes = {finding.ratio.threads: finding.outcome for finding in verdict.findings(dataset)
                    if finding.sign.first == "rwlock_classic"}
        self.assertEqual(outcomes, {1: "not tested", 2: "supported", 4: "not tested"})

    def test_alike_needs_the_whole_interval_within_five_percent(self):
        for ratio, noise, expected in ((1.0, 0.005, "supported"), (0.8, 0.005, "contradicted"),
                                       (1.05, 0.03, "cannot say")):
            fake = self.fake(name=f"alike {ratio}")
            fake.noise = noise
            fake.factor = lambda lock, workload, threads, ratio=ratio: ratio if lock == "qrwlock" else 1.0
            self.assertEqual(self.outcome(fake, "qrwlock", "rwlock_classic")[0], expected, ratio)

    def test_sign_of_locks_that_were_not_measured_is_not_given(self):
        fake = self.fake(locks=["rwsem_3_8", "rwsem_3_10"])
        self.assertIsNone(self.outcome(fake))
        self.assertEqual(len(verdict.findings(self.dataset_of(fake))), 1)

    def test_sum_counts_every_outcome_and_names_the_machine(self):
        lines = verdict.verdict(self.dataset(self.fake_ratio(1.5)))
        words = "\n".join(lines)
        self.assertRegex(words, r"supported: 1 of 6\n    rwlock_classic faster than rwsem_3_10 \(fork_server, fork/s, ")
        self.assertIn("a machine of 2 CPUs", words)
        self.assertIn("comparisons made: 6", words)

    def test_run_without_the_debate_says_so(self):
        lines = verdict.verdict(self.dataset(self.fake(locks=["ticket", "mcs"])))
        self.assertIn("can say nothing about the signs", "\n".join(lines))


if __name__ == "__main__":
    unittest.main()
