#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""docs/mutations.md says what is found: every historic fault is caught or does not apply, every fault that is made at
one place of a lock is caught or explained. Fails when the page is stale. Without LOCKBENCH_LONG=1 the faults at places
are made in some locks only.

By hand, after a build, for minutes: tests/bench/mutations_page_test.py --write; of the first part alone, for seconds:
--write historic
"""
import collections
import concurrent.futures
import fnmatch
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cli_case import BUILD, ROOT  # noqa: E402

PAGE = ROOT / "docs" / "mutations.md"
FOLDER = ROOT / "tests" / "mutants"
LOCKCHECK = BUILD / "lockcheck"
# What finds the historic faults, and which of its tests record one.
FINDERS = (("locks_mutants_test", "*"), ("locks_rwsem_faults_coop_test", "*M*"),
           ("locks_canary_test", "*waiting_shares_byte"), ("workloads_rmap_bugs_coop_test", "RmapFaults*"),
           ("workloads_pageable_bugs_coop_test", "PageableFaults*"),
           ("workloads_rmap_forms_coop_test", "RmapForms*.B*"), ("workloads_vma_adjust_coop_test", "AdjustFaults*.B*"))
CATCHES_AT_LEAST = 0.95
# Executions of a client for one fault at one place, where it is not through before; of locks that spin beside their
# owner fewer, as each takes long.
BUDGET = 20_000
SMALL_BUDGET = 2_000
DEAR = ("mutex_3_10*", "rwsem_3_16*", "rwsem_5_*", "rwsem", "rwsem.yield")
SAMPLE = ("ticket", "mcs", "osq", "qspinlock", "rwlock_classic", "qrwlock_3_16", "qrwlock", "rwsem_3_8")
LONG = os.environ.get("LOCKBENCH_LONG", "0") not in ("", "0")
ENGINES = ("G", "S", "R", "Coop")  # a fault stands under the first that finds it


# Historic faults.

def catalogue():
    with open(FOLDER / "catalogue.toml", "rb") as file:
        return tomllib.load(file)


def order(name):
    """M7a behind M6b, B1 behind all M."""
    letter, number, suffix = re.fullmatch(r"([MB])(\d+)([a-z]?)", name).groups()
    return letter == "B", int(number), suffix


def historic_rows():
    """What the finders record, in the order of the catalogue."""
    def run(finder):
        program, selection = finder
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "found.jsonl")
            done = subprocess.run([BUILD / program, f"--gtest_filter={selection}", "--gtest_brief=1"], text=True,
                                  env={**os.environ, "LOCKBENCH_MUTANTS": str(path)}, capture_output=True, check=False)
            if done.returncode != 0:
                raise RuntimeError(done.stdout[-4000:] + done.stderr)
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        rows = [row for part in pool.map(run, FINDERS) for row in part]
    return sorted(rows, key=lambda row: (order(row["id"]), ENGINES.index(row["engine"])))


def historic_lines(rows):
    columns = ("id", "fault", "mutant", "engine", "model", "client", "caught as", "executions to failure")
    lines = [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    found = collections.defaultdict(list)
    for row in rows:
        found[row["id"]].append(row)
    for name, entry in sorted(catalogue().items(), key=lambda item: order(item[0])):
        if "absent" in entry:
            lines.append(f"| {name} | {entry['fault']} | not applicable: {entry['absent']} | | | | | |")
        elif not found[name]:
            lines.append(f"| {name} | {entry['fault']} | **missed** | | | | | |")
        for row in found[name]:
            caught = row["property"] if row["caught"] else "**missed**"
            lines.append(f"| {name} | {entry['fault']} | {row['mutant']} | {row['engine']} | {row['model']} | "
                         f"{row['client']} | {caught} | {row['executions']} |")
    return lines


def tally(rows):
    """Faults that apply, and those of them that are caught."""
    applicable = {name for name, entry in catalogue().items() if "absent" not in entry}
    return applicable, {row["id"] for row in rows if row["caught"]} & applicable


# Faults at one place.

def explanations():
    with open(FOLDER / "survivors.toml", "rb") as file:
        return tomllib.load(file)["survivor"]


def all_locks():
    listed = subprocess.run([LOCKCHECK, "list", "--json"], capture_output=True, text=True, check=True)
    return [lock["name"] for lock in json.loads(listed.stdout) if lock["name"] not in ("null", "broken")]


def code_at(site):
    """The line of source at `locks/x.hpp:12`, without the spaces around it."""
    path, number = site.rsplit(":", 1)
    return (ROOT / path).read_text(encoding="utf-8").split("\n")[int(number) - 1].strip()


def mutate(lock):
    budget = SMALL_BUDGET if any(fnmatch.fnmatchcase(lock, pattern) for pattern in DEAR) else BUDGET
    done = subprocess.run([LOCKCHECK, "mutate", f"--locks={lock}", f"--budget={budget}", "--json"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{lock}: {done.stdout[-2000:]}{done.stderr}")
    return json.loads(done.stdout)


def mutated(locks):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return dict(zip(locks, pool.map(mutate, locks)))


def reasons(lock, result):
    """The explanations of one survivor."""
    file, code = result["site"].rsplit(":", 1)[0], code_at(result["site"])
    return [entry for entry in explanations()
            if entry["file"] == file and entry["code"] == code and result["change"] in entry["changes"] and
            any(fnmatch.fnmatchcase(lock, pattern) for pattern in entry["locks"])]


def summary(lock, results):
    places = {(result["site"], result["change"].split(" -> ")[0]) for result in results}
    caught = [result for result in results if result["caught"]]
    through = [result for result in results if not result["caught"] and result["exhaustive"]]
    most = max((result["executions"] for result in caught), default=0)
    drawn = [result for result in caught if result["drawn"]]
    return (f"| `{lock}` | {len(places)} | {len(results)} | {len(caught)} | {len(drawn)} | "
            f"{len(results) - len(caught)} | {len(through)} | {most} |")


def survivor_lines(found):
    """One line an explained survivor, the locks that have it together."""
    where = collections.defaultdict(list)
    for lock, results in found.items():
        for result in results:
            if not result["caught"]:
                why = "; ".join(entry["why"] for entry in reasons(lock, result)) or "**unexplained**"
                key = (result["site"].rsplit(":", 1)[0], code_at(result["site"]), result["change"], why)
                where[key].append(lock)
    lines = ["| file | code | fault | locks | why it survives |", "| --- " * 5 + "|"]
    for (file, code, change, why), locks in sorted(where.items()):
        shown = code.replace("|", "\\|")
        lines.append(f"| {file} | `{shown}` | {change} | {' '.join(locks)} | {why} |")
    return lines


HEAD = """# Mutations

