# SPDX-License-Identifier: MIT
"""lockcheck from the shell: verdicts, failures and their replay, lists, refusals."""
import json
import pathlib
import re
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cli_case import BUILD  # noqa: E402

TOOL = BUILD / "lockcheck"


def lockcheck(*arguments):
    return subprocess.run([TOOL, *arguments], capture_output=True, text=True, timeout=300, check=False)


def catches_interrupts(pid):
    caught = re.search(r"(?m)^SigCgt:\s*(\w+)$", pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    return int(caught.group(1), 16) >> (signal.SIGINT - 1) & 1 != 0


class Lockcheck(unittest.TestCase):
    def run_tool(self, *arguments, status=0):
        result = lockcheck(*arguments)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result.stdout

    def verdicts(self, *arguments, status=0):
        return json.loads(self.run_tool("run", "--json", *arguments, status=status))

    def test_verdict_names_its_terms(self):
        text = self.run_tool("run", "--locks=mcs", "--client=2wx2", "--model=sc")
        self.assertRegex(text, r"^mcs: exhaustive: 78 executions, [0-9.]+ s "
                               r"\(engine g, model sc, client 2wx2, bound 1\)$")

    def test_spinning_locks_are_exhaustive(self):
        spinning = [lock["name"] for lock in json.loads(self.run_tool("list", "--json"))
                    if lock["kind"] == "spin" and lock["name"] not in ("null", "broken")]
        self.assertGreater(len(spinning), 10)
        for client in ("2wx2", "3w", "1r1wx2"):
            found = self.verdicts("--locks=" + ",".join(spinning), "--client=" + client)
            self.assertEqual([each["lock"] for each in found], spinning)
            for each in found:
                self.assertEqual(each["failure"], "none", each)
                self.assertIn(each["verdict"], ("exhaustive", "bounded"), each)
                self.assertEqual(each["stopped_by"], "", each)
                self.assertGreater(each["executions"], 0, each)
                if "rwlock_classic" not in each["lock"]:
                    self.assertEqual(each["verdict"], "exhaustive", each)

    def test_sleeping_locks(self):
        found = self.verdicts("--locks=rwsem_3_8,rwsem_3_10", "--client=2w")
        self.assertEqual([each["verdict"] for each in found], ["exhaustive", "exhaustive"])
        rest = self.verdicts("--locks=mutex*,rwsem*", "--client=1r1w", "--budget=2000")
        self.assertEqual({each["failure"] for each in rest}, {"none"})
        # Readers of rwsem_5_3 spin at two places at once, for another owner or a hand-off.
        self.assertIn(("rwsem_5_3", "exhaustive"), {(each["lock"], each["verdict"]) for each in rest})

    def test_loop_bound_is_no_proof(self):
        found = self.verdicts("--locks=rwsem", "--client=2w", "--budget=100000")[0]
        self.assertEqual(found["verdict"], "bounded")
        self.assertRegex(found["loop_bound"], r"^locks/rwsem\w*\.hpp:\d+$")
        self.assertGreater(found["cut"], 0)

    def test_budget(self):
        text = self.run_tool("run", "--locks=qrwlock", "--client=3w", "--budget=10")
        self.assertIn("bounded: 10 executions, stopped by 10 executions", text)

    def test_broken_lock_and_its_replay(self):
        text = self.run_tool("run", "--locks=broken", "--client=2w", "--model=sc", status=1)
        self.assertRegex(text, r"^broken: BROKEN: exclusion: thread \d reads data at bench/lockcheck_client\.hpp:\d+ "
                               r"while, in a section of its own, thread \d ")
        self.assertRegex(text, r"(?m)^  #1 t0 await seq_cst lock is 0, the first value   locks/controls\.hpp:\d+$")
        command = re.search(r"(?m)^  replay: lockcheck (replay .*)$", text).group(1).split()
        again = self.run_tool(*command, status=1)
        self.assertEqual(again.split("\n")[1:], text.split("\n")[1:])

    def test_replay_of_a_good_execution(self):
        self.assertIn("nothing is broken", self.run_tool("replay", "--locks=mcs", "--client=1w", "aaaaaaaaa"))
        self.assertIn("cannot take", self.run_tool("replay", "--locks=mcs", "--client=1w", "aaaaaaaaaaaa", status=1))

    def test_states_without_end(self):
        text = self.run_tool("run", "--locks=ticket", "--client=3w", "--engine=s")
        self.assertRegex(text, r"^ticket: exhaustive: \d+ states, depth \d+, [0-9.]+ s "
                               r"\(engine s, model sc, client 3w, bound 1\)\n"
                               r"  starvation of a writer: impossible\n"
                               r"  passed while it polls, by any one reader: at most 0 times; "
                               r"by any one writer: at most 1 times\n$")
        text = self.run_tool("run", "--locks=qrwlock_2013", "--client=2r1w", "--engine=s")
        self.assertRegex(text, r"starvation of a writer: possible, \d+-step cycle, \w+\(\w+\)\n")

    def test_states_of_every_spinning_lock(self):
        spinning = [lock["name"] for lock in json.loads(self.run_tool("list", "--json"))
                    if lock["kind"] == "spin" and lock["name"] not in ("null", "broken", "rwlock_classic")]
        for model in ("sc", "tso"):
            found = self.verdicts("--locks=" + ",".join(spinning), "--client=1r1w", "--engine=s", "--model=" + model)
            self.assertEqual({each["verdict"] for each in found}, {"exhaustive"}, found)
            for each in found:
                self.assertGreater(each["states"], 0)
                self.assertEqual({waits["mode"] for waits in each["waits"]} - {"read", "write"}, set())
                self.assertNotEqual(each["waits"], [])

    def test_states_of_a_broken_lock(self):
        text = self.run_tool("run", "--locks=broken", "--client=2w", "--engine=s", "--model=tso", status=1)
        self.assertRegex(text, r"^broken: BROKEN: exclusion: thread \d (reads|writes) data at ")
        command = re.search(r"(?m)^  replay: lockcheck (replay .*)$", text).group(1).split()
        again = self.run_tool(*command, status=1)
        self.assertEqual(again.split("\n")[1:], text.split("\n")[1:])

    def test_interrupted(self):
        with subprocess.Popen([TOOL, "run", "--locks=mcs,qrwlock", "--client=3r3w"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as tool:
            while not catches_interrupts(tool.pid):
                time.sleep(0.01)
            tool.send_signal(signal.SIGINT)
            text, errors = tool.communicate(timeout=60)
        self.assertEqual(tool.returncode, 130, text + errors)
        self.assertRegex(text, r"^mcs: bounded: \d+ executions, stopped by SIGINT, ")
        self.assertNotIn("qrwlock", text)

    def test_unfit_clients_are_left_out(self):
        self.assertEqual(self.run_tool("run", "--locks=ticket", "--client=1w1d"),
                         "ticket: left out, it cannot be downgraded\n")

    def test_readers_that_may_not_queue(self):
        self.assertEqual(self.run_tool("run", "--locks=ticket", "--client=1i1w"),
                         "ticket: left out, it has no readers that may not queue\n")
        self.assertIn("exhaustive", self.run_tool("run", "--locks=qrwlock", "--client=1i1wx2"))

    def test_readers_that_try_or_are_cancelled(self):
        for client in ("1s1w", "1c1w"):
            found = self.verdicts("--locks=rwsem_5_0", "--client=" + client)[0]
            self.assertEqual((found["failure"], found["verdict"]), ("none", "exhaustive"), found)
        # It has more ways than one that may not be cancelled.
        self.assertGreater(found["executions"], self.verdicts("--locks=rwsem_5_0", "--client=1r1w")[0]["executions"])
        for lock in ("rwsem_3_8", "mutex_3_10"):
            self.assertEqual(self.run_tool("run", "--locks=" + lock, "--client=1c1w"),
                             lock + ": left out, no reader's wait for it can be cancelled\n")

    def test_memory_that_ends_with_the_last_unlock(self):
        listed = json.loads(self.run_tool("list", "--json"))
        claims = [lock["name"] for lock in listed if "f" in lock["roles"] and lock["rmap"]]
        self.assertIn("qrwlock", claims)
        for engine in ("g", "s"):
            found = self.verdicts("--locks=" + ",".join(claims), "--client=2f", "--engine=" + engine)
            self.assertEqual({(each["failure"], each["verdict"]) for each in found}, {("none", "exhaustive")}, found)
        for engine in ("g", "s", "r"):
            text = self.run_tool("run", "--locks=rwsem_3_8", "--client=2f", "--engine=" + engine, status=1)
            self.assertRegex(text, r"^rwsem_3_8: BROKEN: use after free: .*; it does not claim to be free of this, ")
        self.assertNotIn("rwsem_3_8", claims)

    def test_a_spinning_reader_that_wakes_others_goes_on(self):
        # A round of the head of the spinners that wakes a sleeper was once left out as one without effect.
        for client in ("4r4wx2", "3r2w1t1k1dx2"):
            found = self.verdicts("--locks=rwsem_5_3.no_spin_beside_readers", "--client=" + client, "--engine=r",
                                  "--budget=300")[0]
            self.assertEqual((found["failure"], found["stopped_by"]), ("none", "300 executions"), found)

    def test_mutate(self):
        text = self.run_tool("mutate", "--locks=mcs,osq", "--client=2w,3w")
        self.assertRegex(text, r"(?m)^  locks/mcs\.hpp:\d+: rmw acq_rel -> acquire: caught, race, after \d+ executions "
                               r"\(2w\)$")
        self.assertRegex(text, r"(?m)^  \d+ places, \d+ mutations, \d+ caught, 0 survived$")
        self.assertRegex(text, r"(?m)^  locks/osq\.hpp:\d+: rmw acquire -> load, store: survived \(3w\)$")
        found = json.loads(self.run_tool("mutate", "--locks=rwsem_3_8", "--client=2w", "--json"))
        changes = {each["change"] for each in found if each["caught"]}
        self.assertLessEqual({"wake in unlock left out", "sleep_prepare behind the re-check", "rmw release -> relaxed",
                              "load acquire -> relaxed", "store release -> relaxed"}, changes)
        self.assertEqual([each for each in found if each["caught"] == (each["failure"] == "none")], [])

    def test_what_small_clients_let_through_is_drawn(self):
        found = json.loads(self.run_tool("mutate", "--locks=mcs", "--budget=1", "--json"))
        drawn = [each for each in found if each["drawn"]]
        self.assertIn(("load acquire -> relaxed", True), [(each["change"], each["caught"]) for each in drawn])
        self.assertEqual({each["caught"] for each in drawn}, {True})
        # Who names clients wants no others.
        named = json.loads(self.run_tool("mutate", "--locks=mcs", "--client=1w1t", "--budget=1", "--json"))
        self.assertEqual({each["drawn"] for each in named}, {False})

    def test_a_broken_lock_is_not_mutated(self):
        text = self.run_tool("mutate", "--locks=broken", "--client=2w", status=1)
        self.assertIn("broken: not mutated, broken as it is: ", text)

    def test_engine_r_is_bounded(self):
        text = self.run_tool("run", "--locks=mcs", "--engine=r", "--client=3w", "--budget=10")
        self.assertRegex(text, r"^mcs: bounded: 10 executions, \d+ steps, stopped by 10 executions, [0-9.]+ s "
                               r"\(engine r, model rc11, client 3w, bound 1\)$")
        # Without a budget it stops all the same.
        self.assertIn("stopped by 10000 executions",
                      self.run_tool("run", "--locks=ticket", "--engine=r", "--client=1w", "--model=sc"))
        self.assertIn("stopped by time", self.run_tool("run", "--locks=mcs", "--engine=r", "--seconds=0.01"))

    def test_engine_r_draws_by_seed_and_depth(self):
        def steps(*arguments):
            return self.verdicts("--locks=rwsem", "--engine=r", "--client=2r2w", "--budget=50", *arguments)[0]["steps"]
        self.assertEqual(steps(), steps("--seed=1"))
        self.assertNotEqual(steps(), steps("--seed=2"))
        self.assertNotEqual(steps(), steps("--depth=1"))

    def test_engine_r_passes_all_locks(self):
        for arguments in (("--client=4r4wx2", "--model=rc11", "--budget=60"),
                          ("--client=20r4w", "--model=sc", "--budget=30"),
                          ("--client=64w", "--model=rc11", "--budget=3"),
                          ("--client=rmap:exits+walk+reclaim", "--model=rc11", "--budget=60")):
            found = self.verdicts("--engine=r", *arguments)
            self.assertGreater(len(found), 25)
            for each in found:
                self.assertEqual((each["failure"], each["verdict"]), ("none", "bounded"), each)
                self.assertGreater(each["steps"], each["executions"], each)

    def test_engine_r_finds_and_replays(self):
        text = self.run_tool("run", "--locks=broken", "--engine=r", "--client=12w", status=1)
        self.assertRegex(text, r"^broken: BROKEN: exclusion: thread \d+ \w+ data at bench/lockcheck_client\.hpp:\d+ "
                               r"while, in a section of its own, thread \d+ ")
        command = re.search(r"(?m)^  replay: lockcheck (replay .*)$", text).group(1).split()
        again = self.run_tool(*command, status=1)
        self.assertEqual(again.split("\n")[1:], text.split("\n")[1:])
        # Two threads matter, one switch between them: the others are left out.
        self.assertEqual(len(set(re.findall(r"(?m)^  #\d+ (t\d+) ", text))), 2, text)

    def test_reverse_map(self):
        text = self.run_tool("run", "--locks=ticket", "--client=rmap:exit+walk")
        self.assertRegex(text, r"^ticket: exhaustive: \d\d+ executions, ")
        listed = self.run_tool("list")
        self.assertIn("fork exit exits recycle stack heap fault reclaim walk", listed)
        self.assertEqual(self.run_tool("run", "--locks=broken", "--client=rmap:exit"),
                         "broken: left out, no workload uses it\n")
        self.assertEqual({each["name"] for each in json.loads(self.run_tool("list", "--json")) if not each["rmap"]},
                         {"null", "broken"})

    def test_refusals(self):
        for arguments, says in ((("run", "--client=2z"), "A client is written"),
                                (("run", "--client=2wx*"), "bounded number of sections"),
                                (("run", "--client=9w"), "1 to 8 threads"),
                                (("run", "--engine=r", "--client=65w"), "1 to 64 threads"),
                                (("run", "--client=rmap:exit+sleep"), "fork, exit, exits"),
                                (("run", "--client=rmap:"), "fork, exit, exits"),
                                (("run", "--client=rmap:exit+exits"), "end the one child"),
                                (("run", "--client=rmap:exits+fork"), "ends the parent"),
                                (("run", "--client=rmap:reclaim+walk"), "needs a child"),
                                (("run", "--engine=s", "--client=rmap:exit+walk"), "let memory come back"),
                                (("mutate", "--locks=mcs", "--client=9w"), "1 to 8 threads"),
                                (("run", "--seconds=-1"), "from 0 on"),
                                (("run", "--seconds=nan"), "from 0 on"),
                                (("run", "--depth=65"), "depth"),
                                (("run", "--client=2wx99"), "x1 to x16"),
                                (("run", "--client=1f1w"), "f, who ends the lock, goes with nobody else"),
                                (("run", "--engine=s", "--client=2fx*"), "a lock ends once"),
                                (("run", "--client=2wx-"), "x* for sections without end"),
                                (("run", "--locks=tickett"), "ticket"),
                                (("run", "--engine=z"), "there is g, s"),
                                (("run", "--engine=s", "--model=rc11"), "engine s knows sc, tso"),
                                (("run", "--model=tso"), "engine g knows rc11, sc"),
                                (("replay", "--locks=*", "a"), "the one lock"),
                                (("replay", "--locks=mcs"), "script is required")):
            result = lockcheck(*arguments)
            self.assertEqual(result.returncode, 2, arguments)
            self.assertIn(says, result.stderr, arguments)
        # What no engine can have printed is no sound execution.
        for engine in ("g", "s", "r"):
            self.run_tool("replay", "--locks=mcs", f"--engine={engine}", "--client=2w", "zz", status=1)


if __name__ == "__main__":
    unittest.main()
