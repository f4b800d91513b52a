#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""usage: placements_test.py [--write PAGE]: pinning and memory homes on a real kernel with several NUMA nodes.

Two guests boot under QEMU (guest.py), run lockbench and tests of bench/ in short windows, and send back what came of
it. Where CPUs and homes must lie is written down here, by hand, from the two machines below; where they did lie is the
kernel's word (sched_getcpu, move_pages). With --write the page of what was asked and got is written anew; without, it
must be what the guests say.
"""
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "bench")]
import guest  # noqa: E402
import page  # noqa: E402
from cli_case import BUILD, TOOL, windows_of  # noqa: E402

PAGE = guest.ROOT / "docs" / "guest.md"
# Those tests of bench/ that ask this kernel about CPUs, nodes and pages.
PROGRAMS = ("pin", "memory", "memory_filter", "several_nodes_native", "topology")

# Four sockets of two cores in a square: a neighbour is one hop away, the node across two.
SQUARE = guest.Machine("four_nodes", 4, 2, 1, tuple(guest.Node(f"{2 * n}-{2 * n + 1}", 512) for n in range(4)),
                       ((10, 16, 22, 16), (16, 10, 16, 22), (22, 16, 10, 16), (16, 22, 16, 10)))
# Two sockets of two cores with two threads each. The second socket has no memory; node 2 is memory and nothing else.
ODD = guest.Machine("odd_nodes", 2, 2, 2, (guest.Node("0-3", 768), guest.Node("4-7"), guest.Node("", 512)),
                    ((10, 20, 40), (20, 10, 30), (40, 30, 10)), guest.SMT_CPU)

# Thread's CPUs by placement, readers and writers in turn. What is left out equals another.
SQUARE_CPUS = {
    "compact": [0, 1, 2, 3], "spread": [0, 2, 4, 6], "one_node": [0, 1, 0, 1], "readers_remote": [4, 0, 5, 1],
    "unpinned": [None] * 4,
}
ODD_CPUS = {
    "compact": [0, 1, 2, 3], "spread": [0, 4, 2, 6], "smt_last": [0, 2, 4, 6], "one_node": [0, 2, 1, 3],
    "readers_remote": [4, 0, 6, 2], "unpinned": [None] * 4,
}
SQUARE_NODE = {cpu: cpu // 2 for cpu in range(8)}
ODD_HOME = {cpu: 0 for cpu in range(8)}  # node 1 has no memory, and node 0 is nearer to it than node 2

# What --lock-home takes, with one thread on each node of the square: where lock, data and the threads' queue nodes
# must lie. None: nothing is asked for.
OWN, TURN, ANY = [0, 1, 2, 3], "interleave", None
HOMES = {
    "local": (0, 0, OWN), "remote": (2, 2, OWN), "first": (0, 0, OWN), "last": (3, 3, OWN),
    "node:0": (0, 0, OWN), "node:1": (1, 1, OWN), "node:2": (2, 2, OWN), "node:3": (3, 3, OWN),
    "interleave": (TURN, TURN, OWN), "first_touch": (ANY, ANY, OWN),
    "lock=remote": (2, 0, OWN), "data=last": (0, 3, OWN), "lock=interleave+data=node:1": (TURN, 1, OWN),
    "qnodes=own": (0, 0, OWN), "qnodes=local": (0, 0, [0] * 4), "qnodes=remote": (0, 0, [2] * 4),
    "qnodes=node:3": (0, 0, [3] * 4), "qnodes=interleave": (0, 0, [TURN] * 4), "qnodes=first_touch": (0, 0, [ANY] * 4),
    "lock=node:1+qnodes=node:2+data=node:3": (1, 3, [2] * 4),
}


class Guests:
    """Both machines, booted once for all cases; a boot that fails fails them all, and is not tried again."""
    scratch = None
    boots = None
    trouble = None

    @classmethod
    def get(cls):
        if cls.boots is None and cls.trouble is None:
            try:
                cls.boots = cls.start(guest.require())
            except guest.Absent as reason:
                cls.trouble = unittest.SkipTest(f"no guest: {reason}")
            except (OSError, RuntimeError) as error:
                cls.trouble = error
        if cls.trouble is not None:
            raise cls.trouble
        return cls.boots

    @classmethod
    def start(cls, image):
        cls.scratch = pathlib.Path(tempfile.mkdtemp(prefix="lockbench-guest-"))
        programs = [TOOL, *(BUILD / f"bench_{name}_test" for name in PROGRAMS)]
        initrd = guest.pack(programs, {"homes": ",".join(HOMES)}, cls.scratch)
        return {machine.name: guest.boot(machine, image, initrd, cls.scratch / machine.name)
                for machine in (SQUARE, ODD)}

    @classmethod
    def drop(cls):
        if cls.scratch:
            shutil.rmtree(cls.scratch)


def tearDownModule():
    Guests.drop()


def pages_of(home):
    return {int(node): count for node, count in home["got"].items()}


class GuestCase(unittest.TestCase):
    machine = None
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.boot = Guests.get()[cls.machine.name]

    def done(self, step, status=0):
        self.assertEqual(self.boot.status(step), status, self.boot.text(step) + self.boot.errors(step))

    def windows(self, run, status=0):
        self.done(run, status)
        return windows_of(self.boot.folder / run)

    def one_place(self, home, node, nodes):
        """The whole of one home lies where it was asked for; interleaved, with an even share on each of `nodes`."""
        found = pages_of(home)
        self.assertEqual(home["asked"], node)
        if node == TURN:
            self.assertEqual(sorted(found), nodes)
            self.assertLessEqual(max(found.values()) - min(found.values()), sum(found.values()) / 64)
        elif node is not ANY:
            self.assertEqual(list(found), [node])

    def thread_homes(self, window, nodes):
        """Each thread's own block; `nodes` as in HOMES."""
        qnodes = window["homes"]["qnodes"]
        alike = len(set(nodes)) == 1
        self.assertEqual(qnodes["asked"], nodes[0] if alike else nodes)
        for node, found in zip(nodes, qnodes["by_thread"], strict=True):
            if node not in (ANY, TURN):
                self.assertEqual(list(found), [str(node)])

    def sound(self, window):
        self.assertTrue(window["checks"]["passed"], window["checks"])
        self.assertFalse({"placement_unverified", "home_unverified", "killed"} & set(window["flags"]), window["flags"])
        for asked, found in zip(window["cpus"], window["cpus_found"], strict=True):
            if asked is not None:
                self.assertEqual(found, [asked, asked])

    def check_tests_of_bench(self):
        for name in PROGRAMS:
            with self.subTest(program=name):
                self.done(f"{name}_test")
                report = json.loads((self.boot.folder / f"{name}_test.json").read_text())
                self.assertGreater(report["tests"], 0)
                if name == "several_nodes_native":
                    skipped = [case["name"] for suite in report["testsuites"] for case in suite["testsuite"]
                               if case["result"] == "SKIPPED"]
                    self.assertEqual(skipped, [], "here are several nodes")


