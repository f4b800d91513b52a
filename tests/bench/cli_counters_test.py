#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Counters of the whole tool on a fake PMU, samples of perf c2c from a fake perf, and the page made of the event table.

Each run is a few windows of some milliseconds; what is asserted are names, codes, reasons and files.
"""
import json
import os
import pathlib
import stat
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import counters_page  # noqa: E402
from cli_case import BUILD, ROOT, SMALL, Case, lockbench, timed, windows_of  # noqa: E402

FAKE_PMU = BUILD / "libfake_pmu.so"
ONE = ["--window-ms=5", "--warmup-ms=1", "--workloads=rw_mix", "--locks=qrwlock", "--threads=1", "--repetitions=1",
       "--no-uncontended", "--no-aa", "--no-untimed"]
SKX = ("hitm_loads_local", "hitm_rfo_local", "hitm_loads_remote", "hitm_rfo_remote", "snoop_hits_local",
       "lock_instructions", "cycles", "instructions")


def on_fake_pmu(pmu, **more):
    return dict(os.environ, LD_PRELOAD=str(FAKE_PMU), LIBPFM_FORCE_PMU=pmu, **more)


class FakePmu(Case):
    def measured(self, environment, *arguments):
        result = lockbench("run", f"--out={self.out}", *ONE, *arguments, env=environment)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        run = json.loads((self.out / "run.json").read_text())
        return run, timed(windows_of(self.out))[0]

    def test_a_run_counts_transfers_of_both_kinds_and_asks_for_the_right_codes(self):
        log = self.folder / "asked"
        run, window = self.measured(on_fake_pmu("skx", FAKE_PMU_LOG=str(log)))
        for name in SKX:
            self.assertGreater(window["counters"][name], 0, name)
        self.assertEqual(window["counters_share"], {})
        self.assertEqual((run["host"]["counters"]["level"], run["host"]["counters"]["pmu"]), (1, "skx"))
        by = {entry["name"]: entry["by"] for entry in run["host"]["counters"]["counters"]}
        self.assertEqual((by["hitm_rfo_local"], by["hitm_rfo_remote"]), ("PAPI", "perf_event_open"))
        asked = set(log.read_text().split("\n"))
        self.assertTrue({"4 4d2 0", "4 1b7 10003c0002", "4 4d3 0", "4 1bb 103fc00002"} <= asked, asked)

    def test_without_counters_to_spare_events_are_left_out_or_take_turns(self):
        few = on_fake_pmu("skx", FAKE_PMU_PER_THREAD="4")
        run, window = self.measured(few)
        self.assertEqual({name for name in SKX if window["counters"][name] is not None}, set(SKX[:4]))
        self.assertFalse(run["plan"]["multiplex"])
        self.assertFalse(run["host"]["counters"]["multiplexed"])
        for name in SKX[4:]:
            self.assertIn("could not be started beside 4 other", window["counters_reason"][name])
        self.out = self.folder / "turns"
        run, window = self.measured(few, "--multiplex")
        self.assertTrue(run["plan"]["multiplex"])
        self.assertTrue(run["host"]["counters"]["multiplexed"])
        for name in SKX:
            self.assertGreater(window["counters"][name], 0, name)
            self.assertAlmostEqual(window["counters_share"][name], 0.5, 2, name)

    def test_lists_name_level_source_and_reason(self):
        text = lockbench("list", "counters", env=on_fake_pmu("icx", FAKE_PMU_PER_GROUP="3")).stdout
        self.assertRegex(text, r"(?m)^hitm_rfo_local +level 1: requests for ownership")
        self.assertIn("by PAPI: icx::OCR:DEMAND_RFO_L3_HIT_SNOOP_HITM\n", text)
        self.assertIn("not here: too many events: 3 hardware events fill this CPU's counters", text)
        self.assertIn("level 4: generic hardware events: nothing about transfers between cores\n", text)
        text = lockbench("machine", env=on_fake_pmu("amd64_fam19h_zen3")).stdout
        self.assertIn("counters: level 2 of 7, line transfers by source", text)
        self.assertRegex(text, r"lock_instructions +locked .* level 4; perf_event_open cpu/config=0xe25/\)")
        self.assertNotIn("bounc", text)

    def test_a_forbidden_call_is_a_reason_and_not_a_failure(self):
        _, window = self.measured(on_fake_pmu("skx", FAKE_PMU_REFUSE="1"))
        self.assertIsNone(window["counters"]["cycles"])
        self.assertIn("seccomp filter", window["counters_reason"]["cycles"])
        self.assertIsInstance(window["counters"]["voluntary_switches"], int)


PERF = """#!/bin/sh
echo "$@" >> "$FAKE_PERF_LOG"
[ "$1 $2" = "c2c report" ] && { shift 4; [ -s "$1" ] && echo "Shared Data Cache Line Table"; exit 0; }
case "$*" in *" -a "*) ;; *) [ -z "$FAKE_PERF_NEEDS_ALL" ] || { echo "no task sampling" >&2; exit 1; } ;; esac
while [ "$1" != -o ]; do shift; done
data=$2
shift 3
case "$*" in *"$FAKE_PERF_BREAKS"*) [ -z "$FAKE_PERF_BREAKS" ] || { echo "ring buffer lost" >&2; exit 1; } ;; esac
"$@" || exit 9
echo samples > "$data"
"""


class PerfC2c(Case):
    def setUp(self):
        super().setUp()
        self.log = self.folder / "perf.log"
        (self.folder / "bin").mkdir()

    def environment(self, **more):
        return dict(os.environ, PATH=f"{self.folder / 'bin'}:{os.environ['PATH']}", FAKE_PERF_LOG=str(self.log), **more)

    def install_perf(self, text=PERF):
        perf = self.folder / "bin" / "perf"
        perf.write_text(text)
        perf.chmod(perf.stat().st_mode | stat.S_IXUSR)

    def sampled(self, *arguments, status=0, **more):
        result = lockbench("run", *arguments, env=self.environment(**more))
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result

    def index(self):
        return json.loads((self.out / "c2c" / "index.json").read_text())

    def test_each_cell_gets_a_report_and_no_window_more(self):
        self.install_perf()
        self.sampled(f"--out={self.out}", *SMALL, "--perf-c2c")
        run = json.loads((self.out / "run.json").read_text())
        self.assertTrue(run["plan"]["perf_c2c"])
        self.assertEqual(run["status"], "done")
        self.assertEqual(len(timed(windows_of(self.out))), len(run["plan"]["order"]), "samples are in no figure")
        index = self.index()
        self.assertEqual(sorted(entry["lock"] for entry in index), ["qrwlock", "rwsem_3_10"],
                         "neither the second of a pair nor the untimed pass")
        for entry in index:
            self.assertIsNone(entry["error"])
            self.assertIn("Shared Data Cache Line Table", (self.out / "c2c" / entry["report"]).read_text())
            self.assertTrue((self.out / "c2c" / f"{entry['cell']}.data").exists())
        self.assertEqual(len([line for line in self.log.read_text().split("\n") if " c2c-window " in line]), 2)

    def test_sampling_of_the_whole_machine_where_tasks_cannot_be(self):
        self.install_perf()
        self.sampled(f"--out={self.out}", *ONE, "--perf-c2c", FAKE_PERF_NEEDS_ALL="1")
        self.assertRegex(self.log.read_text(), r"c2c record -a -o \S+ -- \S*lockbench c2c-window")

    def test_a_cell_that_fails_is_told_and_sampled_again_by_resume(self):
        self.install_perf()
        result = self.sampled(f"--out={self.out}", *ONE, "--perf-c2c", status=3, FAKE_PERF_BREAKS="c2c-window")
        self.assertIn("perf c2c of rw_mix qrwlock 1 threads: ring buffer lost", result.stderr)
        self.assertEqual(self.index()[0]["error"], "ring buffer lost")
        self.assertEqual(len(timed(windows_of(self.out))), 1, "what was measured stays")
        self.sampled(f"--resume={self.out}")
        self.assertIsNone(self.index()[0]["error"])

    def test_a_host_without_it_ends_before_anything_is_measured(self):
        self.install_perf("#!/bin/sh\necho 'failed: memory events not supported' >&2\nexit 255\n")
        result = self.sampled(f"--out={self.out}", *ONE, "--perf-c2c", status=3)
        self.assertIn("--perf-c2c: perf c2c cannot sample on this host (failed: memory events not supported)",
                      result.stderr)
        self.assertFalse(self.out.exists())

    def test_perf_that_is_not_installed_is_named_with_its_package(self):
        result = lockbench("run", f"--out={self.out}", *ONE, "--perf-c2c",
                           env=dict(os.environ, PATH=str(self.folder / "bin")))
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("apt-get install linux-perf", result.stderr)
        self.assertFalse(self.out.exists())


class Page(unittest.TestCase):
    def test_docs_counters_md_is_what_the_event_table_says(self):
        page = (ROOT / "docs" / "counters.md").read_text()
        events = json.loads(lockbench("list", "events", "--json").stdout)
        self.assertEqual(counters_page.table_of(page), counters_page.table(events),
                         "write it anew: tests/bench/counters_page.py")

    def test_every_list_says_what_was_never_counted(self):
        events = json.loads(lockbench("list", "events", "--json").stdout)
        self.assertEqual([event["counter"] for event in events if event["event"] and not event["tested"]], [])
        self.assertIn("perf_event_open", lockbench("list", "events").stdout)


if __name__ == "__main__":
    unittest.main()
