# SPDX-License-Identifier: MIT
"""plot.py on files and flags that are wrong: each has an exit status and words that help."""
import gzip
import json
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from plot_folder import PYTHON, ROOT, FolderTest, run_plot, small  # noqa: E402
from plotting import runfiles  # noqa: E402


class ErrorTest(FolderTest):
    """Each wrong input: its exit status and the words that help."""

    def run_of(self, edit=None, torn=False):
        path = small(self.folder / "run", locks=["ticket"], threads=(2,)).write(torn)
        if edit:
            edit(path)
        return path

    def refused(self, status, words, *arguments):
        done = run_plot(*arguments)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(words, done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_folder_that_is_not_there_or_no_run(self):
        self.refused(2, "does not exist", self.folder / "nothing")
        self.refused(2, "has no run.json", self.folder)
        (self.folder / "file").write_text("")
        self.refused(2, "is not a folder", self.folder / "file")

    def test_wrong_usage(self):
        path = self.run_of()
        self.refused(2, "required: DIR")
        self.refused(2, "'pdf' is not a format; allowed: png, svg", path, "--format=pdf")
        self.refused(2, "no format", path, "--format=,")
        self.refused(2, "named twice", path, path, "--out=x")
        self.refused(2, "--out=DIR", path, self.folder / "other")

    def test_broken_run_json(self):
        for text, words in (("{", "not valid JSON: line 1"), ("[]", "is no JSON object"), ("\xff", "not UTF-8")):
            path = self.run_of(lambda path, text=text: (path / "run.json").write_bytes(text.encode("latin-1")))
            self.refused(1, words, path)
            self.setUp()

    def test_fields_of_the_wrong_kind(self):
        path = self.run_of()
        info = json.loads((path / "run.json").read_text())
        for name, value in (("host", None), ("locks", None), ("plan", "x"), ("workloads", 3)):
            (path / "run.json").write_text(json.dumps({**info, name: value}))
            self.refused(1, f"run.json has {value!r} as '{name}'", path)

    def test_other_schema(self):
        path = self.run_of()
        info = json.loads((path / "run.json").read_text())
        (path / "run.json").write_text(json.dumps({**info, "schema_version": 2}))
        self.refused(1, "schema version 2; this plot.py reads 1", path)

    def test_broken_line_in_the_middle(self):
        path = self.run_of()
        lines = (path / "windows.jsonl").read_text().splitlines()
        lines[2] = lines[2][:30]
        (path / "windows.jsonl").write_text("\n".join(lines) + "\n")
        self.refused(1, "windows.jsonl: line 3 is not valid JSON", path)
        lines[2] = '{"platform": "native"}'
        (path / "windows.jsonl").write_text("\n".join(lines) + "\n")
        self.refused(1, "line 3 is not a window: it has no 'machine'", path)
        for line, words in (("[]", "it is no JSON object"), (lines[1].replace('"flags": [', '"flags": null, "x": ['),
                                                             "it has None as 'flags'")):
            lines[2] = line
            (path / "windows.jsonl").write_text("\n".join(lines) + "\n")
            self.refused(1, f"line 3 is not a window: {words}", path)

    def test_no_windows(self):
        path = self.run_of(lambda path: (path / "windows.jsonl").write_text('{"platf'))
        self.refused(1, "nothing was measured", path)
        (path / "windows.jsonl").unlink()
        self.refused(1, "has no windows.jsonl", path)
        (path / "windows.jsonl.gz").write_bytes(b"this is not gzip")
        self.refused(1, "cannot read", path)

    def test_output_that_cannot_be_written(self):
        (self.folder / "taken").write_text("")
        self.refused(1, "cannot write", self.run_of(), f"--out={self.folder / 'taken'}", "--format=png")

    def test_missing_package(self):
        done = run_plot(self.folder, python=(PYTHON, "-I", "-S"))
        self.assertEqual(done.returncode, 3)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("apt install python3-matplotlib python3-numpy", done.stderr)
        self.assertIn(PYTHON, done.stderr)

    def warnings(self, edit=None, torn=False, status="done"):
        fake = small(self.folder / "run", locks=["ticket"], threads=(2,))
        fake.edit, fake.status = edit, status
        return runfiles.read_run(fake.write(torn), 0).warnings

    def test_torn_last_line_is_a_warning(self):
        self.assertIn("the last line is torn", self.warnings(torn=True)[0])

    def test_run_that_did_not_end_is_a_warning(self):
        self.assertIn("status is 'running': 6 of 6 planned windows", self.warnings(status="running")[0])

    def test_flag_outside_the_closed_list_is_a_warning(self):
        self.assertIn("does not know: bimodal, odd",
                      self.warnings(lambda window: window["flags"].extend(["odd", "bimodal"]))[0])

    def test_flags_are_those_of_the_documentation(self):
        text = (ROOT / "results/README.md").read_text()
        self.assertEqual(re.findall(r"^\| `(\w+)` \|", text[text.index("### Flags"):], re.M), list(runfiles.FLAGS))

    def test_packed_windows_are_read(self):
        path = self.run_of()
        before = runfiles.read_run(path, 0).windows
        packed = gzip.compress((path / "windows.jsonl").read_bytes())
        (path / "windows.jsonl").unlink()
        (path / "windows.jsonl.gz").write_bytes(packed)
        self.assertEqual(runfiles.read_run(path, 0).windows, before)


if __name__ == "__main__":
    unittest.main()
