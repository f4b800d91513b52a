# SPDX-License-Identifier: MIT
"""Simulated figures beside published ones, from the validation.json that `locksim validate` writes."""
import dataclasses
import json
import math
import pathlib
import statistics

from matplotlib import pyplot
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from plotting import draw, runfiles

FILE = "validation.json"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#882255")
COLUMNS = 2
LABEL = "SIMULATED by locksim, seed {seed}, {seeds} seeds a cell; published figures: see docs/validation.md"


@dataclasses.dataclass
class Labelled:
    """What a figure's frame wants to know."""
    label: str
    simulated: bool = True


def read(folder):
    path = pathlib.Path(folder) / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise runfiles.DataError(f"{path}: cannot be read: {error}") from error
    if not isinstance(data, dict) or data.get("schema_version") != 1 or not isinstance(data.get("tables"), list):
        raise runfiles.DataError(f"{path}: is no validation of schema version 1")
    return data


def known(rows, field):
    """(threads, value) where there is one."""
    return [(row["threads"], row[field]) for row in rows if row[field] is not None]


def is_curve(table):
    return any(len(series["rows"]) > 3 for series in table["series"])


def is_pairs(table):
    """One cell a series, with a published figure to divide by."""
    return not is_curve(table) and any(known(series["rows"], "published") for series in table["series"])


def curve_panel(axis, table):
    """Published hollow and dashed, simulated full with the range of its seeds, one colour a series."""
    for at, series in enumerate(table["series"]):
        colour = COLOURS[at % len(COLOURS)]
        axis.plot(*zip(*known(series["rows"], "published")), color=colour, ls="--", lw=1, marker="o", ms=7, mfc="white")
        axis.plot(*zip(*known(series["rows"], "simulated")), color=colour, lw=1.5, marker="o", ms=4)
        for row in series["rows"]:
            values = [value for value in row["values"] if value is not None]
            if values:
                axis.plot([row["threads"]] * 2, [min(values), max(values)], color=colour, lw=4, alpha=0.35)
    counts = sorted({row["threads"] for series in table["series"] for row in series["rows"]})
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    shown = [count for count in counts if count in (1, 2, 4, 8, 15, 16, 20, 32, 48, 64, 128, 240)]
    axis.set_xticks(shown, [str(count) for count in shown])
    axis.set_xticks([], minor=True)
    axis.set_xlabel("threads")
    axis.set_ylabel(table["unit"])
    axis.set_title(f"{table['name']}: {table['title']}", fontsize=8.5, loc="left")
    axis.legend(handles=[Line2D([], [], color=COLOURS[at % len(COLOURS)], marker="o", ms=4, label=series["name"])
                         for at, series in enumerate(table["series"])], fontsize=6.5, loc="best", framealpha=0.8)


def draw_curves(writer, tables):
    lines = math.ceil(len(tables) / COLUMNS)
    figure, axes = pyplot.subplots(lines, COLUMNS, squeeze=False, layout="constrained",
                                   figsize=(11, 4.0 * lines + 0.9))
    draw.frame(figure)
    for axis, table in zip(axes.flat, tables):
        curve_panel(axis, table)
    for axis in axes.flat[len(tables):]:
        axis.set_axis_off()
    draw.top_legend(figure, [Line2D([], [], color="#555555", ls="--", marker="o", mfc="white", label="published"),
                             Line2D([], [], color="#555555", marker="o", ms=4, label="simulated, median of the seeds"),
                             Patch(color="#555555", alpha=0.35, label="all seeds")])
    writer.save(figure, "curves", "Simulated beside published, by thread count",
                "Dashed and hollow: published. Full: simulated. Both axes are logarithmic.")


def ratio_rows(table):
    """(label, least, median, most) of simulated over published."""
    for series in table["series"]:
        row = series["rows"][0]
        values = [value for value in row["values"] if value is not None]
        if row["published"] and values:
            yield (series["name"], min(values) / row["published"], row["simulated"] / row["published"],
                   max(values) / row["published"])


