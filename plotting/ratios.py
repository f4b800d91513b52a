# SPDX-License-Identifier: MIT
"""The verdict as a figure: every ratio with its interval, against the noise that an A/A pair shows."""
import math

from matplotlib import pyplot
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from plotting import compare, draw, verdict

TICKS = (0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 10, 20, 50)


def rows_of(dataset, found):
    """[(heading, [(label, lock, all, undisturbed, floor, outcome)])] by variant and thread count."""
    groups = {}
    for finding in found:
        ratio = finding.ratio
        if finding.outcome != verdict.NOT_TESTED:
            rows = groups.setdefault((ratio.variant, ratio.threads), [])
            claim = " (claim: alike)" if finding.sign.claim == "alike" else ""
            rows.append((f"{ratio.first} / {ratio.second}{claim}", ratio.op, ratio.first, ratio.all_windows,
                         ratio.undisturbed, ratio.floor, finding.outcome))
    for cell, op, interval in compare.aa_pairs(dataset):
        rows = groups.get((cell.variant, cell.threads))
        if rows is not None and op in {row[1] for row in rows}:
            rows.append((f"A/A: {cell.lock} / itself", op, cell.lock, interval, None, None, ""))
    return [(f"{variant.title}, {threads} threads", rows) for (variant, threads), rows in groups.items()]


def limits_of(groups):
    """Where the axis ends: every interval fits in, within a factor of 100."""
    reach = [1.1]
    for _, rows in groups:
        for _, _, _, interval, calm, floor, _ in rows:
            known = [interval] + ([calm] if calm is not None and calm.count else [])
            reach += [max(value, 1 / value) for entry in known
                      for value in (entry.value, entry.low if entry.known else 1, entry.high if entry.known else 1)]
            reach += [floor.factor] if floor is not None and floor.known else []
    return min(100.0, max(reach) * 1.08)


def draw_row(axis, dataset, y, row):
    label, op, lock, interval, calm, floor, outcome = row
    colour, shape = draw.style_of(dataset, lock)
    if floor is not None and floor.known:
        axis.fill_betweenx([y - 0.45, y + 0.45], 1 / floor.factor, floor.factor, color="#dcdcdc", lw=0, zorder=1)
    both = calm is not None and 0 < calm.count < interval.count
    draw.interval_marker(axis, interval, y - (0.14 if both else 0), colour, shape)
    if both:
        draw.interval_marker(axis, calm, y + 0.2, colour, shape, "none", 5.0)
    axis.annotate(outcome, (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=8,
                  fontweight="bold" if outcome in (verdict.SUPPORTED, verdict.CONTRADICTED) else "normal",
                  color=draw.FAILED if outcome == verdict.CONTRADICTED else "black")
    return f"{label}, {op}/s"


def draw_all(writer):
    dataset = writer.dataset
    groups = rows_of(dataset, verdict.findings(dataset))
    if not groups:
        return
    count = sum(len(rows) + 1 for _, rows in groups)
    figure, axis = pyplot.subplots(layout="constrained", figsize=(9.6, count * 0.31 + 1.4))
    draw.frame(figure)
    labels, y = [], 0
    for heading, rows in groups:
        labels.append((y, heading, True))
        axis.axhline(y - 0.5, color="#bbbbbb", lw=0.6)
        for row in rows:
            y += 1
            labels.append((y, draw_row(axis, dataset, y, row), False))
        y += 1
    axis.axvline(1, color="#444444", lw=0.9, zorder=2)
    axis.set_yticks([at for at, _, _ in labels], [text for _, text, _ in labels])
    for tick, (_, _, bold) in zip(axis.get_yticklabels(), labels):
        tick.set_fontweight("bold" if bold else "normal")
    axis.tick_params(axis="y", length=0)
    axis.grid(False, axis="y")
    axis.set_ylim(y - 0.5, -0.6)
    reach = limits_of(groups)
    axis.set_xscale("log")
    axis.set_xlim(1 / reach, reach)
    ticks = [tick for tick in TICKS if 1 / reach <= tick <= reach]
    if math.log(reach) > math.log(4):  # the fine ones would meet
        ticks = [tick for tick in ticks if tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)]
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_xlabel("ratio of median rates (log scale); right of 1: the first lock is faster")
    handles = [Line2D([], [], marker="o", color="#555555", lw=1.6, label="all windows, 95 % interval"),
               Patch(color="#dcdcdc", label="A/A noise")]
    if any(calm is not None and 0 < calm.count < interval.count
           for _, rows in groups for _, _, _, interval, calm, _, _ in rows):
        handles.insert(1, Line2D([], [], marker="o", color="#555555", lw=1.6, fillstyle="none",
                                 label="without preempted windows"))
    draw.top_legend(figure, handles)
    writer.save(figure, "ratios", "The signs of 2013: who is faster, and is it more than noise?",
                "Each row is a claim of the debate. Its interval must lie outside the grey band of the A/A noise, "
                "else the data cannot say. A/A rows are one cell measured as if it were two: what "
                "they show is noise.")
