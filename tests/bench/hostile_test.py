#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""lockbench on hosts that deny it something, or change under it: a flag, a warning or a clear error each, and never a
label that is not true. docs/hostile-hosts.md is the table of them."""
import errno
import json
import os
import pathlib
import resource
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cli_case import TOOL, Case, timed, windows_of  # noqa: E402
from hostile_host import (CONTAINER, Group, all_of, as_nobody, cpuset, empty_over, file_over, forbid,  # noqa: E402
                          in_namespace, with_memory_policy)

CPUS = sorted(os.sched_getaffinity(0))
ONE_CELL = ["--workloads=rw_mix", "--locks=qrwlock", "--no-uncontended", "--no-untimed", "--no-aa"]
TINY = [*ONE_CELL, "--window-ms=3", "--warmup-ms=1", "--repetitions=2"]


def codes(host):
    return {warning["code"]: warning["text"] for warning in host["warnings"]}


class Hostile(Case):
    def call(self, *arguments, before=None, within=(), status=0, **options):
        """lockbench after `before` (in its process) and behind the words `within`."""
        result = subprocess.run([*within, TOOL, *map(str, arguments)], capture_output=True, text=True, timeout=300,
                                check=False, preexec_fn=before, **options)
        if within and result.returncode != status and "unshare" in result.stderr:
            self.skipTest(result.stderr.strip())
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.assertNotRegex(result.stderr, "exception|Assertion|terminate")
        return result

    def host(self, **options):
        return json.loads(self.call("machine", "--json", **options).stdout)

    def measured(self, *arguments, **options):
        """Host and windows of a run that goes through."""
        self.call("run", f"--out={self.out}", *(arguments or [*TINY, "--threads=1"]), **options)
        return self.found()

    def found(self):
        windows = timed(windows_of(self.out))
        for window in windows:
            self.check_labels(window)
        return json.loads((self.out / "run.json").read_text())["host"], windows

    def check_labels(self, window):
        """What holds whatever the host does: no CPU is named on which the thread was not."""
        unplaced = "placement_unverified" in window["flags"]
        self.assertEqual(bool(window["placement_reason"]), unplaced, window["placement_reason"])
        for cpu, found in zip(window["cpus"], window["cpus_found"]):
            self.assertTrue(cpu is None or found == [cpu, cpu], (cpu, found))
        self.assertEqual(None in window["cpus"], unplaced and window["placement"] != "unpinned")
        self.assertEqual(sum(window["handoff"].values()), sum(window["acquisitions"][m] for m in ("read", "write")))
        if unplaced:
            self.assertEqual({name for name, count in window["handoff"].items() if count} - {"self", "unknown"}, set())
        for name, value in window["counters"].items():
            self.assertEqual(value is None, name in window["counters_reason"], name)
        self.assertTrue(window["checks"]["passed"])

    def needs_two_cpus(self):
        if len(CPUS) < 2:
            self.skipTest("needs two CPUs")


class FewerCpus(Hostile):
    def setUp(self):
        super().setUp()
        self.needs_two_cpus()

    def on_last_cpu_only(self, **options):
        """Labels carry the system's number of the CPU, though it is the only one and would be the first."""
        last = CPUS[-1]
        host, windows = self.measured(*TINY, "--threads=auto", **options)
        self.assertEqual({tuple(window["cpus"]) for window in windows}, {(last,)})
        self.assertEqual({window["threads"] for window in windows}, {1}, "auto counts what may be used")
        self.assertEqual(host["placement"]["hidden_cpus"], ",".join(map(str, CPUS[:-1])))
        self.assertEqual(host["cpu"]["allowed_cpus"], str(last))
        self.assertIn(f"may not use CPUs {CPUS[0]}", codes(host)["cpus_hidden"])
        return host

    def test_an_affinity_of_one_cpu(self):
        self.on_last_cpu_only(before=lambda: os.sched_setaffinity(0, {CPUS[-1]}))

    def test_a_cpuset_smaller_than_the_affinity(self):
        with cpuset(CPUS[-1]) as group:
            host = self.on_last_cpu_only(before=group.join)
        self.assertEqual(host["cgroup"]["cpuset"], str(CPUS[-1]))

    def test_an_affinity_smaller_than_the_cpuset(self):
        with cpuset(f"{CPUS[0]}-{CPUS[-1]}") as group:
            self.on_last_cpu_only(before=all_of(group.join, lambda: os.sched_setaffinity(0, {CPUS[-1]})))

    def test_a_run_is_not_resumed_on_other_cpus(self):
        self.measured(*TINY, "--threads=2")
        path = self.out / "windows.jsonl"
        path.write_text(path.read_text().splitlines(keepends=True)[0])
        result = self.call("run", f"--resume={self.out}", before=lambda: os.sched_setaffinity(0, {CPUS[-1]}), status=3)
        self.assertIn(f"begun on CPUs that this process may not use ({CPUS[0]})", result.stderr)
        self.call("run", f"--resume={self.out}")

    def test_pinning_refused(self):
        for error, says in ((errno.EPERM, "Operation not permitted"), (errno.ENOSYS, "Function not implemented")):
            for words in (["machine"], ["run", f"--out={self.out}", *TINY], ["run", "--placements=unpinned", *TINY]):
                result = self.call(*words, before=forbid("sched_setaffinity", error=error), status=3)
                self.assertIn(f"cannot pin to CPU {CPUS[0]}: the kernel refused CPUs {CPUS[0]}: {says}", result.stderr)
        self.assertFalse(self.out.exists())