def draw_points(writer, tables):
    """Cells that are no curves: simulated over published; 1 is what was published."""
    rows = [(f"{table['name']}: {label}", *values) for table in tables for label, *values in ratio_rows(table)]
    figure, axis = pyplot.subplots(figsize=(9, 0.27 * len(rows) + 1.6), layout="constrained")
    draw.frame(figure)
    for at, (_, least, middle, most) in enumerate(rows):
        axis.plot([least, most], [at, at], color=COLOURS[0], lw=4, alpha=0.35)
        axis.plot([middle], [at], color=COLOURS[0], marker="o", ms=5)
    axis.axvspan(0.95, 1.05, color="#e8e8e8", lw=0)
    axis.axvline(1, color="#555555", lw=1)
    axis.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=7.5)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlabel("simulated / published")
    draw.top_legend(figure, [Line2D([], [], color=COLOURS[0], marker="o", ls="none", label="median of the seeds"),
                             Patch(color=COLOURS[0], alpha=0.35, label="all seeds"),
                             Patch(color="#e8e8e8", label="within 5 %")])
    writer.save(figure, "points", "Simulated over published, cell by cell",
                "One row a published figure; 1 is what was published.")


def sign_rows(table):
    """(words, least, most allowed, one ratio a seed) of each shape that compares two series."""
    cells = {series["name"]: series["rows"][0]["values"] for series in table["series"]}
    for shape in table["shapes"]:
        if shape["rule"] == "ratio" and None not in cells[shape["series"]] + cells[shape["other"]]:
            ratios = [first / second for first, second in zip(cells[shape["series"]], cells[shape["other"]])]
            yield shape["words"], shape["least"], shape["most"], ratios


def draw_signs(writer, tables):
    """Ratios for which no figures were published, but a sign: the range that counts as having it, and every seed."""
    rows = [row for table in tables for row in sign_rows(table)]
    figure, axis = pyplot.subplots(figsize=(11, 0.4 * len(rows) + 1.7), layout="constrained")
    draw.frame(figure)
    right = max(max(ratios) for *_, ratios in rows) * 1.05
    right = max(right, *(most for _, _, most, _ in rows if most < 10), 1.1) if rows else 2
    for at, (_, least, most, ratios) in enumerate(rows):
        axis.barh([at], [min(most, right) - least], left=least, height=0.7, color="#cfe8df")
        axis.plot(ratios, [at] * len(ratios), color=COLOURS[0], marker="o", ms=4, ls="none", alpha=0.5)
        axis.plot([statistics.median(ratios)], [at], color=COLOURS[1], marker="D", ms=6)
    axis.axvline(1, color="#555555", lw=1)
    axis.set_xlim(0, right)
    axis.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=7.5)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlabel("simulated ratio")
    draw.top_legend(figure, [Patch(color="#cfe8df", label="counts as the published sign"),
                             Line2D([], [], color=COLOURS[0], marker="o", ms=4, ls="none", label="one seed"),
                             Line2D([], [], color=COLOURS[1], marker="D", ms=6, ls="none", label="median")])
    writer.save(figure, "signs", "Signs of 2013 and 2014, simulated",
                "One row a published sign; what stands in the bar has it.")


def plot(folder, out, formats):
    """Draws what there is; returns the paths."""
    data = read(folder)
    draw.use_style()
    writer = draw.Writer(pathlib.Path(out) / "plots", formats, Labelled(LABEL.format(**data)), "validation_")
    curves = [table for table in data["tables"] if is_curve(table)]
    points = [table for table in data["tables"] if is_pairs(table)]
    if curves:
        draw_curves(writer, curves)
    if points:
        draw_points(writer, points)
    signs = [table for table in data["tables"] if table not in curves + points and any(sign_rows(table))]
    if signs:
        draw_signs(writer, signs)
    if not writer.drawn:
        raise runfiles.DataError(f"{pathlib.Path(folder) / FILE}: has nothing to draw")
    return [path for drawn in writer.drawn for path in drawn.paths]