Written by `tests/bench/mutations_page_test.py --write`, and held up to date by that test. A checker is worth what it
finds: here faults are put into the locks on purpose, and this page says by what each is found.

## Historic faults

Faults that the kernel's locks and its reverse map had, or that their designs guard against. The mutant is the lock with
the fault: a registered lock with one part replaced (tests/support/rwsem_faults.hpp), with one order or fence of its
source changed while it runs, or the lock told again as small as the fault allows (tests/support/small_mutants.hpp,
broken_locks.hpp, broken_sleeping_locks.hpp); or the reverse map with one rule taken away. Engine G goes through
executions graph by graph; Coop draws schedules and tells of missing orders by happens-before. Executions: those that
were seen to the end before the failure (G), the schedules drawn up to it (Coop). In the same test the right form passes
the same client.
"""
PLACES = """
## Faults at one place

`lockcheck mutate` makes one thing wrong at one place of a lock's source, while it runs, and explores the lock's clients
again: an order is weaker, a fence or a wake-up (of one operation: lock, unlock, ..) is left out, a sleep_prepare()
comes behind the look that should follow it, a read-modify-write is a load and a store. All places that the clients
reach are tried. Engine G, model RC11, small clients, at most {budget} executions of a client for a fault; {small} for
{dear}, which have too many. What survives that, engine R
draws executions for, of larger clients (4 to 6 threads, 3000 executions each). A survivor of both needs a reason
(tests/mutants/survivors.toml) or the test fails. "To the end": engine G left no client unfinished.

| lock | places | faults | caught | of these by R | survive, explained | of these to the end | most to a failure |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""


def historic_part(rows):
    applicable, caught = tally(rows)
    return [HEAD, f"{len(applicable)} faults apply, {len(caught)} are caught; "
            f"{len(catalogue()) - len(applicable)} do not apply.\n", *historic_lines(rows)]


def page(rows, found):
    parts = historic_part(rows)
    dear = ", ".join(f"`{pattern}`" for pattern in DEAR)
    parts.append(PLACES.format(budget=BUDGET, small=SMALL_BUDGET, dear=dear).rstrip("\n"))
    parts += [summary(lock, results) for lock, results in found.items()]
    parts += ["\n### Survivors\n", *survivor_lines(found)]
    return "\n".join(parts) + "\n"


class MutationsTest(unittest.TestCase):
    def fresh(self, wanted):
        lines = PAGE.read_text(encoding="utf-8").split("\n")
        self.assertEqual([line for line in wanted if line not in lines], [],
                         f"{PAGE.name} is stale; write it anew with {pathlib.Path(__file__).name} --write")

    def test_historic_faults_are_caught(self):
        rows = historic_rows()
        applicable, caught = tally(rows)
        self.assertEqual({row["id"] for row in rows} - set(catalogue()), set(), "a fault that the catalogue lacks")
        self.assertEqual({row["id"] for row in rows} - applicable, set(), "found, and said not to apply")
        self.assertGreaterEqual(len(caught), CATCHES_AT_LEAST * len(applicable), sorted(applicable - caught))
        self.fresh("\n".join(historic_part(rows)).split("\n"))

    def test_faults_at_places_are_caught_or_explained(self):
        locks = all_locks() if LONG else SAMPLE
        found = mutated(locks)
        unexplained = [f"{lock}: {result['site']}: {code_at(result['site'])}: {result['change']}"
                       for lock, results in found.items() for result in results
                       if not result["caught"] and len(reasons(lock, result)) != 1]
        self.assertEqual(unexplained, [], "survivors without a reason, or with several")
        self.fresh([summary(lock, results) for lock, results in found.items()])
        if LONG:
            self.fresh(survivor_lines(found))
            used = [entry for lock, results in found.items() for result in results if not result["caught"]
                    for entry in reasons(lock, result)]
            self.assertEqual([entry for entry in explanations() if entry not in used], [], "reasons without a survivor")

    def test_every_lock_is_on_the_page(self):
        text = PAGE.read_text(encoding="utf-8")
        self.assertEqual([lock for lock in all_locks() if f"| `{lock}` |" not in text], [])


if __name__ == "__main__":
    if sys.argv[1:] == ["--write", "historic"]:
        before, heading, after = PAGE.read_text(encoding="utf-8").partition(PLACES.split("`")[0])
        PAGE.write_text("\n".join(historic_part(historic_rows())) + "\n" + heading + after, encoding="utf-8")
    elif sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(historic_rows(), mutated(all_locks())), encoding="utf-8")
    else:
        unittest.main()
