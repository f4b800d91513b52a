# SPDX-License-Identifier: MIT
"""The drawing of the machine: what topology.xml is read as, what is drawn of it, and where threads stand."""
import contextlib
import io
import pathlib
import re
import sys
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from plot_folder import FolderTest, run_plot, small  # noqa: E402
from fake_topology import Shape, mask  # noqa: E402
from plotting import draw, machine, topology  # noqa: E402


class ReadTest(FolderTest):
    def read(self, shape, allowed=None):
        path = self.folder / "topology.xml"
        path.write_text(shape.xml() if isinstance(shape, Shape) else shape)
        return machine.read(path, allowed)

    def test_what_cpus_share(self):
        found = self.read(Shape((2, 2, 2, 2, 2)))
        self.assertEqual(len(found.cpus), 32)
        self.assertEqual([(cpu.number, cpu.groups) for cpu in found.cpus[:5]],
                         [(0, (0, 0, 0, 0)), (16, (0, 0, 0, 0)), (1, (0, 0, 0, 1)), (17, (0, 0, 0, 1)),
                          (2, (0, 0, 1, 2))])
        self.assertEqual(found.cpus[-1].groups, (1, 3, 7, 15))
        self.assertEqual(found.nodes, {number: 64 << 30 for number in range(4)})
        self.assertEqual(found.caches, [(3, 32 << 20)] * 8)

    def test_hidden_offline_and_bare(self):
        found = self.read(Shape((1, 1, 1, 40, 2), allowed=range(0, 70), offline=[3, 79], bare=1 << 30), "0-1,60-79")
        self.assertEqual({cpu.number for cpu in found.cpus if cpu.allowed}, {0, 1, *range(60, 70)})
        self.assertEqual(found.offline, [3, 79])
        self.assertEqual(found.bare_nodes(), [1])

    def test_sets_and_lists(self):
        for bits in ([], [0], [31, 32], [0, 95]):
            self.assertEqual(machine.members(mask(bits)), bits)
        self.assertEqual(machine.members("0x1,,0x2"), [1, 64], "an empty word is 0")
        self.assertEqual(machine.numbers("0-2,8"), [0, 1, 2, 8])
        self.assertEqual(topology.ranges([3, 1, 2, 9]), "1-3,9")

    def test_what_a_description_lacks(self):
        bare = ('<topology version="2.0"><object type="Machine" cpuset="0x3" complete_cpuset="0x3">'
                '<object type="NUMANode" os_index="0"/><object type="PU" os_index="0"/><object type="PU" os_index="1"/>'
                '</object></topology>')
        found = self.read(bare)
        self.assertEqual([cpu.groups for cpu in found.cpus], [(0, 0, 0, 0), (0, 0, 0, 1)])
        self.assertEqual(found.caches, [(0, 0)])

    def test_broken_files(self):
        for text, words in (("", "no XML"), ("<topology/>", "holds no topology"), ("<a><object/></a>", "no topology"),
                            ('<topology><object cpuset="0x1"/></topology>', "no CPU"),
                            ('<topology><object cpuset="x"/></topology>', "")):
            with self.assertRaisesRegex(ValueError, words):
                self.read(text)


class TreeTest(FolderTest):
    def tree(self, counts):
        path = self.folder / "topology.xml"
        path.write_text(Shape(counts).xml())
        return machine.tree(machine.read(path, None))

    def test_levels_that_hold_the_same_share_a_box(self):
        laptop = self.tree((1, 1, 1, 8, 2))
        self.assertEqual([part.name for part in laptop.parts], ["package 0, node 0 (64 GiB), L3 0 (32 MiB)"])
        self.assertEqual(len(laptop.leaves()), 8)
        nested = self.tree((2, 2, 2, 2, 1)).parts[1]
        self.assertEqual((nested.name, nested.parts[0].name, nested.parts[0].parts[1].name),
                         ("package 1", "node 2 (64 GiB)", "L3 5 (32 MiB)"))
        self.assertEqual(self.tree((1, 1, 4, 1, 2)).parts[0].parts[0].level, "core", "no box around a core's own cache")

    def test_large_machines_are_cut_where_they_can_be_drawn(self):
        self.assertEqual({leaf.level for leaf in topology.collapse(self.tree((2, 1, 8, 8, 2)), 64).leaves()}, {"llc"})
        wide = topology.collapse(self.tree((24, 1, 8, 2, 2)), 64)
        self.assertEqual((len(wide.leaves()), wide.leaves()[0].name), (24, "package 0, node 0 (64 GiB)"))
        self.assertEqual(sum(len(leaf.cpus) for leaf in wide.leaves()), 768)


