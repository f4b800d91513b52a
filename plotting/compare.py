# SPDX-License-Identifier: MIT
"""Two locks compared: the ratio of their rates, its interval, and what of it stands out of the noise."""
import dataclasses
import math

from plotting import cells, stats

ALIKE = 1.05  # "about the same" means within 5 %


@dataclasses.dataclass(frozen=True)
class Floor:
    """The noise of a run as an A/A pair shows it: a factor; no smaller difference is called one."""
    factor: float  # nan where no pair can tell
    source: str  # words: which pair
    interval: stats.Interval  # of the pair itself

    @property
    def known(self):
        return not math.isnan(self.factor)

    @property
    def percent(self):
        return (self.factor - 1) * 100

    @property
    def words(self):
        return f"{self.percent:.1f} %" if self.factor < 2 else f"a factor of {self.factor:.3g}"


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Rate of `first` over rate of `second` in one operation on one variant and thread count."""
    variant: cells.Variant
    threads: int
    op: str
    first: str
    second: str
    all_windows: stats.Interval
    undisturbed: stats.Interval  # without blocks in which either was preempted
    floor: Floor
    bimodal: tuple  # which of the two are
    failed: tuple  # which of the two broke an invariant
    same_side: bool  # every single pair of windows lies beyond the floor on the same side of 1
    oversubscribed: bool

    def reading(self, interval, min_pairs=stats.MIN_PAIRS):
        """("faster" | "slower" | "alike" | None, why None)."""
        if self.failed:
            return None, f"{' and '.join(self.failed)} failed the checks"
        if interval.count < min_pairs or not interval.known:
            return None, f"only {interval.count} pairs, an interval needs {min_pairs}"
        if not self.floor.known:
            return None, "no A/A pair tells the noise of this run"
        if self.bimodal and not self.same_side:
            return None, f"{' and '.join(self.bimodal)}: two modes, no single number"
        if interval.low <= 1 <= interval.high:
            if interval.low >= 1 / ALIKE and interval.high <= ALIKE:
                return "alike", ""
            return None, "the interval includes 1"
        if max(interval.low, 1 / interval.high) <= self.floor.factor:  # as lockbench compare does
            return None, f"not clear of the A/A noise of {self.floor.words}"
        return ("faster" if interval.value > 1 else "slower"), ""


def aa_ratio(cell, op):
    return stats.ratio_interval(cells.pairs(cell.by_half.get("b", []), cell.by_half.get("a", []), op))


def farthest(interval):
    """How far from 1 an interval reaches, as a factor above 1. Nan where there is none."""
    if not interval.known:
        return math.nan
    return math.exp(max(abs(math.log(interval.low)), abs(math.log(interval.high))))


def sorted_cells(dataset):
    order = list(dataset.variants)
    return sorted(dataset.cells.values(), key=lambda cell: (order.index(cell.variant.key()), cell.threads))


def aa_cells(dataset):
    """[(cell, [(op, interval)])] of every A/A pair, half b over half a."""
    found = []
    for cell in sorted_cells(dataset):
        if cell.by_half.get("a") and cell.by_half.get("b"):
            ops = [op for op, _ in dataset.headline_ops(cell.variant.workload)]
            found.append((cell, [(op, interval) for op in ops for interval in [aa_ratio(cell, op)] if interval.count]))
    return found


def aa_pairs(dataset):
    """The same, flat: [(cell, op, interval)]."""
    return [(cell, op, interval) for cell, intervals in aa_cells(dataset) for op, interval in intervals]


def timing_ratios(dataset):
    """Timed over untimed windows of the same block: [(cell, op, interval)]. Below 1: reading the clock slowed the lock
    down."""
    return [(cell, op, stats.ratio_interval(cells.pairs(cell.windows, cell.untimed, op)))
            for cell in sorted_cells(dataset) if cell.untimed and cell.windows
            for op, _ in dataset.headline_ops(cell.variant.workload)]


class Floors:
    """Finds the A/A pair nearest to a cell: the same variant and threads, else the worst with as many threads, else the
    worst."""

    def __init__(self, dataset):
        pairs = list(aa_pairs(dataset))
        self.paired = bool(pairs)
        self.found = [(cell, op, interval) for cell, op, interval in pairs if interval.known]

    def near(self, variant, threads, op):
        """The pair's own interval reaches this far from 1: the noise may be as large as that."""
        same = [entry for entry in self.found if entry[0].variant is variant and entry[0].threads == threads]
        exact = [entry for entry in same if entry[1] == op]
        count = [entry for entry in self.found if entry[0].threads == threads]
        chosen, where = ((exact, "of this cell") if exact else (same, "of this workload and thread count") if same else
                         (count, f"of {threads} threads elsewhere") if count else (self.found, "elsewhere in the run"))
        if not chosen:
            return Floor(math.nan, "none", stats.NOTHING)
        cell, _, interval = max(chosen, key=lambda entry: farthest(entry[2]))
        return Floor(farthest(interval), f"{cell.lock} against itself, {where}", interval)


def ratio(dataset, floors, variant, threads, op, first, second):
    """None where either lock was not measured there."""
    a, b = dataset.cell(variant, threads, first), dataset.cell(variant, threads, second)
    if a is None or b is None:
        return None
    both = cells.pairs(a.windows, b.windows, op)
    calm = cells.pairs(a.windows, b.windows, op, undisturbed=True)
    floor = floors.near(variant, threads, op)
    bounds = [x / y for x, y in both if y > 0]
    limit = floor.factor if floor.known else 1.0
    side = bool(bounds) and (min(bounds) > limit or max(bounds) < 1 / limit)
    return Ratio(variant, threads, op, first, second, stats.ratio_interval(both), stats.ratio_interval(calm), floor,
                 tuple(cell.lock for cell in (a, b) if cell.modes(op) is not None),
                 tuple(cell.lock for cell in (a, b) if cell.failed), side, a.oversubscribed or b.oversubscribed)
