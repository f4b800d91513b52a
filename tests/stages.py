#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs the stages of tests/run.sh one after the other, keeps going after a failure, and totals what they counted."""
import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import instructions
import lint
import lint_cpp
from counts import Counts, from_ctest, from_unittest

HERE = pathlib.Path(__file__).resolve().parent
HEARTBEAT_S = 20  # how often a silent stage says where it is
# Without and with --long: one Python file, one ctest entry.
PYTHON_TEST_LIMIT_S = {False: 1800, True: 6 * 3600}
ENTRY_LIMIT_S = {False: 600, True: 6 * 3600}
STEPS_TOLD = 16  # how many of the longest commands are named at the end
BYTES_PER_COMPILER = 2 * 1024 ** 3  # a translation unit that instantiates every lock, under a sanitizer
# What a second compiler, or a second kind of atomics, builds and runs without --long.
FEW_NATIVE_TESTS = ("platform_native_native_test", "platform_fences_native_test", "locks_contract_native_test",
                    "workloads_rmap_counts_native_test")
CLANG_TESTS = (*FEW_NATIVE_TESTS, "platform_litmus_coop_test")
# One lock in so many is tested by these builds without --long: it is the tests' compilation that takes minutes. The
# release build tests all.
ONE_LOCK_IN = {"asan-ubsan": 16, "tsan": 8, "clang": 11}
# The AArch64 builds: preset, its atomics, of how many locks the tests take one without --long (None: not built), and
# which tests (none named: all native ones). Compiling the tests for every lock takes minutes of CPU; the two samples
# differ.
AARCH64 = (("aarch64", "lse", 8, ()), ("aarch64-llsc", "llsc", 13, FEW_NATIVE_TESTS),
           ("aarch64-clang", "lse", None, ()))


def wrong_usage(text):
    print(f"tests/run.sh: {text}", file=sys.stderr)
    sys.exit(2)


@dataclasses.dataclass
class Options:
    fast: bool
    long: bool
    ctest: list

    @staticmethod
    def parse(arguments):
        ctest = [argument for argument in arguments if argument not in ("--fast", "--long")]
        options = Options("--fast" in arguments, "--long" in arguments, ctest)
        if options.fast and options.long:
            wrong_usage("--fast and --long exclude each other")
        if ctest and not ctest[0].startswith("-"):
            wrong_usage(f"'{ctest[0]}' is no flag; a selection is given as ctest takes it, for example -R rmap")
        return options


