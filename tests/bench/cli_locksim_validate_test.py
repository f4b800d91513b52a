# SPDX-License-Identifier: MIT
"""locksim validate and locksim fit from the shell, with made-up tables and matrices: what each rule says, what is
written and drawn, what is refused."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cli_case import BUILD, ROOT  # noqa: E402

TOOL = BUILD / "locksim"
COUNTS = (2, 3, 8)
READS = (2, 4, 29)  # of a ticket lock that 2, 3 and 8 threads queue up for: n (n - 1) / 2 + 1


def locksim(*arguments):
    return subprocess.run([TOOL, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False)


def series(name="reads", count="reads", published=READS, **more):
    return {"name": name, "lock": "ticket", "count": count, "threads": list(COUNTS), "published": list(published),
            **more}


def table(*shapes, lines=None, **more):
    return {"schema_version": 1, "name": "made_up", "title": "A table of this test", "citation": "nobody",
            "machine": "westmere-ex-8s80c", "measure": "hand_over", "unit": "transfers",
            "series": list(lines or [series()]), "shapes": [dict(one) for one in shapes], **more}


def shape(rule, **more):
    return {"words": f"a {rule}", "rule": rule, "series": "reads", **more}


EXACT = shape("each", least=1, most=1)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="locksim-validate-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def refused(self, *arguments, says=()):
        result = locksim(*arguments)
        self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
        for text in says:
            self.assertIn(text, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)


class Validate(Case):
    def validate(self, made_up, *flags, status=0, out="out"):
        path = self.folder / "table.json"
        path.write_text(json.dumps(made_up))
        result = locksim("validate", f"--table={path}", f"--out={self.folder / out}", *flags)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.text = result.stdout
        return json.loads((self.folder / out / "validation.json").read_text())["tables"][0]

    def holds(self, one, published=READS, lines=None):
        """Whether the simulated reads, which are READS, have a shape."""
        found = self.validate(table(one, lines=lines or (series(published=published),)), "--seeds=1",
                              status=None or self.status(one, published, lines))
        return found["shapes"][0]["holds"]

    def status(self, one, published, lines):
        path = self.folder / "first.json"
        path.write_text(json.dumps(table(one, lines=lines or (series(published=published),))))
        shutil.rmtree(self.folder / "first", ignore_errors=True)
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        return locksim("validate", f"--table={path}", f"--out={self.folder / 'first'}", "--seeds=1").returncode

    def test_rows_errors_and_verdicts(self):
        twice = [2 * value for value in READS]
        found = self.validate(table(EXACT), status=0)
        self.assertEqual([row["simulated"] for row in found["series"][0]["rows"]], list(READS))
        self.assertEqual([row["values"] for row in found["series"][0]["rows"]], [[value] * 5 for value in READS])
        self.assertEqual((found["shapes"][0]["seeds_holding"], found["shapes"][0]["seeds"]), (5, 5))
        self.assertIn("PASS a each", self.text)
        self.assertIn("every shape holds", self.text)
        found = self.validate(table(shape("each", least=1, most=1, why="it is half"), lines=[series(published=twice)]),
                              status=1, out="half")
        self.assertEqual([row["error_percent"] for row in found["series"][0]["rows"]], [-50] * 3)
        self.assertIn("FAIL a each: 0.5 times", self.text)
        self.assertIn("why: it is half", self.text)
        self.assertIn("1 shapes do not hold", self.text)

    def test_rules(self):
        # Published figures have each shape, or none where they are not given; the simulated ones are READS.
        nothing = [None] * 3
        for one, published, wanted in (
                (shape("flat", most=3, to=3), nothing, True), (shape("flat", most=3), nothing, False),
                (shape("change", **{"from": 2, "to": 8}, least=14, most=15), nothing, True),
                (shape("change", **{"from": 2, "to": 8}, least=15), nothing, False),
                (shape("level", least=.9, most=1.1), [29, 4, 2], True), (shape("each", least=.9, most=1.1), [29, 4, 2],
                                                                         False),
                (shape("level", least=.9, most=1.1), [29, 4, 29], False),
                (shape("peak", least=1, most=1), [1, 2, 3], True), (shape("peak", least=.9, most=1), [1, 3, 2], False),
                (shape("each", at=3, least=1, most=1), [9, 4, 9], True)):
            with self.subTest(rule=one, published=published):
                self.assertEqual(self.holds(one, published), wanted)
        stores = series("stores", "writes", nothing)  # as many as threads
        for most, wanted in ((4, True), (3.5, False)):
            with self.subTest(most=most):
                one = shape("ratio", other="stores", least=1, most=most)
                self.assertEqual(self.holds(one, lines=(series(published=nothing), stores)), wanted)
        missing = shape("flat", most=1, **{"from": 100})
        self.assertFalse(self.holds(missing))

    def test_workloads_in_each_unit(self):
        # One thread alone on westmere: some 9 ns a pair of qrwlock's write.
        line = {"name": "w", "lock": "qrwlock", "workload": "lock_loop", "threads": [1], "published": [9.2],
                "params": ["lock_loop.read_permille=0", "lock_loop.think_ns=91"]}
        values = {}
        for measure, more in (("kops_per_s", {}), ("ns_per_op", {}), ("ms_for", {"operations": 1e6}),
                              ("speed_up", {})):
            made_up = table(shape("each", least=0), lines=[line], measure=measure, window_us=50, **more)
            made_up["shapes"][0]["series"] = "w"
            found = self.validate(made_up, "--seeds=1", out=measure)
            values[measure] = found["series"][0]["rows"][0]["simulated"]
        self.assertAlmostEqual(values["ns_per_op"] * values["kops_per_s"], 1e6, delta=1)
        self.assertAlmostEqual(values["ms_for"], values["ns_per_op"], delta=1e-6)
        self.assertAlmostEqual(values["speed_up"], 91 / values["ns_per_op"], delta=1e-6)

    def test_a_shape_that_chance_decides_does_not_hold(self):
        line = {"name": "reads", "lock": "mcs", "workload": "lock_loop", "threads": [8], "published": [1]}
        made_up = table(shape("each", least=0), lines=[line], measure="kops_per_s", window_us=30)
        values = sorted(self.validate(made_up, out="values")["series"][0]["rows"][0]["values"])
        self.assertEqual(len(set(values)), 5)
        for place, (seeds, status) in {2: (3, 1), 3: (4, 0)}.items():
            made_up["series"][0]["published"] = [values[place]]
            made_up["shapes"][0]["most"] = 1.0000001
            found = self.validate(made_up, out=f"place-{place}", status=status)["shapes"][0]
            self.assertEqual((found["seeds_holding"], found["holds"]), (seeds, status == 0))

    def test_one_seed_one_result_however_many_processes(self):
        line = {"name": "reads", "lock": "mcs", "workload": "lock_loop", "threads": [2, 8], "published": [1, 1]}
        made_up = table(shape("each", least=0), lines=[line], measure="kops_per_s", window_us=30)
        self.validate(made_up, "--jobs=1", out="a")
        self.validate(made_up, "--jobs=3", out="b")
        self.validate(made_up, "--seed=9", out="c")
        texts = [(self.folder / name / "validation.json").read_bytes() for name in "abc"]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0], texts[2])

    def test_a_loop_says_when_its_lock_does_not_exclude(self):
        line = {"name": "reads", "lock": "broken", "workload": "lock_loop", "threads": [4], "published": [1],
                "params": ["lock_loop.read_permille=0", "lock_loop.hold_ns=50"]}
        self.validate(table(shape("each", least=0), lines=[line], measure="kops_per_s", window_us=30), "--seeds=1",
                      status=1)
        self.assertIn("FAILED: table made_up, reads, 4 threads: sections that somebody else was in", self.text)

    def test_figures(self):
        self.validate(table(EXACT))
        out = self.folder / "drawn"
        plot = subprocess.run(["/usr/bin/python3", ROOT / "plot.py", self.folder / "out", f"--out={out}",
                               "--format=svg"], capture_output=True, text=True, check=False)
        self.assertEqual(plot.returncode, 0, plot.stdout + plot.stderr)
        self.assertEqual(sorted(path.name for path in (out / "plots").iterdir()),
                         ["validation_points.svg"])
        (self.folder / "out" / "validation.json").write_text("{}")
        plot = subprocess.run(["/usr/bin/python3", ROOT / "plot.py", self.folder / "out"], capture_output=True,
                              text=True, check=False)
        self.assertEqual(plot.returncode, 1, plot.stdout)
        self.assertIn("is no validation", plot.stderr)

    def test_damaged_tables(self):
        path = self.folder / "table.json"

        def broken(change, *says):
            made_up = table(EXACT)
            change(made_up)
            path.write_text(json.dumps(made_up))
            self.refused("validate", f"--table={path}", f"--out={self.folder / 'no'}", says=says)

        broken(lambda t: t.pop("citation"), "has no 'citation'")
        broken(lambda t: t.update(colour=1), "'colour' is no field")
        broken(lambda t: t.update(measure="feet"), "'measure' is 'feet', none of kops_per_s")
        broken(lambda t: t.update(machine="westmere"), "table made_up, series 'reads'", "westmere-ep-2s12c")
        broken(lambda t: t.update(measure="ping_pong"), "'series[0]' has no 'cpus'")
        broken(lambda t: t.update(shapes=[]), "'shapes' is not a list with entries")
        broken(lambda t: t["series"].append(t["series"][0]), "two series of one name")
        broken(lambda t: t["series"][0].update(count="feet"), "'series[0].count' is 'feet', none of reads")
        broken(lambda t: t["series"][0].update(published=[1]), "'series[0].published' is not a list of figures")
        broken(lambda t: t["series"][0].update(published=[1, "2", 3]), "has at 3 neither a figure nor null")
        broken(lambda t: t["series"][0].update(threads=[2, 2, 8]), "ascending thread counts")
        broken(lambda t: t["series"][0].update(threads=[2, 3, 81]), "has no 81 cores")
        broken(lambda t: t["series"][0].update(lock="osq"), "transfers are counted of ticket, mcs, qspinlock")
        broken(lambda t: t["shapes"][0].update(rule="round"), "'shapes[0].rule' is 'round', none of flat")
        broken(lambda t: t["shapes"][0].update(series="writes"), "'shapes[0].series' is 'writes', none of reads")
        broken(lambda t: t.update(shapes=[shape("flat", most=1)]), "says 'a flat', which its own figures do not")
        path.write_text("{")
        self.refused("validate", f"--table={path}", says=["it is not JSON"])
        self.assertFalse((self.folder / "no").exists())

    def test_wrong_usage(self):
        self.refused("validate", "--table=b9", says=["--table=b9: there is no such table or file; there are b1"])
        self.refused("validate", "--table=b1", "--seeds=0", says=["--seeds"])
        (self.folder / "full").mkdir()
        (self.folder / "full" / "x").touch()
        self.refused("validate", "--table=transfers", f"--out={self.folder / 'full'}", says=["full"])

    def test_list(self):
        names = [one["name"] for one in json.loads(locksim("list", "tables", "--json").stdout)]
        self.assertEqual(names, sorted(path.stem for path in (ROOT / "results" / "published").glob("*.json")))


class Fit(Case):
    def fit(self, same, other, status=0, machine="westmere-ep-2s12c", cores=6, smt=7.0):
        """A matrix of two sockets in Linux's order."""
        rows = []
        for i in range(4 * cores):
            row = [""] * (4 * cores)
            for j in range(i):
                a, b = i % (2 * cores), j % (2 * cores)
                row[j] = str(smt if a == b else same if a // cores == b // cores else other)
            rows.append(",".join(row))
        path = self.folder / "matrix.csv"
        path.write_text("\n".join(rows) + "\n")
        result = locksim("fit", path, f"--machine={machine}")
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result.stdout

    def test_classes_medians_and_what_the_machine_makes_of_them(self):
        text = self.fit(37.2, 73.7)
        self.assertRegex(text, r"one_hop +144 +73\.7 +73\.7 +73\.7 +0\.0 % +7\d\.\d +[+-][0-4]\.\d %")
        self.assertRegex(text, r"same_llc +120 +37\.2")
        self.assertRegex(text, r"smt +12 +7\.0 +7\.0 +7\.0 +0\.0 % +- +-")
        text = self.fit(50, 73.7, status=1)
        self.assertIn("FAILED: the machine is more than 5 % beside the matrix", text)

    def test_damaged_matrices(self):
        path = self.folder / "matrix.csv"

        def broken(text, *says):
            path.write_text(text)
            self.refused("fit", path, "--machine=westmere-ep-2s12c", says=[str(path), *says])

        broken("", "0 rows are no matrix")
        broken(",\nx,\n", ":2: column 1: 'x' is no latency in ns")
        broken(",\n-1,\n", "'-1' is no latency")
        broken(",\nnan,\n", "'nan' is no latency")
        # Nothing in a file moves the terminal's cursor.
        broken(",\n\x1b[2J" + "9" * 99 + "x,\n", "'?[2J99999999999999999999..' is no latency")
        broken(",,\n1,,\n", ":1: 3 columns, where the matrix has 2 rows")
        broken(",,\n1,,\n1\n", ":3: 1 columns, where the matrix has 3 rows")
        path.write_text(",\n1,\n")
        self.refused("fit", path, "--machine=westmere-ep-2s12c", says=["has 2 CPUs and westmere-ep-2s12c has 24"])
        self.refused("fit", self.folder / "none.csv", "--machine=westmere-ep-2s12c", says=["cannot be read"])


if __name__ == "__main__":
    unittest.main()
