# SPDX-License-Identifier: MIT
"""What all figures share: the style, rows of locks, markers with intervals, and writing the files."""
import dataclasses
import math
import pathlib

import matplotlib
from matplotlib import pyplot
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from plotting import palette

EDGE = "#222222"
FAILED = "#c00000"
ROW_INCHES = 0.34
FILLS = ("none", "full", "left", "top", "right", "bottom")


def use_style():
    matplotlib.rcParams.update({
        "font.family": "DejaVu Sans", "font.size": 8.5, "axes.titlesize": 9.5, "axes.labelsize": 8.5,
        "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8, "figure.titlesize": 11,
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
        "grid.color": "#dddddd", "grid.linewidth": 0.6, "savefig.dpi": 110, "savefig.facecolor": "white",
        # The same files give the same bytes.
        "svg.hashsalt": "lockbench", "svg.fonttype": "path"})


@dataclasses.dataclass
class Drawn:
    """A figure that was written."""
    name: str
    title: str
    caption: str  # how to read it, one or two sentences
    paths: list


class Writer:
    """Writes figures of one dataset as <folder>/<prefix><name>.<format>."""

    def __init__(self, folder, formats, dataset, prefix=""):
        self.folder, self.formats, self.dataset, self.prefix = pathlib.Path(folder), formats, dataset, prefix
        self.drawn = []

    def decorate(self, figure, title):
        """Title and source. The source is below the figure and not under its title, where it would meet the legend."""
        height = figure.get_figheight()
        texts = [figure.text(0.01, 1 - 0.08 / height, title, va="top", fontsize=11, fontweight="bold"),
                 figure.text(0.01, 0.06 / height, self.dataset.label, fontsize=7.5,
                             color=FAILED if self.dataset.simulated else "#555555")]
        if self.dataset.simulated:
            texts.append(figure.text(0.5, 0.5, "SIMULATED", fontsize=54, color=FAILED, alpha=0.10, rotation=24,
                                     ha="center", va="center", zorder=10))
        for text in texts:
            text.set_in_layout(False)

    def save(self, figure, name, title, caption):
        self.decorate(figure, title)
        # Laid out once, not anew for each format.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        self.folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for kind in self.formats:
            path = self.folder / f"{self.prefix}{name}.{kind}"
            figure.savefig(path, metadata={"Date": None} if kind == "svg" else None)
            paths.append(path)
        pyplot.close(figure)
        self.drawn.append(Drawn(self.prefix + name, title, caption, paths))


def frame(figure, legend=True, bottom=0.0):
    """Keeps the head for title and legend and the foot for the source, in inches."""
    height = figure.get_figheight()
    head, foot = 0.6 if legend else 0.34, 0.22 + bottom
    figure.get_layout_engine().set(rect=(0, foot / height, 1, 1 - (head + foot) / height), w_pad=0.08, h_pad=0.06)


# Spacing of columns and length of handles, in font sizes, and the font's size in points: the first that fits is taken.
TOP_LEGENDS = ((1.4, 2.0, 8), (0.9, 1.3, 8), (0.7, 1.0, 7), (0.5, 0.8, 6))


def top_legend(figure, handles):
    """One row below the title, as wide as the figure at most."""
    for spacing, length, size in TOP_LEGENDS:
        legend = figure.legend(handles=handles, loc="upper left", ncol=len(handles), frameon=False, borderaxespad=0,
                               bbox_to_anchor=(0.004, 1 - 0.29 / figure.get_figheight()), handletextpad=0.5,
                               columnspacing=spacing, handlelength=length, fontsize=size)
        legend.set_in_layout(False)
        fits = legend.get_window_extent(figure.canvas.get_renderer()).x1 <= figure.bbox.x1
        if fits or (spacing, length, size) == TOP_LEGENDS[-1]:
            return
        legend.remove()


def bottom_legend(figure, handles, columns):
    legend = figure.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 0.22 / figure.get_figheight()),
                           ncol=columns, frameon=False, borderaxespad=0)
    legend.set_in_layout(False)


def slug(text):
    """A file name of a title."""
    return "".join(c if c.isalnum() or c in "_-" else "-" for c in text).strip("-")


def quantity(value, _=None):
    """1234567 -> 1.23M."""
    if value is None or math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit * 0.9995:
            return f"{value / limit:.3g}{suffix}"
    return f"{value:.3g}"


def duration(value_ns, _=None):
    """1234567 ns -> 1.23 ms."""
    if value_ns is None or math.isnan(value_ns):
        return "-"
    for limit, suffix in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if abs(value_ns) >= limit * 0.9995:
            return f"{value_ns / limit:.3g} {suffix}"
    return f"{value_ns:.3g} ns"


def style_of(dataset, lock):
    return palette.of(lock, (dataset.locks.get(lock) or {}).get("family", ""))


def lock_label(dataset, lock):
    """The lock's name as a row's label: long names on two lines, exclusive locks said to be so."""
    text = lock.replace(".", ".\n", 1) if len(lock) > 24 else lock
    return text if (dataset.locks.get(lock) or {}).get("shared", True) else text + " (excl.)"