class Changes(Hostile):
    """Somebody else moves threads while they are measured."""

    def setUp(self):
        super().setUp()
        self.needs_two_cpus()

    def start(self, *arguments, before=None):
        process = subprocess.Popen([TOOL, "run", f"--out={self.out}", *ONE_CELL, *arguments], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, preexec_fn=before)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        return process

    @staticmethod
    def measured_threads(process):
        """Threads of the children: those that measure are bound to one CPU each."""
        found = []
        try:
            children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            for child in children:
                found += [int(tid) for tid in os.listdir(f"/proc/{child}/task") if tid != child]
        except OSError:
            pass  # it has just ended
        return found

    def interfere(self, process, act):
        """Calls act(thread) on every measured thread, again and again, until the run is over."""
        while process.poll() is None:
            for tid in self.measured_threads(process):
                try:
                    act(tid)
                except OSError:
                    pass  # it has just ended
            time.sleep(0.002)
        self.assertEqual(process.returncode, 0, process.stderr.read())
        return self.found()[1], process.stdout.read()

    def test_the_affinity_is_widened_under_the_run(self):
        process = self.start("--window-ms=60", "--threads=2", "--repetitions=4")
        windows, said = self.interfere(process, lambda tid: os.sched_setaffinity(tid, CPUS))
        moved = [window for window in windows if "placement_unverified" in window["flags"]]
        self.assertGreater(len(moved), 0)
        reasons = "".join(moved[0]["placement_reason"])
        self.assertRegex(reasons, rf"thread \d: changed under the run: asked for CPUs \d+, got {CPUS[0]}")
        self.assertIn(f"{len(moved)} of {len(windows)} windows: a thread was not where it was bound", said)

    def test_a_thread_that_strays_and_comes_back(self):
        process = self.start("--window-ms=400", "--warmup-ms=1", "--threads=1", "--repetitions=3")

        def there_and_back(tid):
            home = os.sched_getaffinity(tid)
            if len(home) == 1:
                os.sched_setaffinity(tid, set(CPUS) - home)
                time.sleep(0.05)
                os.sched_setaffinity(tid, home)
                time.sleep(0.1)
        windows, _ = self.interfere(process, there_and_back)
        reasons = "".join(reason for window in windows for reason in window["placement_reason"])
        self.assertRegex(reasons, r"bound to CPU \d+ but ran on CPU \d+ within the window")

    def test_a_cpuset_that_shrinks_under_the_run(self):
        with cpuset(f"{CPUS[0]}-{CPUS[-1]}") as group:
            process = self.start("--window-ms=100", "--threads=2", "--repetitions=6", before=group.join)
            shrunk = threading.Event()

            def shrink(_):
                if not shrunk.is_set():
                    time.sleep(0.15)
                    group.set("cpuset.cpus", CPUS[0])
                    shrunk.set()
            windows, _ = self.interfere(process, shrink)
        last = windows[-1]
        self.assertIn("placement_unverified", last["flags"])
        self.assertIn(f"the kernel refused CPUs {CPUS[-1]}: Invalid argument", "".join(last["placement_reason"]))

    @unittest.skipUnless(os.environ.get("LOCKBENCH_UNPLUG"), "takes a CPU from the whole machine: LOCKBENCH_UNPLUG=1")
    def test_a_cpu_is_unplugged_under_the_run(self):
        switch = pathlib.Path(f"/sys/devices/system/cpu/cpu{CPUS[-1]}/online")
        if not os.access(switch, os.W_OK):
            self.skipTest(f"{switch} cannot be written")
        process = self.start("--window-ms=300", "--threads=2", "--repetitions=4")
        self.addCleanup(switch.write_text, "1")
        done = threading.Event()

        def unplug(_):
            if not done.is_set():
                done.set()
                time.sleep(0.1)
                switch.write_text("0")
        windows, _ = self.interfere(process, unplug)
        switch.write_text("1")
        self.assertTrue(any("placement_unverified" in window["flags"] for window in windows))


