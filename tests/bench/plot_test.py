# SPDX-License-Identifier: MIT
"""What each figure of plot.py shows, read off the figure itself."""
import pathlib
import sys
import unittest

import matplotlib

matplotlib.use("Agg")
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(pathlib.Path(__file__).resolve().parent)]

from fake_run import simulated  # noqa: E402
from plot_folder import FEW, FolderTest, small  # noqa: E402
from plotting import cells, draw, palette, ratios, runfiles, shares, stats, throughput  # noqa: E402
from plotting import transfers, uncontended, waits  # noqa: E402


class Kept(draw.Writer):
    """Keeps figures instead of writing them."""

    def __init__(self, dataset):
        super().__init__("", ["png"], dataset)
        self.figures, self.captions = {}, {}

    def save(self, figure, name, title, caption):
        self.decorate(figure, title)
        self.figures[name], self.captions[name] = figure, caption
        matplotlib.pyplot.close(figure)


def words(figure):
    """All that can be read in a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def lines_of(axis, marker=None, colour=None):
    return [line for line in axis.get_lines() if (marker is None or line.get_marker() == marker)
            and (colour is None or line.get_color() == colour)]


def bars(axis):
    """Lengths of all bars."""
    return {round(bar.get_width(), 2) for bar in axis.patches if isinstance(bar, matplotlib.patches.Rectangle)}


class FigureTest(FolderTest):
    def draw(self, kind, fake):
        self.dataset = cells.datasets_of([runfiles.read_run(fake.write(), 0)])[0]
        writer = Kept(self.dataset)
        kind.draw_all(writer)
        self.captions = writer.captions
        return writer.figures

    def fake(self, **options):
        fake = small(self.folder / f"run{len(list(self.folder.iterdir()))}", **options)
        fake.uncontended = fake.untimed = False
        return fake

    def rows(self, axis):
        return [label.get_text() for label in axis.get_yticklabels()]

    def test_throughput_of_few_thread_counts_is_rows_sorted_by_rate(self):
        figure = self.draw(throughput, self.fake())["throughput_fork_server"]
        self.assertEqual([axis.get_xlabel().split("\n")[0] for axis in figure.axes],
                         ["fork: forks/s", "exit: exits/s", "fault: faults/s"])
        self.assertEqual(self.rows(figure.axes[0]), ["rwlock_classic", "mutex_3_10 (excl.)", "rwsem_3_10", "rwsem_3_8"])
        for axis in figure.axes:
            self.assertRegex(axis.get_xlabel(), r"A/A noise: [\d.]+ % \(1 thread\), [\d.]+ % \(2 threads\)")
            self.assertEqual(axis.get_xlim()[0], 0)
            for lock in FEW:
                colour, shape = palette.of(lock, self.dataset.locks[lock]["family"])
                marks = lines_of(axis, shape, colour)
                self.assertEqual(len(marks), 2)  # one a thread count: hollow and full
                self.assertEqual({line.get_markerfacecolor() for line in marks}, {"white", colour})
                self.assertEqual([len(line.get_xdata()) for line in lines_of(axis, ".", colour)], [6, 6])  # raw windows
                self.assertEqual(len(lines_of(axis, "|", colour)), 2)  # intervals

    def test_throughput_of_many_thread_counts_is_curves(self):
        fake = self.fake(threads=(1, 2, 3, 4), cpus=4)
        figure = self.draw(throughput, fake)["throughput_fork_server"]
        self.assertEqual([axis.get_title() for axis in figure.axes], ["fork", "exit", "fault"])
        curves = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == "-"]
        self.assertEqual([len(line.get_xdata()) for line in curves].count(4), len(FEW))
        self.assertIn("A/A noise", figure.axes[0].get_xlabel())

    def test_throughput_of_many_locks_is_a_panel_a_family(self):
        locks = FEW + ["ticket", "mcs", "osq", "qspinlock", "qrwlock"]
        figures = self.draw(throughput, self.fake(locks=locks, threads=(1, 2, 3, 4), cpus=4))
        figure = figures["throughput_fork_server_fork"]
        titles = [axis.get_title() for axis in figure.axes if axis.get_visible()]
        self.assertEqual(titles, ["rwlock", "mutex", "rwsem", "ticket", "mcs", "osq", "qspinlock", "qrwlock"])
        grey = [line for line in figure.axes[0].get_lines() if line.get_color() == "#d0d0d0"]
        self.assertEqual(len(grey), len(locks) - 1)

    def test_oversubscribed_cells_stand_apart_with_their_switches(self):
        figures = self.draw(throughput, self.fake(threads=(1, 2, 4)))
        apart = figures["throughput_fork_server_oversubscribed"]
        self.assertIn("OVERSUBSCRIBED", words(apart))
        self.assertRegex(words(apart), r"preempted 40\d/s, gave up [\d.]+k/s")
        self.assertIn("4 threads", words(apart))
        self.assertNotIn("4 threads", words(figures["throughput_fork_server"]))

    def test_two_modes_are_two_medians_and_no_interval(self):
        fake = self.fake(repetitions=10)

        def edit(window):
            if window["lock"] == "rwsem_3_8" and window["threads"] == 2 and window["repetition"] < 4:
                window["ops_per_s"].update({op: 3 * rate for op, rate in window["ops_per_s"].items()})
        fake.edit = edit
        axis = self.draw(throughput, fake)["throughput_fork_server"].axes[0]
        self.assertIn("2 modes (6 + 4 windows)", [text.get_text() for text in axis.texts])
        colour, shape = palette.of("rwsem_3_8", "rwsem")
        self.assertEqual(len(lines_of(axis, shape, colour)), 3)
        self.assertEqual(len(lines_of(axis, "|", colour)), 1)

    def failed(self):
        fake = self.fake()

        def edit(window):
            if window["lock"] == "rwlock_classic" and window["threads"] == 2 and window["repetition"] == 1:
                window["checks"] = {"passed": False, "failed": ["counter: got 17, expected 18"]}
                window["flags"].append("check_failed")
        fake.edit = edit
        return fake

    def test_failed_cell_is_crossed_out_and_last(self):
        axis = self.draw(throughput, self.failed())["throughput_fork_server"].axes[0]
        self.assertEqual(len(lines_of(axis, "x", draw.FAILED)), 1)
        self.assertEqual(self.rows(axis)[-1], "rwlock_classic\nCHECK FAILED")
        self.assertEqual([label.get_color() for label in axis.get_yticklabels()], ["black"] * 3 + [draw.FAILED])

    def test_controls_are_in_no_figure(self):
        fake = self.fake(locks=FEW + ["broken"])
        fake.uncontended = True
        for kind in (throughput, waits, shares, transfers, ratios, uncontended):
            for name, figure in self.draw(kind, fake).items():
                self.assertNotIn("broken", words(figure), name)
            fake.path = self.folder / f"again{kind.__name__}"

    def test_simulated_figures_say_so_and_measured_ones_do_not(self):
        fake = simulated(self.folder / "sim", locks=FEW)
        for figure in self.draw(waits, fake).values():
            self.assertIn("SIMULATED", words(figure).split("\n"))
            self.assertIn("SIMULATED machine epyc-7742-2s; not measured", words(figure))
        for figure in self.draw(waits, self.fake()).values():
            self.assertNotIn("SIMULATED", words(figure))
            self.assertIn("measured on Imaginary CPU 9000, 2 CPUs, virtual (kvm)", words(figure))

    def test_waits_by_role_with_absent_percentiles(self):
        figure = self.draw(waits, self.fake())["waits_fork_server"]
        self.assertEqual([axis.get_title(loc="left") for axis in figure.axes],
                         ["waits to read, 1 thread", "waits to write, 1 thread", "waits to read, 2 threads",
                          "waits to write, 2 threads"])
        self.assertIn("240 timed, too few for p99", words(figure))
        axis = figure.axes[3]
        self.assertEqual(len(lines_of(axis, "|", draw.EDGE)), len(FEW))  # p90; neither p99 nor p99.9
        self.assertEqual(len(lines_of(axis, "x", draw.EDGE)), len(FEW))  # the longest
        cell = self.dataset.cell(next(iter(self.dataset.variants.values())), 2, "rwsem_3_8")
        longest = max(window["wait_ns"]["write"]["max"] for window in cell.windows)
        self.assertIn(longest, [line.get_xdata()[0] for line in lines_of(axis, "x")])
        merged = stats.Waits(cell.windows, "write")
        spans = [list(line.get_xdata()) for line in lines_of(axis, colour=palette.of("rwsem_3_8", "rwsem")[0])]
        self.assertIn([merged.percentile(0.5).value, merged.percentile(0.9).value], spans)

    def test_mode_that_nobody_used_has_no_waits(self):
        fake = self.fake()
        fake.edit = lambda window: window["wait_ns"].update({"read": None})
        figure = self.draw(waits, fake)["waits_fork_server"]
        self.assertNotIn("waits to read", words(figure))  # no panel for it
        self.assertIn("waits to write", words(figure))
        self.assertIn("Nobody took the lock to read", self.captions["waits_fork_server"])
        fake = self.fake()
        fake.edit = lambda window: window["wait_ns"].update({"read": None} if window["lock"] == "rwsem_3_8" else {})
        figure = self.draw(waits, fake)["waits_fork_server"]
        self.assertEqual(words(figure).count("not used"), 2)  # a row in both thread counts

    def test_shares_and_jain(self):
        fake = self.fake()
        fake.edit = lambda window: window["acquisitions"].update({"read": 250, "write": 750, "try_failed": 500})
        figure = self.draw(shares, fake)["shares_fork_server"]
        self.assertEqual(bars(figure.axes[0]), {0.25, 0.75})
        self.assertIn("25.0 %, 500 failed tries per 1000", words(figure))
        for colour, shape in zip(palette.TWO_COLOURS, "os"):
            self.assertEqual(len(lines_of(figure.axes[1], shape, colour)), len(FEW))
        fake = self.fake()
        fake.edit = lambda window: window["jain"].update({"read": None, "write": None})
        self.assertNotIn("fairness within a role", words(self.draw(shares, fake)["shares_fork_server"]))
        fake = self.fake()
        fake.edit = lambda window: window["jain"].update(
            {"read": None, "write": None} if window["lock"] == "rwsem_3_8" else {})
        self.assertIn("one thread a role: no index", words(self.draw(shares, fake)["shares_fork_server"]))

    def test_locks_that_do_more_work_are_named(self):
        fake = self.fake()
        fake.edit = lambda window: window.update(sites={"fork": 300, "drain": 100})
        self.draw(throughput, fake)
        self.assertNotIn("cannot be asked", self.captions["throughput_fork_server"])
        fake = self.fake()
        fake.info = lambda name, info=fake.info: {**info(name), "is_locked": name != "mutex_3_10"}
        fake.edit = lambda window: window.update(sites={"fork": 300, "drain": 100})
        self.draw(throughput, fake)
        self.assertIn("mutex_3_10 cannot be asked whether they are held: before an anon_vma ends they are taken once "
                      "more, up to 25 % of their acquisitions", self.captions["throughput_fork_server"])

    def test_handoffs_by_distance(self):
        figure = self.draw(transfers, self.fake())["transfers_fork_server"]
        self.assertIn("45.0 % moved", words(figure))
        self.assertEqual(bars(figure.axes[0]), {0.0, 0.45, 0.55})
        fake = self.fake()
        fake.edit = lambda window: window.update(handoff={**dict.fromkeys(window["handoff"], 0), "unknown": 9})
        self.assertIn("0.0 % moved", words(self.draw(transfers, fake)["transfers_fork_server"]))  # nobody wrote

    def test_a_pair_of_too_few_windows_is_not_called_absent(self):
        fake = self.fake()
        fake.repetitions = 3
        axis = self.draw(throughput, fake)["throughput_fork_server"].axes[0]
        self.assertIn("A/A noise: unknown, too few windows for an interval", axis.get_xlabel())
        fake = self.fake()
        fake.aa_lock = None
        axis = self.draw(throughput, fake)["throughput_fork_server"].axes[0]
        self.assertIn("A/A noise: unknown, no pair in this run", axis.get_xlabel())

    def test_software_counters_are_not_called_bouncing(self):
        figure = self.draw(transfers, self.fake())["transfers_fork_server"]
        self.assertIn("voluntary_switches\n(software:\ngetrusage)", words(figure))
        self.assertNotIn("hitm", words(figure))  # not to be had: not drawn, never as 0
        self.assertNotIn("bouncing", words(figure) + self.captions["transfers_fork_server"])
        self.assertEqual(transfers.missing_counters(self.dataset),
                         {"hitm_loads_local": "This machine has no PMU: a hypervisor hides it."})

    def test_hardware_counters_by_level(self):
        fake = self.fake()
        fake.hardware = {"hitm_loads_local": (1, 0.31), "lock_instructions": (4, 2.0)}
        figure = self.draw(transfers, fake)["transfers_fork_server"]
        self.assertIn("hitm_loads_local\n(hardware: lines taken\nfrom another core)", words(figure))
        self.assertIn("lock_instructions\n(hardware,\nNOT transfers)", words(figure))
        self.assertIn("bouncing", self.captions["transfers_fork_server"])
        axis = next(axis for axis in figure.axes if axis.get_title(loc="left").startswith("hitm"))
        self.assertAlmostEqual(lines_of(axis, "X")[0].get_xdata()[0], 310, delta=1)  # per 1000 acquisitions
        self.assertEqual(axis.get_xlabel(), "per 1000 acquisitions")
        fake = self.fake()
        fake.hardware = {"lock_instructions": (4, 2.0), "task_clock": (5, 700)}
        figure = self.draw(transfers, fake)["transfers_fork_server"]
        axis = next(axis for axis in figure.axes if axis.get_title(loc="left").startswith("task_clock"))
        self.assertEqual(axis.get_xlabel(), "ns per acquisition")
        self.assertAlmostEqual(lines_of(axis, "X")[0].get_xdata()[0], 700, delta=1)
        self.assertNotIn("bouncing", self.captions["transfers_fork_server"])

    def test_scaled_counters_are_said_to_be(self):
        fake = self.fake()
        fake.hardware = {"hitm_loads_local": (1, 0.31), "cycles": (4, 2.0)}
        self.draw(transfers, fake)
        self.assertNotIn("Took turns", self.captions["transfers_fork_server"])
        fake = self.fake()
        fake.hardware = {"hitm_loads_local": (1, 0.31), "cycles": (4, 2.0)}
        fake.edit = lambda window: window.update(counters_share={"cycles": 0.25 if window["repetition"] else 0.5})
        self.draw(transfers, fake)
        self.assertIn("values scaled up from the part of the window they counted: cycles (down to 25 %).",
                      self.captions["transfers_fork_server"])

    def test_uncontended_cost_against_its_floor(self):
        fake = self.fake()
        fake.uncontended = True
        figure = self.draw(uncontended, fake)["uncontended"]
        titles = [axis.get_title(loc="left") for axis in figure.axes]
        self.assertEqual([title.split(":")[0] for title in titles],
                         ["write, tight", "read, tight", "write, spaced", "read, spaced"])
        self.assertEqual(self.rows(figure.axes[0]), ["rwlock_classic", "rwsem_3_10", "mutex_3_10 (excl.)", "rwsem_3_8"])
        self.assertRegex(words(figure), r"1\.0\d × xadd32\+xadd32\n\[1\.0\d, 1\.\d\d\]")
        self.assertEqual(words(figure).count("excl.: has no read mode"), 2)
        floors = [line.get_xdata()[0] for line in lines_of(figure.axes[0], "|", draw.EDGE)]
        self.assertEqual(len(floors), len(FEW))
        self.assertAlmostEqual(min(floors), 11.9, delta=0.3)
        self.assertNotIn("beyond", words(figure))

    def test_uncontended_repetition_far_off_is_told_and_does_not_squeeze_the_rest(self):
        fake = self.fake()
        fake.uncontended = True
        fake.repetitions = 12  # one in a dozen leaves the interval of the median where it is
        off = []

        def edit(window):
            if window["workload"] == "uncontended" and not off:
                off.append(window["uncontended"])
                window["uncontended"]["cost_ns"] = 4321.0
        fake.edit = edit
        figure = self.draw(uncontended, fake)["uncontended"]
        self.assertRegex(words(figure), r"1 of \d+ repetitions beyond,\nup to 4321 ns")
        self.assertLess(max(axis.get_xlim()[1] for axis in figure.axes), 200)

    def test_ratios_stand_against_the_noise(self):
        figure = self.draw(ratios, self.fake(repetitions=10))["ratios"]
        rows = self.rows(figure.axes[0])
        self.assertEqual(rows[0], "fork_server, 2 threads")  # one thread tests no sign
        self.assertIn("rwsem_3_10 / rwsem_3_8, fork/s", rows)
        self.assertIn("A/A: rwsem_3_10 / itself, fork/s", rows)
        self.assertEqual([text.get_text() for text in figure.axes[0].texts].count("supported"), 3)
        self.assertEqual(len(figure.axes[0].collections), 3)  # a band of noise behind each claim


if __name__ == "__main__":
    unittest.main()
