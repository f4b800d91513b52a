# SPDX-License-Identifier: MIT
"""docs/guest.md, from what the guests sent: what was asked of placements and homes, and what the kernel says came of
it. Nothing that differs from boot to boot stands in it, but for one line with the versions."""
import json
import re

import guest
from cli_case import windows_of

VERSIONS = "Reported by "
HEAD = """# Placements and memory homes on machines with several nodes

Most machines that run the tests have one NUMA node, where every home is that node and nothing is proved. So two
machines are made of QEMU's translator and a stock kernel, and lockbench runs there as a user would run it
([tests/guest](../tests/guest/placements_test.py), ctest label `guest`). This page is what came of it. **Asked** is what
the window was to have; **got** is the kernel's word for each thread (`sched_getcpu` at start and stop) and for each
page (`move_pages`, at the end of the window); *any* stands where nothing was promised. The test fails where the page
says anything else than the guests, and where a CPU or a page lies elsewhere than lists made by hand say. A translated
CPU has no speed worth telling, so there is none here.

The guest's CPUs take turns on one CPU of the host. With a thread each, a QEMU before 8.1 hangs. Linux rewrites its own
code as it runs, with a trap in the place meanwhile, whenever the first counter of a software event comes or the last
one goes, which lockbench makes it do around each window; a CPU that translates the trap while it is overwritten meets
it for ever ([mail of 2023](https://lore.kernel.org/lkml/20230808072835.GT7636@redhat.com/); mended by QEMU's commit
deba78709ae8).
"""
AGAIN = """
Written anew by

<!-- test: skip because the guest test itself compares this page with what the guests report -->
```sh
tests/guest/placements_test.py --write docs/guest.md
```
"""


def without_versions(text):
    return "\n".join(line for line in text.splitlines() if not line.startswith(VERSIONS))


def numbers(values):
    return " ".join(str(value) for value in values)


def row(*cells):
    return "| " + " | ".join(cells) + " |"


def table(head, rows):
    return "\n".join([row(*head), row(*["---"] * len(head)), *rows])


def got(home):
    """Of a home that was found: its nodes, and whether they have even shares."""
    if home["asked"] is None:
        return "any"  # first touch: whichever it was, nothing was promised
    pages = home["got"]
    even = max(pages.values()) - min(pages.values()) <= sum(pages.values()) / 64
    return " ".join(sorted(pages)) + (", even shares" if len(pages) > 1 and even else "")


def got_by_thread(qnodes):
    asked = qnodes["asked"] if isinstance(qnodes["asked"], list) else [qnodes["asked"]] * len(qnodes["by_thread"])
    # A block is one page: of one page in turn over all nodes, and of first touch, nobody can say where it lies.
    found = ["any" if wish in (None, "interleave") else "+".join(pages)
             for wish, pages in zip(asked, qnodes["by_thread"], strict=True)]
    return "any" if set(found) == {"any"} else " ".join(found)


def wish(asked):
    if isinstance(asked, list):
        return numbers(asked)
    return "first touch" if asked is None else str(asked)


def arrow(home):
    return f"{wish(home['asked'])} → {got(home)}"


def qnodes_arrow(qnodes):
    return f"{wish(qnodes['asked'])} → {got_by_thread(qnodes)}"


def cpus_arrow(window):
    if window["cpus"][0] is None:
        return "not pinned → any"
    # Twice the same CPU, at start and stop, is one number.
    found = [" to ".join(str(cpu) for cpu in dict.fromkeys(pair)) for pair in window["cpus_found"]]
    return f"{numbers(window['cpus'])} → {' '.join(found)}"


def flags(window):
    return ", ".join(flag for flag in window["flags"] if flag in
                     ("placement_unverified", "home_unverified", "oversubscribed")) or "-"


def machine_text(boot):
    """The drawing of `lockbench machine`, without the sizes of memory: they depend on what the kernel keeps."""
    drawing = boot.text("machine").split("\nhost\n")[0].rstrip()
    return "```\n" + re.sub(r"\d+ MiB", "... MiB", drawing) + "\n```"


