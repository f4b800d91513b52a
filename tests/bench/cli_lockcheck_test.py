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

    def test_refusals(self):
        for arguments, says in ((("run", "--client=2z"), "A client is written"),
                                (("run", "--client=2wx*"), "bounded number of sections"),
                                (("run", "--client=9w"), "1 to 8 threads"),
                                (("run", "--client=2wx99"), "x1 to x16"),
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


if __name__ == "__main__":
    unittest.main()
