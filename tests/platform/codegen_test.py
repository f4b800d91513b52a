# SPDX-License-Identifier: MIT
"""The seam costs nothing: compiled, a lock's fast path makes the accesses that its kInfo claims and no other.

For each registered lock, compiler and architecture the operations through the seam are compared with the same accesses
written by hand over the compiler's builtins (bench/by_hand.hpp makes them from kInfo.paths), and each operation of the
seam with the instructions expected of it. Compared are kind, width, order and sequence of all accesses to memory that
are not to the stack, on every way that returns without a call; not registers, not the layout of the code.
"""
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))

import disassembly  # noqa: E402
from codegen_expected import OPERATIONS, SPINS  # noqa: E402

CALLS = ("lock", "try_lock", "unlock", "lock_shared", "try_lock_shared", "unlock_shared")
# The release preset's, but for debug information.
FLAGS = ("-std=c++20", "-O2", "-DNDEBUG", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror")
LSE, LL_SC = "-march=armv8.1-a", "-march=armv8-a"
# What a fast path may call beside code in a section for unlikely code: it does not return.
ENDS = "_ZN9lockbench12check_failedEPKcS1_i"
X86_OBJDUMP, ARM_OBJDUMP = ("objdump", "-Mintel"), ("aarch64-linux-gnu-objdump",)


@dataclasses.dataclass(frozen=True)
class Target:
    name: str
    column: str  # of codegen_expected.py
    compiler: tuple
    objdump: tuple
    machine: type

    def missing(self):
        """Why this target cannot be tried here; empty where it can."""
        for tool in (self.compiler[0], self.objdump[0]):
            if not shutil.which(tool):
                return f"{self.name}: {tool} is not installed (bench/install.sh test)"
        done = subprocess.run([*self.compiler, *FLAGS, "-fsyntax-only", "-xc++", "-"], input="#include <atomic>\n",
                              text=True, capture_output=True, check=False)
        return "" if done.returncode == 0 else f"{self.name}: no C++ library for it: {done.stderr.strip()[:200]}"

    def compile(self, source, folder):
        made = folder / f"{re.sub('[^A-Za-z0-9]', '_', self.name)}_{source}.o"
        command = [*self.compiler, *FLAGS, f"-I{ROOT}", "-c", str(HERE / "codegen" / f"{source}.cpp"), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{self.name}: {source}.cpp does not compile:\n{done.stderr[-2000:]}")
        return Compiled(self, made)


def arm(name, column, compiler, march):
    outline = ("-mno-outline-atomics",) if march == LL_SC else ()
    return Target(name, column, (*compiler, march, *outline), ARM_OBJDUMP, disassembly.Arm)


CLANG_ARM = ("clang++", "--target=aarch64-linux-gnu")
TARGETS = (Target("gcc x86-64", "x86", ("g++", "-m64"), X86_OBJDUMP, disassembly.X86),
           Target("clang x86-64", "x86", ("clang++", "--target=x86_64-linux-gnu"), X86_OBJDUMP, disassembly.X86),
           arm("gcc AArch64 LSE", "lse", ("aarch64-linux-gnu-g++",), LSE),
           arm("gcc AArch64 LL/SC", "ll_sc", ("aarch64-linux-gnu-g++",), LL_SC),
           arm("clang AArch64 LSE", "lse", CLANG_ARM, LSE),
           arm("clang AArch64 LL/SC", "ll_sc", CLANG_ARM, LL_SC))


class Compiled:
    """One object file, disassembled."""

    def __init__(self, target, path):
        self.target = target
        self.functions = disassembly.read_objdump(target.objdump, path, target.machine)
        self.path = path

    def ways(self, function):
        return disassembly.ways(function, self.target.machine)

    def names(self):
        """Of the registered locks, in the registry's order."""
        return disassembly.section_text(self.target.objdump, self.path, "lockbench_names").splitlines()

    def locks(self):
        """{(lock, call): (ways through the seam, ways by hand)}"""
        names = self.names()
        found = {}
        for symbol, function in self.functions.items():
            match = re.match(r"_ZN9lockbench5probe7of_(lock|hand)ILm(\d+)ELNS0_4CallE(\d)E", symbol)
            if not match or function.section == ".text.unlikely" or symbol.endswith(".cold"):
                continue
            lock, hand = found.setdefault((names[int(match[2])], CALLS[int(match[3])]),
                                          (disassembly.Ways(set(), set()), disassembly.Ways(set(), set())))
            (lock if match[1] == "lock" else hand).add(self.ways(function))
        return found

    def is_cold(self, callee):
        if callee == ENDS or callee.startswith(".text.unlikely"):
            return True
        return callee in self.functions and self.functions[callee].section.startswith(".text.unlikely")

    def complaints(self):
        """{(lock, call): what is wrong with it}"""
        wrong = {}
        for (lock, call), (seam, hand) in self.locks().items():
            made = " | ".join(", ".join(way) or "nothing" for way in sorted(seam.returning))
            warm = sorted(callee for callee in seam.called if not self.is_cold(callee))
            if not hand.returning:
                wrong[lock, call] = (f"its kInfo does not say what {call} does: add .paths.{call}, as locks/lock.hpp "
                                     f"describes it; compiled it makes these accesses: {made}")
            elif warm:
                wrong[lock, call] = f"calls {', '.join(warm)}, which is not cold"
            elif seam.returning != hand.returning:
                by_hand = " | ".join(", ".join(way) for way in sorted(hand.returning))
                wrong[lock, call] = f"through the seam: {made or 'no way without a call'}; by hand: {by_hand}"
        return wrong


class CodegenTest(unittest.TestCase):
    """Compiles everything once, as many files at a time as there are CPUs."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.missing = {target.name: target.missing() for target in TARGETS}
        jobs = [(target, source) for source in ("fast_paths", "operations", "canaries") for target in TARGETS
                if not cls.missing[target.name]]
        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            cls.compiled = {(target.name, source): pool.submit(target.compile, source, pathlib.Path(folder.name))
                            for target, source in jobs}

    def of(self, target, source):
        if self.missing[target.name]:
            self.skipTest(self.missing[target.name])
        return self.compiled[target.name, source].result()

    def fast_paths(self, target):
        compiled = self.of(target, "fast_paths")
        locks = compiled.locks()
        registered = {lock for lock, _ in locks}
        self.assertTrue(registered)
        self.assertEqual(registered, set(compiled.names()))
        self.assertEqual(sum(call == "lock" for _, call in locks), len(registered))
        unknown = [access for seam, _ in locks.values() for way in seam.returning for access in way if "?" in access]
        self.assertEqual(unknown, [], "instructions that disassembly.py cannot read")
        for (lock, call), complaint in compiled.complaints().items():
            with self.subTest(lock=lock, call=call, target=target.name):
                self.fail(f"{target.name}: {lock}.{call}: {complaint}")

    def operations(self, target):
        compiled = self.of(target, "operations")
        self.assertLessEqual(set(OPERATIONS), set(compiled.functions))
        offered = {name for name in compiled.functions if re.fullmatch(r"[a-z_0-9]+", name)}
        self.assertEqual(offered, set(OPERATIONS), "operations.cpp and codegen_expected.py name the same operations")
        for name, columns in OPERATIONS.items():
            with self.subTest(operation=name, target=target.name):
                expected = columns.get(target.name, columns[target.column])
                found = compiled.ways(compiled.functions[name])
                self.assertEqual({callee for callee in found.called if not compiled.is_cold(callee)}, set())
                if name in SPINS:
                    # A compiler may write the first round out: the shortest way is that of no second one.
                    self.assertEqual(min(found.returning, key=len), expected)
                    self.assertLessEqual({access for way in found.returning for access in way},
                                         set(expected) | SPINS[name])
                else:
                    self.assertEqual(found.returning, {expected})

    def caught(self, target):
        complaints = self.of(target, "canaries").complaints()
        return {f"{lock}.{call}": complaint for (lock, call), complaint in complaints.items()}

    def canaries(self, target):
        caught = self.caught(target)
        everywhere = {"counting_lock.lock", "calling_unlock.unlock", "warm_wait.lock", "silent_try.try_lock"}
        x86 = target.machine is disassembly.X86
        self.assertEqual(set(caught), everywhere | ({"seq_cst_unlock.unlock"} if x86 else {"relaxed_lock.lock"}))
        self.assertIn("add .paths.try_lock", caught["silent_try.try_lock"])
        self.assertIn("which is not cold", caught["warm_wait.lock"])
        if x86:
            self.assertIn("through the seam: lock xchg 32; by hand: st 32", caught["seq_cst_unlock.unlock"])


def add_tests():
    """A test of each kind for each target, so that a report names what failed and what was skipped."""
    for target in TARGETS:
        for kind in ("fast_paths", "operations", "canaries"):
            name = f"test_{kind}_{re.sub('[^a-z0-9]+', '_', target.name.lower())}"
            setattr(CodegenTest, name, lambda self, kind=kind, target=target: getattr(self, kind)(target))
            getattr(CodegenTest, name).__name__ = name


add_tests()

if __name__ == "__main__":
    unittest.main()