def placements(boot, run="placements"):
    rows = []
    for window in sorted(windows_of(boot.folder / run), key=lambda w: (w["placement"], w["lock_home"])):
        rows.append(row(f"`{window['placement']}`", f"`{window['lock_home']}`", cpus_arrow(window),
                        arrow(window["homes"]["lock"]), qnodes_arrow(window["homes"]["qnodes"]),
                        arrow(window["homes"]["data"]), flags(window)))
    return table(["placement", "home", "CPU of each thread: asked → got", "lock",
                  "queue nodes, each thread's", "data", "flags"], rows)


def homes(boot):
    rows = [row(f"`{window['lock_home']}`", arrow(window["homes"]["lock"]), qnodes_arrow(window["homes"]["qnodes"]),
                arrow(window["homes"]["data"]), flags(window))
            for window in sorted(windows_of(boot.folder / "homes"), key=lambda window: window["lock_home"])]
    return table(["`--lock-home`", "lock: asked → got", "queue nodes, each thread's", "data", "flags"], rows)


def refusals(boot, steps):
    rows = [row(what, str(boot.status(step)), boot.errors(step).strip().removeprefix("lockbench: "))
            for step, what in steps]
    return table(["asked", "exit code", "told"], rows)


def parts(window):
    return {part: window["homes"][part] for part in ("lock", "qnodes", "data")}


def lost(boot):
    """The first and the last window of each run in which the kernel took back what was asked for."""
    rows = []
    for run, what in (("taken", "node 3 leaves the cpuset while memory lies there"),
                      ("offline", "CPU 2 goes offline under thread 1")):
        first, *_, last = windows_of(boot.folder / run)
        if run == "taken":
            now = ", ".join(f"{part}: {arrow(home)}" for part, home in parts(last).items() if home["asked"] == 3)
        else:
            now = "CPU: 2 → " + ("2" if 2 in last["cpus_found"][1] else "another")
        rows.append(row(what, flags(first), now, flags(last)))
    return table(["what happened", "flags before", "then: asked → got", "flags"], rows)


def versions(boot):
    kernel = (boot.folder / "kernel").read_text().strip()
    return f"{VERSIONS}Linux {kernel} (Debian) under QEMU {guest.qemu_version()} (`-accel {guest.ACCELERATOR}`)."


def hidden(boot):
    seen = json.loads(boot.text("cpuset_json"))["topology"]
    usable = [cpu["cpu"] for cpu in seen["cpus"] if cpu["allowed"]]
    nodes = [node["node"] for node in seen["nodes"] if node["allowed"]]
    return (f"A cpuset that leaves CPUs {numbers(usable)} and memory of nodes {numbers(nodes)} (`rw_mix`, in which "
            "nobody is a reader):")


def odd_machine(boot):
    """Of its JSON: the node and the core of each CPU, and which nodes have memory."""
    seen = json.loads(boot.text("machine_json"))["topology"]
    cores = {}
    for cpu in seen["cpus"]:
        cores.setdefault((cpu["package"], cpu["node"], cpu["core"]), []).append(str(cpu["cpu"]))
    rows = [row(str(package), str(node), str(core), " ".join(cpus)) for (package, node, core), cpus in cores.items()]
    memory = [str(node["node"]) for node in seen["nodes"] if node["memory_bytes"]]
    distances = "; ".join(numbers(line) for line in seen["node_distances"])
    return f"Memory on nodes {' '.join(memory)}; node distances {distances}.\n\n" + table(
        ["package", "node", "core", "CPUs"], rows)


def render(boots):
    square, odd = boots["four_nodes"], boots["odd_nodes"]
    return "\n".join([
        HEAD, versions(square), "", "## Four sockets, four nodes", "", machine_text(square), "",
        "Four threads, readers and writers in turn (`reclaim_scan`):", "", placements(square), "",
        "Every form of `--lock-home`, with one thread on each node (`one_per_node`, `rw_mix`):", "", homes(square), "",
        hidden(square), "", placements(square, "cpuset"), "",
        "What a machine cannot give is refused; what the kernel takes back later is flagged:", "",
        refusals(square, [("absent_node", "`node:7`"), ("outside", "`node:3`, not in its cpuset")]), "",
        lost(square), "", "## A node without memory, memory without CPUs, two threads a core", "", odd_machine(odd), "",
        placements(odd), "", refusals(odd, [("no_memory", "`node:1`")]), AGAIN
    ]).rstrip() + "\n"
