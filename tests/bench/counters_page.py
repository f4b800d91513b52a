#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the table of docs/counters.md anew, from `lockbench list events --json` of the built tool."""
import json
import sys

from cli_case import ROOT, lockbench

BEGIN = "<!-- table: written by tests/bench/counters_page.py -->"
END = "<!-- end of the table -->"
HEADER = ["CPUs (libpfm4)", "counter", "level", "event", "asked by", "code", "tested without hardware",
          "counted on hardware"]


def cells(event):
    none = event["event"] is None
    return [f"{event['cpus']} ({', '.join(event['pmus'].split())})", f"`{event['counter']}`", str(event["level"]),
            f"none: {event['reason']}" if none else f"`{event['event']}`", event["by"] or "-",
            "-" if none else f"`{event['code']}`", event["tested"] or "-",
            "-" if none else event["counted_on"] or "never"]


def table(events):
    lines = [HEADER, ["---"] * len(HEADER), *map(cells, events)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def parts(page):
    """What stands before the table, the table, and what stands behind it."""
    head, rest = page.split(BEGIN + "\n")
    inside, tail = rest.split(END)
    return head + BEGIN + "\n", inside, END + tail


def table_of(page):
    return parts(page)[1]


def main():
    path = ROOT / "docs" / "counters.md"
    head, _, tail = parts(path.read_text())
    events = json.loads(lockbench("list", "events", "--json").stdout)
    path.write_text(head + table(events) + tail)
    return 0


if __name__ == "__main__":
    sys.exit(main())
