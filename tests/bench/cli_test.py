#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""lockbench from the shell: what it refuses and how, what it leaves behind, and that nothing measured is ever lost."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cli_case import ROOT, SHORT, SMALL, TOOL, Case, lockbench, timed, windows_of  # noqa: E402


class Refusals(Case):
    def test_unknown_names_tell_the_nearest(self):
        self.refused("run", "--locks=rwsem_3_01", says=["rwsem_3_01", "nearest is 'rwsem_3_10'", "list locks"])
        self.refused("run", "--workloads=fork_sever", says=["'fork_server'", "list workloads"])
        self.refused("run", "--placements=compct", says=["compact"])
        self.refused("run", "--param=rw_mix.hold=5", says=["rw_mix", "nearest"])
        self.refused("run", "--param=rw_mx.hold_ns=5", says=["'rw_mix'"])
        self.refused("run", "--lock-home=locl", says=["local"])
        self.refused("run", "--lock=mcs", says=["--locks"])
        self.refused("list", "lock", says=["'locks'"])
        self.refused("run", "--counters=context_switch", f"--out={self.out}", says=["context_switches"])

    def test_unknown_commands_and_options_far_from_any(self):
        self.refused("rnu", says=["no command rnu; the nearest is run. ", "lockbench --help"])
        self.refused("comapre", self.out, self.out, says=["no command comapre; the nearest is compare."])
        for words in (["zap"], ["run", "--frobnicate"], ["run", "zap"]):
            self.assertNotIn("nearest", self.refused(*words, says=[words[-1]]).stderr)

    def test_numbers_out_of_range(self):
        for option in ("--threads", "--window-ms", "--repetitions"):
            for value in ("0", "-1", "1e3", "x", "99999999999", ""):
                self.refused("run", f"{option}={value}", f"--out={self.out}")
        self.refused("run", "--seed=-1")
        self.refused("run", "--threads=1,,2", says=["empty"])
        self.refused("run", "--quick", "--full", says=["exclude"])

    def test_a_missing_value_takes_no_flag_with_it(self):
        for words in (["--out=", "--quick"], ["--out", "--quick"], ["--out=--quick"], ["--out", ""], ["--resume="],
                      ["--locks", "mcs", "--threads=", "1"], ["--param", "--full"], ["--seed", "--quick"]):
            result = self.refused("run", *words, says=["value"])
            self.assertRegex(result.stderr, r"--\w+: (there is no|the) value ")
        self.assertFalse(pathlib.Path("--quick").exists())

    def test_nothing_stands_beside_resume(self):
        for words, name in ((["--quick"], "--quick"), (["--locks=mcs", "--threads=1"], "--locks, --threads"),
                            (["--no-aa"], "--no-aa"), ([f"--out={self.out}"], "--out"),
                            (["--benchmark_counters_tabular=true"], "--benchmark_counters_tabular")):
            self.refused("run", f"--resume={self.folder}", *words, says=["--resume", f"leave out {name}"])

    def test_params_are_checked(self):
        params = json.loads(lockbench("list", "params", "--json").stdout)
        for param in params:
            name = f"{param['workload']}.{param['key']}"
            if param["names"]:
                self.refused("run", f"--param={name}=nonsense", says=[param["names"][0]])
            else:
                self.refused("run", f"--param={name}={param['max'] + 1}", says=[str(param["max"]), param["unit"]])
                self.refused("run", f"--param={name}={param['min'] - 1}")
        self.refused("run", "--param=rw_mix", says=["workload.key=value"])
        self.refused("run", "--workloads=fork_server", f"--param=rw_mix.{self.a_param('rw_mix')}=1",
                     says=["not part of this run"])

    @staticmethod
    def a_param(workload):
        params = json.loads(lockbench("list", "params", "--json").stdout)
        return next(param["key"] for param in params
                    if param["workload"] == workload and param["min"] <= 1 <= param["max"] and not param["names"])

    def test_flags_that_would_undo_a_window(self):
        for flag, instead in (("--benchmark_repetitions=3", "--repetitions"),
                              ("--benchmark_min_time=1", "--window-ms"),
                              ("--benchmark_out=x", "--out"),
                              ("--benchmark_perf_counters=CYCLES", "--counters")):
            self.refused("run", flag, says=[instead])
        self.refused("run", *SMALL, "--benchmark_nonsense=1", f"--out={self.folder / 'x'}")

    def test_a_named_placement_that_the_machine_lacks(self):
        placements = json.loads(lockbench("list", "placements", "--json").stdout)
        for placement in placements:
            if not placement["available"]:
                self.refused("run", f"--placements={placement['name']}", f"--out={self.out}", status=3,
                             says=[placement["name"]])

    def test_convoys_are_refused_unless_asked_for(self):
        many = 2 * len(os.sched_getaffinity(0))
        self.refused("run", *SHORT, "--locks=ticket,mcs,rwsem_3_10", f"--threads={many}", f"--out={self.out}",
                     says=["ticket", "mcs", "--allow-convoy"])
        self.run_into(*SHORT, "--locks=rwsem_3_10.yield", "--workloads=rw_mix", f"--threads={many}", "--repetitions=1",
                      "--no-uncontended")
        for window in timed(windows_of(self.out)):
            self.assertIn("oversubscribed", window["flags"])

    def test_output_folders(self):
        self.out.mkdir()
        (self.out / "mine").write_text("keep")
        result = lockbench("run", *SMALL, f"--out={self.out}")
        self.assertEqual(result.returncode, 2)
        self.assertIn("not empty", result.stderr)
        self.assertEqual([path.name for path in self.out.iterdir()], ["mine"])
        for folder, status in ((self.out / "mine", 2), (self.out / "mine" / "below", 3), ("/proc/lockbench", 3)):
            self.assertEqual(lockbench("run", *SMALL, f"--out={folder}").returncode, status, folder)
        self.assertEqual(lockbench("run", f"--resume={self.out}").returncode, 2)
        (self.out / "run.json").write_text("{ broken")
        self.assertIn("not valid JSON", lockbench("run", f"--resume={self.out}").stderr)

    def test_help_and_version(self):
        for arguments in (["--help"], ["run", "--help"], ["list", "--help"], ["--version"]):
            self.assertEqual(lockbench(*arguments).returncode, 0)
        self.assertEqual(lockbench().returncode, 2)
        minutes = re.compile(r"some\s+(\w+)\s+minutes")
        self.assertEqual(minutes.findall(lockbench("run", "--help").stdout),
                         minutes.findall((ROOT / "README.md").read_text()), "how long --quick takes")


