# SPDX-License-Identifier: MIT
"""A native run beside a simulated one of the same machine: whether the locks come in the same order, how far off the
rates are."""
import statistics

from plotting import runfiles


class Row:
    """One workload and thread count: the locks that both runs have."""

    def __init__(self, workload, threads, op, pairs):
        self.workload, self.threads, self.op = workload, threads, op
        self.pairs = pairs  # (lock, native cell, simulated cell)

    def rates(self, pair):
        return pair[1].rate(self.op), pair[2].rate(self.op)

    def ordered(self, told_apart):
        """(pairs of locks in the same order, in the opposite one). `told_apart`: only those whose native intervals do
        not meet; the others have no order that anything could be held to."""
        same = opposite = 0
        for place, first in enumerate(self.pairs):
            for second in self.pairs[place + 1:]:
                (a, simulated_a), (b, simulated_b) = self.rates(first), self.rates(second)
                if told_apart and not apart(a, b):
                    continue
                product = (a.value - b.value) * (simulated_a.value - simulated_b.value)
                same += product > 0
                opposite += product < 0
        return same, opposite

    def errors(self, spinning):
        """Simulated over native, less one, by lock. `spinning`: of cells in which nobody slept."""
        found = []
        for pair in self.pairs:
            native, simulated = self.rates(pair)
            if native.value and (not spinning or not slept(pair[1])):
                found.append(simulated.value / native.value - 1)
        return found


def apart(a, b):
    return a.known and b.known and (a.high < b.low or b.high < a.low)


def slept(cell):
    return any((window["events"] or {}).get("slept") for window in cell.windows)


def tau(same, opposite):
    """Kendall's, of pairs that are not tied; None of nothing."""
    return None if same + opposite == 0 else (same - opposite) / (same + opposite)


def rows(native, simulated):
    found = []
    for variant in native.variants.values():
        for threads in native.threads_of(variant):
            for op, _ in native.headline_ops(variant.workload)[:1]:
                pairs = [(cell.lock, cell, other) for cell in native.cells_of(variant, threads)
                         if not cell.failed and cell.rates(op)
                         and (other := simulated.cell(variant, threads, cell.lock)) and other.rates(op)]
                if pairs:
                    found.append(Row(variant.title, threads, op, pairs))
    return found


def percent(values):
    return f"{100 * statistics.median(abs(value) for value in values):.0f} %" if values else "-"


def number(value):
    return "-" if value is None else f"{value:+.2f}"


def markdown(datasets, command):
    """The lines of the page. Raises UsageError unless there is one native and one simulated dataset."""
    if [dataset.simulated for dataset in datasets] != [False, True]:
        raise runfiles.UsageError("--table=agreement: of one native run and one simulated run of the same machine")
    found = rows(*datasets)
    if not found:
        raise runfiles.UsageError("--table=agreement: the runs have no lock, workload and thread count in common")
    lines = ["# A simulation beside its host", "",
             f"Made by `{command}`. {datasets[0].label}; beside it {datasets[1].label}.", "",
             "Kendall's tau: 1 where both have the locks in the same order, -1 in the opposite one; first of all pairs "
             "of locks, then of those whose native 95 % intervals do not meet. Error: median of "
             "|simulated / native - 1| over the locks, and over those of which nobody slept.", "",
             "| workload | threads | locks | tau, all | tau, told apart | error | nobody slept |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    sums = {False: [0, 0], True: [0, 0]}
    for row in found:
        told = {}
        for apart_only, total in sums.items():
            same, opposite = row.ordered(apart_only)
            total[0] += same
            total[1] += opposite
            told[apart_only] = f"{number(tau(same, opposite))} of {same + opposite}"
        lines.append(f"| {row.workload} | {row.threads} | {len(row.pairs)} | {told[False]} | {told[True]} | "
                     f"{percent(row.errors(False))} | {percent(row.errors(True))} |")
    every, spinning = ([error for row in found for error in row.errors(only)] for only in (False, True))
    lines += ["", f"Over all: tau {number(tau(*sums[False]))} of {sum(sums[False])} pairs, "
                  f"{number(tau(*sums[True]))} of {sum(sums[True])} told apart; error {percent(every)}, "
                  f"{percent(spinning)} where nobody slept ({len(spinning)} of {len(every)})."]
    return lines