class Memory(Hostile):
    POLICIES = (("preferred", 1), ("bind", 2), ("interleave", 3))

    def test_a_memory_policy_of_the_caller_is_dropped(self):
        for name, mode in self.POLICIES:
            host = self.host(before=with_memory_policy(mode))
            self.assertEqual(host["placement"]["memory_policy"], f"{name} over nodes 0")
            self.assertIsNone(host["placement"]["memory_policy_kept"])
            self.assertIn(f"({name} over nodes 0): it was dropped", codes(host)["memory_policy"])
        host, windows = self.measured(before=with_memory_policy(self.POLICIES[-1][1]))
        self.assertIn("memory_policy", codes(host))
        for window in windows:
            self.assertNotIn("home_unverified", window["flags"])
            self.assertEqual(list(window["homes"]["lock"]["got"]), ["0"])
        self.assertIsNone(self.host()["placement"]["memory_policy"], "none without")

    def test_a_memory_policy_that_cannot_be_dropped(self):
        host = self.host(before=all_of(with_memory_policy(3), forbid("set_mempolicy", error=errno.EPERM)))
        self.assertEqual(host["placement"]["memory_policy_kept"], "Operation not permitted")
        self.assertIn("cannot be dropped (Operation not permitted)", codes(host)["memory_policy"])

    def test_numa_calls_refused(self):
        for call, error, says in (("mbind", errno.EPERM, "mbind to nodes 0 failed: Operation not permitted"),
                                  ("get_mempolicy", errno.ENOSYS, "refuses NUMA calls (Function not implemented)"),
                                  ("move_pages", errno.EPERM, "where pages lie (move_pages: Operation not permitted)")):
            self.out = self.folder / call
            host, windows = self.measured(before=forbid(call, error=error))
            for window in windows:
                self.assertIn("home_unverified", window["flags"])
                self.assertIn(says, " ".join(window["homes"]["reason"]))
            if call != "move_pages":
                self.assertIn(says, codes(host)["memory_unbound"])
            else:
                self.assertEqual(list(windows[0]["homes"]["lock"]["got"]), [str(-errno.EPERM)])

    def test_calls_that_nothing_here_needs(self):
        _, windows = self.measured(before=forbid("set_mempolicy", "membarrier", error=errno.EPERM))
        self.assertEqual([w["flags"] for w in windows if {"home_unverified", "placement_unverified"} & {*w["flags"]}],
                         [])

    def test_the_filter_of_a_container(self):
        host, windows = self.measured(before=forbid(*CONTAINER, error=errno.EPERM))
        self.assertIn("memory_unbound", codes(host))
        for window in windows:
            self.assertIn("home_unverified", window["flags"])
            self.assertGreater(len(window["counters_reason"]), 0)


class Counters(Hostile):
    # The tables of a CPU that every libpfm4 knows: else PAPI may be off for this CPU, and nothing else is told.
    KNOWN = {**os.environ, "LIBPFM_FORCE_PMU": "icx"}

    def unavailable(self, host):
        return {one["name"]: one["reason"] for one in host["counters"]["counters"] if not one["available"]}

    def test_perf_event_open_refused(self):
        for error, says in ((errno.EPERM, "perf_event_open is forbidden, as by a container's seccomp filter"),
                            (errno.ENOSYS, "this kernel has no perf_event_open")):
            self.out = self.folder / str(error)
            host, windows = self.measured(before=forbid("perf_event_open", error=error), env=self.KNOWN)
            reasons = self.unavailable(host)
            self.assertIn(says, " ".join(reasons.values()))
            self.assertGreaterEqual(host["counters"]["level"], 6, "getrusage, or nothing")
            for window in windows:
                for name in set(reasons) & set(window["counters"]):
                    self.assertIsNone(window["counters"][name])
                    self.assertEqual(window["counters_reason"][name], reasons[name])

    def test_perf_event_paranoid(self):
        for level in (3, 4):
            with file_over("/proc/sys/kernel/perf_event_paranoid", f"{level}\n") as command:
                host = self.host(within=in_namespace(command))
                self.assertEqual(host["perf_event_paranoid"], level)
                self.assertIn(f"perf_event_paranoid is {level}", codes(host)["perf_paranoid"])
                self.out = self.folder / str(level)
                _, windows = self.measured(within=in_namespace(command))
            for name, reason in self.unavailable(host).items():
                self.assertGreater(len(reason), 20, name)
            if level == 3:  # the level at which PAPI switches itself off, for root too
                self.assertIn("perf_event_paranoid is 3", host["counters"]["note"])
            for window in windows:
                self.assertGreater(len(window["counters"]), 0)

    def test_an_ordinary_user(self):
        """No fake: the kernel's own level, for a user without privileges."""
        if os.geteuid() != 0:
            self.skipTest("needs root, to become somebody else")
        if subprocess.run([TOOL, "--version"], capture_output=True, check=False, preexec_fn=as_nobody).returncode != 0:
            self.skipTest("an ordinary user cannot reach the tool here")
        host = self.host(before=as_nobody)
        self.assertFalse(host["privileged"])
        if host["perf_event_paranoid"] >= 2:
            self.assertIn("perf_paranoid", codes(host))
            self.assertGreater(len(self.unavailable(host)), 0)


