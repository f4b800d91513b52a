# SPDX-License-Identifier: MIT
"""Throughput against threads, by lock: rows of dots where there are few thread counts, lines where there are many."""
import math

from matplotlib import pyplot
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from plotting import compare, draw, palette, stats, verdict

LINES_FROM = 4  # thread counts: fewer points make no curve
ONE_PANEL_LOCKS = 8  # more curves than these in one panel cannot be told apart


def split_threads(dataset, variant):
    """(thread counts within the CPUs, oversubscribed ones)."""
    counts = dataset.threads_of(variant)
    over = [count for count in counts if any(cell.oversubscribed for cell in dataset.cells_of(variant, count))]
    return [count for count in counts if count not in over and dataset.cells_of(variant, count)], over


def rank(dataset, cell, op):
    """Sorts cells: the fastest first, then those whose checks failed, then controls: neither can win."""
    rate = cell.rate(op).value
    return dataset.is_control(cell.lock), cell.failed, -rate if not math.isnan(rate) else math.inf, cell.lock


def row_order(dataset, variant, counts):
    """Locks by rank in the first headline operation at the largest of `counts`; the same rows in every panel."""
    op = dataset.headline_ops(variant.workload)[0][0]
    place = {}
    for count in counts:  # the largest count comes last and wins
        for cell in dataset.cells_of(variant, count):
            place[cell.lock] = rank(dataset, cell, op)
    return sorted(place, key=place.get)


def noise_words(floors, variant, counts, op):
    """'A/A noise: 3.0 % (1 thread), 3.7 % (2 threads)': no smaller difference is one."""
    found = [(floors.near(variant, count, op), count) for count in counts]
    known = [f"{floor.words} ({verdict.counted(count, 'thread')})" for floor, count in found if floor.known]
    why = "too few windows for an interval" if floors.paired else "no pair in this run"
    return "A/A noise: " + (", ".join(known) or f"unknown, {why}")


def noise_range(floors, variant, counts, op):
    """The same for many thread counts: the smallest and the largest."""
    found = sorted((floor for floor in (floors.near(variant, count, op) for count in counts) if floor.known),
                   key=lambda floor: floor.factor)
    if not found:
        return noise_words(floors, variant, [], op)
    return f"A/A noise: {found[0].words} to {found[-1].words}"


