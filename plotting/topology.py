# SPDX-License-Identifier: MIT
"""The machine of a run as boxes in boxes, and on which CPU each placement of the run put thread 0, 1, 2 and so on."""
import math
import sys

from matplotlib import colors, pyplot
from matplotlib.patches import Patch, Rectangle

from plotting import draw, machine, palette

WIDTH = 10.6  # inches for boxes
CELL, GAP, TITLE = 0.3, 0.07, 0.17  # a CPU, between boxes, the line above a box's contents
LETTER = 0.054  # a character of a title
MOST_CPUS = 160  # drawn one by one
MOST_LEAVES = 64  # drawn as ranges of CPUs
MOST_PANELS = 8
SHARED = {"core": "same_core", "llc": "same_llc", "node": "same_node", "package": "same_package"}


def tint(level):
    """(edge, face) of a box, in the colours that the figures of hand-offs give to what two CPUs share."""
    edge = palette.DISTANCE_COLOURS[SHARED[level]]
    return edge, tuple(1 - 0.16 * (1 - part) for part in colors.to_rgb(edge))


def ranges(cpus):
    """0-7,128-135."""
    runs = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


class Box:
    """A group with its size in inches and the places of its parts."""

    def __init__(self, group, threads, collapsed):
        self.group, self.places = group, []
        self.texts = []
        title = TITLE if group.name else 0.0
        if group.level == "core" and not collapsed:
            self.width, self.height = len(group.cpus) * CELL + GAP, CELL + GAP
            return
        least = len(group.name) * LETTER + 2 * GAP
        if collapsed and not group.parts:
            self.texts = self.words(threads)
            least = max([least] + [len(text) * LETTER + 2 * GAP for text in self.texts])
            self.width, self.height = least, title + len(self.texts) * 0.14 + GAP
            return
        parts = [Box(part, threads, collapsed) for part in group.parts]
        self.height = self.place(parts, title)
        self.width = max([least] + [x + part.width + GAP for part, x, _ in self.places])

    def words(self, threads):
        usable = [cpu.number for cpu in self.group.cpus if cpu.allowed]
        hidden = [cpu.number for cpu in self.group.cpus if not cpu.allowed]
        here = [thread for cpu in self.group.cpus for thread in threads.get(cpu.number, [])]
        return ([f"CPUs {ranges(usable)}"] if usable else []) + ([f"hidden {ranges(hidden)}"] if hidden else []) + \
            ([f"threads {ranges(here)}"] if here else ["no thread"])

    def place(self, parts, title):
        """Rows as even as possible; returns the height of all."""
        widest = max(part.width for part in parts)
        if self.group.parts[0].level == "core":
            columns = max(2, math.ceil(math.sqrt(len(parts) * (4 / len(parts[0].group.cpus)))))
            columns = min(columns, int(WIDTH / (widest + GAP)))
        else:
            room = WIDTH - 2 * GAP * (3 if self.group.name else 0)
            columns = max(1, int(room / (widest + GAP)))
        rows = math.ceil(len(parts) / columns)
        columns = math.ceil(len(parts) / rows)
        y = title + (0 if self.group.name else GAP)
        for first in range(0, len(parts), columns):
            row = parts[first:first + columns]
            for at, part in enumerate(row):
                self.places.append((part, GAP + at * (widest + GAP), y))
                if part.group.level != "core":
                    part.width = widest
            y += max(part.height for part in row) + GAP
        return y

    def draw(self, axis, x, y, threads):
        group = self.group
        if group.level != "machine":
            edge, face = tint(group.level)
            axis.add_patch(Rectangle((x, y), self.width, self.height, facecolor=face, edgecolor=edge, lw=1.1))
            axis.text(x + GAP, y + 0.035, group.name, fontsize=6.8, va="top", clip_on=True)
        for at, text in enumerate(self.texts):
            axis.text(x + GAP, y + TITLE + 0.14 * at, text, fontsize=6.3, va="top", color="#333333",
                      fontweight="bold" if text.startswith("threads") else "normal")
        if group.level == "core" and not self.texts:
            last = max((thread for here in threads.values() for thread in here), default=0)
            for at, cpu in enumerate(group.cpus):
                draw_cpu(axis, x + GAP / 2 + at * CELL, y + GAP / 2, cpu, threads.get(cpu.number, []), last)
        for part, dx, dy in self.places:
            part.draw(axis, x + dx, y + dy, threads)


def thread_colour(thread, last):
    """From dark, thread 0, to light, the last one, so that the order shows before a number is read."""
    return palette.shade(palette.TWO_COLOURS[0], 0.5 + 0.75 * thread / max(1, last))


def draw_cpu(axis, x, y, cpu, here, last):
    """A CPU: its number in the corner, the thread in the middle. Colour tells whether one runs here."""
    colour = thread_colour(here[0], last) if here else "#ffffff" if cpu.allowed else "#dddddd"
    axis.add_patch(Rectangle((x + 0.015, y + 0.015), CELL - 0.03, CELL - 0.03, facecolor=colour, edgecolor="#888888",
                             lw=0.5, hatch=None if cpu.allowed else "////"))
    ink = "#ffffff" if here else "#555555"
    axis.text(x + 0.03, y + 0.025, str(cpu.number), fontsize=4.6, va="top", color=ink)
    if here:
        text = str(here[0]) if len(here) == 1 else f"{here[0]}+{len(here) - 1}"
        axis.text(x + CELL / 2, y + CELL * 0.63, text, fontsize=7.5 if len(text) < 3 else 6, ha="center",
                  va="center", color=ink, fontweight="bold")


