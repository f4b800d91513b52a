# SPDX-License-Identifier: MIT
"""What a lock costs that nobody else wants, against the atomics it cannot do without."""
import math

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from plotting import draw, stats

PANELS = (("write", "tight"), ("read", "tight"), ("write", "spaced"), ("read", "spaced"))
WORDS = {"tight": "back to back", "spaced": "with work between"}


def costs(windows):
    """(cost, floor, cost over floor, floor's name), with intervals over repetitions."""
    entries = [window["uncontended"] for window in windows]
    both = [(entry["cost_ns"], entry["floor_ns"]) for entry in entries if entry["floor_ns"] is not None]
    return (stats.median_interval([entry["cost_ns"] for entry in entries]),
            stats.median_interval([floor for _, floor in both]), stats.ratio_interval(both),
            ", ".join(sorted({entry["floor"] for entry in entries if entry["floor"]})))


def locks_of(dataset):
    """Cheapest first, by the tight write."""
    measured = {lock for lock, _, _ in dataset.uncontended if not dataset.is_control(lock)}

    def cost(lock):
        windows = dataset.uncontended.get((lock, "write", "tight")) or dataset.uncontended.get((lock, "read", "tight"))
        return costs(windows)[0].value if windows else float("inf")
    return sorted(measured, key=lambda lock: (cost(lock), lock))


def draw_panel(axis, dataset, locks, mode, spacing):
    largest, dots = 0.0, []
    for y, lock in enumerate(locks):
        windows = dataset.uncontended.get((lock, mode, spacing))
        if not windows:
            exclusive = mode == "read" and not (dataset.locks.get(lock) or {}).get("shared", True)
            axis.annotate("excl.: has no read mode" if exclusive else "not measured", (0.02, y),
                          xycoords=("axes fraction", "data"), va="center", fontsize=6.8, color="#777777")
            continue
        cost, floor, ratio, name = costs(windows)
        colour, shape = draw.style_of(dataset, lock)
        if floor.count:
            axis.plot([floor.value, cost.value], [y, y], color="#bbbbbb", lw=1.0, zorder=2)
            axis.plot([floor.value], [y], marker="|", color=draw.EDGE, markersize=11, mew=1.8, linestyle="none",
                      zorder=3)
        draw.raw_points(axis, [window["uncontended"]["cost_ns"] for window in windows], y, colour)
        draw.interval_marker(axis, cost, y, colour, shape)
        largest = max([largest, floor.value if floor.count else 0] +
                      [end for end in (cost.value, cost.high) if not math.isnan(end)])
        dots += [window["uncontended"]["cost_ns"] for window in windows]
        text = f"{ratio.value:.2f} × {name}" if ratio.count else "no floor"
        if ratio.known:
            text += f"\n[{ratio.low:.2f}, {ratio.high:.2f}]"
        axis.annotate(text, (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=6.2, color="#333333")
    # Medians and their intervals fit; a repetition far off is told, lest it squeeze all others together.
    right = largest * 1.25 if largest > 0 else 1
    axis.set_xlim(0, right)
    outside = [dot for dot in dots if dot > right]
    if outside:
        axis.annotate(f"{len(outside)} of {len(dots)} repetitions beyond,\nup to {max(outside):.4g} ns", (0.995, 0.995),
                      xycoords="axes fraction", ha="right", va="top", fontsize=6.8, color="#777777")
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_xlabel("ns per acquire and release, one thread")
    axis.set_title(f"{mode}, {spacing}: {WORDS[spacing]}", loc="left")


def draw_all(writer):
    dataset = writer.dataset
    locks = locks_of(dataset)
    if not locks:
        return
    figure, axes = draw.rows_figure(dataset, locks, 2, 2, width=12.6)
    for axis, (mode, spacing) in zip([axis for row in axes for axis in row], PANELS):
        draw_panel(axis, dataset, locks, mode, spacing)
    handles = [Line2D([], [], marker="o", color="#555555", lw=1.6, label="the lock: median, 95 % interval"),
               Line2D([], [], marker=".", linestyle="none", color="#555555", alpha=0.5, label="one repetition"),
               Line2D([], [], marker="|", linestyle="none", color=draw.EDGE, markersize=11, mew=1.8,
                      label="floor: the bare atomics (named right, with the lock's multiple of them)")]
    draw.top_legend(figure, handles)
    writer.save(figure, "uncontended", "What a lock costs that nobody else wants",
                "One thread takes and releases a lock of its own. The floor is the atomics that such a lock needs "
                "at least, of the same widths, in the same loop and process: 1.00 × would be a lock that costs "
                "nothing but its atomics. Says nothing of contention.")