def dots(writer, variant, counts, name, title, caption, notes=None):
    dataset = writer.dataset
    ops = dataset.headline_ops(variant.workload)
    locks = row_order(dataset, variant, counts)
    floors = compare.Floors(dataset)
    figure, axes = draw.rows_figure(dataset, locks, 1, len(ops), extra=0.5)
    for axis, (op, unit) in zip(axes[0], ops):
        values = []
        for number, count in enumerate(counts):
            for cell in dataset.cells_of(variant, count):
                y = locks.index(cell.lock) + draw.lane(number, len(counts))
                colour, shape = draw.style_of(dataset, cell.lock)
                draw.rate_marks(axis, cell, op, y, colour, shape, draw.fill_of(number, len(counts)))
                values += cell.rates(op)
                if notes is not None and axis is axes[0][-1]:
                    axis.annotate(notes(cell), (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=7)
        draw.value_axis(axis, values, draw.quantity, f"{op}: {unit}/s")
        if notes is None:
            axis.set_xlabel(axis.get_xlabel() + "\n" + noise_words(floors, variant, counts, op))
    draw.mark_failed(axes, locks, dataset.failed_locks(variant, counts))
    draw.top_legend(figure, draw.threads_handles(counts))
    writer.save(figure, name, title, caption)


def curve(axis, dataset, variant, counts, op, lock, grey=False, shift=1.0):
    """`shift` moves the points sideways by a factor, so that those of several locks do not hide one another."""
    cells = [(count, dataset.cell(variant, count, lock)) for count in counts]
    cells = [(count, cell) for count, cell in cells if cell is not None]
    points = [(count * shift, cell.rate(op), cell) for count, cell in cells if not math.isnan(cell.rate(op).value)]
    colour, shape = draw.style_of(dataset, lock)
    if grey:
        axis.plot([count for count, _, _ in points], [rate.value for _, rate, _ in points], color="#d0d0d0", lw=0.9,
                  zorder=1)
        return
    # No line goes through a cell that has two modes: there is no one number it could go through.
    axis.plot([count for count, _, _ in points],
              [math.nan if cell.modes(op) else rate.value for _, rate, cell in points], color=colour, lw=1.5, zorder=3)
    for count, rate, cell in points:
        axis.plot([count] * rate.count, cell.rates(op), marker=".", color=colour, alpha=palette.RAW_ALPHA, markersize=4,
                  mew=0, linestyle="none", zorder=2)
        modes = cell.modes(op)
        if modes is not None:
            for mode in modes:
                draw.marker(axis, count, mode.value, colour, shape, "none", 5)
            axis.annotate(draw.mode_words(modes).replace(" (", "\n("), (count, modes[1].value), (5, 0),
                          textcoords="offset points", fontsize=6.5, va="center")
            continue
        if rate.known:
            axis.errorbar([count], [rate.value], yerr=[[rate.value - rate.low], [rate.high - rate.value]], color=colour,
                          lw=1.2, capsize=2.5, zorder=3)
        draw.marker(axis, count, rate.value, colour, shape, "full", 5.5)
        if cell.failed:
            draw.cross(axis, count, rate.value)


def threads_axis(axis, counts, label=True):
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_locator(FixedLocator(counts))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_xlim(min(counts) / 1.15, max(counts) * 1.15)
    if label:
        axis.set_xlabel("threads (log scale)")


def rate_axis(axis, values, label):
    values = [value for value in values if value > 0]
    wide = bool(values) and max(values) > 20 * min(values)
    if wide:
        axis.set_yscale("log")
    else:
        axis.set_ylim(0, (max(values) if values else 1) * 1.1)
    axis.yaxis.set_major_formatter(FuncFormatter(draw.quantity))
    axis.set_ylabel(label + (" (log scale)" if wide else ""))


def curves(writer, variant, counts, name, title, caption):
    """One panel an operation, all locks in it."""
    dataset = writer.dataset
    ops = dataset.headline_ops(variant.workload)
    locks = row_order(dataset, variant, counts)
    floors = compare.Floors(dataset)
    figure, axes = pyplot.subplots(1, len(ops), squeeze=False, layout="constrained",
                                   figsize=(max(6.0, 4.4 * len(ops)), 4.9))
    for axis, (op, unit) in zip(axes[0], ops):
        values = []
        for at, lock in enumerate(locks):
            curve(axis, dataset, variant, counts, op, lock, shift=1 + 0.018 * (at - (len(locks) - 1) / 2))
            values += [value for count in counts for value in (dataset.cell(variant, count, lock).rates(op)
                                                               if dataset.cell(variant, count, lock) else [])]
        rate_axis(axis, values, f"{unit}/s")
        threads_axis(axis, counts)
        axis.set_xlabel(axis.get_xlabel() + "\n" + noise_range(floors, variant, counts, op))
        axis.set_title(op)
    handles = lock_handles(dataset, locks)
    draw.frame(figure, legend=False, bottom=0.22 * math.ceil(len(handles) / 4))
    draw.bottom_legend(figure, handles, min(len(handles), 4))
    writer.save(figure, name, title, caption)


def lock_handles(dataset, locks):
    handles = []
    for lock in locks:
        colour, shape = draw.style_of(dataset, lock)
        label = draw.lock_label(dataset, lock).replace("\n", "")
        handles.append(Line2D([], [], color=colour, marker=shape, markeredgecolor=draw.EDGE, markeredgewidth=0.6,
                              label=label))
    return handles


def families(writer, variant, counts, op, unit, name, title, caption):
    """One panel a family of locks, with all others behind it in grey: for more locks than one panel can bear."""
    dataset = writer.dataset
    locks = row_order(dataset, variant, counts)
    groups = {}
    for lock in dataset.locks:
        if lock in locks:
            groups.setdefault(dataset.locks[lock].get("family", ""), []).append(lock)
    columns = min(3, len(groups))
    rows = math.ceil(len(groups) / columns)
    figure, axes = pyplot.subplots(rows, columns, squeeze=False, sharex=True, sharey=True, layout="constrained",
                                   figsize=(4.0 * columns, 2.7 * rows + 0.9))
    flat = [axis for row in axes for axis in row]
    values = [value for count in counts for cell in dataset.cells_of(variant, count) for value in cell.rates(op)]
    for at, (axis, (family, members)) in enumerate(zip(flat, groups.items())):
        for lock in locks:
            if lock not in members:
                curve(axis, dataset, variant, counts, op, lock, grey=True)
        for lock in members:
            curve(axis, dataset, variant, counts, op, lock)
        rate_axis(axis, values, f"{unit}/s" if at % columns == 0 else "")
        threads_axis(axis, counts, label=at >= len(groups) - columns)
        axis.tick_params(labelbottom=at >= len(groups) - columns)
        axis.set_title(family)
        axis.legend(handles=lock_handles(dataset, members), loc="best", fontsize=7, framealpha=0.85)
    for axis in flat[len(groups):]:
        axis.set_visible(False)
    draw.frame(figure, legend=False, bottom=0.16)
    noise = noise_range(compare.Floors(dataset), variant, counts, op)
    figure.text(0.5, 0.24 / figure.get_figheight(), noise, ha="center").set_in_layout(False)
    writer.save(figure, name, title, caption)


def switches(cell):
    """Context switches of a cell in words."""
    parts = []
    for counter, word in (("involuntary_switches", "preempted"), ("voluntary_switches", "gave up")):
        values = [(window.get("usage") or {}).get(counter, (window["counters"] or {}).get(counter))
                  for window in cell.windows]
        if values and None not in values:
            rates = [value / window["window_s"] for value, window in zip(values, cell.windows)]
            rate = stats.median_interval(rates).value
            parts.append(f"{word} {draw.quantity(rate)}/s")
    return ", ".join(parts) or "switches not counted"


def more_work(dataset, variant, counts):
    """A sentence on locks that cannot be asked whether they are held, and so do more than the others; or nothing."""
    drains = {}
    for count in counts:
        for cell in dataset.cells_of(variant, count):
            taken = sum(window["sites"].get("drain", 0) for window in cell.windows)
            if taken and not (dataset.locks.get(cell.lock) or {}).get("is_locked", True):
                total = sum(sum(window["sites"].values()) for window in cell.windows)
                drains[cell.lock] = max(drains.get(cell.lock, 0), taken / total)
    if not drains:
        return ""
    share = max(drains.values()) * 100
    return (f" {', '.join(sorted(drains))} cannot be asked whether they are held: before an anon_vma ends they are "
            f"taken once more, up to {share:.0f} % of their acquisitions, where the others look and rarely wait.")


def draw_all(writer):
    dataset = writer.dataset
    for variant in dataset.variants.values():
        inside, over = split_threads(dataset, variant)
        reading = ("Faint dots are single windows. A lock's median stands with its 95 % bootstrap interval over "
                   "repetitions." + more_work(dataset, variant, inside or over))
        name = f"throughput_{draw.slug(variant.title)}"
        title = f"{variant.title}: throughput by lock"
        if len(inside) >= LINES_FROM:
            locks = row_order(dataset, variant, inside)
            if len(locks) <= ONE_PANEL_LOCKS:
                curves(writer, variant, inside, name, f"{variant.title}: throughput against threads",
                       reading + " Locks are shifted a little sideways, so that they do not hide one another.")
            else:
                for op, unit in dataset.headline_ops(variant.workload):
                    families(writer, variant, inside, op, unit, f"{name}_{op}",
                             f"{variant.title}: {op} against threads",
                             reading + " Grey: the locks of the other panels.")
        elif inside:
            dots(writer, variant, inside, name, title, reading + " Rows are sorted by the first panel at the most "
                 "threads; (excl.): readers exclude one another too.")
        if over:
            dots(writer, variant, over, name + "_oversubscribed",
                 f"{variant.title}: OVERSUBSCRIBED, more threads than CPUs",
                 "Stands apart: here the scheduler decides, by whom it takes off its CPU. " + reading +
                 " Right: context switches of all threads.", switches)
