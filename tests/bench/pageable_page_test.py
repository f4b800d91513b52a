#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""docs/pageable.md has the table of legal cells that the code has: fails when the page is stale.

By hand, after a build: tests/bench/pageable_page_test.py --write
"""
import json
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from cli_case import ROOT, lockbench  # noqa: E402

PAGE = ROOT / "docs" / "pageable.md"
TABLE = re.compile(r"^\| client \|.*\n(?:\|.*\n)+", re.M)


def table():
    cells = json.loads(lockbench("list", "notifiers", "--json").stdout)
    clients = list(dict.fromkeys(cell["client"] for cell in cells))
    policies = list(dict.fromkeys(cell["policy"] for cell in cells))
    legal = {(cell["client"], cell["policy"], cell["lock_kind"]) for cell in cells if cell["legal"]}

    def word(client, policy):
        if (client, policy, "spin") in legal:
            return "any"
        return "sleeping" if (client, policy, "sleep") in legal else "illegal"
    lines = [f"| client | {' | '.join(policies)} |", "| --- " * (len(policies) + 1) + "|"]
    lines += [f"| `{client}` | {' | '.join(word(client, policy) for policy in policies)} |" for client in clients]
    return "\n".join(lines) + "\n"


class PageTest(unittest.TestCase):
    def test_page_has_the_codes_table(self):
        found = TABLE.search(PAGE.read_text(encoding="utf-8"))
        self.assertEqual(found and found.group(0), table(), "stale; write it anew with pageable_page_test.py --write")

    def test_page_tells_of_every_policy_and_client(self):
        text = PAGE.read_text(encoding="utf-8")
        for cell in json.loads(lockbench("list", "notifiers", "--json").stdout):
            self.assertIn(f"| `{cell['policy']}` |", text)
            self.assertIn(f"| `{cell['client']}` |", text)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(TABLE.sub(lambda _: table(), PAGE.read_text(encoding="utf-8"), count=1), encoding="utf-8")
    else:
        unittest.main()