def rows_figure(dataset, locks, groups, columns, width=None, extra=0.0, ratios=None):
    """Axes[group][column] that share the locks as rows, first lock on top."""
    height = groups * (len(locks) * ROW_INCHES + 0.75) + 0.75 + extra
    figure, axes = pyplot.subplots(groups, columns, squeeze=False, sharey=True, layout="constrained",
                                   figsize=(width or 3.0 + 3.3 * columns, height),
                                   gridspec_kw={"width_ratios": ratios} if ratios else None)
    frame(figure)
    for row in axes:
        for axis in row:
            axis.grid(False, axis="y")
            for at in range(0, len(locks), 2):
                axis.axhspan(at - 0.5, at + 0.5, color="#f4f4f4", lw=0, zorder=0)
            axis.tick_params(axis="y", length=0)
    first = axes[0][0]
    first.set_yticks(range(len(locks)), [lock_label(dataset, lock) for lock in locks])
    first.set_ylim(len(locks) - 0.5, -0.5)
    return figure, axes


def mark_failed(axes, locks, failed):
    """Red names for locks whose checks failed. The axes share their labels, so one column has them all."""
    labels = [label.get_text() for label in axes[0][0].get_yticklabels()]
    axes[0][0].set_yticks(range(len(locks)), [text + "\nCHECK FAILED" if lock in failed else text
                                              for lock, text in zip(locks, labels)])
    for row in axes:
        for lock, label in zip(locks, row[0].get_yticklabels()):
            label.set_color(FAILED if lock in failed else "black")


def fill_of(number, count):
    """Marker fill by thread count: hollow for the fewest, full for the next; full where there is only one."""
    return "full" if count == 1 else FILLS[number % len(FILLS)]


def lane(number, count):
    """Vertical place of one of `count` thread counts inside a row."""
    return 0.0 if count == 1 else (number / (count - 1) - 0.5) * 0.46


def value_axis(axis, values, formatter, label, zero=True):
    """Linear from zero where the values are alike, logarithmic where they differ by more than 20 times."""
    values = [value for value in values if value is not None and value > 0]
    wide = bool(values) and max(values) > 20 * min(values)
    if wide:
        axis.set_xscale("log")
        axis.set_xlim(min(values) / 1.5, max(values) * 1.8)
        axis.xaxis.set_major_locator(LogLocator(numticks=6))
        axis.xaxis.set_minor_formatter(NullFormatter())
    else:
        if zero:
            axis.set_xlim(0, (max(values) if values else 1) * 1.08)
        axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.xaxis.set_major_formatter(FuncFormatter(formatter))
    axis.set_xlabel(label + (" (log scale)" if wide else ""))


def marker(axis, x, y, colour, shape, fill="full", size=6.0, zorder=4):
    hollow = fill == "none"
    axis.plot([x], [y], marker=shape, color=colour, markersize=size, fillstyle="full" if hollow else fill,
              markerfacecolor="white" if hollow else colour, markerfacecoloralt="white",
              markeredgecolor=colour if hollow else EDGE, markeredgewidth=1.1 if hollow else 0.6, linestyle="none",
              zorder=zorder)


def cross(axis, x, y):
    """Crosses out what is drawn there."""
    axis.plot([x], [y], marker="x", color=FAILED, markersize=10, markeredgewidth=2.0, linestyle="none", zorder=6)


def mode_words(modes):
    """'2 modes (6 + 4 windows)'."""
    return f"2 modes ({modes[0].count} + {modes[1].count} windows)"


def interval_marker(axis, interval, y, colour, shape, fill="full", size=6.0):
    """A median with its interval; nothing where there is no value."""
    if math.isnan(interval.value):
        return
    if interval.known:
        axis.plot([interval.low, interval.high], [y, y], color=colour, lw=1.6, solid_capstyle="butt", zorder=3)
        axis.plot([interval.low, interval.high], [y, y], marker="|", color=colour, markersize=6, mew=1.2,
                  linestyle="none", zorder=3)
    marker(axis, interval.value, y, colour, shape, fill, size)


def raw_points(axis, values, y, colour):
    axis.plot(values, [y] * len(values), marker=".", color=colour, alpha=palette.RAW_ALPHA, markersize=4.5, mew=0,
              linestyle="none", zorder=2)


def rate_marks(axis, cell, op, y, colour, shape, fill):
    """One cell in a row: raw windows, median and interval; two medians where there are two modes; crossed where checks
    failed."""
    raw_points(axis, cell.rates(op), y, colour)
    modes = cell.modes(op)
    if modes is not None:
        axis.plot([mode.value for mode in modes], [y, y], color=colour, lw=1.0, ls=":", zorder=3)
        for mode in modes:
            marker(axis, mode.value, y, colour, shape, fill, 5.0)
        middle = (modes[0].value + modes[1].value) / 2
        axis.annotate(mode_words(modes), (middle, y), (0, 3), textcoords="offset points", ha="center", fontsize=6.5)
    else:
        interval_marker(axis, cell.rate(op), y, colour, shape, fill)
    if cell.failed:
        cross(axis, cell.rate(op).value, y)


def threads_handles(counts):
    """Which fill is which thread count, and what else is drawn."""
    handles = [Line2D([], [], marker="o", linestyle="none", color="#555555", fillstyle=fill_of(at, len(counts)),
                      markerfacecoloralt="white", label=f"{count} thread{'s' if count > 1 else ''}")
               for at, count in enumerate(counts)]
    handles.append(Line2D([], [], marker=".", linestyle="none", color="#555555", alpha=0.5, label="one window"))
    handles.append(Line2D([], [], marker="|", linestyle="-", color="#555555", lw=1.6,
                          label="95 % interval of the median"))
    return handles
