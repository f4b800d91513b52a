# SPDX-License-Identifier: MIT
"""tests/run.sh's driver: what it counts, what it leaves out, and that no failure is lost before the last line."""
import contextlib
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

# As in scripts_test.py: a runner in the background starts with SIGINT ignored, and children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import lint  # noqa: E402
import lint_cpp  # noqa: E402
import stages  # noqa: E402
import tidy  # noqa: E402
import tidy_cpp  # noqa: E402
from counts_test import ALL_GOOD, GTEST, junit  # noqa: E402

FEWER = ("-DLOCKBENCH_SLICES=29", "-DLOCKBENCH_TEST_EVERY=11")
STYLE = len(tidy.TEXT_RULES) + len(tidy_cpp.RULES) + 3  # checks of the style stage: our rules and three tools

TOOL = """#!/bin/sh
# Stands in for cmake, ctest and the lint tools: says how it was called, then does what the test wants.
printf '%s %s LONG=%s\\n' "$(basename "$0")" "$*" "${LOCKBENCH_LONG:-0}" >>"$(dirname "$0")/../../calls"
BEHAVIOUR
"""


class LintTest(unittest.TestCase):
    def test_sources_are_tidied_together_then_alone_and_clean_ones_are_remembered(self):
        with tempfile.TemporaryDirectory() as folder, Stubs(pathlib.Path(folder)) as stubs:
            root = pathlib.Path(os.path.realpath(folder))
            (root / ".clang-tidy").write_text("Checks: '*'\n")
            for name, text in (("a.cpp", '#include "a.hpp"\n'), ("a.hpp", "int a;\n"), ("b.cpp", "int b;\n"),
                               ("c.cpp", "int c;\n")):
                (root / name).write_text(text)
            entries = [{"directory": folder, "file": str(root / name),
                        "command": f"g++ -DSLICE={slice_} -o {name}.o -c {name}"}
                       for name in ("a.cpp", "b.cpp", "c.cpp") for slice_ in (0, 1)]
            (root / "compile_commands.json").write_text(json.dumps(entries))
            together = "a.cpp+b.cpp+c.cpp"
            stubs.tool("clang-tidy", 'case "$*" in *b.cpp) exit 1;; *together.cpp) ! grep -q b.cpp "${@: -1}";; esac')

            def tidied(failed=("clang-tidy b.cpp",)):
                stubs.forget()
                found = lint_cpp.clang_tidy(root, root, 1, lambda *_, **__: None)
                self.assertEqual(found.failed, list(failed))
                self.assertEqual(found.passed, 3 - len(failed))
                names = [call.split()[-2] for call in stubs.calls() if "--version" not in call]
                return [self.included(name) if name.endswith("together.cpp") else name for name in names]

            self.assertEqual(tidied(), [together, "a.cpp", "b.cpp", "c.cpp"])
            self.assertEqual(tidied(), ["b.cpp"])
            (root / "a.hpp").write_text("int changed;\n")
            self.assertEqual(tidied(), ["a.cpp+b.cpp", "a.cpp", "b.cpp"])
            (root / ".clang-tidy").write_text("Checks: '-*'\n")
            self.assertEqual(tidied(), [together, "a.cpp", "b.cpp", "c.cpp"])
            stubs.tool("clang-tidy", "true")
            (root / ".clang-tidy").write_text("Checks: '*'\n# again\n")
            self.assertEqual(tidied(()), [together])
            self.assertEqual(tidied(()), [])

    @staticmethod
    def included(unit):
        lines = pathlib.Path(unit).read_text(encoding="utf-8").splitlines()
        return "+".join(os.path.basename(line.split('"')[1]) for line in lines)

    def test_no_precompiled_header_hides_a_missing_include(self):
        command = "c++ -I. -Winvalid-pch -include build/x/cmake_pch.hxx -O2 -o a.o -c a.cpp"
        self.assertEqual(lint_cpp.how(command), ("c++", "-I.", "-Winvalid-pch", "-O2", *FEWER))

    def test_slices_and_tests_of_all_locks_have_few(self):
        command = "c++ -DLOCKBENCH_SLICES=8 -DLOCKBENCH_SLICE=3 -DLOCKBENCH_TEST_EVERY=4 -o a.o -c a.cpp"
        self.assertEqual(lint_cpp.how(command), ("c++", "-DLOCKBENCH_SLICE=3", *FEWER))

    def test_a_tool_that_is_absent_is_a_failure(self):
        found = lint.one_tool("x", ["no-such-tool-anywhere"], HERE, print)
        self.assertEqual(found.failed, ["x: no-such-tool-anywhere is not installed"])


