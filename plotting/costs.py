# SPDX-License-Identifier: MIT
"""What each lock costs that nobody else wants, beside its floor, as a table in Markdown, with the reason for each cost
that lies far above."""
import fnmatch
import sys

from plotting import uncontended
from plotting.runfiles import DataError

# The goal: with work between, a lock costs at most so many times its floor. What costs more has a reason below.
GOAL = 1.10

# (locks, modes, floors, reason), each but the reason a pattern of the shell's; the first that fits is shown. A floor is
# part of the key because a reason is one against a certain floor: see "Uncontended cost" in results/README.md.
UNREAD = ("The floor of this run is too low: its additions leave their results unread. A lock has to read them, to "
          "learn whether it got in and whom to wake. Compiled it makes these atomics, reads their results, and no more "
          "(tests/platform/codegen_test.py); floors named faa, adds, subs, subz or addp do the same.")
JUMP = (" And GCC laid the uncontended way out with a taken jump, right before the gap; that was ours, and it runs "
        "straight on since. What share was the jump's is not known: it was seen in the code, and not measured.")
OWNER = ("The owner's name: stored at entry and, by a writer, cleared before the release, for those who spin while the "
         "owner runs. Exclusion could do without, the era could not. Compiled it is the hand-written path and these "
         "accesses (kInfo.paths, in parentheses).")
OWNER_UNREAD = OWNER + " And the floor of this run is too low: it leaves the results of its additions unread."
WRITER_OF_GLIBC = ("Four locked instructions instead of two (disassembled, 2.36): a writer claims the lock, then the "
                   "write phase, and gives both back. With calls into the library, a look for a deadlock with itself, "
                   "and the stores of who writes.")
READER_OF_GLIBC = ("Two locked instructions as the floor (disassembled, 2.36), but behind calls into the library, with "
                   "saved registers, a look for a deadlock with itself in thread-local storage at entry and exit, and "
                   "loads of the kind and of whether processes share the lock.")
REASONS = (
    ("std::*", "write", "*", WRITER_OF_GLIBC),
    ("pthread_*", "write", "*", WRITER_OF_GLIBC),
    ("std::*", "read", "*", READER_OF_GLIBC),
    ("pthread_*", "read", "*", READER_OF_GLIBC),
    # Floors that read their results.
    ("mutex_3_10*", "write", "subs32+addp32", OWNER),
    ("rwsem_3_16*", "write", "faa64+faa64", OWNER),
    ("rwsem_5_0*", "write", "faa64+faa64", OWNER),
    ("rwsem_5_0*", "read", "adds64+faa64", OWNER),
    ("rwsem_5_3*", "*", "*+faa64", OWNER),
    ("rwsem", "*", "*+faa64", OWNER),
    ("rwsem.yield", "*", "*+faa64", OWNER),
    # Floors until November 2026, whose xadd was an addition without a result.
    ("mutex_3_10", "write", "xadd32+xadd32", OWNER_UNREAD),
    ("rwsem_3_16", "write", "xadd64+xadd64", OWNER_UNREAD + JUMP),
    ("rwsem_3_*", "*", "xadd64+xadd64", UNREAD + JUMP),
    ("rwsem", "*", "*+xadd64", OWNER_UNREAD),
    ("qrwlock*", "read", "xadd32+xadd32", UNREAD),
    ("ticket", "write", "xadd32+st16",
     "The lock looks at whether its ticket is served, and at release reads the half that it owns back from the word; "
     "the floor of this run kept both in a register."),
    ("mcs", "write", "xchg64+cas64",
     "The queue node: two stores that the exchange of the tail has to wait for, and a look at the link before the "
     "release. A queue lock cannot do without; the floor of this run did." + JUMP),
    ("osq", "write", "xchg32+cas32",
     "The queue node: three stores that the exchange of the tail has to wait for. The floor of this run did without. "
     "And a place among the thread's nodes was chosen and given back at each acquisition; that was ours and is gone "
     "since: a token keeps its node."),
)


def reason_for(lock, mode, floor):
    for locks, modes, floors, reason in REASONS:
        if all(map(fnmatch.fnmatchcase, (lock, mode, floor), (locks, modes, floors))):
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
    def above(self):
        return self.spaced is not None and self.spaced.count > 0 and self.spaced.value > GOAL

    @property
    def reason(self):
        return reason_for(self.lock, self.mode, self.floor) if self.above else ""


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
            f"(results/README.md). The goal is {GOAL:.2f} spaced;",
            "what lies above is explained below, by number.", ""]


def markdown(dataset, command):
    """Lines of the table, and the rows without a reason that need one."""
    if not dataset.uncontended:
        raise DataError("no uncontended costs were measured in this run")
    found, notes, missing = rows(dataset), [], []
    lines = heading(dataset, command) + [
        "| lock | mode | floor | back to back, ns | floor, ns | ratio | spaced, ns | floor, ns | ratio | why |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"]
    for row in found:
        why = ""
        if row.above and row.reason is None:
            missing.append(row)
            why = "**not explained**"
        elif row.above:
            if row.reason not in notes:
                notes.append(row.reason)
            why = f"({notes.index(row.reason) + 1})"
        cells = [f"`{row.lock}`", row.mode, row.floor, *row.cells, why]
        lines.append("".join(f"| {cell} " if cell else "| " for cell in cells) + "|")
    within = sum(1 for row in found if row.spaced is not None and row.spaced.count and not row.above)
    lines += ["", f"{within} of {len(found)} rows reach the goal."]
    if notes:
        lines += ["", "Why the others cost more:", ""] + [f"{n}. {note}" for n, note in enumerate(notes, 1)]
    return lines, missing


def show(dataset, command):
    lines, missing = markdown(dataset, command)
    print("\n".join(lines))
    for row in missing:
        print(f"plot.py: warning: {row.lock}, {row.mode}, costs {row.spaced.value:.2f} times its floor {row.floor} and "
              "plotting/costs.py gives no reason", file=sys.stderr)