def default_jobs():
    """As many compilers as CPUs, but no more than memory holds."""
    if os.environ.get("LOCKBENCH_JOBS"):
        if not re.fullmatch(r"[1-9]\d{0,3}", os.environ["LOCKBENCH_JOBS"]):
            wrong_usage(f"LOCKBENCH_JOBS={os.environ['LOCKBENCH_JOBS']}: a number from 1 to 9999 is wanted")
        return int(os.environ["LOCKBENCH_JOBS"])
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(len(os.sched_getaffinity(0)), memory // BYTES_PER_COMPILER))


def end_session(process, number):
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass  # it ended by itself in between


class Runner:
    """What the stages share: the root, the clock, the logs."""

    def __init__(self, root, options):
        self.root = root
        self.options = options
        self.jobs = default_jobs()
        self.started = time.monotonic()
        self.reports = root / "build" / "tests"
        self.last_progress = 0.0
        self.steps = []  # (seconds, name) of each command, in the order of their ends
        self.live = set()  # the processes of the lanes
        self.interrupted = False
        shutil.rmtree(self.reports, ignore_errors=True)
        self.reports.mkdir(parents=True)
        self.environment = dict(os.environ, LOCKBENCH_BUILD_DIR=str(root / "build" / "release"))

    def say(self, text, progress=False):
        """Prints a line with the time since the start, m:ss; progress lines only now and then."""
        now = time.monotonic()
        if progress and now - self.last_progress < HEARTBEAT_S:
            return
        self.last_progress = now
        minutes, seconds = divmod(int(now - self.started), 60)
        print(f"[{minutes:3}:{seconds:02}] {text}", flush=True)

    def call(self, name, command, environment=None, limit_s=None):
        """Runs a command with its output in a log; returns its status. Shows the end of the log if it fails."""
        log = self.reports / f"{name.replace('/', '_').replace(' ', '_')}.log"
        lines, began = [], time.monotonic()
        with open(log, "w", encoding="utf-8") as file:
            process = subprocess.Popen([str(part) for part in command], cwd=self.root, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True, errors="replace",
                                       env={**self.environment, **(environment or {})}, start_new_session=True)
            # A hung test may leave children: the whole session goes.
            guard = threading.Timer(limit_s, end_session, (process, signal.SIGKILL)) if limit_s else None
            self.live.add(process)
            if guard:
                guard.start()
            try:
                for line in process.stdout:
                    file.write(line)
                    lines.append(line)
                    self.say(f"{name}: {line.strip()[:100]}", progress=True)
                status = process.wait()
            except BaseException:
                end_session(process, signal.SIGTERM)
                process.wait()
                raise
            finally:
                process.stdout.close()
                self.live.discard(process)
                if guard:
                    guard.cancel()
                self.steps.append((time.monotonic() - began, name))
        if self.interrupted:
            raise KeyboardInterrupt  # which only the main thread gets by itself
        if status != 0:
            self.say(f"{name}: failed with status {status}; the end of {log.relative_to(self.root)}:")
            print("".join(lines[-40:]).rstrip(), flush=True)
        return status

    def interrupt(self):
        """Ends what other lanes run."""
        self.interrupted = True
        for process in list(self.live):
            end_session(process, signal.SIGTERM)

    def sample(self, preset):
        """The setting for the locks that a build's tests go through."""
        return [f"-DLOCKBENCH_TEST_EVERY={1 if self.options.long else ONE_LOCK_IN[preset]}"]

    def slowest(self):
        """Where the time went, longest first."""
        return ", ".join(f"{name} {seconds:.0f} s" for seconds, name in sorted(self.steps, reverse=True)[:STEPS_TOLD])

    def soak(self):
        """What tells the tests to take their time. Only without sanitizers, which would make days of it."""
        return {"LOCKBENCH_LONG": "1"} if self.options.long else {}

    def build(self, preset, targets=(), settings=()):
        """Configures and builds; the build is one check."""
        limit = ENTRY_LIMIT_S[self.options.long]
        every = ["-DLOCKBENCH_WORKLOAD_TEST_EVERY=1"] if self.options.long else []
        status = self.call(f"{preset} configure",
                           ["cmake", "--preset", preset, f"-DLOCKBENCH_TEST_TIMEOUT={limit}", *every, *settings])
        if status == 0:
            command = ["cmake", "--build", f"build/{preset}", "--parallel", self.jobs]
            names = targets() if callable(targets) else targets
            status = self.call(f"{preset} build", command + (["--target", *names] if names else []))
        return Counts.of(f"build of {preset}", status == 0)

    def ctest_targets(self, preset, selection=()):
        """The executables behind the ctest entries that a preset selects, by cmake/lockbench_tests.cmake's rule: ctest
        itself does not name one that is not built yet."""
        listed = subprocess.run(["ctest", "--preset", preset, *selection, "--show-only=json-v1"], cwd=self.root,
                                text=True, capture_output=True, check=True)
        return [test["name"].replace("/", "_") + "_test" for test in json.loads(listed.stdout)["tests"]]

    def ctest(self, preset, wrapper=(), arguments=()):
        junit, cases = self.reports / f"{preset}.xml", self.reports / f"{preset}-cases"
        command = [*wrapper, "ctest", "--preset", preset, "--output-junit", junit, "--no-tests=error",
                   "--parallel", self.jobs, *arguments, *self.options.ctest]
        more = self.soak() if preset == "release" else {}
        reports = {"GTEST_OUTPUT": f"xml:{cases}/", "LOCKBENCH_CASES": str(cases)}
        status = self.call(f"{preset} tests", command, {**reports, **more})
        counts = from_ctest(junit, cases) if junit.exists() else Counts()
        if status != 0 and not counts.failed:
            counts.failed.append(f"ctest of {preset} ended with status {status}")
        return counts

    def preset(self, preset, only_selected=False, wrapper=(), settings=(), selection=()):
        targets = (lambda: self.ctest_targets(preset, selection)) if only_selected or selection else ()
        counts = self.build(preset, targets, settings)
        if not counts.failed:
            counts.add(self.ctest(preset, wrapper, selection))
        return counts

    # The stages.

    def style(self):
        return lint.quick_checks(self.root, self.say)

    def release(self):
        return self.preset("release")

    def python(self):
        counts = Counts()
        for path in sorted(self.root.glob("tests/**/*_test.py")):
            name = str(path.relative_to(self.root))
            if path.parent.name == "guest":
                continue  # an entry of ctest
            report = self.reports / (name.replace("/", "_") + ".json")
            command = [sys.executable, HERE / "run_unittest.py", name, report]
            status = self.call(name, command, self.soak(), PYTHON_TEST_LIMIT_S[self.options.long])
            counts.add(from_unittest(report, name, status))
        return counts

    def clang_tidy(self):
        return lint_cpp.clang_tidy(self.root, self.root / "build" / "release", self.jobs, self.say)

    def asan_ubsan(self):
        """Without --long not what single locks do step by step, and the contract and the rmap for some locks."""
        return self.preset("asan-ubsan", settings=self.sample("asan-ubsan"),
                           selection=() if self.options.long else ("--label-exclude", "^unsanitized$"))

    def tsan(self):
        return self.preset("tsan", only_selected=True, wrapper=fixed_addresses(self.root),
                           settings=self.sample("tsan"))

    def clang(self):
        """The other compiler: some tests for some locks, with --long the whole product and all tests."""
        if self.options.long:
            return self.preset("clang", settings=self.sample("clang"))
        counts = self.build("clang", CLANG_TESTS, self.sample("clang"))
        if not counts.failed:
            counts.add(self.ctest("clang", arguments=only(CLANG_TESTS)))
        return counts

    def aarch64(self):
        """Builds the native tests for AArch64 with each kind of atomics, looks at the instructions, runs under qemu."""
        counts = Counts()
        for preset, atomics, one_in, few in AARCH64:
            every, targets = (1, ()) if self.options.long else (one_in, few)
            if every is None:
                continue
            built = self.build(preset, targets, [f"-DLOCKBENCH_TEST_EVERY={every}"])
            counts.add(built)
            if built.failed:
                continue
            objects = sorted(self.root.glob(f"build/{preset}/CMakeFiles/*_test.dir/tests/**/*.o"))
            faults = instructions.atomics_faults(instructions.instructions("aarch64", objects), atomics)
            for fault in faults:
                self.say(f"{preset}: {fault}")
            counts.add(Counts.of(f"atomics of {preset}", not faults, "; ".join(faults[:3])))
            counts.add(self.ctest(preset, arguments=only(targets)))
        return counts


def only(targets):
    """The arguments by which ctest runs the entries of these executables; of none: all."""
    names = "|".join(target.removesuffix("_test").replace("_", "/", 1) for target in targets)
    return ("-R", f"^({names})$") if targets else ()


def fixed_addresses(root):
    """GCC 12's TSan refuses some randomised address spaces; where the machine allows, it runs in a fixed one."""
    command = ("setarch", platform.machine(), "--addr-no-randomize")
    try:
        probe = subprocess.run([*command, "true"], cwd=root, capture_output=True, check=False)
    except FileNotFoundError:
        return ()
    return command if probe.returncode == 0 else ()


def plan(runner):
    """The stages to run as (name, function), and the names of those left out with the reason."""
    stages = [("style", runner.style), ("release", runner.release), ("python", runner.python),
              ("clang-tidy", runner.clang_tidy), ("asan-ubsan", runner.asan_ubsan), ("tsan", runner.tsan),
              ("clang", runner.clang), ("aarch64", runner.aarch64)]
    if runner.options.ctest:
        chosen, why = {"release"}, "a selection was given"
    elif runner.options.fast:
        chosen, why = {"style", "release", "python"}, "--fast"
    else:
        chosen, why = {name for name, _ in stages}, ""
    left_out = [name for name, _ in stages if name not in chosen]
    notice = f"not run: {', '.join(left_out)} ({why})" if left_out else ""
    return [stage for stage in stages if stage[0] in chosen], notice


def record(root, lines, total):
    """Keeps the result of a long run: which commit, which machine, what happened."""
    def git(*arguments):
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else "unknown"

    now = datetime.datetime.now(datetime.timezone.utc)
    dirty = "" if git("status", "--porcelain", "--untracked-files=no") in ("", "unknown") else "-dirty"
    head = [f"tests/run.sh --long, {now:%Y-%m-%d %H:%M} UTC", f"commit {git('rev-parse', 'HEAD')}{dirty}",
            f"machine {platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}"]
    path = root / "results" / f"long-{now:%Y-%m-%d}.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([*head, *lines, total.line()]) + "\n", encoding="utf-8")
    return path


def run_stage(runner, name, stage, lines):
    """The counts of a stage; its line goes to `lines`."""
    began = time.monotonic()
    try:
        counts = stage()
    except Exception as error:  # pylint: disable=broad-except
        # The other stages still say something.
        counts = Counts(failed=[f"{name}: {type(error).__name__}: {error}"])
    lines.append(f"{name}: {counts.line()}, {time.monotonic() - began:.0f} s")
    runner.say(lines[-1])
    return counts


def in_lanes(stages):
    """The stages, each alone or with the one that it runs beside: the Python tests mostly wait, for windows to end."""
    lanes = []
    for stage in stages:
        if lanes and stage[0] == "clang-tidy" and lanes[-1][-1][0] == "python":
            lanes[-1].append(stage)
        else:
            lanes.append([stage])
    return lanes


def run_lanes(runner, lanes, total, lines):
    """Runs stages beside one another, the last in this thread."""
    found = []

    def in_background(lane):
        with contextlib.suppress(KeyboardInterrupt):  # the main thread has it too
            found.append(run_stage(runner, *lane, lines))

    beside = [threading.Thread(target=in_background, args=(lane,)) for lane in lanes[:-1]]
    for thread in beside:
        thread.start()
    try:
        found.append(run_stage(runner, *lanes[-1], lines))
        for thread in beside:
            thread.join()
    except KeyboardInterrupt:
        runner.interrupt()
        raise
    finally:
        for counts in found:
            total.add(counts)


def summary(runner, total, lines, left_out):
    print()
    for line in total.skipped:
        print(f"skipped: {line}")
    for line in total.failed:
        print(f"FAILED: {line}")
    print("\n".join(lines))
    print(f"longest: {runner.slowest()}")
    if left_out:
        print(left_out)


def main(arguments, root=HERE.parent):
    runner = Runner(root, Options.parse(arguments))
    stages, left_out = plan(runner)
    total, lines, interrupted, number = Counts(), [], False, 0
    for lanes in in_lanes(stages):
        for name, _ in lanes:
            number += 1
            runner.say(f"== {name} (stage {number} of {len(stages)})")
        try:
            run_lanes(runner, lanes, total, lines)
        except KeyboardInterrupt:
            interrupted = True
            runner.say(f"{lanes[-1][0]}: interrupted; what ran before it stands below")
            break
    summary(runner, total, lines, left_out)
    if runner.options.long and not interrupted:
        selection = [f"only ctest {' '.join(runner.options.ctest)}"] if runner.options.ctest else []
        path = record(root, lines + selection + ([left_out] if left_out else []), total)
        print(f"recorded in {path.relative_to(root)}")
    print(total.line())
    if interrupted:
        return 130
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
