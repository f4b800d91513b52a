# SPDX-License-Identifier: MIT
"""Windows sorted into cells, and cells into datasets: what may stand on one axis."""
import collections
import json

from plotting import stats

# Windows that are no measurement: kept in every list, out of every median.
NOT_MEASURED = {"interrupted", "killed"}
CELL_WORKLOAD = "uncontended"


def fingerprint(run):
    """Runs with the same one may be pooled: same host, same binary, same length of window."""
    host = run.host
    # Without the clock rate, which moves from one reading to the next.
    cpu = {name: value for name, value in (host.get("cpu") or {}).items() if name != "mhz"}
    plan = run.info["plan"]
    return json.dumps([cpu, host.get("microcode"), host.get("kernel"), host.get("build"), host.get("binary_id"),
                       host.get("commit"), host.get("dirty"), plan.get("window_ms")], sort_keys=True)


class Variant:
    """A workload with its parameters, placement and lock home: one panel of a figure."""

    def __init__(self, window):
        self.workload = window["workload"]
        self.params = window["params"]
        self.placement = window["placement"]
        self.lock_home = window["lock_home"]
        self.title = self.workload  # made longer by Dataset where the name alone is not unique

    def key(self):
        return (self.workload, json.dumps(self.params, sort_keys=True), self.placement or "", self.lock_home or "")

    def facts(self):
        facts = dict(self.params)
        facts.update({"placement": self.placement, "lock home": self.lock_home})
        return facts


class Cell:
    """All windows of one lock on one variant and thread count."""

    def __init__(self, lock, variant, threads):
        self.lock, self.variant, self.threads = lock, variant, threads
        self.by_half = collections.defaultdict(list)  # aa: windows
        self.untimed = []
        self.left_out = []

    def add(self, window):
        if NOT_MEASURED & set(window["flags"]):
            self.left_out.append(window)
        elif "untimed" in window["flags"]:
            self.untimed.append(window)
        else:
            self.by_half[window["aa"]].append(window)

    @property
    def windows(self):
        """The half "a" of an A/A pair stands for its cell; "b" is there to tell the noise."""
        return self.by_half.get(None) or self.by_half.get("a") or self.by_half.get("b") or []

    def all_windows(self):
        return [w for half in self.by_half.values() for w in half] + self.untimed + self.left_out

    @property
    def oversubscribed(self):
        return any("oversubscribed" in window["flags"] for window in self.windows)

    @property
    def ops(self):
        return list(self.windows[0]["ops_per_s"] or {}) if self.windows else []

    @property
    def failed(self):
        """A window of this cell broke an invariant, or a thread never came back: its figures prove nothing."""
        return any({"check_failed", "killed"} & set(window["flags"]) for window in self.all_windows())

    def rates(self, op):
        return [window["ops_per_s"][op] for window in self.windows if op in (window["ops_per_s"] or {})]

    def rate(self, op):
        return stats.median_interval(self.rates(op))

    def modes(self, op):
        """Medians of the two groups of a bimodal cell with their counts, or None."""
        groups = stats.two_modes(self.rates(op))
        return None if groups is None else tuple(stats.median_interval(group) for group in groups)

    def per_acquisition(self, counter):
        """The counter over the acquisitions of the window; None where any window lacks it: a part is not the whole."""
        counts, totals = [], []
        for window in self.windows:
            count = (window["counters"] or {}).get(counter, (window.get("usage") or {}).get(counter))
            if count is None:
                return None
            counts.append(count)
            totals.append(window["acquisitions"]["read"] + window["acquisitions"]["write"])
        return stats.sum_ratio_interval(counts, totals) if sum(totals) else None


def pairs(windows_a, windows_b, op, undisturbed=False):
    """Rates of two cells in the blocks that measured both: [(a, b)]. `undisturbed`: where neither was preempted."""
    def by_block(windows):
        found = collections.defaultdict(list)
        for window in windows:
            if op in (window["ops_per_s"] or {}):
                found[(window["run"], window["block"])].append(window)
        return found

    blocks_a, blocks_b = by_block(windows_a), by_block(windows_b)
    out = []
    for block in sorted(blocks_a.keys() & blocks_b.keys()):
        both = blocks_a[block] + blocks_b[block]
        if undisturbed and any("involuntary_switch" in window["flags"] for window in both):
            continue
        out.append(tuple(stats.median_interval([window["ops_per_s"][op] for window in windows]).value
                         for windows in (blocks_a[block], blocks_b[block])))
    return out