def placed(dataset):
    """[(title, cpus of threads)] of the placements that the run used: those of the most threads with a CPU each. One
    more entry where workloads differ in it, as under readers_remote."""
    found = {}
    for run in dataset.runs:
        for cell in run.info["plan"].get("cells", []):
            cpus = cell.get("cpus") or []
            fits = not cell.get("oversubscribed")
            by_workload = found.setdefault(cell.get("placement"), {})
            entry = by_workload.get(cell.get("workload"), (False, []))
            if (fits, len(cpus)) > (entry[0], len(entry[1])):
                by_workload[cell.get("workload")] = (fits, cpus)
    panels = []
    for placement, by_workload in found.items():
        lists = {}
        for workload, (_, cpus) in by_workload.items():
            lists.setdefault(tuple(cpus), []).append(workload)
        for cpus, workloads in lists.items():
            where = f" ({', '.join(workloads)})" if len(lists) > 1 else ""
            count = f"{len(cpus)} thread{'s' if len(cpus) != 1 else ''}"
            loose = not any(cpu >= 0 for cpu in cpus)
            panels.append((f"{placement}{where}: {count}" + (", on any usable CPU" if loose else ""), cpus))
    return panels


def collapse(group, most):
    """Cuts the tree where it has more leaves than can be drawn."""
    def depth(one):
        return 1 + max((depth(part) for part in one.parts), default=0)

    def cut(one, levels):
        parts = [cut(part, levels - 1) for part in one.parts] if levels else []
        return machine.Group(one.level, one.name, one.cpus, parts)

    for levels in range(depth(group) - 2, 0, -1):
        smaller = cut(group, levels)
        if len(smaller.leaves()) <= most and smaller.parts:
            return smaller
    return cut(group, 1)


def legend(axis_levels):
    names = {"core": "one core", "llc": "one last-level cache", "node": "one node", "package": "one package"}
    handles = [Patch(facecolor=tint(level)[1], edgecolor=tint(level)[0], label=names[level])
               for level in ("core", "llc", "node", "package") if level in axis_levels]
    if "core" in axis_levels:
        handles += [Patch(facecolor=thread_colour(at, 1), edgecolor="#888888", label=label)
                    for at, label in enumerate(("the first thread", "the last"))]
    return handles


def levels_of(group):
    return {group.level} | {level for part in group.parts for level in levels_of(part)}


def words(found, panels, left_out):
    """What the drawing does not show."""
    sentences = ["Boxes are what CPUs share, in the colours that figures of hand-offs give to it; a box that is "
                 "several things at once has the colour of the innermost. Small: the CPU's number; large: the thread "
                 "on it, at the most threads that the run gave a CPU each."]
    bare = found.bare_nodes()
    if bare:
        sentences.append("Without CPUs: " + ", ".join(f"node {node} ({machine.size_text(found.nodes[node])})"
                                                      for node in bare) + ".")
    if found.offline:
        sentences.append(f"Offline: CPUs {ranges(found.offline)}.")
    hidden = [cpu.number for cpu in found.cpus if not cpu.allowed]
    if hidden:
        sentences.append(f"Hidden from the run (grey): CPUs {ranges(hidden)}.")
    if left_out:
        sentences.append(f"{left_out} more lists of CPUs are in run.json.")
    return " ".join(sentences)


def paint(writer, found, panels):
    tree = machine.tree(found)
    collapsed = len(found.cpus) > MOST_CPUS
    tree = collapse(tree, MOST_LEAVES) if collapsed else tree
    drawn, left_out = panels[:MOST_PANELS], max(0, len(panels) - MOST_PANELS)
    boxes = []
    for title, cpus in drawn:
        threads = {}
        for thread, cpu in enumerate(cpus):
            threads.setdefault(cpu, []).append(thread)
        boxes.append((title, threads, Box(tree, threads, collapsed)))
    across = max(1, min(len(boxes), int(WIDTH / max(box.width + 0.3 for _, _, box in boxes))))
    wide = max(box.width for _, _, box in boxes) + 0.3
    tall = max(box.height for _, _, box in boxes) + 0.3
    down = math.ceil(len(boxes) / across)
    width, height = max(wide * across, 7.2), tall * down + 0.6 + 0.25
    figure = pyplot.figure(figsize=(width, height))
    axis = figure.add_axes([0, 0, 1, 1])
    axis.set_xlim(0, width)
    axis.set_ylim(height, 0)
    axis.set_axis_off()
    for at, (title, threads, box) in enumerate(boxes):
        x, y = 0.1 + (at % across) * wide, 0.62 + (at // across) * tall
        axis.text(x + GAP, y, title, fontsize=9, fontweight="bold", va="top")
        box.draw(axis, x, y + 0.16, threads)
    draw.top_legend(figure, legend(levels_of(tree)))
    writer.save(figure, "topology", "The machine, and where its threads were put", words(found, panels, left_out))


def draw_all(writer):
    """Nothing where no run of the dataset has a topology.xml: a simulated machine, a folder that was cut down."""
    for run in writer.dataset.runs:
        path = run.path / "topology.xml"
        panels = placed(writer.dataset)
        if not path.exists() or not panels:
            continue
        try:
            found = machine.read(path, (run.host.get("cpu") or {}).get("allowed_cpus"))
        except (ValueError, OSError) as error:
            run.warnings.append(f"{path} cannot be drawn: {error}.")
            print(f"plot.py: warning: {run.warnings[-1]}", file=sys.stderr)
            continue
        paint(writer, found, panels)
        return
