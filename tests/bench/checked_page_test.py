#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""docs/checked.md says of every registered lock what the explorer found: through all executions or states of which
clients, and of which only so many. Fails when the page is stale or a lock is broken. Without LOCKBENCH_LONG=1 only the
verdicts that are cheap are found again.

By hand, after a build, for some 10 minutes of one CPU: tests/bench/checked_page_test.py --write
The rows of some locks alone, all others as they are: tests/bench/checked_page_test.py --write ticket mcs
"""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import checked_summary  # noqa: E402
from checked_summary import Row  # noqa: E402
from cli_case import BUILD, ROOT  # noqa: E402

PAGE = ROOT / "docs" / "checked.md"
LOCKCHECK = BUILD / "lockcheck"
LONG = os.environ.get("LOCKBENCH_LONG", "0") not in ("", "0")

# Executions (g, r) and states (s) after which a verdict is left bounded: counts, so that all machines stop alike.
ENOUGH_G = 50_000  # where most clients end before
DEEP_G = 100_000   # where all of rwsem_3_8 do
MOST_G = 20_000    # without rare events
SOME_G = 5_000     # where few do
RMAP_G = 3_000
ENOUGH_S = 1_500_000
SOME_S = 500_000
DRAWN_R = 2_000
DRAWN_RMAP = 100
# What is found again by default: verdicts that were reached within so many.
CHEAP = {"g": 1_500, "s": 20_000, "r": 0}


def listed():
    done = subprocess.run([LOCKCHECK, "list", "--json"], capture_output=True, text=True, check=True)
    return [lock for lock in json.loads(done.stdout) if lock["rmap"]]


# Which clients a lock is explored with: `(client, engine, model, bound, budget)`.

def mates(lock, texts):
    """The clients whose roles the lock has."""
    roles = lock["roles"] if lock["shared"] else lock["roles"].replace("r", "").replace("s", "")
    return [text for text in texts if set(re.findall("[a-z]", text.split("x")[0])) <= set(roles)]


def graph_cells(lock):
    pairs = mates(lock, ("2w", "1r1w", "1w1t", "1r1t", "1w1d", "1r1d", "1w1k", "1r1k", "1w1c", "1d1k", "1i1w", "1w1s"))
    triples = mates(lock, ("3w", "2r1w", "1r2w", "2w1t", "1r1w1t", "1r1w1d", "1r1w1k", "1w1k1c", "1i1r1w"))
    if lock["kind"] == "spin":
        return [(text, 1, ENOUGH_G) for text in [*[pair + "x2" for pair in pairs], *triples]]
    deep = DEEP_G if lock["name"] == "rwsem_3_8" else SOME_G
    plain = mates(lock, ("2wx2", "1r1wx2", "3w", "2r1w"))
    return [*[(text, 1, ENOUGH_G) for text in pairs], *[(text, 1, deep) for text in plain],
            *[(pair + "x2", 0, ENOUGH_G if pair in ("2w", "1r1w") else MOST_G) for pair in pairs],
            *[(text, 0, ENOUGH_G if text in ("3w", "2r1w", "1r2w") else MOST_G) for text in triples]]


def state_cells(lock):
    two = mates(lock, ("2w", "1r1w"))
    if lock["kind"] == "spin":
        three = mates(lock, ("3w", "2r1w", "1r2w"))
        return [*[(text, model, 1, SOME_S) for model in ("sc", "tso") for text in two],
                *[(text, "sc", 1, SOME_S) for text in three]]
    return [(text, "sc", bound, budget) for text in two for bound, budget in ((1, ENOUGH_S), (0, SOME_S))]


def plan(lock):
    cells = [(client, "g", "rc11", bound, budget) for client, bound, budget in graph_cells(lock)]
    cells += [(client, "g", "rc11", 1, SOME_G) for client in mates(lock, ("1w1o", "2r1o", "3f"))]
    cells.append(("2f", "g", "rc11", 1, SOME_G))
    cells += [(client, "s", model, bound, budget) for client, model, bound, budget in state_cells(lock)]
    mix = [role for role in "rrwwtdkc" if role in lock["roles"] and (lock["shared"] or role not in "rs")]
    mix = "".join(f"{mix.count(role) + (8 - len(mix) if role == 'w' else 0)}{role}" for role in dict.fromkeys(mix))
    for client in ("4r4wx2" if lock["shared"] else "8wx2", mix + "x2"):
        cells.append((client, "r", "rc11", 1, DRAWN_R))
    cells.append(("rmap:exit+walk", "g", "rc11", 1, RMAP_G))
    cells.append(("rmap:exits+walk+reclaim", "r", "rc11", 1, DRAWN_RMAP))
    return cells


# What was found.

def order_of(waits):
    """What engine s says of who waits; read back by checked_summary."""
    def passed(most):
        return "without end" if most is None else f"at most {most}"

    return "; ".join(f"{'reader' if each['mode'] == 'read' else 'writer'}: starvation "
                     f"{'possible, ' + str(each['cycle']) + '-step cycle' if each['may_starve'] else 'impossible'}, "
                     f"passed by a writer {passed(each['passed_by_writers'])}, "
                     f"by a reader {passed(each['passed_by_readers'])}" for each in waits)


def explore(lock, cell):
    client, engine, model, bound, budget = cell
    done = subprocess.run([LOCKCHECK, "run", "--json", f"--locks={lock}", f"--client={client}", f"--engine={engine}",
                           f"--model={model}", f"--bound={bound}", f"--budget={budget}"],
                          capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{lock}, {client}: {done.stderr}")
    found = json.loads(done.stdout)[0]
    says = re.sub(r"(\.[ch]pp):\d+", r"\1", found["says"])  # lines move
    return Row(lock, client, engine, model, bound, says, order_of(found["waits"]))


def explore_all(wanted):
    """`wanted`: pairs of lock and cell."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda pair: explore(*pair), wanted))