class MissingFiles(Hostile):
    def test_no_sysfs(self):
        within = in_namespace(empty_over("/sys"))
        host, windows = self.measured(*TINY, f"--threads={min(2, len(CPUS))}", within=within)
        self.assertIn("no_sysfs", codes(host))
        self.assertIn("NUMA nodes are not told", codes(host)["topology_guessed"])
        for fact in ("governor", "turbo", "smt", "thp"):
            self.assertIsNone(host[fact], fact)
        for fact in ("cpus", "cores", "sockets", "llcs", "nodes"):
            self.assertIsNone(host["cpu"][fact], fact)
        for window in windows:
            self.assertEqual(window["cpus"], CPUS[:len(window["cpus"])])
        self.assertIn("note: NUMA nodes are not told", self.call("machine", within=within).stdout)

    def test_no_proc(self):
        within = in_namespace(empty_over("/proc"))
        result = self.call("run", f"--out={self.out}", *TINY, within=within, status=3)
        self.assertIn("cannot start its own program again (/proc/self/exe): No such file", result.stderr)

    def test_no_processor_in_cpuinfo(self):
        with file_over("/proc/cpuinfo", "") as command:
            host = self.host(within=in_namespace(command))
        for fact in ("model", "vendor", "family", "stepping", "mhz"):
            self.assertIsNone(host["cpu"][fact], fact)

    def test_no_huge_pages(self):
        host, _ = self.measured(within=in_namespace(empty_over("/sys/kernel/mm")))
        self.assertIsNone(host["thp"])
        self.assertNotIn("thp", codes(host))


class Limits(Hostile):
    def limited(self, what, value, *more):
        return all_of(*more, lambda: resource.setrlimit(what, (value, value)))

    def test_no_locked_memory(self):
        _, windows = self.measured(before=self.limited(resource.RLIMIT_MEMLOCK, 0))
        self.assertEqual([window["flags"] for window in windows if "home_unverified" in window["flags"]], [])

    def test_little_memory(self):
        for mib in (32, 48, 64, 96):
            self.out = self.folder / str(mib)
            result = subprocess.run([TOOL, "run", f"--out={self.out}", *TINY, "--threads=2"], capture_output=True,
                                    text=True, timeout=120, check=False,
                                    preexec_fn=self.limited(resource.RLIMIT_AS, mib << 20))
            if result.returncode == 0:
                self.found()
                continue
            self.assertEqual(result.returncode, 3 if "lockbench" in result.stderr else 127, result.stderr)
            self.assertRegex(result.stderr, "out of memory|cannot|error while loading shared libraries")

    def test_no_more_threads(self):
        for most, says in ((1, "cannot start a process"), (2, "cannot start thread 1 of 2: "),
                           (3, "cannot start thread 2 of 2: ")):
            with Group("pids", pids__max=most) as group:
                self.out = self.folder / str(most)
                result = self.call("run", f"--out={self.out}", *TINY, "--threads=2", before=group.join, status=3)
                self.assertIn(says, result.stderr)
                self.assertIn("Resource temporarily unavailable", result.stderr)

    def test_few_open_files(self):
        for most in (3, 4, 6, 8):
            self.out = self.folder / str(most)
            result = subprocess.run([TOOL, "run", f"--out={self.out}", *TINY, "--threads=1"], capture_output=True,
                                    text=True, timeout=120, check=False,
                                    preexec_fn=self.limited(resource.RLIMIT_NOFILE, most))
            if result.returncode == 0:
                self.found()
            else:
                self.assertIn(result.returncode, (3, 127), result.stderr)
                self.assertRegex(result.stderr, "Too many open files|shared object file: Error 24")

    def test_closed_standard_streams(self):
        for number, (stream, status) in enumerate((("<&-", 0), (">&-", 3), ("2>&-", 0), ("<&- >&- 2>&-", 3))):
            self.out = self.folder / str(number)
            command = f"exec '{TOOL}' run --out='{self.out}' {' '.join(TINY)} --threads=1 {stream}"
            result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False)
            self.assertEqual(result.returncode, status, result.stderr)
            self.assertEqual(len(self.found()[1]), 2, "what was printed is in no file of the run")


if __name__ == "__main__":
    unittest.main()
