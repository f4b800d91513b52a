#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""docs/hostile-hosts.md against the tests, flags and warnings that it names."""
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cli_case import ROOT  # noqa: E402


class Table(unittest.TestCase):
    def test_every_test_of_the_table_exists(self):
        table = (ROOT / "docs" / "hostile-hosts.md").read_text()
        named = re.findall(r"`(tests/\S+?_test\.(?:py|cpp)) (\w+)`", table)
        self.assertGreater(len(named), 30)
        for path, name in named:
            text = (ROOT / path).read_text()
            self.assertRegex(text, rf"def {name}\(|TEST\(\w+, {name}\)", f"{path} has no {name}")
        mine = {name for file in ("hostile_test.py", "hostile_topology_test.py")
                for name in re.findall(r"def (test_\w+)\(", (ROOT / "tests" / "bench" / file).read_text())}
        self.assertEqual(mine - {name for _, name in named}, set(), "a condition that the table lacks")

    def test_every_warning_of_the_table_is_one(self):
        table = (ROOT / "docs" / "hostile-hosts.md").read_text()
        rules = set(re.findall(r'Rule\{"(\w+)"', (ROOT / "bench" / "environment_warnings.cpp").read_text()))
        flags = set(re.findall(r'"(\w+)":', (ROOT / "plotting" / "runfiles.py").read_text().split("}")[0]))
        for kind, known in (("warning", rules), ("flag", flags)):
            named = set(re.findall(rf"{kind} `(\w+)`", table))
            self.assertGreater(len(named), 1)
            self.assertEqual(named - known, set())


if __name__ == "__main__":
    unittest.main()
