# SPDX-License-Identifier: MIT
"""Lock by notifier policy: what reclaim gets done, how long forks wait, what is skipped, what breaks."""
import collections
import json
import math

from matplotlib.lines import Line2D

from plotting import compare, draw, stats, throughput

WORKLOAD = "pageable_reclaim"
REFUSED = "#777777"
# What each policy is, in the words of the figure; one that is not here has its name alone.
POLICIES = {
    "a0": "a0: call inside the rmap lock",
    "a1": "a1: call after unlock, mm referenced",
    "a2": "a2: call after unlock, mmap_sem tried",
    "a3": "a3: call after unlock, in batches",
    "a4": "a4: drop the lock for each call",
    "a5": "a5: call inside, device may refuse",
    "pte": "pte: call inside the PTE lock",
    "late": "late: call after unlock, nothing referenced",
}
PANELS = ("pages reclaimed", "wait to fork or exit", "pages skipped", "illegal")


def order(policy):
    known = list(POLICIES)
    return (known.index(policy) if policy in known else len(known), policy)


class Table:
    """Cells and refusals of one client, thread count and set of all other parameters: {policy: {lock: ..}}."""

    def __init__(self, client, threads):
        self.client, self.threads = client, threads
        self.cells = collections.defaultdict(dict)
        self.refused = collections.defaultdict(dict)  # policy: lock: why

    @property
    def policies(self):
        return sorted({*self.cells, *self.refused}, key=order)

    def locks(self, dataset):
        there = {lock for part in (self.cells, self.refused) for locks in part.values() for lock in locks}
        return [lock for lock in dataset.locks if lock in there] + sorted(there - set(dataset.locks))


def refusals(dataset):
    """(params, lock, why) of the cells that the runs were asked for and refused."""
    return [(cell["params"], cell["lock"], cell["why"]) for run in dataset.runs
            for cell in run.info["plan"].get("refused", []) if cell["workload"] == WORKLOAD]


def tables(dataset):
    """{(other parameters, placement, home, threads): Table}, in the order of the cells."""
    found = {}

    def others(params):
        return json.dumps({name: value for name, value in params.items() if name != "policy"}, sort_keys=True)
    for (_, threads, lock), cell in dataset.cells.items():
        variant = cell.variant
        if variant.workload != WORKLOAD or dataset.is_control(lock) or not cell.all_windows():
            continue
        key = (others(variant.params), variant.placement, variant.lock_home, threads)
        table = found.setdefault(key, Table(variant.params["client"], threads))
        table.cells[variant.params["policy"]][lock] = cell
    for params, lock, why in refusals(dataset):
        for (rest, _, _, _), table in found.items():
            if rest == others(params):
                table.refused[params["policy"]][lock] = why
    return found


def total(cell, op):
    return sum((window["ops"] or {}).get(op, 0) for window in cell.all_windows())


def skipped_share(cell):
    """Percent of the pages that reclaim asked for, with its interval."""
    counts = [window["ops"].get("page_skipped", 0) for window in cell.windows]
    asked = [window["ops"].get("page_scanned", 0) for window in cell.windows]
    share = stats.sum_ratio_interval(counts, asked)
    return stats.Interval(share.value * 100, share.low * 100, share.high * 100, share.count)


def draw_waits(axis, cell, y, style):
    """p50, p99 and the longest of the waits to write, with intervals; returns what was drawn."""
    waits = stats.Waits(cell.windows, "write")
    found = [waits.percentile(0.5), waits.percentile(0.99)]
    values = [max(interval.value, 1.0) for interval in found if interval.count]
    if len(values) == len(found):
        axis.plot(values, [y, y], color=style[0], lw=3.0, alpha=0.6, solid_capstyle="butt", zorder=2)
    for interval, fill in zip(found, ("full", "none")):
        if interval.count:
            interval = stats.Interval(*(max(part, 1.0) if not math.isnan(part) else part for part in
                                        (interval.value, interval.low, interval.high)), interval.count)
            draw.interval_marker(axis, interval, y, *style, fill, 5.5)
            values += [part for part in (interval.low, interval.high) if not math.isnan(part)]
    if waits.samples:
        longest = max(waits.longest or 1.0, 1.0)
        axis.plot([longest], [y], marker="x", color=draw.EDGE, markersize=5, mew=1.2, linestyle="none", zorder=4)
        values.append(longest)
    return values


def draw_cell(axes, dataset, cell, y, values):
    style = draw.style_of(dataset, cell.lock)
    if cell.windows:
        draw.rate_marks(axes[0], cell, "page_reclaimed", y, *style, "full")
        values[0] += cell.rates("page_reclaimed")
        values[1] += draw_waits(axes[1], cell, y, style)
        share = skipped_share(cell)
        draw.interval_marker(axes[2], share, y, *style)
        values[2].append(share.value)
    broken = total(cell, "illegal_access")
    text = f"{draw.quantity(broken)} accesses" if broken else "check failed" if cell.failed else "0"
    axes[3].annotate(text, (0.04, y), xycoords=("axes fraction", "data"), va="center", fontsize=8,
                     color=draw.FAILED if cell.failed else "black", fontweight="bold" if cell.failed else "normal")


