# SPDX-License-Identifier: MIT
"""What each lock costs that nobody else wants, beside its floor, as a table in Markdown, with the reason for each cost
that lies far above."""
import fnmatch
import sys

from plotting import uncontended
from plotting.runfiles import DataError

# The goal: with work between, a lock costs at most so many times its floor. What costs more has a reason below.
GOAL = 1.10

# (locks, modes, floors, most, reason): patterns of the shell, and the largest ratio that the reason is good for; the
# first that fits is shown. A floor is part of the key because a reason is one against a certain floor: see "Uncontended
# cost" in results/README.md.
OWNER = ("The owner's name: stored at entry and, by a writer, cleared before the release, for those who spin while the "
         "owner runs. Exclusion could do without, the era could not. Compiled it is the hand-written path and these "
         "accesses (kInfo.paths, in parentheses); they cost each lock that has them about a fifth, spaced as back to "
         "back.")
WRITER_OF_GLIBC = ("Four locked instructions instead of two (disassembled, 2.36): a writer claims the lock, then the "
                   "write phase, and gives both back. With calls into the library, a look for a deadlock with itself, "
                   "and the stores of who writes.")
READER_OF_GLIBC = ("Two locked instructions as the floor (disassembled, 2.36), but behind calls into the library, with "
                   "saved registers, a look for a deadlock with itself in thread-local storage at entry and exit, and "
                   "loads of the kind and of whether processes share the lock.")
REASONS = (
    ("std::*", "write", "*", 6, WRITER_OF_GLIBC),
    ("pthread_*", "write", "*", 6, WRITER_OF_GLIBC),
    ("std::*", "read", "*", 4, READER_OF_GLIBC),
    ("pthread_*", "read", "*", 4, READER_OF_GLIBC),
    ("mutex_3_10*", "write", "subs32+addp32", 2, OWNER),
    ("rwsem_3_16*", "write", "faa64+faa64", 2, OWNER),
    ("rwsem_5_0*", "write", "faa64+faa64", 2, OWNER),
    ("rwsem_5_0*", "read", "adds64+faa64", 2, OWNER),
    ("rwsem_5_3*", "*", "*+faa64", 2, OWNER),
    ("rwsem", "*", "*+faa64", 2, OWNER),
    ("rwsem.yield", "*", "*+faa64", 2, OWNER),
)


def reason_for(lock, mode, floor, ratio):
    for locks, modes, floors, most, reason in REASONS:
        if ratio <= most and all(map(fnmatch.fnmatchcase, (lock, mode, floor), (locks, modes, floors))):
            return reason
    return None


def ns(interval):
    return f"{interval.value:.2f}"


def times(interval):
    """'1.02 [1.00, 1.03]'."""
    text = f"{interval.value:.2f}"
    return f"{text} [{interval.low:.2f}, {interval.high:.2f}]" if interval.known else text


class Row:
    """One lock in one mode."""

    def __init__(self, dataset, lock, mode):
        self.lock, self.mode = lock, mode
        self.cells, self.floor, self.spaced = [], "", None
        for spacing in ("tight", "spaced"):
            windows = dataset.uncontended.get((lock, mode, spacing))
            cost, floor, ratio, name = uncontended.costs(windows) if windows else (None, None, None, "")
            self.floor = self.floor or name
            self.cells += [ns(cost), ns(floor), times(ratio)] if windows and ratio.count else ["-", "-", "-"]
            if spacing == "spaced":
                self.spaced = ratio

    @property
    def verdict(self):
        """Whether the whole interval of the spaced ratio lies on one side of the goal."""
        if self.spaced is None or self.spaced.count == 0:
            return "not measured"
        low, high = (self.spaced.low, self.spaced.high) if self.spaced.known else (self.spaced.value,) * 2
        return "within" if high <= GOAL else "above" if low > GOAL else "cannot say"

    @property
    def reason(self):
        return reason_for(self.lock, self.mode, self.floor, self.spaced.value) if self.verdict == "above" else ""


def rows(dataset):
    return [Row(dataset, lock, mode) for lock in uncontended.locks_of(dataset) for mode in ("write", "read")
            if any((lock, mode, spacing) in dataset.uncontended for spacing in ("tight", "spaced"))]


def heading(dataset, command):
    windows = [window for windows in dataset.uncontended.values() for window in windows]
    builds = sorted({window["build"] for window in windows})
    most = max(len(windows) for windows in dataset.uncontended.values())
    return ["# What a lock costs that nobody else wants", "",
            f"Made by `{command}`; not to be edited. {dataset.label}. Build: {', '.join(builds)}; {most} repetitions, "
            "each in a process of its own.", "",
            "One thread takes and releases a lock of its own: back to back, and spaced, with work between that takes "
            "the cost out of the shadow of the",
            "neighbouring pairs. ns are medians over the repetitions. A ratio is lock over floor, both measured beside "
            "one another, with its 95 % bootstrap",
            "interval. The floor is made of the accesses that are named, in the same loop, without seam, token or lock "
            f"(results/README.md). The goal is {GOAL:.2f} spaced:",
            "a row whose whole interval lies within reaches it, one whose whole interval lies above is explained "
            "below, by number, and of the",
            "others this measurement cannot say.", ""]


def markdown(dataset, command):
    """Lines of the table, and the rows without a reason that need one."""
    if not dataset.uncontended:
        raise DataError("no uncontended costs were measured in this run")
    found, notes, missing = rows(dataset), [], []
    lines = heading(dataset, command) + [
        "| lock | mode | floor | back to back, ns | floor, ns | ratio | spaced, ns | floor, ns | ratio | goal |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"]
    for row in found:
        why = row.verdict
        if why == "above" and row.reason is None:
            missing.append(row)
            why = "above, **not explained**"
        elif why == "above":
            if row.reason not in notes:
                notes.append(row.reason)
            why = f"above ({notes.index(row.reason) + 1})"
        cells = [f"`{row.lock}`", row.mode, row.floor, *row.cells, why]
        lines.append("".join(f"| {cell} " if cell else "| " for cell in cells) + "|")
    count = {verdict: sum(row.verdict == verdict for row in found) for verdict in ("within", "above", "cannot say")}
    lines += ["", f"Of {len(found)} rows {count['within']} reach the goal, {count['above']} lie above it, and of "
              f"{count['cannot say']} this measurement cannot say."]
    if notes:
        lines += ["", "Why those above cost more:", ""] + [f"{n}. {note}" for n, note in enumerate(notes, 1)]
    return lines, missing


def show(dataset, command):
    lines, missing = markdown(dataset, command)
    print("\n".join(lines))
    for row in missing:
        print(f"plot.py: warning: {row.lock}, {row.mode}, costs {row.spaced.value:.2f} times its floor {row.floor} and "
              "plotting/costs.py gives no reason", file=sys.stderr)
