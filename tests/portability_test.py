# SPDX-License-Identifier: MIT
"""What docs/portability.md says of builds holds, and the check of their instructions finds what it is to find."""
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE))
import instructions  # noqa: E402
import stages  # noqa: E402

PAGE = (ROOT / "docs" / "portability.md").read_text(encoding="utf-8")
RELEASE = pathlib.Path(os.environ.get("LOCKBENCH_BUILD_DIR", ROOT / "build" / "release"))
LSE = [("casa", "w0, w1, [x2]"), ("swpalh", "w0, w1, [x2]"), ("ldaddl", "w0, w1, [x2]")]
EXCLUSIVE = [("ldaxrb", "w0, [x2]"), ("stxr", "w1, w0, [x2]")]


def table(heading):
    """The rows of the table below a heading, as lists of cells."""
    part = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]
    return rows[2:]


class PageTest(unittest.TestCase):
    def setUp(self):
        self.presets = json.loads((ROOT / "CMakePresets.json").read_text(encoding="utf-8"))["configurePresets"]

    def test_every_preset_is_a_row_and_every_row_a_preset(self):
        rows = [row[0].strip("`") for row in table("What is built and run")]
        self.assertEqual(rows, [preset["name"] for preset in self.presets if not preset.get("hidden")])

    def test_the_stages_that_it_names_run_these_presets(self):
        runner = stages.Runner.__new__(stages.Runner)
        runner.options = stages.Options(fast=False, long=False, ctest=[])
        known = {name for name, _ in stages.plan(runner)[0]}
        for preset, *_, stage in table("What is built and run"):
            if stage == "none":
                self.assertNotIn(preset.strip("`"), known)
            else:
                self.assertIn(stage.strip("`"), known)
        for preset, *_ in stages.AARCH64:
            self.assertIn(preset, [entry["name"] for entry in self.presets])

    def test_the_samples_that_it_states_are_those_of_the_stage(self):
        number = {4: "four native tests"}
        for preset, _, one_in, few in stages.AARCH64:
            row = " ".join(next(row for row in table("What is built and run") if row[0] == f"`{preset}`"))
            self.assertIn(f"one lock in {one_in}" if one_in else "only with `--long`", row)
            self.assertEqual(len(few) in number, any(words in row for words in number.values()), row)


class BaselineTest(unittest.TestCase):
    def assembled(self, text):
        """The instructions of a piece of x86-64 assembly."""
        with tempfile.TemporaryDirectory() as folder:
            made = pathlib.Path(folder) / "a.o"
            subprocess.run(["as", "-o", made, "-"], input=text, text=True, check=True)
            return list(instructions.instructions("x86_64", [made]))

    @unittest.skipIf(platform.machine() != "x86_64", "x86-64 only")
    def test_newer_instructions_are_found(self):
        text = "lock cmpxchg16b (%rdi)\npopcnt %eax,%ebx\nvaddps %xmm0,%xmm1,%xmm2\nxbegin 1f\n1: pshufb %xmm0,%xmm1\n"
        self.assertEqual(instructions.after_baseline(self.assembled(text)),
                         ["cmpxchg16b", "popcnt", "pshufb", "vaddps", "xbegin"])
        old = "lock cmpxchg %eax,(%rdi)\npause\nlfence\nrdtsc\nrep bsf %eax,%ebx\nlock btsl $8,(%rdi)\nmfence\n"
        self.assertEqual(instructions.after_baseline(self.assembled(old)), [])

    @unittest.skipIf(platform.machine() != "x86_64", "x86-64 only")
    def test_the_tool_runs_on_every_x86_64_cpu(self):
        tool = RELEASE / "lockbench"
        if not tool.exists():
            self.skipTest(f"{tool} is not built")
        self.assertEqual(instructions.after_baseline(instructions.instructions("x86_64", [tool])), [])


class AtomicsTest(unittest.TestCase):
    def faults(self, found, atomics):
        return instructions.atomics_faults(found, atomics)

    def test_each_kind_has_its_own_instructions_and_none_of_the_other(self):
        self.assertEqual(self.faults(LSE, "lse"), [])
        self.assertEqual(self.faults(EXCLUSIVE, "llsc"), [])
        self.assertEqual(self.faults(LSE + EXCLUSIVE, "lse"), ["1 times ldaxrb", "1 times stxr"])
        self.assertEqual(self.faults(EXCLUSIVE + LSE[:1], "llsc"), ["1 times casa"])
        self.assertEqual(self.faults(LSE[:2], "lse"), ["no fetch and add (ldadd)"])

    def test_helpers_that_choose_at_run_time_are_found(self):
        call = ("bl", "0 <__aarch64_cas4_acq>")
        self.assertEqual(len(self.faults(LSE + [call], "lse")), 1)

    def test_results_in_the_zero_register_are_found(self):
        for line in (("swpa", "w0, wzr, [x2]"), ("ldaddal", "x0, xzr, [x2]"), ("stadd", "w0, [x2]"),
                     ("ldsetab", "w0, wzr, [x2]")):
            self.assertEqual(len(self.faults(LSE + [line], "lse")), 1, line)
        # The zero register as the value that is stored, or compared with, is another matter.
        for line in (("swpa", "wzr, w0, [x2]"), ("cas", "w0, wzr, [x2]"), ("stlr", "wzr, [x2]")):
            self.assertEqual(self.faults(LSE + [line], "lse"), [], line)


class PlatformTest(unittest.TestCase):
    def test_architectures_are_told_apart_in_the_native_platform_alone(self):
        for path in sorted(ROOT.glob("*/*.[ch]pp")):
            if path.parent.name in ("platform", "locks", "workloads", "bench") and not path.name.startswith("native"):
                text = path.read_text(encoding="utf-8")
                self.assertIsNone(re.search(r"__x86_64__|__aarch64__|__ARM_|\basm\b *(volatile)? *\(", text), path)

    def test_locks_and_workloads_do_not_know_which_platform_they_are_on(self):
        for path in sorted([*ROOT.glob("locks/*.hpp"), *ROOT.glob("workloads/*.hpp")]):
            code = re.sub(r"//[^\n]*", "", path.read_text(encoding="utf-8"))
            if path.name != "native_only.hpp":
                self.assertIsNone(re.search(r"\b(Native|Coop|Explore|Sim)\b|explore::|requires\s*\{\s*P::", code), path)


if __name__ == "__main__":
    unittest.main()