class Files(Case):
    def test_a_run_leaves_the_documented_files_and_fields(self):
        self.run_into(*SMALL, "--seed=7")
        self.assertEqual({path.name for path in self.out.iterdir()},
                         {"run.json", "windows.jsonl", "benchmark.json", "topology.xml"})
        run = json.loads((self.out / "run.json").read_text())
        self.assertEqual((run["status"], run["schema_version"], run["plan"]["seed"]), ("done", 1, 7))
        documented = set(re.findall(r"`([A-Za-z_0-9.]+)`", (ROOT / "results" / "README.md").read_text()))
        for window in windows_of(self.out):
            self.assertEqual(set(window) - documented, set())
        self.assertEqual({key for key in run} - documented, {"resumed"} & set(run))
        self.assertEqual(set(run["host"]) - documented, set())
        self.assertEqual(set(run["plan"]) - documented, set())

    def test_cells_pairs_untimed_pass_and_costs(self):
        self.run_into(*SMALL)
        windows = windows_of(self.out)
        keys = sorted((w["lock"], w["aa"] or "", "untimed" in w["flags"], w["repetition"]) for w in timed(windows))
        expected = [(lock, aa, untimed, repetition) for repetition in (0, 1) for lock, aa, untimed in (
            ("qrwlock", "", False), ("qrwlock", "", True), ("rwsem_3_10", "a", False), ("rwsem_3_10", "b", False),
            ("rwsem_3_10", "a", True))]
        self.assertEqual(sorted(k[:1] + k[2:] for k in keys), sorted(e[:1] + e[2:] for e in expected))
        self.assertEqual(sum(w["aa"] == "b" for w in timed(windows)), 2)
        costs = [w for w in windows if w["workload"] == "uncontended"]
        self.assertEqual(len(costs), 2 * 2 * 2 * 2, "two locks, two modes, two spacings, two blocks")
        for cost in costs:
            self.assertGreater(cost["uncontended"]["iterations"], 0)
        for window in timed(windows):
            self.assertEqual(window["overlap"], 1.0, "one thread overlaps with itself")
            self.assertTrue(window["checks"]["passed"])
            self.assertIsNone(window["jain"]["read"])
            untimed = "untimed" in window["flags"]
            self.assertEqual(window["wait_ns"]["read"] is None, untimed)
            self.assertEqual(sum(window["handoff"].values()), sum(window["acquisitions"][m] for m in ("read", "write")))
            self.assertEqual(sum(window["sites"].values()), sum(window["acquisitions"][m] for m in ("read", "write")))
            for name, value in window["counters"].items():
                self.assertEqual(value is None, name in window["counters_reason"], name)

    def test_the_seed_fixes_the_order(self):
        orders = []
        for name, seed in (("a", 5), ("b", 5), ("c", 6)):
            result = lockbench("run", *SMALL, "--no-uncontended", f"--seed={seed}", f"--out={self.folder / name}")
            self.assertEqual(result.returncode, 0, result.stderr)
            orders.append(json.loads((self.folder / name / "run.json").read_text())["plan"]["order"])
        self.assertEqual(orders[0], orders[1])
        self.assertNotEqual(orders[0], orders[2])

    def test_sweeps_form_a_product(self):
        key = Refusals.a_param("rw_mix")
        self.run_into(*SHORT, "--workloads=rw_mix", "--locks=qrwlock", "--threads=1,2", "--repetitions=1",
                      "--no-uncontended", "--no-untimed", "--no-aa", f"--param=rw_mix.{key}=1,2")
        cells = {(w["threads"], w["params"][key]) for w in timed(windows_of(self.out))}
        self.assertEqual(cells, {(1, 1), (1, 2), (2, 1), (2, 2)})

    def test_lists_are_json(self):
        for what in ("locks", "workloads", "placements", "counters", "events", "params", "notifiers"):
            entries = json.loads(lockbench("list", what, "--json").stdout)
            self.assertGreater(len(entries), 0)
            self.assertEqual(lockbench("list", what).returncode, 0)
        locks = json.loads(lockbench("list", "locks", "--json").stdout)
        wanted = ("name family kernel_release kind shared fairness hold_across_sleep bytes rmw_read rmw_write "
                  "origin").split()
        for lock in locks:
            self.assertEqual(set(wanted) - set(lock), set())
            self.assertRegex(lock["name"], r"^[A-Za-z0-9_:.]+$")
        self.assertEqual(len({lock["name"] for lock in locks}), len(locks), "a name is used once")

    def test_machine_tells_its_own_cost_and_counters(self):
        host = json.loads(lockbench("machine", "--json").stdout)
        self.assertGreater(host["own_cost"]["repetitions"], 1)
        self.assertGreater(host["clock"]["ticks_per_ns"], 0)
        text = lockbench("machine").stdout
        for word in ("topology", "placements", "counters", "own cost"):
            self.assertIn(word, text)

    def test_google_benchmark_json(self):
        self.run_into(*SMALL)
        report = json.loads((self.out / "benchmark.json").read_text())
        names = {entry["name"] for entry in report["benchmarks"]}
        self.assertIn("rw_mix/read/qrwlock/compact/local/threads:1", names)
        self.assertIn("uncontended/qrwlock/write/tight", names)
        for entry in report["benchmarks"]:
            self.assertEqual((entry["run_type"], entry["time_unit"]), ("iteration", "ns"))


