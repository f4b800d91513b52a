# SPDX-License-Identifier: MIT
"""locksim from the shell: lists, run files that plot.py draws, one seed one run, the line map, refusals."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cli_case import BUILD, ROOT, windows_of  # noqa: E402

TOOL = BUILD / "locksim"
MACHINES = ROOT / "platform" / "sim" / "machines"
SHORT = ["--window-us=60", "--warmup-us=20", "--seeds=2"]
WESTMERE = "--machine=westmere-ex-8s80c"
SMALL = [WESTMERE, "--locks=ticket,mcs,rwsem_5_3", "--workloads=rw_mix", "--threads=1,4,20", *SHORT]


def locksim(*arguments):
    return subprocess.run([TOOL, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False)


class Locksim(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="locksim-cli-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def run_into(self, name, *arguments, status=0):
        result = locksim("run", f"--out={self.folder / name}", *arguments)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result.stdout

    def refused(self, *arguments, says=()):
        result = locksim(*arguments)
        self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
        for text in says:
            self.assertIn(text, result.stderr)
        return result.stderr

    def test_lists(self):
        machines = json.loads(locksim("list", "machines", "--json").stdout)
        self.assertEqual({machine["name"]: machine["cpus"] for machine in machines}["westmere-ex-8s80c"], 80)
        self.assertEqual(sorted(machine["name"] for machine in machines),
                         sorted(path.stem for path in MACHINES.glob("*.json")))
        native = json.loads(subprocess.run([BUILD / "lockbench", "list", "locks", "--json"], capture_output=True,
                                           text=True, check=True).stdout)
        simulated = {lock["name"] for lock in json.loads(locksim("list", "locks", "--json").stdout)}
        # Besides, forms that a lock had between two releases.
        self.assertEqual(simulated - {"rwsem_5_3.plain", "rwsem_5_3.wake_all"},
                         {lock["name"] for lock in native if lock["family"] not in ("glibc", "peer")})
        self.assertIn("lock_loop", locksim("list", "workloads").stdout)
        self.assertIn("rw_mix", locksim("list", "workloads").stdout)
        self.refused("list", "machine", says=["machines"])

    def test_run_files_and_plots(self):
        text = self.run_into("run", *SMALL, "--line-map")
        self.assertIn("SIMULATED machine westmere-ex-8s80c", text)
        windows = windows_of(self.folder / "run")
        self.assertEqual(len(windows), 3 * 3 * 2)
        self.assertEqual([window["order"] for window in windows], list(range(18)))
        for window in windows:
            self.assertEqual((window["platform"], window["machine"]), ("sim", "westmere-ex-8s80c"))
            self.assertIsNone(window["started_at"])
            self.assertTrue(window["checks"]["passed"], window["checks"])
            self.assertGreater(window["ops"]["read"], 0)
            self.assertNotIn("home_unverified", window["flags"])
        # The figure of the machine names it.
        plan = json.loads((self.folder / "run" / "run.json").read_text())["plan"]
        self.assertEqual({cell["placement"] for cell in plan["cells"]}, {"compact"})
        alone = next(window for window in windows if window["threads"] == 1 and window["lock"] == "mcs")
        self.assertEqual(alone["sim"]["transfers"], {})
        self.assertEqual(alone["overlap"], 1)
        many = next(window for window in windows if window["threads"] == 20 and window["lock"] == "mcs")
        self.assertIn("one_hop", many["sim"]["transfers"]["read"]["modified"])
        # A hand-over across packages is seen by the lock's own count as well.
        self.assertGreater(many["handoff"]["other_package"], 0)
        # 20 hand-off timers do not fit into 60 us.
        queued = [window for window in windows if window["sim"]["longest_timer_ns"] > 0]
        self.assertTrue(all(window["sim"]["short_for_timer"] for window in queued))
        plot = subprocess.run(["/usr/bin/python3", ROOT / "plot.py", self.folder / "run", "--format=svg"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(plot.returncode, 0, plot.stdout + plot.stderr)
        report = (self.folder / "run" / "report.html").read_text()
        self.assertIn("SIMULATED machine westmere-ex-8s80c", report)

    def test_line_map_names_the_lock_that_moved(self):
        text = self.run_into("run", WESTMERE, "--locks=ticket", "--workloads=rw_mix", "--threads=20",
                             *SHORT, "--line-map")
        found = re.search(r"^  TicketLock(?:<false>)? +0  locks/ticket.hpp:\d+ +([0-9.]+)", text, re.M)
        self.assertIsNotNone(found, text)
        self.assertGreater(float(found.group(1)), 2.0)
        place = json.loads((self.folder / "run" / "line_map.jsonl").read_text().splitlines()[0])["places"][0]
        self.assertEqual(place["transfers"], sum(place["distance"].values()) + place["from_memory"])

    def test_one_seed_one_run(self):
        for name, flags in (("a", ["--jobs=1"]), ("b", ["--jobs=3"]), ("c", ["--jobs=2", "--seed=7"])):
            self.run_into(name, *SMALL, *flags)
        texts = [(self.folder / name / "windows.jsonl").read_bytes() for name in "abc"]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0], texts[2])

    def test_a_lock_that_does_not_exclude_is_caught(self):
        text = self.run_into("run", WESTMERE, "--locks=broken", "--workloads=rw_mix", "--threads=8",
                             *SHORT, status=1)
        self.assertIn("FAILED: rw_mix broken 8 threads", text)

    def test_every_lock_on_every_workload(self):
        text = self.run_into("run", "--machine=cascadelake-2s32c", "--threads=6", "--window-us=40", "--warmup-us=10",
                             "--seeds=1", "--locks=*")
        self.assertNotIn("FAILED", text)
        self.assertGreater(len(windows_of(self.folder / "run")), 150)

    def test_more_threads_than_cpus(self):
        self.refused("run", WESTMERE, "--locks=mcs", "--workloads=rw_mix", "--threads=81",
                     says=["81 threads on the 80 CPUs", "--allow-convoy"])
        self.run_into("run", WESTMERE, "--locks=mutex_3_10.yield", "--workloads=rw_mix",
                      "--threads=90", "--window-us=200", "--seeds=1")
        self.assertIn("oversubscribed", windows_of(self.folder / "run")[0]["flags"])

    def test_wrong_usage(self):
        self.refused("run", "--machine=westmere-ex", says=["--machine=westmere-ex", "westmere-ex-8s80c"])
        self.refused("run", WESTMERE, "--locks=tikcet", says=["ticket"])
        self.refused("run", WESTMERE, "--workloads=fork_serve", says=["fork_server"])
        self.refused("run", WESTMERE, "--threads=0", says=["--threads"])
        self.refused("run", WESTMERE, "--placement=unpinned", says=["bound to their CPUs"])
        self.refused("run", WESTMERE, "--seeds=0", says=["--seeds"])
        self.refused("run", WESTMERE, "--out=", "--line-map")

    def test_damaged_machines(self):
        good = json.loads((MACHINES / "westmere-ex-8s80c.json").read_text())
        path = self.folder / "machine.json"

        def broken(change, *says):
            machine = json.loads(json.dumps(good))
            change(machine)
            path.write_text(json.dumps(machine))
            error = self.refused("run", f"--machine={path}", says=[str(path), *says])
            self.assertEqual(error.count("\n"), 1, error)

        broken(lambda m: m.pop("protocol"), "has no 'protocol'")
        broken(lambda m: m.update(speed=1), "'speed' is no field")
        broken(lambda m: m["costs"].pop("ack_ns"), "'costs' has no 'ack_ns'")
        broken(lambda m: m["costs"]["ack_ns"].update(value=-1), "'costs.ack_ns.value' is -1")
        broken(lambda m: m["costs"]["ack_ns"].update(value="3"), "'costs.ack_ns.value' is not a number")
        broken(lambda m: m["costs"]["ack_ns"].update(source="guessed"), "'costs.ack_ns.source' is 'guessed'")
        broken(lambda m: m["costs"]["ack_ns"].pop("note"), "'costs.ack_ns' has no 'note'")
        broken(lambda m: m["costs"]["op_ns"].update(value=0), "'costs.op_ns' is 0")
        broken(lambda m: m["costs"]["store_buffer"].update(value=1.5),
               "'costs.store_buffer.value' is not a whole number")
        broken(lambda m: m["latency"]["read"]["shared"].update(one_hop=1),
               "'latency.read.shared.one_hop' is 1, less than")
        broken(lambda m: m["latency"]["read"]["shared"].update(same_package=50),
               "'latency.read.shared.same_package' is a distance that this machine does not have")
        broken(lambda m: m["latency"]["write"].update(owned=m["latency"]["write"]["shared"]), "'latency.write.owned'")
        broken(lambda m: m["protocol"].update(value="moesi"), "'latency.read' has no 'owned'")
        broken(lambda m: m["package_hops"]["value"][0].__setitem__(1, 2), "contradicts itself between packages 0 and 1")
        broken(lambda m: m["package_hops"]["value"].pop(), "'package_hops.value' is not a square")
        broken(lambda m: m["legs"]["probe_permille"].update(value=700), "'legs' leaves no time for the data")
        broken(lambda m: m["scheduler"]["quantum_ns"].update(value=10), "'scheduler.quantum_ns' is not longer")
        broken(lambda m: m["topology"].update(value="pack:0"), "'topology' is no topology")
        path.write_text("{")
        self.refused("run", f"--machine={path}", says=["it is not JSON"])

    def test_this_host_as_a_machine(self):
        folder = self.folder / "twin"
        text = locksim("calibrate", f"--out={folder}")
        self.assertEqual(text.returncode, 0, text.stderr)
        self.assertIn(f"--machine={folder}/machine.json", text.stdout)
        rows = [line.split()[0] for line in text.stdout.splitlines() if "%" in line]
        self.assertEqual(sorted(set(rows)), sorted(self.PROBES))
        machine = json.loads((folder / "machine.json").read_text())
        self.assertEqual(machine["costs"]["rmw_ns"]["source"], "measured")
        self.assertEqual(machine["costs"]["ack_ns"]["source"], "assumed")
        # Its topology is a file beside it.
        text = self.run_into("run", f"--machine={folder}/machine.json", "--locks=ticket", "--workloads=rw_mix",
                             "--threads=1", *SHORT)
        self.assertIn("SIMULATED machine this", text)
        self.refused("calibrate", f"--out={folder}", says=["is not empty"])
        (folder / "topology.xml").write_text("<topology version=\"2.0\"><object type=\"Mach")
        self.refused("run", f"--machine={folder}/machine.json", says=["machine.json: 'topology' is no topology"])
        (folder / "topology.xml").unlink()
        self.refused("run", f"--machine={folder}/machine.json",
                     says=["machine.json: 'topology' is no topology", "topology.xml: No such file"])

    PROBES = ["load", "store", "rmw", "fence", "pause", "allocate", "unpark", "path", "cas_exchange", "store_exchange",
              "hand_over"]

    def test_what_sets_a_number_is_reproduced(self):
        told = json.loads(locksim("calibrate", "--json").stdout)
        self.assertEqual({row["probe"] for row in told["rows"]}, set(self.PROBES))
        rows = {row["probe"]: row for row in told["rows"] if len(set(row["cpus"])) == len(row["cpus"])}
        # Each by a number of its own, at any speed of the host. What has several of them, or a floor, need not fit.
        for probe in ("load", "store", "rmw", "fence", "pause", "unpark", "cas_exchange"):
            self.assertLess(abs(rows[probe]["error"]), 0.05, rows[probe])
        self.assertEqual(told["machine"]["name"], "this")
        self.assertGreater(rows["cas_exchange"]["here_ns"]["median"], rows["load"]["here_ns"]["median"])

    def test_calibrated_on_the_way(self):
        text = self.run_into("run", "--machine=this", "--locks=ticket", "--workloads=rw_mix", "--threads=1", *SHORT)
        self.assertIn("cas_exchange", text)
        self.assertEqual(json.loads((self.folder / "run" / "run.json").read_text())["machine"]["name"], "this")

    def test_one_cpu_has_no_way_to_another(self):
        cpu = min(os.sched_getaffinity(0))
        done = subprocess.run(["taskset", "-c", str(cpu), TOOL, "calibrate", "--windows=2", "--json"], check=True,
                              capture_output=True, text=True)
        told = json.loads(done.stdout)
        latency = told["machine"]["latency"]["read"]["modified"]
        self.assertEqual(latency["source"], "assumed")
        self.assertIn("No two cores", latency["note"])
        self.assertRegex("\n".join(told["notes"]), "no two usable cores of distance same_llc.*: their latency is a")
        self.assertNotIn("cas_exchange", [row["probe"] for row in told["rows"]])

    def test_bad_calibrations(self):
        for arguments in (["--windows=0"], ["--windows=1001"], ["--windows=x"], ["--out="], ["--out=--json"], ["more"]):
            self.assertEqual(locksim("calibrate", *arguments).returncode, 2, arguments)
        self.assertEqual(locksim("calibrate", "--windows=1", "--out=/proc/x").returncode, 3)


if __name__ == "__main__":
    unittest.main()
