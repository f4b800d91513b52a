#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""lockbench where hwloc is told of another machine, or of none that can be: a clear error, in bounded time and memory,
and never a label of a machine that is not here."""
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cli_case import TOOL, Case, lockbench  # noqa: E402

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n<topology version="2.0">\n'
SETS = 'cpuset="{0}" complete_cpuset="{0}" nodeset="0x1" complete_nodeset="0x1"'


def core(number, inside=""):
    sets = SETS.format(hex(1 << number))
    return (f'<object type="Core" os_index="{number}" {sets} gp_index="{10 + number}">'
            f'<object type="PU" os_index="{number}" {sets} gp_index="{50 + number}">{inside}</object></object>\n')


def machine(*cores, before="", after="", tail=""):
    sets = SETS.format("0xf")
    allowed = 'allowed_cpuset="0xf" allowed_nodeset="0x1"'
    return (f'{HEAD}<object type="Machine" os_index="0" {sets} {allowed} gp_index="1">\n'
            f'<object type="NUMANode" os_index="0" {sets} gp_index="2" local_memory="1073741824"/>\n{before}'
            f'{"".join(cores or map(core, range(4)))}{after}</object>\n{tail}</topology>\n')


class Hwloc(Case):
    def told(self, says, environment, words=("machine",)):
        """Refused in a sentence, within what a test can wait for and a shell gives."""
        start = time.monotonic()
        result = lockbench(*words, env={**os.environ, **environment})
        self.assertEqual(result.returncode, 3, result.stdout + result.stderr)
        self.assertRegex(result.stderr, says)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertLess(time.monotonic() - start, 100, "bounded")
        return result

    def told_of(self, text, says):
        path = self.folder / "machine.xml"
        path.write_text(text)
        result = self.told(says, {"HWLOC_XMLFILE": str(path), "HWLOC_THISSYSTEM": "1"})
        self.assertIn(str(path), result.stderr)


class Files(Hwloc):
    def test_a_sound_file_of_another_machine_is_not_measured_on(self):
        path = self.folder / "machine.xml"
        path.write_text(machine())
        self.told(r"not this system's \(XML by HWLOC_XMLFILE: .*machine\.xml\)", {"HWLOC_XMLFILE": str(path)})

    def test_broken_xml(self):
        for text in ("", "\0" * 100, machine()[:500], "<topology version=\"2.0\"><object type=\"PU\"/></topology>",
                     machine().replace('type="Core"', 'type="Foo"')):
            self.told_of(text, "no topology in hwloc's XML format, or a broken one")
        self.told_of(machine().replace('version="2.0"', 'version="3.0"'), "reads up to version 2")

    def test_huge_xml(self):
        path = self.folder / "machine.xml"
        with open(path, "w", encoding="utf-8") as file:
            file.truncate(100 << 20)
        self.told("machine.xml: 100 MiB; no topology needs more than 64 MiB", {"HWLOC_XMLFILE": str(path)})
        comment = "<!--" + "x" * (30 << 20) + "-->"
        path.write_text(machine().replace("<topology", comment + "<topology", 1))
        self.told("machine.xml", {"HWLOC_XMLFILE": str(path)})

    def test_no_file(self):
        self.told("nothere: No such file", {"HWLOC_XMLFILE": str(self.folder / "nothere")})
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        for path in (fifo, "/dev/zero", self.folder):
            self.told("is no regular file", {"HWLOC_XMLFILE": str(path)})

    def test_entity_expansion(self):
        names = "abcdefghij"
        entities = "".join(f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip(names, names[1:]))
        self.told_of(machine().replace('SYSTEM "hwloc2.dtd"', f'[<!ENTITY a "aaaaaaaaaa">{entities}]')
                     .replace('type="Machine"', 'type="&j;"'), "broken")

    def test_deep_nesting(self):
        depth = 100_000
        group = '<object type="Group" ' + SETS.format("0xf") + ">"
        self.told_of(machine(before=group * depth, after="</object>" * depth),
                     r"machine\.xml: .*kills hwloc by signal 11.*broken, hostile or too large")

    def test_numbers_out_of_range(self):
        for number, says in (("-1", "CPU -1 is beyond 16383"), ("4294967290", "CPU -6 is beyond"),
                             ("1000000", "CPU 1000000 is beyond")):
            self.told_of(machine().replace('type="PU" os_index="1"', f'type="PU" os_index="{number}"'), says)
        self.told_of(machine().replace('type="PU" os_index="1"', 'type="PU" os_index="0"'), "CPU 0 is there twice")
        self.told_of(machine().replace('type="NUMANode" os_index="0"', 'type="NUMANode" os_index="5000"'),
                     "NUMA node 5000 is beyond 1023")

    def test_a_million_cpus(self):
        for description in ("pack:1000 core:1000 pu:1", "[numa] 1000 1000", "pack:2 l3:99999999999 pu:1"):
            self.told("it has more than 16384 CPUs", {"HWLOC_SYNTHETIC": description})

    def test_objects_that_contradict_one_another(self):
        self.told_of(re.sub(r'(type="PU" os_index="1") cpuset="\S*" complete_cpuset="\S*"', r"\1", machine()), "broken")
        self.told_of(re.sub(r"<object type=\"PU\".*?</object>", "", machine()), "it has no CPUs")
        nested = f'<object type="PU" os_index="9" {SETS.format("0x1")} gp_index="99"/>'
        self.told_of(machine(core(0, nested), core(1), core(2), core(3)), "CPUs within CPUs")
        for wrong in ("0xf...f", "-5", "0x3"):
            text = machine().replace('type="PU" os_index="1" cpuset="0x2"', f'type="PU" os_index="1" cpuset="{wrong}"')
            self.told_of(text, "contradict one another|set of CPU 1 is not|CPU")
        self.told_of(machine().replace(SETS.format("0xf"), SETS.format("0x1")), "contradict one another|broken|CPU")

    def test_distances_of_the_wrong_size(self):
        def distances(kind, count, indexes, values):
            return (f'<distances2 type="{kind}" nbobjs="{count}" kind="5" name="NUMALatency" indexing="os">'
                    f'<indexes length="{len(indexes)}">{indexes}</indexes>'
                    f'<u64values length="{len(values)}">{values}</u64values></distances2>\n')
        for count in ("2", "100000", "-1"):
            self.told_of(machine(tail=distances("NUMANode", count, "0 1 ", "10 20 ")), "broken")
        # A matrix of CPUs under the name of that of nodes: read by it, it would be written beyond the end of a table.
        self.told_of(machine(tail=distances("PU", 2, "0 3 ", "10 20 20 10 ")), "claims to be this system's and is not")


class Claims(Hwloc):
    def test_a_synthetic_machine_is_not_measured_on(self):
        for words in (["machine"], ["run", f"--out={self.out}"]):
            self.told(r"not this system's \(synthetic by HWLOC_SYNTHETIC: pack:16.*cannot be bound",
                      {"HWLOC_SYNTHETIC": "pack:16 core:4 pu:2"}, words)
        self.assertFalse(self.out.exists())

    def test_a_claim_to_be_this_system_is_compared_with_it(self):
        own = json.loads(lockbench("machine", "--json").stdout)["topology"]
        numbers = [cpu["cpu"] for cpu in own["cpus"]]
        cpus, nodes = len(numbers), len(own["nodes"])
        if numbers != list(range(cpus)):
            self.skipTest("CPUs are offline, and no description has gaps")
        if not all(cpu["allowed"] for cpu in own["cpus"]):
            self.skipTest("CPUs are hidden, which is refused before the claim is looked at")
        # What holds of every machine, then what holds where it is not as described.
        shifted = ",".join(str(cpu + 1) for cpu in numbers)
        claims = [(f"pack:1 core:1 pu:{cpus + 1}", f"it has CPU {cpus}, this system has not", True),
                  (f"pack:1 core:1 pu:{cpus}(indexes={shifted})", f"it has CPU {cpus}, this system has not", True),
                  (f"pack:1 core:1 pu:{cpus - 1}", f"this system has CPU {cpus - 1}, it has not", cpus > 1),
                  (f"node:{cpus} pu:1", "on node 1, this system on node 0", nodes == 1 < cpus),
                  (f"node:1 pack:{cpus} l3:1 core:1 pu:1", "by (package|last-level cache) otherwise",
                   nodes == 1 and own["packages"] < cpus),
                  (f"node:1 pack:1 l3:1 core:1 pu:{cpus}", "by core otherwise",
                   nodes == own["packages"] == own["llcs"] == 1 < own["cores"])]
        for description, says, otherwise in claims:
            if not otherwise:
                continue
            for words in (["machine"], ["run", f"--out={self.out}"]):
                self.told(f"claims to be this system's and is not: .*{says}.*Unset HWLOC_SYNTHETIC, HWLOC_THISSYSTEM",
                          {"HWLOC_SYNTHETIC": description, "HWLOC_THISSYSTEM": "1"}, words)
        self.assertFalse(self.out.exists())

    def test_a_true_claim_is_taken(self):
        self.run_into("--locks=qrwlock", "--workloads=rw_mix", "--threads=1", "--window-ms=2", "--warmup-ms=1",
                      "--repetitions=1", "--no-uncontended", "--no-untimed", "--no-aa")
        result = lockbench("machine", env={**os.environ, "HWLOC_XMLFILE": str(self.out / "topology.xml"),
                                           "HWLOC_THISSYSTEM": "1"})
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_hostile_files_leave_the_memory_of_the_machine_alone(self):
        """The bitmaps of CPU -1 take half a gigabyte each; the child that makes them may have one, and no more."""
        path = self.folder / "machine.xml"
        path.write_text(machine().replace('type="PU" os_index="1"', 'type="PU" os_index="-1"'))
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        subprocess.run([TOOL, "machine"], env={**os.environ, "HWLOC_XMLFILE": str(path)}, capture_output=True,
                       check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        self.assertLess(max(before, after), 1_300_000, "KiB")


if __name__ == "__main__":
    unittest.main()
