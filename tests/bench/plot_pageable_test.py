# SPDX-License-Identifier: MIT
"""The figure of locks by notifier policy, read off the figure itself."""
import json
import pathlib
import sys
import unittest

import matplotlib

matplotlib.use("Agg")
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(pathlib.Path(__file__).resolve().parent)]

from plot_folder import FEW, FolderTest, small  # noqa: E402
from plotting import cells, draw, pageable, palette, runfiles  # noqa: E402
from plot_test import Kept, lines_of, words  # noqa: E402

WHY = "the device's callback sleeps inside the lock of the reverse map, and this lock's waiters spin"
SPINS = FEW[0]  # rwlock_classic


class PageableTest(FolderTest):
    def run_of(self, policy, client="rdma", skipped=0.0, illegal=(), refused=(), threads=(2,)):
        """A run of one policy, as a sweep would have it among others."""
        fake = small(self.folder / f"{client}-{policy}", workloads=["reclaim_scan"], threads=threads)
        fake.uncontended = fake.untimed = False
        fake.samples = 300  # over six windows: enough for p99

        def edit(window):
            window["workload"] = pageable.WORKLOAD
            window["params"] = {"client": client, "policy": policy, "children": 4}
            window["ops"]["page_skipped"] = int(window["ops"]["page_scanned"] * skipped)
            window["ops"]["illegal_access"] = 7 if window["lock"] in illegal else 0
            if window["lock"] in illegal:
                window["flags"] += ["illegal_allowed", "check_failed"]
            return window["lock"] not in refused
        fake.edit = edit
        path = fake.write() / "run.json"
        run = json.loads(path.read_text())
        run["plan"]["refused"] = [{"workload": pageable.WORKLOAD, "lock": lock, "why": WHY, "cell": "",
                                   "params": {"client": client, "policy": policy, "children": 4}} for lock in refused]
        path.write_text(json.dumps(run))
        return path.parent

    def draw(self, *folders):
        runs = [runfiles.read_run(folder, number) for number, folder in enumerate(folders)]
        datasets = cells.datasets_of(runs)
        self.assertEqual(len(datasets), 1)
        self.dataset = datasets[0]
        writer = Kept(self.dataset)
        pageable.draw_all(writer)
        self.captions = writer.captions
        return writer.figures

    def blocks(self, figure):
        """Axes by policy, as they stand below one another."""
        count = len(pageable.PANELS)
        return [figure.axes[at:at + count] for at in range(0, len(figure.axes), count)]

    def test_a_block_a_policy_and_a_row_a_lock(self):
        figures = self.draw(self.run_of("a3"), self.run_of("a0", refused=[SPINS]), self.run_of("a5", skipped=0.4))
        self.assertEqual(list(figures), ["pageable_rdma_2"])
        blocks = self.blocks(figures["pageable_rdma_2"])
        self.assertEqual([block[0].get_title(loc="left")[:3] for block in blocks], ["a0:", "a3:", "a5:"])
        for block in blocks:
            self.assertRegex(block[0].get_xlabel(), r"A/A noise: [\d.]+ % \(2 threads\)")
            self.assertEqual([axis.get_xlabel().replace(" (log scale)", "").split(";")[0] for axis in block],
                             ["pages reclaimed/s", "wait for the lock to fork or exit", "pages skipped, of those asked",
                              "illegal accesses"])
        for column in range(3):  # one scale down a column
            self.assertEqual(len({block[column].get_xlim() for block in blocks}), 1)
        self.assertEqual(len(blocks[0][0].get_yticklabels()), len(FEW))

    def test_a_lock_has_its_colour_its_windows_and_its_intervals(self):
        block = self.blocks(self.draw(self.run_of("a3"))["pageable_rdma_2"])[0]
        for lock in FEW:
            colour, shape = palette.of(lock, self.dataset.locks[lock]["family"])
            self.assertEqual([len(line.get_xdata()) for line in lines_of(block[0], ".", colour)], [6])
            self.assertEqual(len(lines_of(block[0], "|", colour)), 1)
            marks = lines_of(block[1], shape, colour)
            self.assertEqual([line.get_markerfacecolor() for line in marks], [colour, "white"])  # p50 and p99
            self.assertLess(marks[0].get_xdata()[0], marks[1].get_xdata()[0])
        longest = lines_of(block[1], "x", draw.EDGE)
        self.assertEqual(len(longest), len(FEW))
        self.assertGreater(block[1].get_xlim()[1], max(line.get_xdata()[0] for line in longest))

    def test_refused_cells_say_why_and_are_no_zero(self):
        block = self.blocks(self.draw(self.run_of("a0", refused=[SPINS]))["pageable_rdma_2"])[0]
        texts = [text.get_text() for text in block[0].texts]
        self.assertEqual(texts, ["refused: the callback sleeps, waiters would spin"])
        self.assertEqual([text.get_text() for text in block[3].texts].count("refused"), 1)
        colour, shape = palette.of(SPINS, "rwlock")
        self.assertEqual(lines_of(block[0], shape, colour), [])

    def test_skipped_pages_are_a_share_of_those_asked(self):
        block = self.blocks(self.draw(self.run_of("a5", skipped=0.4))["pageable_rdma_2"])[0]
        colour, shape = palette.of("rwsem_3_10", "rwsem")
        self.assertAlmostEqual(lines_of(block[2], shape, colour)[0].get_xdata()[0], 40, places=1)
        self.assertEqual(block[2].xaxis.get_major_formatter()(40), "40 %")

    def test_what_breaks_is_counted_in_red_and_crossed_out(self):
        block = self.blocks(self.draw(self.run_of("late", illegal=["rwsem_3_8"]))["pageable_rdma_2"])[0]
        told = {text.get_text(): text.get_color() for text in block[3].texts}
        self.assertEqual(told, {"0": "black", "42 accesses": draw.FAILED})  # 6 windows of 7
        self.assertEqual(len(lines_of(block[0], "x", draw.FAILED)), 1)

    def test_clients_and_thread_counts_have_figures_of_their_own(self):
        figures = self.draw(self.run_of("a3", threads=(1, 2)), self.run_of("a3", client="kvm"))
        self.assertEqual(sorted(figures), ["pageable_kvm_2", "pageable_rdma_1", "pageable_rdma_2"])
        self.assertIn("pageable_reclaim, kvm, 2 threads", words(figures["pageable_kvm_2"]))

    def test_other_workloads_have_none(self):
        fake = small(self.folder / "other")
        self.assertEqual(self.draw(fake.write()), {})


if __name__ == "__main__":
    unittest.main()
