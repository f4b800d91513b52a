#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes run folders that nobody measured, for the tests of plot.py: as results/README.md says, with known answers.

By hand: tests/bench/fake_run.py OUT [--scenario=main|scaling|sim], then look at what plot.py makes of it.
"""
import argparse
import json
import math
import pathlib
import random

# name: family, kind, shared, fairness, bytes, rmw_read, rmw_write, cost in ns, floor
LOCKS = {
    "ticket": ("ticket", "spin", False, "fifo", 4, 0, 1, 7.0, "xadd32+st16"),
    "mcs": ("mcs", "spin", False, "fifo", 8, 0, 2, 13.5, "xchg64+cas64"),
    "osq": ("osq", "spin", False, "fifo", 4, 0, 2, 14.0, "xchg32+cas32"),
    "qspinlock": ("qspinlock", "spin", False, "fifo_after_claim", 4, 0, 1, 7.5, "cas32+st8"),
    "qspinlock.portable": ("qspinlock", "spin", False, "fifo_after_claim", 4, 0, 2, 13.0, "cas32+xadd32"),
    "rwlock_classic": ("rwlock", "spin", True, "reader_preference", 4, 2, 2, 12.6, "xadd32+xadd32"),
    "qrwlock": ("qrwlock", "spin", True, "fifo_after_claim", 8, 2, 1, 12.9, "cas32+st8"),
    "qrwlock.portable": ("qrwlock", "spin", True, "fifo_after_claim", 8, 2, 2, 13.6, "cas32+xadd32"),
    "mutex_3_10": ("mutex", "sleep", False, "stealing", 40, 0, 2, 14.8, "cas32+xadd32"),
    "rwsem_3_8": ("rwsem", "sleep", True, "fifo", 32, 2, 2, 14.9, "xadd64+xadd64"),
    "rwsem_3_10": ("rwsem", "sleep", True, "stealing", 32, 2, 2, 14.6, "cas64+xadd64"),
    "rwsem_3_16": ("rwsem", "sleep", True, "stealing", 40, 2, 2, 15.6, "cas64+xadd64"),
    "std::shared_mutex": ("glibc", "sleep", True, "unknown", 56, 2, 2, 17.0, "cas32+xadd32"),
    "pthread_rwlock.prefer_reader": ("glibc", "sleep", True, "reader_preference", 56, 2, 2, 17.2, "cas32+xadd32"),
    "pthread_rwlock.prefer_writer_nonrecursive":
        ("glibc", "sleep", True, "writer_preference", 56, 2, 2, 17.6, "cas32+xadd32"),
    "broken": ("control", "spin", True, "unfair", 4, 0, 0, 1.0, "xadd32+xadd32"),
}
MAIN_LOCKS = [name for name in LOCKS if name != "broken"]

# workload: roles, (operation, unit, headline, per second on one thread of the reference lock), readers' acquisitions
WORKLOADS = {
    "fork_server": (["parent", "child"], [("fork", "forks", True, 41e3), ("exit", "exits", True, 40e3),
                                          ("fault", "faults", True, 3.3e5)], 0.02),
    "numa_migration": (["migrate"], [("page_migrated", "pages", True, 3.2e5), ("fault", "faults", False, 3.4e5)], 1.0),
    "reclaim_scan": (["reclaim", "forker"], [("page_reclaimed", "pages", True, 1.9e5),
                                             ("page_scanned", "pages", True, 7.5e5),
                                             ("fork", "forks", True, 9e3), ("gave_up", "tries", False, 1e2)], 0.8),
    "rw_mix": (["reader", "writer"], [("read", "sections", True, 3.1e6), ("write", "sections", True, 3.4e5)], 0.9),
}
DISTANCES = ["self", "same_core", "same_llc", "same_node", "same_package", "other_package", "unknown"]
# Rate of each lock on two threads and more, over the reference lock's on one thread; a test may want another.
CONTENDED = {"rwsem_3_8": 0.55, "rwsem_3_10": 1.0, "rwsem_3_16": 1.2, "mutex_3_10": 1.15, "ticket": 1.38, "mcs": 1.33,
             "osq": 1.3, "qspinlock": 1.4, "qspinlock.portable": 1.32, "rwlock_classic": 1.45, "qrwlock": 1.42,
             "qrwlock.portable": 1.36, "std::shared_mutex": 0.8, "pthread_rwlock.prefer_reader": 0.79,
             "pthread_rwlock.prefer_writer_nonrecursive": 0.7, "broken": 9.0}


def bucket_lower(value):
    """Lower bound of the histogram bucket of a whole number: exact below 16, then 16 buckets an octave."""
    if value < 16:
        return value
    shift = value.bit_length() - 5
    return (value >> shift) << shift


class Fake:
    """One run folder. Attributes may be changed between construction and write()."""

    def __init__(self, path, seed=1, locks=None, workloads=None, threads=(1, 2), cpus=2, repetitions=10):
        self.path = pathlib.Path(path)
        self.random = random.Random(seed)
        self.seed = seed
        self.locks = list(locks or MAIN_LOCKS)
        self.workloads = list(workloads or WORKLOADS)
        self.threads = list(threads)
        self.cpus = cpus
        self.repetitions = repetitions
        self.platform, self.machine, self.tool = "native", "this", "lockbench"
        self.status = "done"
        self.noise = 0.02  # standard deviation of ln(rate) from window to window
        self.block_noise = 0.03  # the same from block to block: what pairing takes out
        self.samples = 3000  # timed waits of a window
        self.factor = lambda lock, workload, threads: (CONTENDED[lock] if threads > 1 else 1.0)
        self.aa_lock = "rwsem_3_10"
        self.untimed = True
        self.uncontended = True
        self.hardware = None  # None: no PMU; else {counter name: (level, per acquisition)}
        self.involuntary = 0.15  # share of windows with an involuntary switch
        self.edit = None  # called with each window before it is written
        self.model = "Imaginary CPU 9000"
        self.warnings = [{"code": "virtual", "text": "This is a virtual machine: other guests can take its CPUs."}]

    def info(self, name):
        family, kind, shared, fairness, size, rmw_read, rmw_write, _, _ = LOCKS[name]
        return {"name": name, "family": family, "kernel_release": "3.10" if "3_10" in name else "-", "kind": kind,
                "shared": shared, "fairness": fairness, "hold_across_sleep": kind == "sleep", "bytes": size,
                "rmw_read": rmw_read, "rmw_write": rmw_write, "origin": f"made up for a test: {name}"}

    def scale(self, lock, threads):
        """Rate over that of one thread of the reference lock."""
        over = 0.3 if threads > self.cpus and LOCKS[lock][1] == "spin" else 1.0
        return (1 + 0.25 * math.log2(threads)) * over

    def cells(self):
        cells = []
        for workload in self.workloads:
            for threads in self.threads:
                for lock in self.locks:
                    halves = ["a", "b"] if lock == self.aa_lock and threads <= self.cpus else [None]
                    cells += [self.cell(lock, workload, threads, half, False) for half in halves]
                    if self.untimed and threads == 1 and workload == self.workloads[-1]:
                        cells.append(self.cell(lock, workload, threads, None, True))
        for number, cell in enumerate(cells):
            cell["id"] = number
        return cells

    def cell(self, lock, workload, threads, half, untimed):
        params = {"children": 4, "pages": 32} if workload != "rw_mix" else {"read_permille": 900, "hold_ns": 100}
        return {"id": 0, "platform": self.platform, "machine": self.machine, "lock": lock, "workload": workload,
                "params": params, "placement": "compact", "lock_home": "first_touch", "threads": threads,
                "cpus": [t % self.cpus for t in range(threads)], "oversubscribed": threads > self.cpus, "aa": half,
                "untimed": untimed}

    def waits(self, median_ns):
        draws = [int(self.random.lognormvariate(math.log(median_ns), 1.1)) for _ in range(self.samples)]
        counts = {}
        for value in draws:
            counts[bucket_lower(value)] = counts.get(bucket_lower(value), 0) + 1
        hist = sorted(counts.items())
        out = {}
        for name, p in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)):
            rank, seen, out[name] = math.ceil(p * len(draws)), 0, None
            if len(draws) >= round(10 / (1 - p)):
                for lower, count in hist:
                    seen += count
                    if seen >= rank:
                        out[name] = lower
                        break
        out.update({"max": max(draws, default=None), "hist": [list(pair) for pair in hist], "sampled_every": 128})
        return out

    def window(self, cell, repetition, order, block_effect):
        lock, workload, threads = cell["lock"], cell["workload"], cell["threads"]
        over = threads > self.cpus
        rate = (block_effect * math.exp(self.random.gauss(0, self.noise * (3 if over else 1))) *
                self.scale(lock, threads) * self.factor(lock, workload, threads))
        roles, ops, read_share = WORKLOADS[workload]
        rates = {name: per_s * rate * math.exp(self.random.gauss(0, 0.003)) for name, _, _, per_s in ops}
        taken = sum(rates.values()) * 2
        window_s = 0.1
        involuntary = int(self.random.random() < self.involuntary) + (40 if over else 0)
        voluntary = int(taken * window_s * (0.02 if LOCKS[lock][1] == "sleep" and threads > 1 else 0))
        flags = (["oversubscribed"] if over else []) + (["involuntary_switch"] if involuntary else [])
        flags += ["untimed"] if cell["untimed"] else []
        flags += ["broken"] if LOCKS[lock][0] == "control" else []
        total = int(taken * window_s)
        moved = 0 if threads == 1 else 0.45
        counters = {"voluntary_switches": voluntary, "involuntary_switches": involuntary, "minor_faults": 3}
        reasons = {}
        if self.hardware is None:
            counters["hitm_loads_local"] = None
            reasons["hitm_loads_local"] = "This machine has no PMU: a hypervisor hides it."
        else:
            counters.update({name: int(each * total) for name, (_, each) in self.hardware.items()})
        median = 60 if threads == 1 else 900 / self.factor(lock, workload, threads)
        timed = not cell["untimed"]
        jain = 1 - abs(self.random.gauss(0, 0.05))
        window = {key: cell[key] for key in ("platform", "machine", "lock", "workload", "params", "placement",
                                             "lock_home", "threads", "cpus", "aa")}
        window.update({
            "build": "gcc-12.2.0/release",
            "homes": {what: {"asked": None, "got": {"0": 3}} for what in ("lock", "qnodes", "data")},
            "cpus_found": [[cpu, cpu] for cpu in cell["cpus"]], "repetition": repetition, "process": 4000 + repetition,
            "block": repetition, "order": order, "seed": self.seed, "started_at": 1.7e9 + order * 0.15,
            "window_s": window_s, "overlap": 0.999, "start_skew_ns": 180,
            "ops": {name: int(value * window_s) for name, value in rates.items()}, "ops_per_s": rates,
            "acquisitions": {"read": int(total * read_share), "write": total - int(total * read_share),
                             "try_failed": 0},
            "sites": {"somewhere": total},
            "wait_ns": {"read": self.waits(median * 0.8) if timed else None,
                        "write": self.waits(median) if timed else None},
            "longest_starvation_ns": {"read": 2e6, "write": 3e6} if timed else {"read": None, "write": None},
            "jain": {"read": None if threads < 2 else jain, "write": None if threads < 2 else jain ** 2,
                     "nodes": None},
            "handoff": dict(zip(DISTANCES, [int(total * (1 - moved)), 0, int(total * moved), 0, 0, 0, 0])),
            "counters": counters, "counters_reason": reasons,
            "usage": {key: counters[key] for key in ("voluntary_switches", "involuntary_switches", "minor_faults")},
            "events": {"queued": total // 9, "slept": voluntary}, "checks": {"passed": True, "failed": []},
            "uncontended": None, "flags": flags})
        return window

    def uncontended_window(self, lock, mode, spacing, repetition):
        _, _, shared, _, _, _, _, cost, floor = LOCKS[lock]
        cost = cost * (1.05 if mode == "read" else 1) * (1.9 if spacing == "spaced" else 1)
        floor_ns = {"xadd32+st16": 6.1, "cas32+st8": 6.4}.get(floor, 11.9) * (1.5 if spacing == "spaced" else 1)
        window = {key: None for key in (
            "overlap", "start_skew_ns", "ops", "ops_per_s", "acquisitions", "sites", "wait_ns", "longest_starvation_ns",
            "jain", "handoff", "counters", "counters_reason", "usage", "events", "homes", "checks", "aa")}
        window.update({
            "platform": self.platform, "machine": self.machine, "lock": lock, "build": "gcc-12.2.0/release",
            "workload": "uncontended", "params": {"mode": mode, "spacing": spacing}, "placement": "compact",
            "lock_home": "first_touch", "threads": 1, "cpus": [0], "cpus_found": [[0, 0]], "repetition": repetition,
            "process": 3999, "block": repetition, "order": None, "seed": self.seed, "started_at": 1.7e9,
            "window_s": 0.05, "flags": [],
            "uncontended": {"cost_ns": cost * math.exp(self.random.gauss(0, 0.01)),
                            "floor_ns": floor_ns * math.exp(self.random.gauss(0, 0.01)), "floor": floor,
                            "gap_ns": 60.1 if spacing == "spaced" else None,
                            "iterations": 1000000}})
        return window

    def windows(self, cells):
        out = []
        for repetition in range(self.repetitions):
            effect = math.exp(self.random.gauss(0, self.block_noise))
            shuffled = self.random.sample(cells, len(cells))
            out += [(cell, repetition, self.window(cell, repetition, len(out) + i, effect))
                    for i, cell in enumerate(shuffled)]
        return out

    def run_json(self, cells, order):
        counters = [{"name": name, "event": "ru", "level": 6, "unit": "events", "counts": name, "available": True,
                     "reason": None} for name in ("voluntary_switches", "involuntary_switches", "minor_faults")]
        for name, (level, _) in (self.hardware or {}).items():
            counters.append({"name": name, "event": name.upper(), "level": level, "counts": name,
                             "unit": "ns" if name.endswith("_clock") else "events",
                             "available": True, "reason": None})
        level = min((entry["level"] for entry in counters), default=7)
        return {
            "schema_version": 1, "tool": self.tool, "tool_version": "0.1",
            "command": [self.tool, "run", "--quick"], "status": self.status, "started_at": "2024-01-02T03:04:05Z",
            "finished_at": "2024-01-02T03:06:05Z" if self.status == "done" else None,
            "host": {"cpu": {"model": self.model, "vendor": "nobody", "sockets": 1, "cores": self.cpus,
                             "cpus": self.cpus, "allowed_cpus": f"0-{self.cpus - 1}", "virtual": "kvm"},
                     "microcode": "0x1", "kernel": "6.1.0-test", "cmdline": "quiet <&>", "governor": None,
                     "mitigations": {"meltdown": "Not affected", "spectre_v2": "Mitigation: Retpolines"},
                     "turbo": None, "smt": "notsupported", "compiler": "gcc 12.2.0", "flags": "-O2 -DNDEBUG",
                     "build": {"compiler": "gcc-12.2.0", "preset": "release"}, "commit": "0123456789ab",
                     "dirty": False, "clock": {"name": "tsc", "ticks_per_ns": 2.45, "cost_ns": 12.1},
                     "own_cost_ns": 1.4, "binary_id": "feedbeef",
                     "counters": {"level": level, "level_text": "made up", "pmu": "", "domain": "",
                                  "counters": counters},
                     "warnings": self.warnings},
            "plan": {"seed": self.seed, "window_ms": 100.0, "warmup_ms": 20.0, "repetitions": self.repetitions,
                     "blocks": self.repetitions, "sample_every": 128, "uncontended": self.uncontended,
                     "allow_convoy": False, "counters": [], "notes": [], "cells": cells, "order": order},
            "locks": [self.info(name) for name in self.locks],
            "workloads": [{"name": name, "roles": WORKLOADS[name][0], "source": "made up for a test",
                           "ops": [{"name": op, "unit": unit, "headline": headline}
                                   for op, unit, headline, _ in WORKLOADS[name][1]]} for name in self.workloads]}

    def write(self, torn=False):
        self.path.mkdir(parents=True)
        cells = self.cells()
        planned = self.windows(cells)
        windows = [window for _, _, window in planned]
        if self.uncontended:
            for lock in self.locks:
                for mode in ("read", "write") if LOCKS[lock][2] else ("write",):
                    windows += [self.uncontended_window(lock, mode, spacing, repetition)
                                for spacing in ("tight", "spaced")
                                for repetition in range(self.repetitions)]
        if self.edit is not None:
            windows = [window for window in windows if self.edit(window) is not False]
        lines = "".join(json.dumps(window) + "\n" for window in windows)
        (self.path / "windows.jsonl").write_text(lines[:-40] if torn else lines)
        order = [[cell["id"], repetition, repetition] for cell, repetition, _ in planned]
        (self.path / "run.json").write_text(json.dumps(self.run_json(cells, order), indent=1) + "\n")
        return self.path


def scaling(path, **options):
    """Several locks on 1 to 8 threads of 4 CPUs: lines, and an oversubscribed count that stands apart."""
    locks = ["ticket", "rwlock_classic", "qrwlock", "mutex_3_10", "rwsem_3_8", "rwsem_3_10"]
    return Fake(path, locks=locks, workloads=["fork_server", "rw_mix"], threads=(1, 2, 3, 4, 8), cpus=4, **options)


def simulated(path, **options):
    fake = Fake(path, threads=(1, 2, 4, 8, 16, 32), cpus=32, workloads=["fork_server"], repetitions=6, **options)
    fake.platform, fake.machine, fake.tool, fake.model = "sim", "epyc-7742-2s", "locksim", "EPYC 7742, two sockets"
    fake.involuntary, fake.warnings, fake.samples = 0, [], 600
    return fake


SCENARIOS = {"main": Fake, "scaling": scaling, "sim": simulated}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="main")
    options = parser.parse_args()
    print(SCENARIOS[options.scenario](options.out).write())


if __name__ == "__main__":
    main()
