# SPDX-License-Identifier: MIT
"""The whole of plot.py: files, terminal and report.html, of one run and of several."""
import html.parser
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(pathlib.Path(__file__).resolve().parent)]

from fake_run import Fake, simulated  # noqa: E402
from plotting import runfiles  # noqa: E402

LOCKS = ["rwlock_classic", "mutex_3_10", "rwsem_3_8", "rwsem_3_10"]


def plot(*arguments):
    return subprocess.run(["/usr/bin/python3", str(ROOT / "plot.py"), *map(str, arguments)], capture_output=True,
                          text=True, check=False)


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.tags, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "data", "action")]

    def handle_data(self, data):
        self.texts.append(data)


class WholeTest(unittest.TestCase):
    """One run of everything, looked at from all sides."""

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        fake = Fake(cls.folder / "run", locks=LOCKS + ["broken"], workloads=["fork_server", "rw_mix"],
                    threads=(1, 2, 4))
        fake.samples = 60

        def edit(window):
            if window["lock"] == "rwsem_3_8" and window["threads"] == 2 and window["repetition"] == 7:
                window["checks"] = {"passed": False, "failed": ["<counter> got 17, expected 18"]}
                window["flags"].append("check_failed")
        fake.edit = edit
        fake.write(torn=True)
        cls.done = plot(cls.folder / "run")
        cls.html = (cls.folder / "run/report.html").read_text()
        cls.page = Page(cls.html)
        cls.text = "\n".join(cls.page.texts)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def test_ends_well_and_names_every_file(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr)
        named = re.findall(r"^(?:plot|report): (.*)$", self.done.stdout, re.M)
        found = [str(path) for path in sorted((self.folder / "run").rglob("*"))
                 if path.suffix in (".png", ".svg", ".html")]
        self.assertEqual(sorted(named), sorted(found))
        self.assertEqual(self.done.stdout.strip().split("\n")[-1], f"report: {self.folder / 'run/report.html'}")

    def test_every_figure_in_both_formats(self):
        names = {path.stem for path in (self.folder / "run/plots").glob("*.png")}
        self.assertEqual(names, {path.stem for path in (self.folder / "run/plots").glob("*.svg")})
        for workload in ("fork_server", "rw_mix"):
            for kind in ("throughput", "waits", "shares", "transfers"):
                self.assertIn(f"{kind}_{workload}", names)
                over = "" if kind == "throughput" else "_4"
                self.assertIn(f"{kind}_{workload}_oversubscribed{over}", names)
        self.assertLessEqual({"ratios", "uncontended"}, names)
        self.assertEqual(len(names), 2 * 8 + 2)

    def test_table_comes_first_then_the_verdict_then_the_paths(self):
        out = self.done.stdout
        places = [out.index(words) for words in ("fork_server, 1 thread", "VERDICT", "In sum", "plot: ", "report: ")]
        self.assertEqual(places, sorted(places))

    def test_table_has_every_cell(self):
        out = self.done.stdout[:self.done.stdout.index("VERDICT")]
        for lock in LOCKS + ["broken"]:
            self.assertEqual(len(re.findall(rf"^  {lock} +[\d.]+[kM]? ±", out, re.M)), 6, lock)
        self.assertIn("1/10 CHECK FAILED", out)
        self.assertIn("rw_mix, 4 threads (OVERSUBSCRIBED)", out)
        # Whoever breaks the rules is not at the top.
        block = out[out.index("fork_server, 2 threads"):out.index("fork_server, 4 threads")].strip().split("\n")
        self.assertEqual([line.split()[0] for line in block[-2:]], ["rwsem_3_8", "broken"])
        self.assertIn("a control, compared with nothing", block[-1])

    def test_report_opens_without_a_network(self):
        self.assertTrue(self.page.links)
        for link in self.page.links:
            self.assertRegex(link, "^data:image/(svg[+]xml|png);base64,")
        self.assertFalse({"script", "link", "iframe", "object"} & set(self.page.tags))
        self.assertNotIn("url(", self.html[:self.html.index("<body")])

    def test_report_has_every_figure_once(self):
        figures = len(list((self.folder / "run/plots").glob("*.svg")))
        self.assertEqual(self.page.tags.count("img"), figures)
        self.assertEqual(self.html.count("data:image/svg+xml"), figures)

    def test_report_has_the_words_of_the_terminal(self):
        out = self.done.stdout
        verdict = out[out.index("VERDICT"):out.index("\n\nplot: ")].strip()
        self.assertIn(verdict, self.text)
        self.assertIn("cannot say    rwsem_3_10 faster than rwsem_3_8", verdict)
        self.assertIn("rwsem_3_8 failed the checks", verdict)

    def test_warnings_come_before_all_results(self):
        for words in ("the last line is torn", "This is a virtual machine: other guests can take its CPUs. (virtual)"):
            self.assertIn(words, self.text)
            self.assertLess(self.text.index(words), self.text.index("Verdict"))
            self.assertLess(self.done.stdout.index(words), self.done.stdout.index("VERDICT"))
        self.assertIn("the last line is torn", self.done.stderr)

    def test_texts_are_escaped(self):
        self.assertIn("<counter> got 17, expected 18", self.text)
        self.assertIn("quiet <&>", self.text)
        self.assertNotIn("<counter>", self.html)

    def test_failed_cells_are_struck_out(self):
        rows = re.findall(r"<tr class=failed><td>([^<]*)", self.html)
        self.assertEqual(rows, ["rwsem_3_8"] * 2)  # one a workload, on two threads alone

    def test_host_plan_and_locks(self):
        for words in ("Imaginary CPU 9000", "cpu.virtual", "mitigations.spectre_v2", "not told by this host",
                      "binary_id", "plan.seed", "lockbench run --quick", "made up for a test: rwsem_3_10", "feedbeef"):
            self.assertIn(words, self.text)

    def test_what_is_missing_and_what_is_not_claimed(self):
        self.assertIn("This machine has no PMU: a hypervisor hides it.", self.text)
        self.assertIn("What is not claimed", self.text)
        self.assertIn("How to read this", self.text)
        for flag, meaning in runfiles.FLAGS.items():
            self.assertIn(flag, self.text)
            self.assertIn(meaning, self.text)

    def test_flagged_windows_are_listed(self):
        flagged = int(re.search(r"(\d+) windows carry a flag", self.text).group(1))
        windows = [window for window in runfiles.read_run(self.folder / "run", 0).windows
                   if window["flags"] and window["uncontended"] is None]
        self.assertEqual(flagged, len(windows))

    def test_same_files_give_the_same_report(self):
        again = plot(self.folder / "run", f"--out={self.folder / 'again'}")
        self.assertEqual(again.returncode, 0)
        self.assertEqual((self.folder / "again/report.html").read_text(), self.html)


class SeveralTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def fake(self, name):
        fake = Fake(self.folder / name, locks=["rwsem_3_8", "rwsem_3_10"], workloads=["fork_server"], threads=(2,),
                    repetitions=6)
        fake.samples = 40
        return fake

    def test_native_and_simulated_runs_get_figures_of_their_own(self):
        sim = simulated(self.folder / "sim", locks=["rwsem_3_8", "rwsem_3_10"])
        sim.threads, sim.samples = [2], 40
        sim.write()
        self.fake("native").write()
        done = plot(self.folder / "sim", self.folder / "native", f"--out={self.folder / 'out'}", "--format=png")
        self.assertEqual(done.returncode, 0, done.stderr)
        names = {path.stem for path in (self.folder / "out/plots").glob("*.png")}
        self.assertEqual({name for name in names if name.endswith("throughput_fork_server")},
                         {"native1_throughput_fork_server", "sim2_throughput_fork_server"})
        self.assertTrue(all(name.startswith(("native1_", "sim2_")) for name in names))
        self.assertFalse(list((self.folder / "out/plots").glob("*.svg")))
        text = (self.folder / "out/report.html").read_text()
        self.assertIn("<h2>Measured</h2>", text)
        self.assertIn("<h2>SIMULATED</h2>", text)
        self.assertIn("never share an axis", text)
        self.assertIn("VERDICT (SIMULATED machine epyc-7742-2s; not measured)", done.stdout)
        self.assertIn("data:image/png", text)

    def test_run_of_controls_alone_has_a_report_without_figures(self):
        path = Fake(self.folder / "run", locks=["broken"], workloads=["fork_server"], threads=(2,), repetitions=6)
        path.aa_lock = None
        path.uncontended = path.untimed = False
        done = plot(path.write(), f"--out={self.folder / 'new'}", "--format=png")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue((self.folder / "new" / "report.html").exists())

    def test_reader_who_leaves_early_does_not_stop_the_files(self):
        path = self.fake("run").write()
        command = f"'{ROOT / 'plot.py'}' '{path}' --format=png | head -1; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue((path / "report.html").exists())


if __name__ == "__main__":
    unittest.main()