def write(names):
    """The page, of which the rows of these locks, or of all, are found anew."""
    locks = listed()
    unknown = set(names) - {lock["name"] for lock in locks}
    if unknown:
        sys.exit(f"there is no lock {', '.join(sorted(unknown))}")
    anew = [(lock["name"], cell) for lock in locks for cell in plan(lock) if not names or lock["name"] in names]
    kept = checked_summary.rows_of(PAGE.read_text(encoding="utf-8")) if names else []
    rows = [row for row in kept if row.lock not in names] + explore_all(anew)
    PAGE.write_text(checked_summary.page(locks, rows), encoding="utf-8")


class CheckedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = PAGE.read_text(encoding="utf-8")
        cls.locks = listed()
        cls.rows = checked_summary.rows_of(cls.text)

    def test_every_cell_has_its_row_and_no_other(self):
        wanted = [(lock["name"], *cell[:4]) for lock in self.locks for cell in plan(lock)]
        self.assertEqual(len(set(wanted)), len(wanted), "a client twice")
        self.assertEqual(sorted(row[:5] for row in self.rows), sorted(wanted),
                         f"{PAGE.name} is stale; write it anew with {pathlib.Path(__file__).name} --write")

    def test_the_rest_of_the_page_follows_from_its_rows(self):
        self.assertEqual(checked_summary.page(self.locks, self.rows), self.text)

    def test_nothing_is_broken(self):
        ends = {lock["name"] for lock in self.locks if "f" not in lock["roles"]}
        broken = [row for row in self.rows if row.broken]
        self.assertEqual([row for row in broken if row.client != "2f" or row.lock not in ends], [])
        # Who does not claim that its memory may go with the last unlock is found not to stand it.
        self.assertEqual({row.lock for row in broken}, ends)
        self.assertEqual([row for row in broken if "use after free" not in row.says], [])

    def test_verdicts_are_found_again(self):
        cheap = {row[:5] for row in self.rows if LONG or row.seen <= CHEAP[row.engine]}
        self.assertGreater(len(cheap), len(self.rows) // 3)
        wanted = [(lock["name"], cell) for lock in self.locks for cell in plan(lock)
                  if (lock["name"], *cell[:4]) in cheap]
        self.assertEqual([row for row in explore_all(wanted) if row not in self.rows], [],
                         f"{PAGE.name} is stale; write it anew with {pathlib.Path(__file__).name} --write")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        write(sys.argv[2:])
    else:
        unittest.main()
