# SPDX-License-Identifier: MIT
"""The page of what was checked: its rows as text and back, and what the rows say of a lock as a whole."""
import re
import typing

SUMMARY = ("lock", "failures", "2 x 1", "2 x 2", "3 x 1", "a writer starves", "a reader starves",
           "passed while it polls", "8 threads", "reverse map")
CLAIMED = ("lock", "order claimed", "order found", "cancellation", "memory after unlock", "is_locked()")
COLUMNS = ("lock", "client", "engine, model, bound", "verdict", "who waits")
FAMILIES = {"ticket": "Ticket lock", "mcs": "MCS lock", "osq": "Queue of optimistic spinners, as a lock",
            "qspinlock": "Queued spinlocks", "rwlock": "Classic rwlock", "qrwlock": "Queued rwlocks",
            "mutex": "Mutexes", "rwsem": "Read-write semaphores"}


class Row(typing.NamedTuple):
    """One exploration."""
    lock: str
    client: str
    engine: str
    model: str
    bound: int
    says: str
    order: str

    @property
    def threads(self):
        return sum(map(int, re.findall(r"(\d+)[a-z]", self.client.split("x")[0])))

    @property
    def sections(self):
        return int(self.client.split("x")[1]) if "x" in self.client else 1

    @property
    def exhaustive(self):
        return self.says.startswith("exhaustive: ")

    @property
    def broken(self):
        return self.says.startswith("BROKEN: ")

    @property
    def seen(self):
        """Executions, or states."""
        return int(re.search(r"(\d+) (?:executions|states)", self.says).group(1))

    def line(self):
        return (f"| `{self.lock}` | {self.client} | {self.engine}, {self.model}, {self.bound} | {self.says} | "
                f"{self.order} |")


def rows_of(text):
    rows = []
    for line in text.split("\n"):
        found = re.fullmatch(r"\| `([^`]+)` \| ([^|]+) \| ([gsr]), (\w+), (\d) \| ([^|]+) \| ([^|]*) \|", line)
        if found:
            lock, client, engine, model, bound, says, order = found.groups()
            rows.append(Row(lock, client, engine, model, int(bound), says, order))
    return rows


# What several rows say together.

def plain(row):
    """A client of a lock's sections, without what has a column of its own."""
    return not row.client.startswith("rmap") and not set(row.client) & set("fo")


def to_the_end(rows):
    """`9/9`: of so many clients all executions, of so many."""
    return f"{sum(row.exhaustive for row in rows)}/{len(rows)}" if rows else ""


def reach(rows, threads, sections):
    """What engine g saw the end of: with rare events, and without."""
    rows = [row for row in rows if row.engine == "g" and plain(row) and
            (row.threads, row.sections) == (threads, sections)]
    by_bound = {bound: to_the_end([row for row in rows if row.bound == bound]) for bound in (1, 0)}
    return "; ".join(text if bound else f"{text} at bound 0" for bound, text in by_bound.items() if text) or "in x2"


def waits(row, mode):
    """(steps of a starvation's cycle or None, who passes how often) of the waits in one mode; None: nothing is said."""
    found = re.search(mode + r": starvation (?:possible, (\d+)-step cycle|impossible), "
                      r"passed by a writer (?:at most )?(\d+|without end), by a reader (?:at most )?(\d+|without end)",
                      row.order)
    return found and (found[1], {"writer": found[2], "reader": found[3]})


def named(row):
    return row.client + (", bound 0" if row.bound == 0 else "") + (", TSO" if row.model == "tso" else "")


def starvation(rows, mode):
    """One way to starve, or the clients in which nobody does."""
    told = [(row, waits(row, mode)) for row in rows if row.engine == "s" and waits(row, mode)]
    for row, (cycle, _) in told:
        if cycle:
            return f"possible, {cycle}-step cycle ({named(row)})"
    sc = [named(row) for row, _ in told if row.model == "sc"]
    return f"impossible ({'; '.join(sc)})" if sc else "not reached"


def passed(rows):
    """The most that one polling thread is passed by one other, over all clients."""
    def more(one, other):
        return "without end" if "without end" in (one, other) else str(max(int(one), int(other)))

    most = {}
    for row in rows:
        for mode in ("writer", "reader"):
            for by, times in (waits(row, mode) or (None, {}))[1].items():
                most[mode, by] = more(most.get((mode, by), "0"), times)
    if not most:
        return "not reached"
    told = []
    for mode in ("writer", "reader"):
        by = [f"by a {other} {times}{'' if times == 'without end' else ' x'}"
              for (who, other), times in most.items() if who == mode and times != "0"]
        told += [f"{mode} {', '.join(by)}"] if by else []
    return "; ".join(told) or "never"


def drawn(rows):
    rows = [row for row in rows if row.engine == "r" and plain(row)]
    return f"none in {sum(row.seen for row in rows)}" if not any(row.broken for row in rows) else "**broken**"


def reverse_map(rows):
    full, many = (next(row for row in rows if row.client.startswith("rmap") and row.engine == engine)
                  for engine in ("g", "r"))
    return f"all {full.seen}" if full.exhaustive else f"{full.seen}, not all; {many.seen} drawn"


def failures(lock, rows):
    """By name, but for the end of a lock that does not claim to stand it."""
    names = {row.says.split(": ")[1] for row in rows if row.broken and (row.client != "2f" or "f" in lock["roles"])}
    return "**" + ", ".join(sorted(names)) + "**" if names else "none"


