# SPDX-License-Identifier: MIT
"""Who got the lock: readers against writers, and how evenly within each role."""
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from plotting import draw, palette, stats, throughput

READ_COLOUR, WRITE_COLOUR = palette.TWO_COLOURS


def read_shares(cell):
    shares = []
    for window in cell.windows:
        total = window["acquisitions"]["read"] + window["acquisitions"]["write"]
        if total:
            shares.append(window["acquisitions"]["read"] / total)
    return shares


def draw_share(axis, cell, y):
    shares = read_shares(cell)
    if not shares:
        axis.annotate("no acquisition", (0.01, y), va="center", fontsize=7)
        return
    share = stats.median_interval(shares)
    axis.barh(y, share.value, height=0.62, color=READ_COLOUR, alpha=0.55, lw=0, zorder=2)
    axis.barh(y, 1 - share.value, left=share.value, height=0.62, color=WRITE_COLOUR, alpha=0.55, lw=0, zorder=2)
    if share.known:
        axis.errorbar([share.value], [y], xerr=[[share.value - share.low], [share.high - share.value]], color=draw.EDGE,
                      lw=1.1, capsize=2.5, zorder=3)
    failed = sum(window["acquisitions"].get("try_failed") or 0 for window in cell.windows)
    taken = sum(window["acquisitions"]["read"] + window["acquisitions"]["write"] for window in cell.windows)
    text = f"{share.value * 100:.1f} %"
    if failed:
        text += f", {draw.quantity(1000 * failed / taken)} failed tries per 1000"
    axis.annotate(text, (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=6.8, color="#555555")


def draw_jain(axis, cell, y):
    drawn = False
    for mode, colour, shape, offset in (("read", READ_COLOUR, "o", -0.16), ("write", WRITE_COLOUR, "s", 0.16)):
        values = [window["jain"][mode] for window in cell.windows if window["jain"][mode] is not None]
        if values:
            drawn = True
            draw.raw_points(axis, values, y + offset, colour)
            draw.interval_marker(axis, stats.median_interval(values), y + offset, colour, shape, size=5)
    if not drawn:
        axis.annotate("one thread a role: no index", (0.02, y), va="center", fontsize=6.8, color="#777777")


def has_jain(dataset, variant, counts):
    """Whether any role has two threads to compare."""
    return any(window["jain"][mode] is not None for count in counts for cell in dataset.cells_of(variant, count)
               for window in cell.windows for mode in ("read", "write"))


def figure_of(writer, variant, counts, name, title):
    dataset = writer.dataset
    locks = throughput.row_order(dataset, variant, counts)
    jain = has_jain(dataset, variant, counts)
    figure, axes = draw.rows_figure(dataset, locks, len(counts), 2 if jain else 1, width=11.0 if jain else 7.0)
    for row, count in zip(axes, counts):
        for cell in dataset.cells_of(variant, count):
            y = locks.index(cell.lock)
            draw_share(row[0], cell, y)
            if jain:
                draw_jain(row[1], cell, y)
        words = f"{count} thread{'s' if count > 1 else ''}"
        row[0].set_title(f"share of acquisitions, {words}", loc="left")
        row[0].set_xlim(0, 1)
        row[0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.0f} %"))
        row[0].set_xlabel("readers' part of all acquisitions")
        if jain:
            row[1].set_title(f"fairness within a role, {words}", loc="left")
            row[1].set_xlim(0, 1.04)
            row[1].set_xlabel("Jain's index over threads: 1 all alike, 1/n one thread has all")
    draw.mark_failed(axes, locks, dataset.failed_locks(variant, counts))
    handles = [Patch(color=READ_COLOUR, alpha=0.55, label="readers"),
               Patch(color=WRITE_COLOUR, alpha=0.55, label="writers"),
               Line2D([], [], marker="|", color="#555555", lw=1.6, label="95 % interval of the median")]
    if jain:
        handles[2:2] = [Line2D([], [], marker="o", linestyle="none", color=READ_COLOUR, label="Jain, readers"),
                        Line2D([], [], marker="s", linestyle="none", color=WRITE_COLOUR, label="Jain, writers")]
    draw.top_legend(figure, handles)
    writer.save(figure, name, title,
                "Of all acquisitions of the lock under test, how many were a reader's, and how many tries failed for "
                "1000 that succeeded. A lock that starves one side shows here, and no sum of rates can hide it. " +
                ("Right: how evenly the threads of a role got it; no index for a single thread." if jain else
                 "No role has two threads here, so how evenly a role's threads got it has no number."))


def draw_all(writer):
    dataset = writer.dataset
    for variant in dataset.variants.values():
        inside, over = throughput.split_threads(dataset, variant)
        name = f"shares_{draw.slug(variant.title)}"
        title = f"{variant.title}: who got the lock"
        # One thread shares with nobody.
        shared = [count for count in inside if count > 1] or inside
        if len(shared) * len(throughput.row_order(dataset, variant, shared)) <= 40:
            groups = [(shared, "")] if shared else []
        else:
            groups = [([count], f"_{count}") for count in shared]
        for group, suffix in groups:
            figure_of(writer, variant, group, name + suffix, title)
        for count in over:
            figure_of(writer, variant, [count], f"{name}_oversubscribed_{count}",
                      f"{title}, OVERSUBSCRIBED, more threads than CPUs")
