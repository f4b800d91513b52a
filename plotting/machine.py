# SPDX-License-Identifier: MIT
"""The machine of a run, from its topology.xml: CPUs, what they share, and the boxes in boxes that a drawing shows.

The levels are lockbench's (bench/topology_reader.cpp): package, local NUMA node, outermost data cache, core. Where a
description lacks one, the next larger thing stands for it, as there.
"""
import dataclasses
import re
import xml.etree.ElementTree

LEVELS = ("package", "node", "llc", "core")


@dataclasses.dataclass
class Cpu:
    number: int  # the operating system's
    groups: tuple  # numbers of its package, node, last-level cache and core
    allowed: bool = True


@dataclasses.dataclass
class Group:
    """CPUs that share something; levels that hold the same CPUs share one group."""
    level: str  # the innermost of its levels: what its CPUs share at least
    name: str
    cpus: list
    parts: list = dataclasses.field(default_factory=list)

    def leaves(self):
        return [self] if not self.parts else [leaf for part in self.parts for leaf in part.leaves()]


@dataclasses.dataclass
class Machine:
    cpus: list
    nodes: dict  # number: bytes of memory
    caches: list  # of a last-level cache: (level, bytes); level 0: none is told
    offline: list

    def bare_nodes(self):
        return [node for node in self.nodes if all(cpu.groups[1] != node for cpu in self.cpus)]


def numbers(text):
    """CPUs of a list as the kernel writes it: 0-3,8."""
    found = []
    for part in (text or "").split(","):
        first, _, last = part.strip().partition("-")
        if first:
            found += range(int(first), int(last or first) + 1)
    return found


def members(mask):
    """CPUs of one of hwloc's sets: 32 bits a word, the highest first; a word may be left empty."""
    value = 0
    for word in (mask or "0x0").split(","):
        value = (value << 32) | (int(word, 16) if word else 0)
    return [bit for bit in range(value.bit_length()) if value >> bit & 1]


def size_text(size):
    if size >= 10 << 30:
        return f"{round(size / 2 ** 30)} GiB"
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def children(element):
    return element.findall("object")


def own_node(element):
    """The first node that hangs at an object, also behind a memory-side cache."""
    for child in children(element):
        if child.get("type") == "NUMANode":
            return child
        if child.get("type") == "MemCache":
            return own_node(child)
    return None


class Reader:
    def __init__(self, root, allowed):
        self.allowed = allowed
        self.machine = Machine([], {}, [], [])
        self.ids = {level: {} for level in LEVELS}
        self.top = root.find("object")
        for node in root.iter("object"):
            if node.get("type") == "NUMANode":
                self.machine.nodes[int(node.get("os_index"))] = int(node.get("local_memory") or 0)
        self.walk(self.top, [])
        online = {cpu.number for cpu in self.machine.cpus}
        self.machine.offline = [cpu for cpu in members(self.top.get("complete_cpuset")) if cpu not in online]

    def number(self, level, element):
        known = self.ids[level]
        return known.setdefault(element, len(known))

    def walk(self, element, above):
        if element.get("type") == "PU":
            self.add(element, above)
        for child in children(element):
            self.walk(child, [*above, element])

    def add(self, pu, above):
        def innermost(*kinds):
            return next((element for element in reversed(above) if element.get("type") in kinds), None)

        node = next((own_node(element) for element in reversed(above) if own_node(element) is not None), None)
        node = int(node.get("os_index")) if node is not None else next(iter(self.machine.nodes))
        package = innermost("Package")
        package = package if package is not None else node
        caches = [element for element in above if re.fullmatch(r"L\dCache", element.get("type"))]
        last = caches[0] if caches else package
        core = next((element for element in (innermost("Core"), innermost("L1Cache")) if element is not None), pu)
        llc = self.number("llc", last)
        if llc == len(self.machine.caches):
            self.machine.caches.append((int(caches[0].get("depth")), int(caches[0].get("cache_size") or 0)) if caches
                                       else (0, 0))
        number = int(pu.get("os_index"))
        groups = (self.number("package", package), node, llc, self.number("core", core))
        self.machine.cpus.append(Cpu(number, groups, number in self.allowed))


def read(path, allowed_list):
    """The machine of a topology.xml; `allowed_list`: CPUs that the run might use. ValueError says what is wrong."""
    try:
        root = xml.etree.ElementTree.parse(path).getroot()
        top = root.find("object")
        if root.tag != "topology" or top is None:
            raise ValueError("it holds no topology")
        allowed = set(members(top.get("allowed_cpuset") or top.get("cpuset")))
        machine = Reader(root, allowed & set(numbers(allowed_list)) if allowed_list else allowed).machine
    except xml.etree.ElementTree.ParseError as error:
        raise ValueError(f"it is no XML: {error}") from error
    except RecursionError as error:
        raise ValueError("its objects nest deeper than any machine's") from error
    except (AttributeError, StopIteration, TypeError) as error:
        raise ValueError("an object lacks what it must have") from error
    if not machine.cpus:
        raise ValueError("it has no CPU")
    return machine


def names_of(machine):
    """level: function from a group's number to its name."""
    told = sum(machine.nodes.values()) > 0

    def node(number):
        size = machine.nodes[number]
        return f"node {number}" + (f" ({size_text(size) if size else 'no memory'})" if told else "")

    def llc(number):
        level, size = machine.caches[number]
        name = f"L{level}" if level else "LLC"
        return f"{name} {number}" + (f" ({size_text(size)})" if size and len(machine.caches) <= 16 else "")

    return {"package": lambda number: f"package {number}", "node": node, "llc": llc, "core": lambda number: ""}


def tree(machine):
    """The machine as one group: levels with fewer groups are the outer ones, as in bench/placement_order.cpp."""
    counts = [len({cpu.groups[at] for cpu in machine.cpus}) for at in range(len(LEVELS))]
    order = sorted(range(len(LEVELS)), key=lambda at: counts[at])
    if counts[2] == counts[3] and counts[2] > 1:  # a cache a core: its box would say nothing more
        order.remove(2)
    names = names_of(machine)

    def divide(level, name, cpus, rest):
        group = Group(level, name, cpus)
        if rest:
            found = {}
            for cpu in cpus:
                found.setdefault(cpu.groups[rest[0]], []).append(cpu)
            below = LEVELS[rest[0]]
            group.parts = [divide(below, names[below](number), inside, rest[1:]) for number, inside in found.items()]
        if name and len(group.parts) == 1 and group.parts[0].level != "core":
            only = group.parts[0]
            group = Group(only.level, f"{name}, {only.name}", cpus, only.parts)
        return group

    return divide("machine", "", machine.cpus, order)