def summary_line(lock, rows):
    columns = (f"`{lock['name']}`", failures(lock, rows), reach(rows, 2, 1), reach(rows, 2, 2), reach(rows, 3, 1),
               starvation(rows, "writer"), starvation(rows, "reader") if lock["shared"] else "", passed(rows),
               drawn(rows), reverse_map(rows))
    return f"| {' | '.join(columns)} |"


# What a lock claims beside what was found.

def order_claim(lock, rows):
    told = [row for row in rows if row.engine == "s" and row.model == "sc" and row.order]
    if not told:
        return "not reached"
    starves = [mode for mode in ("writer", "reader") if starvation(rows, mode).startswith("possible")]
    if lock["fairness"].startswith("fifo"):
        return "broken" if starves else "holds: " + "; ".join(map(named, told))
    return f"a {' and a '.join(starves)} may starve" if starves else "not needed: " + "; ".join(map(named, told))


def extents(rows):
    """`1w1k exhaustive (84), ..`: each client, and how far."""
    return ", ".join(f"{named(row)} {'all' if row.exhaustive else 'first'} {row.seen}" for row in rows)


def claim_line(lock, rows):
    def having(roles):
        return [row for row in rows if row.engine == "g" and not row.client.startswith("rmap") and
                set(row.client) & set(roles)]

    ended = having("f")
    freed = ("claimed: " + extents(ended) if "f" in lock["roles"] else
             f"not claimed; {ended[0].says.split(': ')[1]} in {ended[0].client} after {ended[0].seen}")
    cancelled = having("kc")
    safe = (f"none fails; {to_the_end(cancelled)} clients to the end" if cancelled else "not claimed")
    columns = (f"`{lock['name']}`", lock["fairness"], order_claim(lock, rows), safe, freed, extents(having("o")))
    return f"| {' | '.join(columns)} |"


HEAD = """# What was checked

Written by `tests/bench/checked_page_test.py --write`, and held up to date by that test. Of every registered lock: what
`lockcheck` looked for, with which clients, and how far it got. What the engines do and leave out, and what each failure
means: [explore.md](explore.md).

A row is a claim about **its client, model and bound**, and about nothing else: two threads say nothing of three, one
section nothing of two. `exhaustive: N` is a proof of that. `bounded: N, stopped by X` is none: N were without a fault,
and the rest, which may be nearly all, were not looked at. No lock here is proved for any number of threads.

Clients: `2r1wx2` is two readers and a writer, two sections each; t and s try once, d becomes a reader, k and c may be
cancelled, i is a reader that may not queue, f's last one ends the lock's memory, o asks `is_locked()`. For engine s
sections have no end. Bound: how often a thread meets each kind of rare event (a spurious wake, an owner that does not
run, being asked to yield, a deadline that comes). **At bound 0 none comes**: no spinner is sent to sleep, and what is
asked for after milliseconds, as a hand-off is, never is. Engine s under SC and TSO (x86), the others under RC11.

## Summary

Failures: exclusion, races, uses after free, deadlocks, lost wake-ups and the others of explore.md, of all engines.
`7/9`: of 9 clients of so many threads x sections (engine g) 7 were gone through to the end, and the rows below say what
stopped the others; "in x2": two sections contain one. Starvation, and how often one polling thread is passed by one
other at most: engine s; "not reached" where it did not come to the end of the states. A starvation that is possible is
no fault where the lock does not claim otherwise; at bound 0 it is one before any hand-off comes due, and says nothing
of what follows that. Eight threads: executions that engine r drew. Reverse map: executions of `rmap:exit+walk` (engine
g); where these were not all, so many of `rmap:exits+walk+reclaim` were drawn too.
"""
CLAIMS = """
## Claims

What a lock's `kInfo` claims beside what was found. Order: fifo and fifo_after_claim rule starvation out, fifo also that
one thread passes another that polls twice; the other words admit both. Memory after unlock: whether the memory may go
with the last unlock while another thread may still be inside its own. `is_locked()`: true for observers as long as a
writer, or any of two readers, holds the lock, asked by the holders. "all 84": all executions; "first 5000": not all.
"""
ROWS = """
## All verdicts

`lockcheck run --locks=LOCK --client=CLIENT --engine=E --model=M --bound=B --budget=N`, N being what stopped it, finds a
row again. Counted are executions that came to their end; what stops engine g counts also those that wait for what
others bring, or are cut: a loop with effects (`EffectLoop`) is followed as often as its source says. Budgets are counts
and not seconds, so that every machine stops at the same place.
"""


def heading(columns):
    return [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]


def page(locks, rows):
    by_lock = {lock["name"]: [row for row in rows if row.lock == lock["name"]] for lock in locks}
    parts = [HEAD, *heading(SUMMARY), *[summary_line(lock, by_lock[lock["name"]]) for lock in locks],
             CLAIMS, *heading(CLAIMED), *[claim_line(lock, by_lock[lock["name"]]) for lock in locks], ROWS.rstrip("\n")]
    for family in dict.fromkeys(lock["family"] for lock in locks):
        parts += [f"\n### {FAMILIES.get(family, family)}\n", *heading(COLUMNS)]
        parts += [row.line() for lock in locks if lock["family"] == family for row in by_lock[lock["name"]]]
    return "\n".join(parts) + "\n"