class Damage(Case):
    """What happens when something else goes wrong in the middle."""

    LONG = ["--window-ms=60", "--warmup-ms=1", "--workloads=rw_mix", "--locks=qrwlock,rwsem_3_10,mutex_3_10",
            "--threads=1", "--repetitions=6", "--no-uncontended"]

    def start(self, *arguments):
        return subprocess.Popen([TOOL, "run", f"--out={self.out}", *(arguments or self.LONG)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, start_new_session=True)

    def wait_for_windows(self, count):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            path = self.out / "windows.jsonl"
            if path.exists() and path.read_text().count("\n") >= count:
                return
            time.sleep(0.02)
        self.fail("no windows came")

    def resume_completes(self):
        torn = not (self.out / "windows.jsonl").read_text().endswith("\n")
        before = None if torn else [w["order"] for w in timed(windows_of(self.out))]
        result = lockbench("run", f"--resume={self.out}")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        run = json.loads((self.out / "run.json").read_text())
        orders = [w["order"] for w in timed(windows_of(self.out))]
        self.assertEqual(sorted(orders), list(range(len(run["plan"]["order"]))), "every window once")
        self.assertEqual(run["status"], "done")
        if before is not None:
            self.assertEqual(orders[:len(before)], before, "what was measured stays")
        files = {path.name: path.read_bytes() for path in self.out.iterdir()}
        result = lockbench("run", f"--resume={self.out}")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("nothing is left to measure", result.stdout)
        self.assertEqual({path.name: path.read_bytes() for path in self.out.iterdir()}, files,
                         "a run that is done stays")

    def test_sigint_keeps_what_is_measured(self):
        process = self.start()
        self.wait_for_windows(3)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, out + err)
        self.assertIn("--resume", out)
        run = json.loads((self.out / "run.json").read_text())
        self.assertEqual((run["status"], run["finished_at"]), ("interrupted", None))
        self.assertGreaterEqual(len(json.loads((self.out / "benchmark.json").read_text())["benchmarks"]), 3)
        self.resume_completes()

    def test_kill_9_loses_at_most_the_window_in_flight(self):
        process = self.start()
        self.wait_for_windows(3)
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
        time.sleep(0.3)
        lines = (self.out / "windows.jsonl").read_text().count("\n")
        time.sleep(0.3)
        self.assertEqual((self.out / "windows.jsonl").read_text().count("\n"), lines, "the child died with its parent")
        self.assertEqual(json.loads((self.out / "run.json").read_text())["status"], "running")
        with open(self.out / "windows.jsonl", "a", encoding="utf-8") as file:
            file.write('{"torn": ')
        self.resume_completes()

    def test_a_child_that_dies_is_recorded_and_the_run_goes_on(self):
        for attempt in range(5):  # some die between two windows and take none with them
            self.out = self.folder / f"dies{attempt}"
            process = self.start()
            self.wait_for_windows(2)
            children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGKILL)
            out, err = process.communicate(timeout=200)
            self.assertEqual(process.returncode, 1, out + err)
            self.assertIn("signal 9", out + err)
            # Wherever it died, all windows of the plan are there, each once.
            run = json.loads((self.out / "run.json").read_text())
            orders = [w["order"] for w in timed(windows_of(self.out))]
            self.assertEqual(sorted(orders), sorted(range(len(run["plan"]["order"]))), out + err)
            killed = [w for w in timed(windows_of(self.out)) if "killed" in w["flags"]]
            if killed:
                break
        self.assertEqual(len(killed), 1)
        self.assertIn("signal 9", killed[0]["checks"]["failed"][0])
        self.assertIsNone(killed[0]["ops_per_s"])

    def test_children_that_die_before_they_measure_anything_end_the_run(self):
        script = self.folder / "assassin"
        script.write_text("import os, pathlib, signal, subprocess, sys, time\n"
                          "process = subprocess.Popen(sys.argv[1:])\n"
                          "tasks = pathlib.Path(f'/proc/{process.pid}/task/{process.pid}/children')\n"
                          "while process.poll() is None:\n"
                          "    try:\n"
                          "        for child in tasks.read_text().split():\n"
                          "            os.kill(int(child), signal.SIGKILL)\n"
                          "    except OSError:\n"
                          "        pass\n"
                          "sys.exit(process.returncode)\n")
        result = subprocess.run([sys.executable, str(script), str(TOOL), "run", f"--out={self.out}", *SMALL],
                                capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("before it measured anything", result.stderr)

    def test_a_full_disk_keeps_whole_windows(self):
        # A limit on file size stands for the full disk: the same write fails, after a part of a line.
        command = f"ulimit -f 60; exec '{TOOL}' run --out='{self.out}' {' '.join(self.LONG)}"
        result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(result.returncode, 3, result.stdout + result.stderr)
        self.assertIn("--resume", result.stderr)
        self.assertGreater(len(windows_of(self.out)), 2)
        self.resume_completes()

    def test_resume_wants_the_same_binary_and_host(self):
        self.run_into(*SMALL, "--no-uncontended")
        run = json.loads((self.out / "run.json").read_text())
        run["host"]["binary_id"] = "another"
        (self.out / "run.json").write_text(json.dumps(run))
        result = lockbench("run", f"--resume={self.out}")
        self.assertEqual(result.returncode, 3)
        self.assertIn("binary", result.stderr)

    def test_a_broken_lock_cannot_win(self):
        self.run_into("--window-ms=100", "--locks=broken", "--workloads=rw_mix", "--threads=2", "--repetitions=3",
                      "--no-uncontended", status=1)
        windows = timed(windows_of(self.out))
        self.assertTrue(any("check_failed" in w["flags"] for w in windows))
        self.assertTrue(all("broken" in w["flags"] for w in windows))

    def test_globs_do_not_bring_controls_in(self):
        self.run_into(*SHORT, "--locks=n*,r*8,broke*", "--workloads=rw_mix", "--threads=1", "--repetitions=1",
                      "--no-uncontended")
        self.assertEqual({w["lock"] for w in timed(windows_of(self.out))}, {"rwsem_3_8"})


if __name__ == "__main__":
    unittest.main()