class SquareTest(GuestCase):
    machine = SQUARE

    def test_the_machine_is_seen_as_it_was_made(self):
        self.done("machine")
        self.done("machine_json")
        host = json.loads(self.boot.text("machine_json"))
        seen = host["topology"]
        self.assertEqual(seen["node_distances"], [list(row) for row in SQUARE.distances])
        self.assertEqual([node["cpus"] for node in seen["nodes"]], [[0, 1], [2, 3], [4, 5], [6, 7]])
        self.assertEqual([(cpu["package"], cpu["node"], cpu["llc"], cpu["smt_rank"]) for cpu in seen["cpus"]],
                         [(n, n, n, 0) for n in (0, 0, 1, 1, 2, 2, 3, 3)])
        self.assertEqual((seen["packages"], seen["llcs"], seen["cores"], seen["is_this_system"]), (4, 4, 8, True))
        self.assertEqual((host["cpu"]["nodes"], host["cpu"]["sockets"], host["cpu"]["cpus"]), (4, 4, 8))
        self.assertTrue(all(0 < node["memory_bytes"] <= 512 << 20 for node in seen["nodes"]))
        self.assertIn("4 packages, 4 nodes, 4 last-level caches, 8 cores, 8 CPUs", self.boot.text("machine"))

    def test_tests_of_bench_pass_here(self):
        self.check_tests_of_bench()

    def test_every_placement_puts_each_thread_where_it_says(self):
        windows = self.windows("placements")
        seen = {}
        for window in windows:
            key = window["placement"]
            seen.setdefault(key, set()).add(window["lock_home"])
            with self.subTest(placement=key, home=window["lock_home"]):
                self.sound(window)
                cpus = SQUARE_CPUS[key]
                self.assertEqual(window["cpus"], cpus)
                first = 0 if cpus[0] is None else SQUARE_NODE[cpus[0]]
                home = first if window["lock_home"] == "local" else (first + 2) % 4
                self.one_place(window["homes"]["lock"], home, OWN)
                self.one_place(window["homes"]["data"], home, OWN)
                self.thread_homes(window, [ANY if cpu is None else SQUARE_NODE[cpu] for cpu in cpus])
        self.assertEqual(seen, {key: {"local", "remote"} for key in SQUARE_CPUS})

    def test_placements_that_equal_another_are_told(self):
        said = self.boot.text("placements")
        for name, same in (("smt_last", "compact"), ("one_per_llc", "spread"), ("one_per_node", "spread")):
            self.assertIn(f"{name} puts every thread where {same} does on this machine", said)

    def test_fairness_over_nodes_goes_by_the_threads_nodes(self):
        for window in self.windows("homes"):
            self.assertIsNotNone(window["jain"]["nodes"], window["lock_home"])

    def test_every_home_is_where_it_was_asked_for(self):
        windows = self.windows("homes")
        self.assertEqual(sorted(window["lock_home"] for window in windows), sorted(HOMES))
        for window in windows:
            with self.subTest(home=window["lock_home"]):
                lock, data, qnodes = HOMES[window["lock_home"]]
                self.sound(window)
                self.assertEqual(window["cpus"], [0, 2, 4, 6])
                self.one_place(window["homes"]["lock"], lock, OWN)
                self.one_place(window["homes"]["data"], data, OWN)
                self.thread_homes(window, qnodes)

    def test_an_absent_node_is_refused(self):
        self.done("absent_node", 3)
        self.assertIn("--lock-home=node:7: there is no such node; this machine has nodes 0-3 with memory.",
                      self.boot.errors("absent_node"))

    def test_a_cpuset_hides_cpus_and_nodes(self):
        seen = json.loads(self.boot.text("cpuset_json"))["topology"]
        self.assertEqual([cpu["cpu"] for cpu in seen["cpus"] if cpu["allowed"]], [2, 3, 4, 5])
        self.assertEqual([node["node"] for node in seen["nodes"] if node["allowed"]], [1, 2])
        self.assertIn("the cpuset hides CPUs 0,1,6,7", seen["notes"])
        # Nobody is a reader in rw_mix, and the run says so.
        expected = {"compact": [2, 3, 4, 5], "spread": [2, 4, 3, 5], "one_node": [2, 3, 2, 3],
                    "readers_remote": [2, 3, 2, 3], "unpinned": [None] * 4}
        self.assertIn("readers_remote: none of the 4 threads is a reader, so all run on node 1",
                      self.boot.text("cpuset"))
        node = {2: 1, 3: 1, 4: 2, 5: 2, None: ANY}
        seen = set()
        for window in self.windows("cpuset"):
            seen.add(window["placement"])
            with self.subTest(placement=window["placement"], home=window["lock_home"]):
                self.sound(window)
                self.assertEqual(window["cpus"], expected[window["placement"]])
                home = 1 if window["lock_home"] == "local" else 2
                self.one_place(window["homes"]["lock"], home, [1, 2])
                self.one_place(window["homes"]["data"], home, [1, 2])
                self.thread_homes(window, [node[cpu] for cpu in window["cpus"]])
                for pair in window["cpus_found"]:
                    self.assertLessEqual(set(pair), {2, 3, 4, 5})
        self.assertEqual(seen, set(expected))
        self.done("outside", 3)
        self.assertIn("--lock-home=node:3: that node has no memory that this process may use; this machine has nodes "
                      "1,2 with memory.", self.boot.errors("outside"))

    def test_a_node_that_is_taken_away_is_flagged(self):
        windows = self.windows("taken")
        self.assertEqual(len(windows), 6)
        self.sound(windows[0])
        last = windows[-1]
        self.assertIn("home_unverified", last["flags"])
        self.assertIn("mbind to nodes 3 failed: Invalid argument; memory is not bound", last["homes"]["reason"])
        there = [home for home in page.parts(last).values() if home["asked"] == 3]
        self.assertGreater(len(there), 0)
        for home in there:
            self.assertEqual(list(home["got"]), ["0"])

    def test_a_thread_whose_cpu_goes_offline_is_flagged(self):
        windows = self.windows("offline")
        self.assertEqual(len(windows), 6)
        self.sound(windows[0])
        for window in windows:
            self.assertTrue(window["checks"]["passed"])
            moved = window["cpus_found"][1] != [2, 2]
            self.assertEqual(window["cpus"], [0, None if moved else 2, 4, 6])
            self.assertEqual("placement_unverified" in window["flags"], moved)
        self.assertNotIn(2, windows[-1]["cpus_found"][1])


