# SPDX-License-Identifier: MIT
"""Which signs of the 2013 debate a run supports, in words with their uncertainty.

The published numbers come from machines of 4 to 8 sockets; all that a run elsewhere can repeat is the sign: who was
faster.
"""
import dataclasses

from plotting import compare


@dataclasses.dataclass(frozen=True)
class Sign:
    first: str
    second: str
    claim: str  # "faster": first over second; "alike": within 5 %
    where: dict  # workload: operations it was claimed for
    source: str


# One operation a workload, the one its users count: the others of the same loop move with it and would count the same
# thing twice.
FORKS = {"aim7": ("fork",), "exit_storm": ("exit",), "fork_server": ("fork",)}
READERS = {"reclaim_scan": ("page_scanned",), "rw_mix": ("read",)}
MIGRATION = {"numa_migration": ("page_migrated",)}
WRITERS = {"reclaim_scan": ("fork",), "rw_mix": ("write",)}
SIGNS = (
    Sign("rwsem_3_10", "rwsem_3_8", "faster", FORKS,
         "writers that steal win back what FIFO hand-over had cost aim7's fork_test (Linux commit ce6711f3d196, "
         "2013: the FIFO rwsem halved it)"),
    Sign("rwlock_classic", "rwsem_3_10", "faster", FORKS,
         "the patch under debate: a spinning rwlock_t beats the sleeping rwsem where forks and exits write "
         "(\"anon_vmas: Convert the rwsem to an rwlock_t\", September 2013)"),
    Sign("qrwlock", "rwsem_3_10", "faster", FORKS,
         "the queued rwlock was offered as the fair way to the same gain (Waiman Long, 2013 and 2014)"),
    Sign("mutex_3_10", "rwsem_3_10", "faster", FORKS,
         "the mutex that the rwsem had replaced was 8 % faster on exim, a fork-heavy mail server (Tim Chen, June "
         "2013)"),
    Sign("rwsem_3_16", "rwsem_3_10", "faster", FORKS,
         "spinning on a running owner made AIM7 20 % faster (Linux commit 4fc828e24cd9, 2014)"),
    Sign("qrwlock", "rwlock_classic", "alike", FORKS,
         "fairness cost between -4.8 % and +1.4 % on AIM7 (Linux commit 70af2f8a4f48, 2014)"),
    Sign("rwlock_classic", "rwsem_3_10", "faster", READERS,
         "the same for the readers: page reclaim walks under the lock (the debate of September 2013)"),
    Sign("rwsem_3_10", "mutex_3_10", "faster", {**READERS, **MIGRATION},
         "walkers that share the lock were why the mutex became an rwsem (Linux commit 4fc3f1d66b1e, 2012)"),
    Sign("qrwlock", "rwlock_classic", "faster", WRITERS,
         "long scans starve the writers of an unfair rwlock_t (the objection of September 2013; the reason for "
         "qrwlock)"),
)