class Stubs:
    """A folder of stand-ins at the head of the PATH, and the calls they saw."""

    def __init__(self, root):
        self.root, self.bin = root, root / "build" / "bin"

    def __enter__(self):
        self.bin.mkdir(parents=True)
        self.path = os.environ["PATH"]
        os.environ["PATH"] = f"{self.bin}:{self.path}"
        return self

    def __exit__(self, *_):
        os.environ["PATH"] = self.path

    def tool(self, name, behaviour="exit 0"):
        (self.bin / name).write_text(TOOL.replace("BEHAVIOUR", behaviour))
        (self.bin / name).chmod(0o755)

    def forget(self):
        (self.root / "calls").unlink(missing_ok=True)

    def calls(self):
        calls = self.root / "calls"
        return calls.read_text().splitlines() if calls.exists() else []


class StagesTest(unittest.TestCase):
    """The whole driver over a small project, with stand-ins for the compilers."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(os.path.realpath(folder.name))
        self.stubs = self.enterContext(Stubs(self.root))
        for name in ("clang-format", "shellcheck", "clang-tidy"):
            self.stubs.tool(name)
        self.stubs.tool("setarch", 'shift 2; exec "$@"')
        self.stubs.tool("cmake", self.cmake())
        self.stubs.tool("ctest", self.ctest())
        self.stubs.tool("aarch64-linux-gnu-objdump", self.objdump())
        (self.root / "tests").mkdir()
        self.write("tests/sample_test.py", "import os\nimport unittest\n\n\nclass T(unittest.TestCase):\n"
                   "    def test_a(self):\n        open('calls', 'a').write('python LONG='"
                   " + os.environ.get('LOCKBENCH_LONG', '0') + '\\n')\n")
        self.write(".clang-tidy", "Checks: '*'\n")
        self.write("CMakeLists.txt", "# SPDX-License-Identifier: MIT\n")

    def write(self, path, text):
        if path.endswith(".py"):
            text = "# SPDX-License-Identifier: MIT\n" + text
        (self.root / path).write_text(text)

    def cmake(self, extra=""):
        database = json.dumps([{"directory": str(self.root), "file": "main.cpp",
                                "command": "g++ -o main.o -c main.cpp"}])
        return f"""{extra}
mkdir -p build/release; echo '{database}' >build/release/compile_commands.json; : >main.cpp
printf '// SPDX-License-Identifier: MIT\\n' >main.cpp
for preset in aarch64 aarch64-llsc aarch64-clang; do
    mkdir -p build/$preset/CMakeFiles/x_test.dir/tests/locks; : >build/$preset/CMakeFiles/x_test.dir/tests/locks/x.o
done"""

    @staticmethod
    def objdump(lse="casa swpal ldaddl", llsc="ldaxr stlxr"):
        return f"""case "$*" in *aarch64-llsc*) names='{llsc}';; *) names='{lse}';; esac
for name in $names; do printf '   0:\\t%s\\tw0, w1, [x0]\\n' "$name"; done"""

    @staticmethod
    def ctest(status="run", case=ALL_GOOD, extra=""):
        return f"""{extra}
