# SPDX-License-Identifier: MIT
"""Turns what the test tools say into one kind of count: cases that passed, failed (by name) and were skipped (why)."""
import dataclasses
import json
import pathlib
import re
import xml.etree.ElementTree


@dataclasses.dataclass
class Counts:
    passed: int = 0
    failed: list = dataclasses.field(default_factory=list)  # one line a failure
    skipped: list = dataclasses.field(default_factory=list)  # one line a skip, with its reason

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def line(self):
        return f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"

    @staticmethod
    def of(name, holds, why=""):
        """A single check."""
        return Counts(passed=1) if holds else Counts(failed=[f"{name}: {why}" if why else name])


def from_gtest(path, name):
    """The cases of one GoogleTest report."""
    counts = Counts()
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        title = f"{name}: {case.get('classname')}.{case.get('name')}"
        skip = case.find("skipped")
        if case.find("failure") is not None:
            counts.failed.append(title)
        elif case.get("status") != "run" or case.get("result") == "skipped":
            reason = "" if skip is None else (skip.get("message") or skip.text or "")
            # GoogleTest writes "file:line", then the reason on its own line.
            reason = " ".join(line for line in reason.split("\n") if not re.fullmatch(r"\S+:\d+", line)).strip()
            counts.skipped.append(f"{title}: {reason or 'disabled'}")
        else:
            counts.passed += 1
    return counts


def from_ctest(junit, gtest_folder):
    """All cases of a ctest run: those of the executable's own report where it left one, else the executable as one."""
    counts = Counts()
    for entry in xml.etree.ElementTree.parse(junit).getroot().iter("testcase"):
        name, status = entry.get("name"), entry.get("status")
        # tests/locks/x_test.cpp is the entry locks/x and the executable locks_x_test.
        report = pathlib.Path(gtest_folder) / (name.replace("/", "_") + "_test.xml")
        unittest = report.with_suffix(".json")
        inner = Counts()
        if report.exists():
            try:
                inner = from_gtest(report, name)
            except xml.etree.ElementTree.ParseError:
                inner = Counts()
        elif unittest.exists():
            inner = from_unittest(unittest, name, 0)
        if status == "fail" and not inner.failed:
            # A crash, a timeout, or a sanitizer that spoke at exit.
            why = entry.find("failure")
            inner.failed.append(f"{name}: {'' if why is None else why.get('message', '')}".rstrip(": "))
        elif status not in ("run", "fail") and not inner.skipped:
            inner.skipped.append(f"{name}: {status}")
        elif status == "run" and not inner.passed and not inner.skipped:
            inner.passed = 1
        counts.add(inner)
    return counts


def from_unittest(report, name, status):
    """The cases of one Python file, from the report of tests/run_unittest.py."""
    try:
        found = json.loads(pathlib.Path(report).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Counts(failed=[f"{name}: ended with status {status} before it could report"])
    counts = Counts(found["passed"], [f"{name}: {test}" for test in found["failed"]],
                    [f"{name}: {test}: {why}" for test, why in found["skipped"]])
    if status != 0 and not counts.failed:
        counts.failed.append(f"{name}: ended with status {status}")
    elif not (counts.passed or counts.failed or counts.skipped):
        counts.failed.append(f"{name}: no test ran")
    return counts