def counted(count, noun):
    """'1 thread', '2 threads'."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


DIFFERS = "DIFFERS FROM ITSELF"  # an A/A pair whose interval leaves out 1
SUPPORTED, CONTRADICTED, CANNOT_SAY, NOT_TESTED = "supported", "contradicted", "cannot say", "not tested"


@dataclasses.dataclass(frozen=True)
class Finding:
    sign: Sign
    ratio: compare.Ratio
    outcome: str  # of all windows, held against the undisturbed ones
    why: str
    calm_outcome: str  # of the undisturbed windows alone
    calm_why: str

    def claim(self):
        """The claim in words."""
        word = "faster than" if self.sign.claim == "faster" else "about as fast as"
        return f"{self.sign.first} {word} {self.sign.second}"

    def place(self):
        ratio = self.ratio
        return f"{ratio.variant.title}, {ratio.op}/s, {counted(ratio.threads, 'thread')}"

    def numbers(self, interval):
        text = f"{interval.value:.3f} times its {self.ratio.op}/s" if interval.count else "nothing left"
        if interval.known:
            text += f" [{interval.low:.3f}, {interval.high:.3f}]"
        return f"{text}, {counted(interval.count, 'pair')}"

    def lines(self):
        floor = self.ratio.floor
        noise = f"A/A noise {floor.words}" if floor.known else "A/A noise unknown"
        first = f"{self.claim()}: {self.numbers(self.ratio.all_windows)}, {noise}"
        first += f": {self.why}" if self.why else ""
        if self.outcome == NOT_TESTED:
            return [f"{self.outcome:<12}  {first}"]
        if self.ratio.undisturbed.count == self.ratio.all_windows.count:
            return [f"{self.outcome:<12}  {first}", f"{'':12}  no window was preempted"]
        second = f"without preempted windows: {self.calm_outcome}, {self.numbers(self.ratio.undisturbed)}"
        return [f"{self.outcome:<12}  {first}", f"{'':12}  {second}" + (f": {self.calm_why}" if self.calm_why else "")]


def outcome_of(sign, ratio, interval):
    """(outcome, why) by one interval."""
    word, why = ratio.reading(interval)
    inside = interval.known and interval.low >= 1 / compare.ALIKE and interval.high <= compare.ALIKE
    if sign.claim == "faster":
        if word in (None, "alike"):
            return CANNOT_SAY, why or "the interval includes 1; any difference is below 5 %"
        return (SUPPORTED if word == "faster" else CONTRADICTED), ""
    # "about as fast": an interval inside the band supports it, one outside contradicts it, one across its edge does
    # neither.
    if ratio.failed or not interval.known or (ratio.bimodal and not ratio.same_side):
        return CANNOT_SAY, why
    if inside:
        return SUPPORTED, "within 5 %"
    if (interval.low > compare.ALIKE or interval.high < 1 / compare.ALIKE) and word is not None:
        return CONTRADICTED, "more than 5 % apart"
    return CANNOT_SAY, "the interval crosses the 5 % that count as alike"


def finding_of(sign, ratio):
    outcome, why = outcome_of(sign, ratio, ratio.all_windows)
    calm, calm_why = outcome_of(sign, ratio, ratio.undisturbed)
    if CANNOT_SAY not in (outcome, calm) and outcome != calm:
        outcome, why = CANNOT_SAY, f"all windows: {outcome}, without preempted ones: {calm}"
    if ratio.threads == 1 or ratio.oversubscribed:
        # The signs are about contention between running threads. The numbers are given all the same.
        return Finding(sign, ratio, NOT_TESTED, "", NOT_TESTED, "")
    return Finding(sign, ratio, outcome, why, calm, calm_why)


def findings(dataset):
    """Every sign on every variant and thread count that was measured: [Finding]."""
    floors = compare.Floors(dataset)
    found = []
    for variant in dataset.variants.values():
        for threads in dataset.threads_of(variant):
            for sign in SIGNS:
                for op in sign.where.get(variant.workload, ()):
                    ratio = compare.ratio(dataset, floors, variant, threads, op, sign.first, sign.second)
                    if ratio is not None and ratio.all_windows.count:
                        found.append(finding_of(sign, ratio))
    return found


def group_title(variant, threads, oversubscribed):
    words = ("OVERSUBSCRIBED: the scheduler decides" if oversubscribed else
             "no contention: what the locks cost, nothing of the debate" if threads == 1 else "")
    return f"{variant.title}, {counted(threads, 'thread')}" + (f" ({words})" if words else "")


def summary(dataset, found):
    """The verdict in a few sentences: [(sentence, [claims])]."""
    tested = [finding for finding in found if finding.outcome != NOT_TESTED]
    if not tested:
        return [("This run can say nothing about the signs of 2013: no claim of the debate is about two of its locks "
                 "on one of its workloads with two threads or more within the CPUs.", [])]
    lines = []
    for outcome in (SUPPORTED, CONTRADICTED, CANNOT_SAY):
        these = [finding for finding in tested if finding.outcome == outcome]
        lines.append((f"{outcome}: {len(these)} of {len(tested)}",
                      [f"{finding.claim()} ({finding.place()})" for finding in these]))
    shaken = [f for f in tested if f.outcome != CANNOT_SAY and f.calm_outcome != f.outcome]
    if shaken:
        lines.append(("Rests on windows in which a thread was preempted; without them the data cannot say:",
                      [f"{finding.claim()} ({finding.place()})" for finding in shaken]))
    lines.append((f"An interval of 95 % misses in 1 of 20 cases by chance alone; comparisons made: {len(tested)}.", []))
    cpus = (dataset.runs[0].host.get("cpu") or {}).get("cpus")
    where = (f"the simulated {dataset.machine}" if dataset.simulated else
             f"a machine of {counted(cpus, 'CPU')}" if cpus else "one machine")
    lines.append((f"A result on {where} is a result about that; the machines of 2013 had 4 to 8 sockets and up to 80 "
                  "cores.", []))
    return lines


def noise_lines(dataset):
    """What the A/A pairs and the untimed pass say."""
    lines = []
    for cell, intervals in compare.aa_cells(dataset):
        words = []
        for op, interval in intervals:
            bounds = f" [{interval.low:.3f}, {interval.high:.3f}]" if interval.known else " [too few for an interval]"
            off = interval.known and not interval.low <= 1 <= interval.high
            words.append(f"{op}/s {interval.value:.3f}{bounds}" + (f" ({DIFFERS})" if off else ""))
        lines.append(f"{cell.variant.title}, {counted(cell.threads, 'thread')}, {cell.lock} against itself: "
                     + ", ".join(words))
    if not lines:
        lines = ["no A/A pair in this run: no difference can be told from noise"]
    timing = [(interval, cell) for cell, _, interval in compare.timing_ratios(dataset) if interval.count]
    if timing:
        low, high = min(timing, key=lambda t: t[0].value), max(timing, key=lambda t: t[0].value)
        lines.append(f"timed over untimed windows ({low[1].variant.title}, {counted(low[1].threads, 'thread')}, "
                     f"{counted(len(timing), 'ratio')}): from {low[0].value:.3f} ({low[1].lock}) to "
                     f"{high[0].value:.3f} ({high[1].lock})")
    return lines


def verdict(dataset):
    """The verdict as lines of text: for each workload and thread count what the data say of each sign, then the sum of
    it."""
    found = findings(dataset)
    lines = [f"VERDICT ({dataset.label})",
             "Ratios of median rates [95 % bootstrap interval; windows of one block are drawn together].", ""]
    groups = {}
    for finding in found:
        key = group_title(finding.ratio.variant, finding.ratio.threads, finding.ratio.oversubscribed)
        groups.setdefault(key, []).append(finding)
    for title, members in groups.items():
        lines.append(title)
        lines += [f"  {line}" for finding in members for line in finding.lines()]
        lines.append("")
    lines.append("Noise floor")
    lines += [f"  {line}" for line in noise_lines(dataset)]
    lines += ["", "In sum"]
    for sentence, claims in summary(dataset, found):
        lines += [f"  {sentence}"] + [f"    {claim}" for claim in claims]
    return lines