class Dataset:
    """Windows of one platform on one machine by one binary: what may share an axis."""

    def __init__(self, platform, machine):
        self.platform, self.machine = platform, machine
        self.runs = []
        self.cells = {}  # (variant key, threads, lock): Cell
        self.variants = {}  # variant key: Variant, in the plan's order
        self.uncontended = collections.defaultdict(list)  # (lock, mode, spacing): windows
        self.locks = {}  # name: what run.json says of it, in the plan's order
        self.workloads = {}

    @property
    def simulated(self):
        return self.platform != "native"

    @property
    def label(self):
        """One line for every figure: where this comes from."""
        cpu = self.runs[0].host.get("cpu") or {}
        if self.simulated:
            return f"SIMULATED machine {self.machine}; not measured"
        count = cpu.get("cpus")
        virtual = f", virtual ({cpu['virtual']})" if cpu.get("virtual") else ""
        return f"measured on {cpu.get('model') or 'an unnamed CPU'}" + (f", {count} CPUs" if count else "") + virtual

    def add_run(self, run):
        self.runs.append(run)
        for lock in run.info["locks"]:
            self.locks.setdefault(lock["name"], lock)
        for workload in run.info["workloads"]:
            self.workloads.setdefault(workload["name"], workload)

    def add_window(self, window):
        if window["uncontended"] is not None:
            params = window["params"]
            self.uncontended[(window["lock"], params["mode"], params["spacing"])].append(window)
            return
        variant = Variant(window)
        variant = self.variants.setdefault(variant.key(), variant)
        key = (variant.key(), window["threads"], window["lock"])
        self.cells.setdefault(key, Cell(window["lock"], variant, window["threads"])).add(window)

    def finish(self):
        """Gives variants of one workload titles that tell them apart."""
        for workload in {variant.workload for variant in self.variants.values()}:
            same = [variant for variant in self.variants.values() if variant.workload == workload]
            for variant in same:
                differs = [f"{name}={value}" for name, value in variant.facts().items()
                           if any(other.facts().get(name) != value for other in same)]
                variant.title = ", ".join([workload] + differs)
        order = list(self.workloads)
        self.variants = dict(sorted(self.variants.items(), key=lambda item: (
            order.index(item[1].workload) if item[1].workload in order else len(order), item[0])))

    def is_control(self, lock):
        info = self.locks.get(lock) or {}
        return bool(info.get("control")) or info.get("family") == "control"

    def headline_ops(self, workload):
        """Operations that figures show: [(name, unit)]; those of the windows where run.json lists none."""
        listed = (self.workloads.get(workload) or {}).get("ops", [])
        ops = [(op["name"], op["unit"]) for op in listed if op["headline"]]
        ops = ops or [(op["name"], op["unit"]) for op in listed]
        if not ops:
            seen = {op for cell in self.cells.values() if cell.variant.workload == workload
                    for window in cell.windows for op in window["ops_per_s"] or {}}
            ops = [(name, "operations") for name in sorted(seen)]
        return ops

    def threads_of(self, variant):
        return sorted({threads for (key, threads, _) in self.cells if key == variant.key()})

    def cells_of(self, variant, threads, controls=False):
        """Cells with at least one window, in the order of the list of locks."""
        order = list(self.locks)
        found = [cell for (key, count, lock), cell in self.cells.items()
                 if (key, count) == (variant.key(), threads) and cell.windows
                 and (controls or not self.is_control(lock))]
        return sorted(found, key=lambda cell: order.index(cell.lock) if cell.lock in order else len(order))

    def failed_locks(self, variant, counts):
        return {cell.lock for count in counts for cell in self.cells_of(variant, count, controls=True) if cell.failed}

    def cell(self, variant, threads, lock):
        cell = self.cells.get((variant.key(), threads, lock))
        return cell if cell is not None and cell.windows else None


def datasets_of(runs):
    """Splits runs by platform, machine and binary, native first. No two datasets ever share an axis."""
    found = {}
    for run in runs:
        host = fingerprint(run)
        for window in run.windows:
            key = (window["platform"], window["machine"], host)
            dataset = found.setdefault(key, Dataset(window["platform"], window["machine"]))
            if not dataset.runs or dataset.runs[-1] is not run:
                dataset.add_run(run)
            dataset.add_window(window)
    for dataset in found.values():
        dataset.finish()
    return sorted(found.values(), key=lambda dataset: (dataset.simulated, dataset.machine))
