# SPDX-License-Identifier: MIT
"""How long readers and writers waited: percentiles of the merged histograms, roles apart."""
from matplotlib.lines import Line2D

from plotting import draw, stats, throughput

MODES = ("read", "write")
# Wider is more usual: half of the waits lie below the left end of the thick bar.
SPANS = (("p50", "p90", 5.0), ("p90", "p99", 3.0), ("p99", "p99.9", 1.4))
NARROW = 40  # locks x rows of panels beyond which a figure is split by thread count


def percentiles(cell, mode):
    """{name: Interval}, the merged waits; None where the lock was not used in that mode."""
    waits = stats.Waits(cell.windows, mode)
    if not waits.samples:
        return None, waits
    return {name: waits.percentile(p) for name, p in stats.PERCENTILES}, waits


def draw_cell(axis, dataset, cell, mode, y):
    """Returns the largest and smallest value drawn."""
    found, waits = percentiles(cell, mode)
    if found is None:
        axis.annotate("not used", (0.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=7,
                      color="#777777")
        return []
    colour, shape = draw.style_of(dataset, cell.lock)
    values = {name: interval.value for name, interval in found.items() if interval.count}
    # A wait below 1 ns has no place on a log axis; the clock resolves none.
    at = {name: max(value, 1.0) for name, value in values.items()}
    for low, high, width in SPANS:
        if low in at and high in at:
            axis.plot([at[low], at[high]], [y, y], color=colour, lw=width, solid_capstyle="butt", zorder=2, alpha=0.75)
    for name, interval in found.items():
        if interval.count and interval.known and interval.high > interval.low:
            axis.plot([max(interval.low, 1.0), max(interval.high, 1.0)], [y + 0.26] * 2, color=colour, lw=1.0, zorder=3)
    if "p50" in at:
        draw.marker(axis, at["p50"], y, colour, shape)
    for name in ("p90", "p99", "p99.9"):
        if name in at:
            axis.plot([at[name]], [y], marker="|", color=draw.EDGE, markersize=8, mew=1.3, linestyle="none", zorder=4)
    longest = max(waits.longest or 1.0, 1.0)
    axis.plot([longest], [y], marker="x", color=draw.EDGE, markersize=5, mew=1.2, linestyle="none", zorder=4)
    absent = [name for name, _ in stats.PERCENTILES if name not in values]
    note = f"{draw.quantity(waits.samples)} timed" + (f", too few for {absent[0]}" if absent else "")
    axis.annotate(note, (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=6.8, color="#555555")
    return list(at.values()) + [longest]


def used_modes(dataset, variant, counts):
    """Those in which any lock was taken: nobody needs a panel of 'not used'."""
    used = [mode for mode in MODES if any(stats.Waits(cell.windows, mode).samples
                                          for count in counts for cell in dataset.cells_of(variant, count))]
    return used or MODES[-1:]


def figure_of(writer, variant, counts, name, title):
    dataset = writer.dataset
    locks = throughput.row_order(dataset, variant, counts)
    modes = used_modes(dataset, variant, counts)
    figure, axes = draw.rows_figure(dataset, locks, len(counts), len(modes), width=3.4 + 4.4 * len(modes))
    values = []
    for row, count in zip(axes, counts):
        for axis, mode in zip(row, modes):
            for cell in dataset.cells_of(variant, count):
                values += draw_cell(axis, dataset, cell, mode, locks.index(cell.lock))
            axis.set_title(f"waits to {mode}, {count} thread{'s' if count > 1 else ''}", loc="left")
    for row in axes:
        for axis in row:  # one axis for all, so that roles and thread counts compare
            draw.value_axis(axis, values, draw.duration, "wait for the lock")
            axis.tick_params(labelbottom=True)
    draw.mark_failed(axes, locks, dataset.failed_locks(variant, counts))
    handles = [Line2D([], [], marker="o", color="#555555", lw=5, alpha=0.75, label="p50 to p90"),
               Line2D([], [], color="#555555", lw=3, alpha=0.75, label="to p99"),
               Line2D([], [], color="#555555", lw=1.4, alpha=0.75, label="to p99.9"),
               Line2D([], [], marker="x", color=draw.EDGE, linestyle="none", label="longest timed wait"),
               Line2D([], [], color="#555555", lw=1.0, label="thin line below: 95 % interval of that percentile")]
    draw.top_legend(figure, handles)
    absent = [mode for mode in MODES if mode not in modes]
    writer.save(figure, name, title,
                (f"Nobody took the lock to {absent[0]} here. " if absent else "") +
                "Percentiles of the histograms of all windows, added up and never averaged; roles apart. A "
                "percentile p is absent below 10/(1-p) timed waits. The longest timed wait grows with the number "
                "of waits timed; closed loops hide waits that a thread would have had while it already waited.")


def draw_all(writer):
    dataset = writer.dataset
    for variant in dataset.variants.values():
        inside, over = throughput.split_threads(dataset, variant)
        name = f"waits_{draw.slug(variant.title)}"
        rows = len(throughput.row_order(dataset, variant, inside)) * len(inside)
        for group in [inside] if rows <= NARROW else [[count] for count in inside]:
            if group:
                suffix = "" if group == inside else f"_{group[0]}"
                figure_of(writer, variant, group, name + suffix,
                          f"{variant.title}: how long readers and writers waited")
        for count in over:
            figure_of(writer, variant, [count], f"{name}_oversubscribed_{count}",
                      f"{variant.title}: waits OVERSUBSCRIBED, more threads than CPUs")