case "$*" in *show-only*) echo '{{"tests": [{{"name": "locks/x_native"}}]}}'; exit 0;; esac
while [ "$1" != --output-junit ]; do shift; done
cat >"$2" <<'EOT'
{junit(status)}
EOT
folder=${{GTEST_OUTPUT#xml:}}
mkdir -p "$folder"
cat >"$folder/locks_x_test.xml" <<'EOT'
{case}
EOT
[ {status} = run ]"""

    def go(self, *arguments):
        """Returns (exit status, lines printed)."""
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            try:
                status = stages.main(list(arguments), self.root)
            except SystemExit as leaving:
                status = leaving.code
        return status, shown.getvalue().splitlines()

    def total_of(self, lines, name):
        return next(line.split(": ", 1)[1] for line in lines if f"] {name}: " in line and " passed, " in line)

    def test_all_stages_are_totalled(self):
        status, lines = self.go()
        self.assertEqual(status, 0, lines)
        each = {name: self.total_of(lines, name) for name in
                ("style", "release", "python", "clang-tidy", "asan-ubsan", "tsan", "clang", "aarch64")}
        self.assertRegex(each["style"], f"^{STYLE} passed, 0 failed, 0 skipped")
        self.assertRegex(each["release"], "^3 passed, 0 failed, 2 skipped")
        self.assertRegex(each["python"], "^1 passed, 0 failed, 0 skipped")
        self.assertRegex(each["clang-tidy"], "^1 passed, 0 failed, 0 skipped")
        self.assertRegex(each["asan-ubsan"], "^3 passed, 0 failed, 2 skipped")
        self.assertRegex(each["tsan"], "^3 passed, 0 failed, 2 skipped")
        self.assertRegex(each["clang"], "^3 passed, 0 failed, 2 skipped")
        self.assertRegex(each["aarch64"], "^8 passed, 0 failed, 4 skipped")
        self.assertEqual(lines[-1], f"{STYLE + 22} passed, 0 failed, 12 skipped")
        # Where the time went stands at the end, where a log that is cut still has it.
        self.assertRegex(lines[-2], "^longest: .* [0-9]+ s, .* [0-9]+ s$")
        self.assertRegex(lines[-3], "^aarch64: 8 passed, 0 failed, 4 skipped, [0-9]+ s$")
        calls = "\n".join(self.stubs.calls())
        self.assertIn("cmake --build build/tsan --parallel", calls)
        self.assertIn("--target locks_x_native_test", calls)
        self.assertIn("--target platform_native_native_test platform_fences_native_test", calls)
        self.assertIn("-R ^(platform/native_native|", calls)
        for preset, one_in in (("asan-ubsan", 16), ("tsan", 8), ("clang", 11), ("aarch64", 8), ("aarch64-llsc", 13)):
            self.assertRegex(calls, f"cmake --preset {preset} .*-DLOCKBENCH_TEST_EVERY={one_in} ")
        self.assertIn("ctest --preset asan-ubsan --label-exclude ^unsanitized$", calls)
        self.assertNotIn("LONG=1", calls)

    def test_the_guest_runs_once_and_by_ctest(self):
        (self.root / "tests/guest").mkdir()
        self.write("tests/guest/x_test.py", "raise SystemExit('not here')\n")
        self.stubs.tool("ctest", self.ctest(extra='echo "cases=$LOCKBENCH_CASES" >>calls'))
        status, lines = self.go("--fast")
        self.assertEqual(status, 0, lines)
        calls = self.stubs.calls()
        self.assertIn(f"cases={self.root}/build/tests/release-cases", calls)
        self.assertEqual([call for call in calls if call.startswith("ctest") and "exclude" in call], [])

    def test_a_failing_stage_does_not_stop_the_others(self):
        self.stubs.tool("ctest", self.ctest("fail", GTEST))
        self.stubs.tool("shellcheck", "echo bad; exit 1")
        self.write("tests/sample_test.py", "import unittest\n\n\nclass T(unittest.TestCase):\n"
                   "    def test_a(self):\n        self.fail()\n")
        status, lines = self.go()
        self.assertEqual(status, 1)
        self.assertEqual(lines[-1], f"{STYLE + 14} passed, 8 failed, 12 skipped")
        for failure in ("shellcheck: status 1, see above", "locks/x: S.bad", "tests/sample_test.py: test_a"):
            self.assertIn(f"FAILED: {failure}", lines)
        self.assertIn("skipped: locks/x: S.needs_two: one node only", lines)

    def test_a_build_that_fails_is_a_failure_and_nothing_of_it_is_tested(self):
        self.stubs.tool("cmake", self.cmake('case "$*" in *asan*) echo no compiler; exit 1;; esac'))
        status, lines = self.go()
        self.assertEqual(status, 1)
        self.assertIn("FAILED: build of asan-ubsan", lines)
        self.assertFalse([call for call in self.stubs.calls() if call.startswith("ctest") and "asan" in call])

    def test_atomics_of_the_wrong_kind_are_a_failure(self):
        self.stubs.tool("aarch64-linux-gnu-objdump", self.objdump(lse="casa swpal ldaddl ldaxrh", llsc="ldxr"))
        status, lines = self.go()
        self.assertEqual(status, 1)
        self.assertIn("FAILED: atomics of aarch64: 1 times ldaxrh", lines)
        self.assertIn("FAILED: atomics of aarch64-llsc: no store exclusive (stxr stlxr)", lines)
        self.assertTrue([call for call in self.stubs.calls() if call.startswith("ctest --preset aarch64-llsc")])

    def test_a_ctest_that_runs_nothing_is_a_failure(self):
        self.stubs.tool("ctest", "exit 8")
        status, lines = self.go("-R", "nothing")
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertIn("FAILED: ctest of release ended with status 8", lines)
        self.assertIn("--no-tests=error", "\n".join(self.stubs.calls()))

    def test_a_stage_that_breaks_is_a_failure(self):
        self.stubs.tool("cmake", "exit 0")  # leaves no compile database
        status, lines = self.go()
        self.assertEqual(status, 1)
        self.assertTrue([line for line in lines if line.startswith("FAILED: clang-tidy: FileNotFoundError")], lines)
        self.assertTrue([line for line in lines if "] tsan: " in line])

    def test_fast_leaves_out_the_slow_stages_and_says_so(self):
        status, lines = self.go("--fast")
        self.assertEqual((status, lines[-1]), (0, f"{STYLE + 4} passed, 0 failed, 2 skipped"))
        self.assertEqual(lines[-2], "not run: clang-tidy, asan-ubsan, tsan, clang, aarch64 (--fast)")

    def test_a_selection_is_handed_to_ctest(self):
        status, lines = self.go("-R", "rmap", "--repeat", "until-fail:3")
        self.assertEqual((status, lines[-1]), (0, "3 passed, 0 failed, 2 skipped"))
        self.assertIn("-R rmap --repeat until-fail:3", "\n".join(self.stubs.calls()))

    def test_long_asks_for_soaks_and_keeps_its_result(self):
        status, lines = self.go("--long")
        self.assertEqual(status, 0)
        calls = self.stubs.calls()
        self.assertTrue([call for call in calls if call.startswith("ctest --preset release") and "LONG=1" in call])
        self.assertIn("python LONG=1", calls)
        self.assertFalse([call for call in calls if "--preset tsan" in call and "LONG=1" in call])
        self.assertIn("-DLOCKBENCH_TEST_TIMEOUT=21600", "\n".join(calls))
        self.assertEqual(sum("-DLOCKBENCH_TEST_EVERY=1" in call for call in calls), 6)
        self.assertEqual(sum("-DLOCKBENCH_WORKLOAD_TEST_EVERY=1" in call for call in calls), 7)
        self.assertFalse([call for call in calls if "unsanitized" in call])
        self.assertFalse([call for call in calls if "platform_native_native_test" in call])
        kept = next((self.root / "results").glob("long-*.txt")).read_text()
        self.assertIn("commit unknown", kept)
        self.assertIn("release: 3 passed", kept)
        self.assertTrue(kept.endswith(f"{STYLE + 26} passed, 0 failed, 14 skipped\n"), kept)

    def test_what_a_long_run_left_out_is_kept_too(self):
        self.assertEqual(self.go("--long", "-R", "rmap")[0], 0)
        kept = next((self.root / "results").glob("long-*.txt")).read_text()
        self.assertIn("only ctest -R rmap\nnot run: style, python, clang-tidy, asan-ubsan, tsan, clang, aarch64", kept)

    def test_wrong_usage(self):
        for arguments in (["--fast", "--long"], ["rmap"]):
            with contextlib.redirect_stderr(io.StringIO()):
                self.assertEqual(self.go(*arguments)[0], 2)
        os.environ["LOCKBENCH_JOBS"] = "0"
        self.addCleanup(os.environ.pop, "LOCKBENCH_JOBS")
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(self.go("--fast")[0], 2)

    def test_a_hung_python_file_is_ended_with_its_children(self):
        self.write("tests/sample_test.py", "import subprocess\n\nsubprocess.run(['sleep', '1000'])\n")
        limits, stages.PYTHON_TEST_LIMIT_S = stages.PYTHON_TEST_LIMIT_S, {False: 1}
        self.addCleanup(setattr, stages, "PYTHON_TEST_LIMIT_S", limits)
        status, lines = self.go("--fast")
        self.assertEqual(status, 1)
        self.assertIn("FAILED: tests/sample_test.py: ended with status -9 before it could report", lines)

    def interrupted_after(self, said):
        code = f"import sys, pathlib; sys.path.insert(0, {str(HERE)!r}); import stages\n" \
               f"sys.exit(stages.main([], pathlib.Path({str(self.root)!r})))"
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if said in line:
                break
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        shown, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        return shown.splitlines()[-1]

    def test_an_interrupt_ends_the_children_and_keeps_what_was_counted(self):
        self.stubs.tool("cmake", "exec sleep 1000")
        self.assertEqual(self.interrupted_after("== release"), f"{STYLE} passed, 0 failed, 0 skipped")

    def test_an_interrupt_ends_both_of_two_lanes(self):
        self.write("tests/sample_test.py", "import time\ntime.sleep(1000)\n")
        self.stubs.tool("clang-tidy", 'case "$*" in *--version*) exit 0;; esac; exec sleep 5')
        self.assertEqual(self.interrupted_after("== clang-tidy"), f"{STYLE + 3} passed, 0 failed, 2 skipped")

    def test_python_tests_and_clang_tidy_run_beside_one_another(self):
        meeting = self.root / "meeting"
        self.write("tests/sample_test.py", f"""
            import pathlib
            import time
            import unittest


            class T(unittest.TestCase):
                def test_it(self):
                    for _ in range(3000):
                        if pathlib.Path({str(meeting)!r}).exists():
                            return
                        time.sleep(0.01)
                    self.fail("clang-tidy did not start")
            """.replace("\n            ", "\n"))
        self.stubs.tool("clang-tidy", f'case "$*" in *--version*) exit 0;; esac; touch {meeting}')
        status, lines = self.go()
        self.assertEqual(status, 0, lines)


if __name__ == "__main__":
    unittest.main()
