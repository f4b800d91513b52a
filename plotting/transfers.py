# SPDX-License-Identifier: MIT
"""How far the lock travelled from owner to owner, and what the counters say per acquisition."""
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from plotting import draw, palette, stats, throughput, verdict

DISTANCES = tuple(palette.DISTANCE_COLOURS)
MAX_COUNTERS = 4
TRANSFER_LEVEL = 2  # levels above it count something else than lines moving between cores
LEVEL_WORDS = {1: "hardware: lines taken\nfrom another core", 2: "hardware: fills\nby their source",
               3: "hardware, NOT transfers:\nsnoop hits", 4: "hardware,\nNOT transfers",
               5: "software: the\nkernel's events", 6: "software:\ngetrusage", 7: "of unknown kind"}


def levels(dataset):
    """{counter: level} as run.json tells, in its order."""
    return {name: entry.get("level", 7) for name, entry in listed(dataset).items()}


def listed(dataset):
    """{counter: what run.json says of it}."""
    return {entry["name"]: entry for run in dataset.runs
            for entry in (run.host.get("counters") or {}).get("counters", [])}


def counters_of(dataset, cells):
    """Names counted in at least one of the cells, the most telling first."""
    names = {name for cell in cells for window in cell.windows
             for name, value in (window["counters"] or {}).items() if value is not None}
    known = levels(dataset)
    order = list(known)
    return sorted(names, key=lambda name: (known.get(name, 7), order.index(name) if name in known else 0, name)), known


def missing_counters(dataset):
    """{counter: reason} of what was asked for and could not be counted in any window."""
    reasons, counted = {}, set()
    for cell in dataset.cells.values():
        for window in cell.windows:
            reasons.update(window.get("counters_reason") or {})
            counted |= {name for name, value in (window["counters"] or {}).items() if value is not None}
    return {name: reason for name, reason in sorted(reasons.items()) if name not in counted}


def scaled_counters(cells):
    """{counter: the smallest part of a window in which it was counted} of those that took turns with others."""
    shares = {}
    for cell in cells:
        for window in cell.windows:
            for name, share in (window.get("counters_share") or {}).items():
                shares[name] = min(share, shares.get(name, 1))
    return shares


def moved_share(cell):
    """Part of the acquisitions before which another thread was the last to write; None where it was not counted."""
    total = sum(sum((window["handoff"] or {}).values()) for window in cell.windows)
    stayed = sum((window["handoff"] or {}).get(name, 0) for window in cell.windows for name in ("self", "unknown"))
    return 1 - stayed / total if total else None


def draw_handoff(axis, cell, y):
    totals = {name: sum((window["handoff"] or {}).get(name, 0) for window in cell.windows) for name in DISTANCES}
    total = sum(totals.values())
    if not total:
        axis.annotate("not counted", (0.01, y), va="center", fontsize=7, color="#777777")
        return
    left = 0.0
    for name in DISTANCES:
        share = totals[name] / total
        axis.barh(y, share, left=left, height=0.62, color=palette.DISTANCE_COLOURS[name], zorder=2, edgecolor="#666666",
                  linewidth=0.4 if share else 0, hatch="////" if name == "unknown" else None)
        left += share
    windows = [window["handoff"] for window in cell.windows if window["handoff"]]
    stay = stats.sum_ratio_interval([each["self"] for each in windows], [sum(each.values()) for each in windows])
    if stay.known:
        axis.errorbar([stay.value], [y], xerr=[[max(0, stay.value - stay.low)], [max(0, stay.high - stay.value)]],
                      color=draw.EDGE, lw=1.1, capsize=2.5, zorder=3)
    axis.annotate(f"{moved_share(cell) * 100:.1f} % moved", (1.01, y), xycoords=("axes fraction", "data"),
                  va="center", fontsize=6.8, color="#555555")


