# SPDX-License-Identifier: MIT
"""What counts.py makes of the reports of GoogleTest, ctest and unittest."""
import os
import pathlib
import subprocess
import sys
import tempfile
import textwrap
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import counts  # noqa: E402

GTEST = """<?xml version="1.0"?><testsuites><testsuite name="S">
<testcase name="good" status="run" result="completed" classname="S"/>
<testcase name="bad" status="run" result="completed" classname="S"><failure message="x"/></testcase>
<testcase name="needs_two" status="run" result="skipped" classname="S"><skipped message="a.cpp:7&#x0A;one node only"/>
</testcase><testcase name="DISABLED_x" status="notrun" result="suppressed" classname="S"/></testsuite></testsuites>"""
ALL_GOOD = GTEST.replace("<failure message=\"x\"/>", "")


def junit(status="run", name="locks/x"):
    failure = '<failure message="Timeout"/>' if status == "fail" else ""
    return f'<testsuite><testcase name="{name}" status="{status}">{failure}</testcase></testsuite>'


class CountsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def ctest(self, summary, case=None):
        (self.root / "j.xml").write_text(summary)
        if case is not None:
            (self.root / "locks_x_test.xml").write_text(case)
        return counts.from_ctest(self.root / "j.xml", self.root)

    def test_cases_of_an_executable_are_counted_one_by_one(self):
        found = self.ctest(junit("fail"), GTEST)
        self.assertEqual(found.line(), "1 passed, 1 failed, 2 skipped")
        self.assertEqual(found.failed, ["locks/x: S.bad"])
        self.assertEqual(found.skipped, ["locks/x: S.needs_two: one node only", "locks/x: S.DISABLED_x: disabled"])

    def test_a_crash_after_good_cases_is_a_failure(self):
        self.assertEqual(self.ctest(junit("fail"), ALL_GOOD).failed, ["locks/x: Timeout"])

    def test_an_executable_without_a_readable_report_counts_as_one(self):
        self.assertEqual(self.ctest(junit("run")).line(), "1 passed, 0 failed, 0 skipped")
        self.assertEqual(self.ctest(junit("fail")).line(), "0 passed, 1 failed, 0 skipped")
        self.assertEqual(self.ctest(junit("fail"), "<testsuites").line(), "0 passed, 1 failed, 0 skipped")
        self.assertEqual(self.ctest(junit("disabled")).line(), "0 passed, 0 failed, 1 skipped")

    def test_an_entry_of_ctest_in_python_is_counted_case_by_case(self):
        (self.root / "tests/guest").mkdir(parents=True)
        (self.root / "tests/guest/x_test.py").write_text(textwrap.dedent("""
            import unittest
            class T(unittest.TestCase):
                def test_a(self): pass
                def test_b(self): self.fail()
                def test_c(self): self.skipTest("no guest: no QEMU")"""))
        subprocess.run([sys.executable, HERE / "run_unittest.py", "tests/guest/x_test.py"], cwd=self.root, check=False,
                       capture_output=True, env={**os.environ, "LOCKBENCH_CASES": str(self.root)})
        for status in ("run", "fail", "notrun"):
            found = self.ctest(junit(status, "guest/x"))
            self.assertEqual(found.line(), "1 passed, 1 failed, 1 skipped")
            self.assertEqual(found.skipped, ["guest/x: test_c: no guest: no QEMU"])

    def unittest_of(self, body):
        (self.root / "sample_test.py").write_text("import unittest\n" + textwrap.dedent(body))
        done = subprocess.run([sys.executable, HERE / "run_unittest.py", "sample_test.py", "report"], cwd=self.root,
                              capture_output=True, check=False)
        return counts.from_unittest(self.root / "report", "sample_test.py", done.returncode)

    def test_python_cases_are_counted_one_by_one(self):
        found = self.unittest_of('''
            class T(unittest.TestCase):
                def test_a(self): pass
                def test_b(self):
                    """with a doc line"""
                    self.skipTest("no PMU")
                def test_c(self): self.fail()
                def test_d(self): raise ValueError
                def test_e(self):
                    for part in (1, 2):
                        with self.subTest(part=part): self.fail()
                @unittest.expectedFailure
                def test_f(self): self.fail()
                @unittest.expectedFailure
                def test_g(self): pass
            @unittest.skip("all of it")
            class U(unittest.TestCase):
                def test_h(self): pass
            class V(unittest.TestCase):
                @classmethod
                def setUpClass(cls): raise unittest.SkipTest("one node")
                def test_i(self): pass''')
        self.assertEqual(found.line(), "2 passed, 4 failed, 3 skipped")
        self.assertEqual(found.failed, [f"sample_test.py: test_{name}" for name in "cdeg"])
        self.assertEqual(found.skipped[:2], ["sample_test.py: test_b: no PMU", "sample_test.py: test_h: all of it"])
        self.assertTrue(found.skipped[2].endswith(": one node"))

    def test_python_files_that_say_nothing_fail(self):
        self.assertEqual(self.unittest_of("").failed, ["sample_test.py: no test ran"])
        self.assertEqual(len(self.unittest_of("import nothing_of_that_name").failed), 1)
        self.assertIn("status 3", self.unittest_of(
            "import atexit, os; atexit.register(os._exit, 3)\n"
            "class T(unittest.TestCase):\n    def test_a(self): pass").failed[0])
        (self.root / "report").unlink()
        self.assertIn("status 7 before", self.unittest_of("import os; os._exit(7)").failed[0])


if __name__ == "__main__":
    unittest.main()
