# SPDX-License-Identifier: MIT
"""Every cell as a row: for the terminal and for the report."""
import math

from plotting import draw, stats, throughput, transfers

# What a cell's row says of its windows' flags, most serious first.
FLAG_WORDS = {"check_failed": "CHECK FAILED", "killed": "killed", "interrupted": "interrupted",
              "overlap_low": "overlap low", "involuntary_switch": "preempted", "few_samples": "few waits",
              "placement_unverified": "placement?", "home_unverified": "home?", "convoy_allowed": "convoy",
              "illegal_allowed": "illegal"}


def with_interval(interval, formatter):
    if math.isnan(interval.value):
        return "-"
    text = formatter(interval.value)
    return f"{text} [{formatter(interval.low)}, {formatter(interval.high)}]" if interval.known else text


def flag_words(cell):
    """'2/10 preempted, 2 modes'."""
    words = ["2 modes"] if any(cell.modes(op) for op in cell.ops) else []
    windows = cell.windows + cell.left_out
    for flag, word in FLAG_WORDS.items():
        count = sum(1 for window in windows if flag in window["flags"])
        if count:
            words.append(f"{count}/{len(windows)} {word}")
    return ", ".join(words)


class Block:
    """The rows of one variant and thread count."""

    def __init__(self, dataset, variant, threads):
        self.variant, self.threads = variant, threads
        cells = dataset.cells_of(variant, threads, controls=True)
        self.oversubscribed = any(cell.oversubscribed for cell in cells)
        ops = dataset.headline_ops(variant.workload)
        self.header = ["lock"] + [f"{op}/s" for op, _ in ops] + [
            "read p50", "read p99", "write p50", "write p99", "starved", "moved", "windows", "flags"]
        self.rows = []
        cells.sort(key=lambda cell: throughput.rank(dataset, cell, ops[0][0]))
        for cell in cells:
            self.rows.append(self.row(cell, [op for op, _ in ops]))
            if dataset.is_control(cell.lock):
                self.rows[-1][-1] = ", ".join(filter(None, ["a control, compared with nothing", self.rows[-1][-1]]))

    @property
    def title(self):
        words = f"{self.variant.title}, {self.threads} thread{'s' if self.threads > 1 else ''}"
        return words + (" (OVERSUBSCRIBED)" if self.oversubscribed else "")

    @staticmethod
    def row(cell, ops):
        row = [cell.lock]
        for op in ops:
            modes = cell.modes(op)
            row.append(" or ".join(draw.quantity(mode.value) for mode in modes) if modes is not None
                       else with_interval(cell.rate(op), draw.quantity))
        for mode in ("read", "write"):
            waits = stats.Waits(cell.windows, mode)
            row += [draw.duration(waits.percentile(p).value) for p in (0.5, 0.99)]
        starved = [value for window in cell.windows for value in (window["longest_starvation_ns"] or {}).values()
                   if value is not None]
        row.append(draw.duration(max(starved)) if starved else "-")
        moved = transfers.moved_share(cell)
        row.append("-" if moved is None else f"{moved * 100:.0f} %")
        return row + [str(len(cell.windows)), flag_words(cell)]


def blocks(dataset):
    return [Block(dataset, variant, threads) for variant in dataset.variants.values()
            for threads in dataset.threads_of(variant) if dataset.cells_of(variant, threads, controls=True)]


def spread(interval):
    """'73.8k ±2.4 %': the farther end of the interval, for a narrow terminal."""
    if not interval.known or interval.value == 0:
        return draw.quantity(interval.value)
    reach = max(interval.high - interval.value, interval.value - interval.low) / interval.value
    return f"{draw.quantity(interval.value)} ±{reach * 100:.1f} %"


def text(dataset, found):
    """Lines for the terminal: the main columns."""
    lines = []
    for block in found:
        ops = [op for op, _ in dataset.headline_ops(block.variant.workload)]
        table = [["lock"] + [f"{op}/s" for op in ops] + ["read p99", "write p99", "moved", "flags"]]
        for row in block.rows:
            cell = dataset.cell(block.variant, block.threads, row[0])
            full = dict(zip(block.header, row))
            rates = [full[f"{op}/s"] if cell.modes(op) else spread(cell.rate(op)) for op in ops]
            table.append([row[0]] + rates + [full["read p99"], full["write p99"], full["moved"], full["flags"]])
        widths = [max(len(row[at]) for row in table) for at in range(len(table[0]))]
        lines.append(block.title)
        for row in table:
            cells = [row[0].ljust(widths[0])] + [entry.rjust(width) for entry, width in zip(row[1:-1], widths[1:-1])]
            lines.append(("  " + "  ".join(cells + [row[-1]])).rstrip())
        lines.append("")
    return lines + ["Medians; ± is the farther end of the 95 % bootstrap interval. p99: of the waits for the lock.",
                    "moved: acquisitions after a write by another thread. preempted: windows with an "
                    "involuntary switch.",
                    ""]