def draw_counter(axis, dataset, cells, locks, name, level):
    values = []
    unit = (listed(dataset).get(name) or {}).get("unit") or "events"
    # Events are rarer than acquisitions; times and cycles are not.
    factor = 1000 if unit == "events" else 1
    for cell in cells:
        y = locks.index(cell.lock)
        per = cell.per_acquisition(name)
        if per is None:
            axis.annotate("not counted", (0.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=6.8,
                          color="#777777")
            continue
        colour, shape = draw.style_of(dataset, cell.lock)
        scaled = stats.Interval(per.value * factor, per.low * factor, per.high * factor, per.count)
        draw.interval_marker(axis, scaled, y, colour, shape)
        values += [value for value in (scaled.value, scaled.high) if value == value]
    top = max(values, default=0) or 1
    axis.set_xlim(-0.05 * top, 1.12 * top)  # room for the markers at 0
    axis.xaxis.set_major_formatter(FuncFormatter(draw.quantity))
    axis.locator_params(axis="x", nbins=4)
    axis.set_xlabel("per 1000 acquisitions" if factor == 1000 else f"{unit} per acquisition")
    axis.set_title(f"{name}\n({LEVEL_WORDS.get(level, LEVEL_WORDS[7])})", loc="left", fontsize=8)


def figure_of(writer, variant, counts, name, title):
    dataset = writer.dataset
    locks = throughput.row_order(dataset, variant, counts)
    everything = [cell for count in counts for cell in dataset.cells_of(variant, count)]
    names, known = counters_of(dataset, everything)
    shown = names[:MAX_COUNTERS]
    figure, axes = draw.rows_figure(dataset, locks, len(counts), 1 + len(shown), width=6.2 + 2.3 * len(shown),
                                    ratios=[2.0] + [1.0] * len(shown), extra=0.2 * len(counts))
    for row, count in zip(axes, counts):
        cells = dataset.cells_of(variant, count)
        for cell in cells:
            draw_handoff(row[0], cell, locks.index(cell.lock))
        row[0].set_title(f"hand-offs by distance, {verdict.counted(count, 'thread')}\n(counted in software)",
                         loc="left", fontsize=8)
        row[0].set_xlim(0, 1)
        row[0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.0f} %"))
        row[0].set_xlabel("share of acquisitions")
        for axis, counter in zip(row[1:], shown):
            draw_counter(axis, dataset, cells, locks, counter, known.get(counter, 7))
    draw.mark_failed(axes, locks, dataset.failed_locks(variant, counts))
    handles = [Patch(facecolor=palette.DISTANCE_COLOURS[name], edgecolor="#666666", lw=0.4,
                     hatch="////" if name == "unknown" else None, label=name.replace("_", " ")) for name in DISTANCES]
    draw.top_legend(figure, handles)
    caption = ("Left: acquisitions, of readers too, by how far away the last writer was; 'self': the same thread wrote "
               "last. Counted by the lock's users in software, so it shows on hosts without performance counters; "
               "what readers take from one another does not show. ")
    if any(known.get(name, 7) <= TRANSFER_LEVEL for name in names):
        caption += ("Right: counters of all threads over the acquisitions of the same windows; those of levels 1 and 2 "
                    "count cache-line bouncing.")
    else:
        caption += ("Right: no counter of this run counts cache lines moving between cores; those shown count what "
                    "their titles say.")
    scaled = scaled_counters(everything)
    if scaled:
        parts = ", ".join(f"{name} (down to {share * 100:.0f} %)" for name, share in sorted(scaled.items()))
        caption += f" Took turns, values scaled up from the part of the window they counted: {parts}."
    if names[MAX_COUNTERS:]:
        caption += f" Not shown: {', '.join(names[MAX_COUNTERS:])}."
    writer.save(figure, name, title, caption)


def draw_all(writer):
    dataset = writer.dataset
    for variant in dataset.variants.values():
        inside, over = throughput.split_threads(dataset, variant)
        shared = [count for count in inside if count > 1] or inside
        name = f"transfers_{draw.slug(variant.title)}"
        title = f"{variant.title}: where the lock went, and counters per acquisition"
        together = len(shared) * len(throughput.row_order(dataset, variant, shared)) <= 40
        for group, suffix in ([(shared, "")] if together else [([count], f"_{count}") for count in shared]):
            if group:
                figure_of(writer, variant, group, name + suffix, title)
        for count in over:
            figure_of(writer, variant, [count], f"{name}_oversubscribed_{count}", f"{title}, OVERSUBSCRIBED")
