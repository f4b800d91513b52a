#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""lockbench machine from the shell: one screen, and the drawing of a machine that is not here."""
import json
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from cli_case import ROOT, TOOL, Case, lockbench  # noqa: E402
from fake_topology import Shape  # noqa: E402

sys.path.insert(0, str(ROOT))

from plotting import machine  # noqa: E402

COLUMNS = 100  # of the drawing; host and counters keep to their own width


class ThisMachine(Case):
    def test_the_drawing_comes_first_and_is_of_this_machine(self):
        result = lockbench("machine")
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = result.stdout.splitlines()
        self.assertEqual(lines[0], "topology of this system")
        usable = sorted(os.sched_getaffinity(0))
        shown = json.loads(lockbench("machine", "--json").stdout)["topology"]
        self.assertEqual(sorted(cpu["cpu"] for cpu in shown["cpus"] if cpu["allowed"]), usable)
        self.assertTrue(shown["is_this_system"])
        self.assertTrue(any(line.startswith("  +- ") for line in lines))

    def test_cpus_are_of_another_machine_only(self):
        self.refused("machine", "--cpus=0", says=["--topology"])


class AnotherMachine(Case):
    def shown(self, *arguments, **options):
        result = lockbench("machine", *arguments, **options)
        self.assertEqual((result.returncode, result.stderr), (0, ""), arguments)
        return result.stdout

    def test_it_is_labelled_and_nothing_is_measured(self):
        text = self.shown("--topology=pack:2 [numa] l3:2 core:4 pu:2")
        self.assertTrue(text.startswith("topology of ANOTHER MACHINE, not of this one (synthetic: pack:2 "), text)
        for word in ("own cost", "counters", "warnings", "kernel"):
            self.assertNotIn(word, text)
        self.assertTrue(all(len(line) <= COLUMNS for line in text.splitlines()), text)
        shown = json.loads(self.shown("--topology=pack:2 [numa] l3:2 core:4 pu:2", "--json"))
        self.assertEqual(set(shown), {"topology"})
        self.assertFalse(shown["topology"]["is_this_system"])

    def test_a_runs_own_file_a_pipe_and_a_mask(self):
        recorded = sorted((ROOT / "results" / "native").glob("*/topology.xml"))[0]
        self.assertIn("package 0, node 0", self.shown(f"--topology={recorded}"))
        piped = subprocess.run([TOOL, "machine", "--topology=-"], input=recorded.read_bytes(), capture_output=True,
                               check=False)
        self.assertEqual(piped.returncode, 0, piped.stderr)
        self.assertIn(b"XML: standard input", piped.stdout)
        masked = self.shown("--topology=pack:1 core:4 pu:2", "--cpus=0-3")
        self.assertIn("usable CPUs: 0-3; hidden ones are in (brackets)", masked)
        self.assertIn("  smt_last       0 2 1 3\n", masked)

    def test_wrong_input(self):
        self.refused("machine", "--topology=pack:two", says=["no file 'pack:two'", "For example"])
        self.refused("machine", "--topology=/nonexistent/machine.xml", says=["No such file or directory"])
        self.refused("machine", f"--topology={self.folder}", says=["no regular file"])
        self.refused("machine", "--topology=core:100000", says=["more than 16384 CPUs"])
        self.refused("machine", "--topology=pu:2", "--cpus=1-", says=["--cpus: '1-'"])
        self.refused("machine", "--topology=", says=["no value"])
        for number, text in enumerate(("", "<", "{}", "<?xml version='1.0'?><topology version='2.0'></topology>",
                                       '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;">]><topology>&c;',
                                       "<topology version=\"2.0\">" + "<object type=\"Group\">" * 5000,
                                       Shape((1, 1, 1, 2, 1)).xml().replace('type="PU"', 'type="Bridge"'),
                                       Shape((1, 1, 1, 2, 1)).xml()[:900], "\0" * 1000, "\xff\xfe")):
            path = self.folder / f"{number}.xml"
            path.write_text(text, encoding="latin-1")
            self.refused("machine", f"--topology={path}", status=3, says=[str(path)])

    def test_plot_and_lockbench_read_the_same_machine(self):
        """The report's own reader of topology.xml against hwloc."""
        shapes = (Shape((1, 1, 1, 2, 1)), Shape((2, 2, 2, 3, 2)), Shape((2, 1, 1, 20, 2), allowed=range(3, 50)),
                  Shape((1, 1, 2, 4, 2), across=False, offline=[3, 5], bare=1 << 30), Shape((4, 1, 1, 40, 1)))
        for number, shape in enumerate(shapes):
            path = self.folder / f"shape{number}.xml"
            path.write_text(shape.xml())
            shown = json.loads(self.shown(f"--topology={path}", "--json"))["topology"]
            read = machine.read(path, None)
            with self.subTest(shape=shape.counts):
                self.assertEqual([(cpu.number, *cpu.groups, cpu.allowed) for cpu in read.cpus],
                                 [tuple(cpu[key] for key in ("cpu", "package", "node", "llc", "core", "allowed"))
                                  for cpu in shown["cpus"]])
                self.assertEqual(read.offline, shown["offline"])
                self.assertEqual(read.nodes, {node["node"]: node["memory_bytes"] for node in shown["nodes"]})
                self.assertEqual(read.caches, [(one["level"], one["bytes"]) for one in shown["last_caches"]])


if __name__ == "__main__":
    unittest.main()
