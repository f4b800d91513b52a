#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""usage: run_unittest.py tests/x/y_test.py [REPORT]: runs one file of unittest cases and writes what became of each.

Without REPORT, as ctest runs it, into x_y_test.json of the folder LOCKBENCH_CASES; without that, nowhere.
"""
import json
import os
import pathlib
import sys
import unittest


class Recorder(unittest.TextTestResult):
    """Prints as usual, and keeps names and reasons."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.report = {"passed": 0, "failed": [], "skipped": []}

    @staticmethod
    def name(test):
        return getattr(test, "_testMethodName", None) or str(test)

    def failed(self, test):
        if self.name(test) not in self.report["failed"]:
            self.report["failed"].append(self.name(test))

    def addSuccess(self, test):
        super().addSuccess(test)
        self.report["passed"] += 1

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.report["passed"] += 1

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.failed(test)

    def addError(self, test, err):
        super().addError(test, err)
        self.failed(test)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.failed(test)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.failed(test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.report["skipped"].append([self.name(test), reason])


def main(path, report=None):
    if report is None and os.environ.get("LOCKBENCH_CASES"):
        name = path.removesuffix(".py").removeprefix("tests/").replace("/", "_")
        report = pathlib.Path(os.environ["LOCKBENCH_CASES"]) / f"{name}.json"
        report.parent.mkdir(parents=True, exist_ok=True)  # GoogleTest makes it too, where it comes first
    # The folder this is called in holds the file, so that the file's module has one name whoever runs it.
    sys.path.insert(0, os.getcwd())
    module = path.removesuffix(".py").replace("/", ".")
    suite = unittest.defaultTestLoader.loadTestsFromName(module)
    result = unittest.TextTestRunner(verbosity=2, resultclass=Recorder).run(suite)
    if report is not None:
        pathlib.Path(report).write_text(json.dumps(result.report), encoding="utf-8")
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
