# SPDX-License-Identifier: MIT
"""results/explore-speed.md: its rows are those that its program prints, with the same counts; what its words say of its
numbers. Times are the recording machine's."""
import os
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("LOCKBENCH_BUILD_DIR", ROOT / "build" / "release"))
UNITS = {"": 1.0, "k": 1e3, "M": 1e6}


def rows_of(text):
    cells = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in text.splitlines()
             if line.startswith("| ")]
    return cells[2:]


def number(text):
    value, unit = re.match(r"([\d.]+) ?([kM]?)", text).groups()
    return float(value) * UNITS[unit]


class ExploreSpeedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.page = rows_of((ROOT / "results/explore-speed.md").read_text(encoding="utf-8"))

    def run_it(self, *arguments):
        return subprocess.run([BUILD / "explore_speed", *arguments], capture_output=True, text=True, check=False)

    def test_its_rows_are_what_the_program_counts(self):
        done = self.run_it("1")
        self.assertEqual(done.returncode, 0, done.stderr)
        fixed = [0, 1, 2, 5]  # what, counted, the peer's time, the goal
        self.assertEqual([[row[i] for i in fixed] for row in rows_of(done.stdout)],
                         [[row[i] for i in fixed] for row in self.page])

    def test_its_words_are_true_of_its_numbers(self):
        self.assertGreaterEqual(len(self.page), 6)
        for what, _, peer, here, factor, goal, said in self.page:
            middle, least, most = (number(part) for part in re.match(r"(.*?) \[(.*), (.*)\]", here).groups())
            self.assertTrue(least <= middle <= most, what)
            rate = not peer
            reached = [each >= number(goal) if rate else each <= number(goal)
                       for each in ((least if rate else most), middle)]
            self.assertEqual(said, "reached" if reached[0] else "by the median" if reached[1] else "missed", what)
            if peer:
                self.assertAlmostEqual(number(factor), number(peer) / middle, delta=number(factor) * 0.1, msg=what)

    def test_bad_arguments_are_told(self):
        for arguments in (["0"], ["-1"], ["1.5"], ["x"], ["1001"]):
            done = self.run_it(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertIn("repetitions are a number from 1 to 1000", done.stderr)
        self.assertEqual(self.run_it("1", "2").returncode, 2)


if __name__ == "__main__":
    unittest.main()