class OddTest(GuestCase):
    machine = ODD

    def test_the_machine_is_seen_as_it_was_made(self):
        seen = json.loads(self.boot.text("machine_json"))["topology"]
        self.assertEqual(seen["node_distances"], [list(row) for row in ODD.distances])
        self.assertEqual([node["cpus"] for node in seen["nodes"]], [[0, 1, 2, 3], [4, 5, 6, 7], []])
        self.assertEqual([bool(node["memory_bytes"]) for node in seen["nodes"]], [True, False, True])
        self.assertEqual([(cpu["package"], cpu["core"], cpu["smt_rank"]) for cpu in seen["cpus"]],
                         [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 2, 0), (1, 2, 1), (1, 3, 0), (1, 3, 1)])

    def test_tests_of_bench_pass_here(self):
        self.check_tests_of_bench()

    def test_a_node_without_memory_is_served_by_its_nearest(self):
        seen = set()
        for window in self.windows("placements"):
            seen.add(window["placement"])
            with self.subTest(placement=window["placement"], home=window["lock_home"]):
                self.sound(window)
                cpus = ODD_CPUS[window["placement"]]
                self.assertEqual(window["cpus"], cpus)
                # Node 2 is the only other memory; seen from node 1, node 0 is both the nearest and, of those with
                # CPUs, the farthest.
                home = 0 if window["lock_home"] == "local" or cpus[0] == 4 else 2
                self.one_place(window["homes"]["lock"], home, [0, 2])
                self.one_place(window["homes"]["data"], home, [0, 2])
                self.thread_homes(window, [ANY if cpu is None else ODD_HOME[cpu] for cpu in cpus])
        self.assertEqual(seen, set(ODD_CPUS))
        said = self.boot.text("placements")
        self.assertIn("node 1 has no memory that this process may use: node 0 stands for it", said)
        self.assertIn("the only other memory is on nodes without CPUs: remote means such a node", said)
        self.done("no_memory", 3)
        self.assertIn("--lock-home=node:1: that node has no memory that this process may use; this machine has nodes "
                      "0,2 with memory.", self.boot.errors("no_memory"))

    def test_the_sibling_of_an_offline_cpu_takes_its_place(self):
        seen = json.loads(self.boot.text("offline_json"))["topology"]
        self.assertEqual([cpu["cpu"] for cpu in seen["cpus"]], [0, 1, 3, 4, 5, 6, 7])
        (window,) = self.windows("offline")
        self.sound(window)
        self.assertEqual(window["cpus"], [0, 3, 4, 6])


class PageTest(unittest.TestCase):
    def test_the_page_is_what_the_guests_say(self):
        boots = Guests.get()
        written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        self.maxDiff = None
        self.assertEqual(page.without_versions(written), page.without_versions(page.render(boots)),
                         "tests/guest/placements_test.py --write docs/guest.md writes it anew")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"] and len(sys.argv) == 3:
        try:
            pathlib.Path(sys.argv[2]).write_text(page.render(Guests.get()), encoding="utf-8")
        except unittest.SkipTest as missing:
            sys.exit(f"placements_test: {missing}")
        finally:
            Guests.drop()
    else:
        unittest.main()
