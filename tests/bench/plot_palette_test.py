# SPDX-License-Identifier: MIT
"""Every lock looks the same everywhere and like no other, also to the colour blind."""
import pathlib
import sys
import unittest

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))

import matplotlib  # noqa: E402

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402
from matplotlib.patches import Patch  # noqa: E402

from plotting import draw, palette  # noqa: E402
from plotting.transfers import DISTANCES  # noqa: E402


class PaletteTest(unittest.TestCase):
    # Machado, Oliveira and Fernandes 2009, severity 1: protanopia, deuteranopia, tritanopia, on linear RGB.
    SIGHTS = {"protan": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
              "deutan": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
              "tritan": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
              "usual": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}

    def lab(self, colour, sight):
        part = numpy.array([int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)])
        linear = numpy.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
        seen = numpy.clip(numpy.array(self.SIGHTS[sight]) @ linear, 0, 1)
        xyz = numpy.array([[.4124, .3576, .1805], [.2126, .7152, .0722], [.0193, .1192, .9505]]) @ seen
        f = numpy.cbrt(xyz / numpy.array([.95047, 1, 1.08883]))
        return numpy.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    def known(self):
        return [(lock, palette.of(lock, family)) for family, entry in palette.FAMILIES.items() for lock in entry[2]]

    def test_no_two_locks_look_alike_to_anybody(self):
        known = self.known()
        for sight in self.SIGHTS:
            for at, (lock, (colour, shape)) in enumerate(known):
                for other, (colour2, shape2) in known[:at]:
                    apart = numpy.linalg.norm(self.lab(colour, sight) - self.lab(colour2, sight))
                    self.assertTrue(shape != shape2 or apart > 20, f"{sight}: {lock} and {other}: {shape}, {apart:.0f}")

    def test_a_legend_is_no_wider_than_its_figure(self):
        for width in (5, 6.2, 9):
            figure = pyplot.figure(figsize=(width, 2))
            draw.top_legend(figure, [Patch(label=name.replace("_", " ")) for name in DISTANCES])
            legend, = figure.legends
            self.assertLessEqual(legend.get_window_extent(figure.canvas.get_renderer()).x1, figure.bbox.x1)
            pyplot.close(figure)

    def test_style_is_of_the_lock_alone(self):
        self.assertEqual(palette.of("rwsem_3_8", "rwsem"), ("#d55e00", "v"))
        self.assertEqual(palette.of("qrwlock", "qrwlock"), ("#0072b2", "o"))
        self.assertEqual(palette.of("ticket", "ticket"), ("#000000", "s"))
        self.assertEqual(palette.of("new_lock", "rwsem"), palette.of("new_lock", "rwsem"))
        self.assertNotEqual(palette.of("absl::Mutex", "absl"), palette.of("tbb::rw_mutex", "tbb"))

    def test_lock_that_the_table_does_not_name_looks_like_none_that_it_names(self):
        named = {shape for _, (_, shape) in self.known()}
        self.assertFalse(named & set(palette.OTHER_MARKERS))
        self.assertIn(palette.of("rwsem_9_9.yield", "rwsem")[1], palette.OTHER_MARKERS)


if __name__ == "__main__":
    unittest.main()