def draw_policy(axes, dataset, table, policy, locks, values):
    for lock in locks:
        y = locks.index(lock)
        if lock in table.cells[policy]:
            draw_cell(axes, dataset, table.cells[policy][lock], y, values)
        elif lock in table.refused[policy]:
            axes[0].annotate("refused: " + short(table.refused[policy][lock]), (0.01, y),
                             xycoords=("axes fraction", "data"), va="center", fontsize=7.5, color=REFUSED,
                             annotation_clip=False)
            axes[3].annotate("refused", (0.04, y), xycoords=("axes fraction", "data"), va="center", fontsize=8,
                             color=REFUSED)
        else:
            axes[0].annotate("not measured", (0.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=7.5,
                             color=REFUSED)
    for axis, name in zip(axes, PANELS):
        axis.set_title(POLICIES.get(policy, policy) if axis is axes[0] else "", loc="left")
        axis.tick_params(labelbottom=True)
        axis.set_label(name)


def short(why):
    """The part of a refusal that a row has room for."""
    if "spin" in why and "reverse map" in why:
        return "the callback sleeps, waiters would spin"
    if "page-table entry" in why:
        return "the callback sleeps, the PTE lock is a spinlock"
    return "memory would be used that is another's by then" if "another's" in why else why


def percent(value, _=None):
    return f"{value:.3g} %"


def figure_of(writer, table, name, title):
    dataset = writer.dataset
    locks = table.locks(dataset)
    policies = table.policies
    figure, axes = draw.rows_figure(dataset, locks, len(policies), len(PANELS), width=12.5, ratios=[3.2, 3.2, 1.7, 1.0])
    values = [[], [], []]
    for row, policy in zip(axes, policies):
        draw_policy(row, dataset, table, policy, locks, values)
    labels = ("pages reclaimed/s", "wait for the lock to fork or exit", "pages skipped, of those asked")
    floors = compare.Floors(dataset)
    for row, policy in zip(axes, policies):  # one scale down a column, so that policies compare
        for axis, seen, formatter, label in zip(row, values, (draw.quantity, draw.duration, percent), labels):
            if label == labels[2]:
                most = max(5.0, max((value for value in seen if not math.isnan(value)), default=0) * 1.15)
                axis.set_xlim(-0.04 * most, most)  # a marker at 0 is whole
                axis.xaxis.set_major_formatter(percent)
                axis.set_xlabel(label)
            else:
                draw.value_axis(axis, seen, formatter, label)
        for cell in list(table.cells[policy].values())[:1]:
            noise = throughput.noise_words(floors, cell.variant, [table.threads], "page_reclaimed")
            row[0].set_xlabel(f"{row[0].get_xlabel()}; {noise}")
        row[3].set_xticks([])
        row[3].spines["bottom"].set_visible(False)
        row[3].set_xlabel("illegal accesses")
    handles = [Line2D([], [], marker="o", linestyle="none", color="#555555", label="median (left, middle: p50)"),
               Line2D([], [], marker="o", linestyle="none", color="#555555", markerfacecolor="white",
                      label="p99 of the waits"),
               Line2D([], [], marker="x", linestyle="none", color=draw.EDGE, label="longest timed wait"),
               Line2D([], [], marker=".", linestyle="none", color="#555555", alpha=0.5, label="one window"),
               Line2D([], [], marker="|", linestyle="-", color="#555555", lw=1.6, label="95 % interval"),
               Line2D([], [], marker="x", linestyle="none", color=draw.FAILED, mew=2.0,
                      label="illegal or failed: proves nothing")]
    draw.top_legend(figure, handles)
    writer.save(figure, name, title,
                "One block a policy: from where reclaim calls the device. Left: pages taken from the process and its "
                "device. Middle: what forks and exits waited for the lock meanwhile, half of them up to the full "
                "marker, 99 % up to the hollow one (absent below 1000 timed waits); axes are the same down a column. "
                "Skipped: pages that reclaim asked for and kept, as a call could not be made or was refused. Illegal: "
                "accesses after the callback had returned, lost writes, calls for ended processes, sleeps where others "
                "spin; a cell that has any is crossed out. Refused cells are those that a kernel must "
                "not have; they run with --allow-illegal.")


def draw_all(writer):
    found = tables(writer.dataset)
    names = collections.Counter()
    for table in found.values():
        base = f"pageable_{draw.slug(table.client)}_{table.threads}"
        names[base] += 1
        name = base if names[base] == 1 else f"{base}_{names[base]}"
        figure_of(writer, table, name, f"pageable_reclaim, {table.client}, {table.threads} "
                                       f"thread{'s' if table.threads > 1 else ''}: lock by notifier policy")