class PlacedTest(unittest.TestCase):
    @staticmethod
    def placed(*cells):
        keys = ("placement", "workload", "cpus", "oversubscribed")
        run = types.SimpleNamespace(info={"plan": {"cells": [dict(zip(keys, cell)) for cell in cells]}})
        return topology.placed(types.SimpleNamespace(runs=[run]))

    def test_the_most_threads_with_a_cpu_each(self):
        self.assertEqual(self.placed(("compact", "w", [0], False), ("compact", "w", [0, 1], False),
                                     ("compact", "w", [0, 1, 0], True)), [("compact: 2 threads", (0, 1))])
        self.assertEqual(self.placed(("compact", "w", [0, 1, 0], True)), [("compact: 3 threads", (0, 1, 0))])

    def test_workloads_that_differ_stand_apart(self):
        self.assertEqual(self.placed(("readers_remote", "a", [0, 8], False), ("readers_remote", "b", [8, 9], False),
                                     ("readers_remote", "c", [0, 8], False), ("unpinned", "a", [-1], False)),
                         [("readers_remote (a, c): 2 threads", (0, 8)), ("readers_remote (b): 2 threads", (8, 9)),
                          ("unpinned: 1 thread, on any usable CPU", (-1,))])


class FigureTest(FolderTest):
    def test_the_report_has_the_drawing_beside_the_host(self):
        path = small(self.folder / "run").write()
        (path / "topology.xml").write_text(Shape((1, 1, 1, 2, 1)).xml())
        done = run_plot(path, "--format=svg")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(f"plot: {path / 'plots/topology.svg'}", done.stdout)
        report = (path / "report.html").read_text()
        self.assertEqual(report.count('<figure id="topology">'), 1)
        self.assertLess(report.index("Host and plan"), report.index('<figure id="topology">'))


class DrawingTest(FolderTest):
    """Texts of a drawing as matplotlib has them."""

    def drawn(self, cells):
        """([(figure, caption)], warnings) of what is in the folder."""
        run = types.SimpleNamespace(path=self.folder, host={}, warnings=[], info={"plan": {"cells": [
            {"placement": name, "workload": "w", "cpus": cpus, "oversubscribed": False} for name, cpus in cells]}})
        dataset = types.SimpleNamespace(runs=[run], simulated=False, label="made up")
        writer = draw.Writer(self.folder, ["svg"], dataset)
        seen = []
        writer.save = lambda figure, name, title, caption: seen.append((figure, caption))
        topology.draw_all(writer)
        return seen, run.warnings

    def texts(self, shape, cells):
        (self.folder / "topology.xml").write_text(shape.xml())
        figure, caption = self.drawn(cells)[0][0]
        return [text.get_text() for axis in figure.axes for text in axis.texts], caption, figure

    def test_without_a_file_or_with_a_broken_one_there_is_no_drawing(self):
        self.assertEqual(self.drawn([("compact", [0])]), ([], []))
        (self.folder / "topology.xml").write_text("<topology>")
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            seen, warnings = self.drawn([("compact", [0])])
        self.assertEqual((seen, len(warnings)), ([], 1))
        self.assertIn("topology.xml cannot be drawn: it is no XML", warnings[0])
        self.assertIn(warnings[0], errors.getvalue())

    def test_each_cpu_has_its_number_and_its_thread(self):
        texts, _, _ = self.texts(Shape((1, 1, 1, 2, 2)), [("smt_last", [0, 1, 2])])
        self.assertIn("smt_last: 3 threads", texts)
        pairs = re.findall(r"(\d+) (\d+)", " ".join(text for text in texts if text.isdigit()))
        # CPUs 0 and 2 are a core, 1 and 3 the other; CPU 3 has no thread.
        self.assertEqual(pairs[:3], [("0", "0"), ("2", "2"), ("1", "1")])
        self.assertEqual(sum(text.isdigit() for text in texts), 7)

    def test_large_machines_show_ranges(self):
        texts, _, figure = self.texts(Shape((2, 1, 8, 8, 2)), [("compact", [0, 128, 1, 129])])
        self.assertIn("CPUs 0-7,128-135", texts)
        self.assertIn("threads 0-3", texts)
        self.assertEqual(texts.count("no thread"), 15)
        self.assertLess(figure.get_figwidth(), 12)

    def test_a_machine_of_1024_cpus_fits_a_page(self):
        _, _, figure = self.texts(Shape((16, 1, 1, 32, 2)), [("compact", list(range(1024)))])
        self.assertLess(figure.get_figwidth(), 12)
        self.assertLess(figure.get_figheight(), 8)

    def test_what_is_not_drawn_is_said(self):
        _, caption, _ = self.texts(Shape((1, 1, 1, 4, 1), allowed=[0, 1, 2], offline=[3], bare=16 << 30),
                                   [("compact", [0])])
        self.assertIn("Without CPUs: node 1 (16 GiB).", caption)
        self.assertIn("Offline: CPUs 3.", caption)
        _, caption, _ = self.texts(Shape((1, 1, 1, 4, 1), allowed=[0]), [(f"p{at}", [at]) for at in range(10)])
        self.assertIn("Hidden from the run (grey): CPUs 1-3.", caption)
        self.assertIn("2 more lists of CPUs are in run.json.", caption)


if __name__ == "__main__":
    unittest.main()
