# SPDX-License-Identifier: MIT
"""Writes a topology.xml as hwloc 2 does, for machines of regular shape: the tests of the drawing need many."""


def mask(bits):
    """hwloc's writing of a set: words of 32 bits, the highest first."""
    value = sum(1 << bit for bit in bits)
    words = []
    while True:
        words.insert(0, f"0x{value & 0xffffffff:08x}")
        value >>= 32
        if not value:
            return ",".join(words)


class Shape:
    """package > node > L3 > core > PU, each `counts` times in the one before. `across`: all first threads of cores are
    numbered before the second ones, as Linux does. `allowed`, `offline`: CPUs; `bare`: bytes of memory without CPUs."""

    def __init__(self, counts, across=True, allowed=None, offline=(), bare=0, memory=64 << 30):
        self.counts, self.across, self.offline, self.bare, self.memory = counts, across, set(offline), bare, memory
        packages, nodes, caches, cores, threads = counts
        self.cores = packages * nodes * caches * cores
        self.cpus = [cpu for cpu in range(self.cores * threads) if cpu not in self.offline]
        self.allowed = self.cpus if allowed is None else list(allowed)
        self.next_core = self.next_node = 0
        self.next_id = 1

    def tag(self, kind, cpus, nodes, index, more="", inside=None):
        self.next_id += 1
        sets = f'cpuset="{mask(cpus)}" complete_cpuset="{mask(cpus)}" nodeset="{mask(nodes)}" ' \
               f'complete_nodeset="{mask(nodes)}" gp_index="{self.next_id}"'
        head = f'<object type="{kind}" os_index="{index}" {sets} {more}'
        return head + "/>" if inside is None else f"{head}>{inside}</object>"

    def core(self, node):
        core, threads = self.next_core, self.counts[4]
        self.next_core += 1
        cpus = [core + self.cores * thread if self.across else core * threads + thread for thread in range(threads)]
        cpus = [cpu for cpu in cpus if cpu not in self.offline]
        inside = "".join(self.tag("PU", [cpu], [node], cpu) for cpu in cpus)
        return cpus, self.tag("Core", cpus, [node], core, "", inside) if cpus else ""

    def cache(self, node):
        found = [self.core(node) for _ in range(self.counts[3])]
        cpus = [cpu for one, _ in found for cpu in one]
        more = 'cache_size="33554432" depth="3" cache_linesize="64" cache_associativity="16" cache_type="0"'
        return cpus, self.tag("L3Cache", cpus, [node], 0, more, "".join(text for _, text in found))

    def node(self):
        number = self.next_node
        self.next_node += 1
        found = [self.cache(number) for _ in range(self.counts[2])]
        cpus = [cpu for one, _ in found for cpu in one]
        memory = self.tag("NUMANode", cpus, [number], number, f'local_memory="{self.memory}"')
        inside = memory + "".join(text for _, text in found)
        return cpus, [number], self.tag("Group", cpus, [number], number, 'kind="0" subkind="0"', inside) \
            if self.counts[1] > 1 else inside

    def package(self, number):
        found = [self.node() for _ in range(self.counts[1])]
        cpus = [cpu for one, _, _ in found for cpu in one]
        nodes = [node for _, one, _ in found for node in one]
        return cpus, nodes, self.tag("Package", cpus, nodes, number, "", "".join(text for _, _, text in found))

    def xml(self):
        found = [self.package(number) for number in range(self.counts[0])]
        nodes = list(range(self.next_node + bool(self.bare)))
        bare = self.tag("NUMANode", [], [nodes[-1]], nodes[-1], f'local_memory="{self.bare}"') if self.bare else ""
        every = sorted(set(self.cpus) | self.offline)
        return ('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n'
                '<topology version="2.0">\n'
                f'<object type="Machine" os_index="0" cpuset="{mask(self.cpus)}" complete_cpuset="{mask(every)}" '
                f'allowed_cpuset="{mask(self.allowed)}" nodeset="{mask(nodes)}" complete_nodeset="{mask(nodes)}" '
                f'allowed_nodeset="{mask(nodes)}" gp_index="1">{bare}{"".join(text for _, _, text in found)}</object>\n'
                '</topology>\n')
