# SPDX-License-Identifier: MIT
"""Reads run.json and windows.jsonl and says clearly what is wrong with them."""
import dataclasses
import gzip
import json
import pathlib

SCHEMA_VERSION = 1

# The closed list of results/README.md: what each flag means, in the words of the report.
FLAGS = {
    "oversubscribed": "more threads than CPUs to run them",
    "convoy_allowed": "a FIFO spin lock ran with more threads than CPUs because --allow-convoy asked for it",
    "illegal_allowed": "the cell is one that a kernel must not have; --allow-illegal asked for it",
    "overlap_low": "all threads ran together in less than 95 % of the window",
    "involuntary_switch": "a thread was taken off its CPU inside the window",
    "few_samples": "too few timed waits even for a median",
    "placement_unverified": "a thread was not found on the CPU it was pinned to",
    "home_unverified": "memory was found on another node than asked, or was not found",
    "check_failed": "an invariant did not hold at the end of the window",
    "interrupted": "the window was ended early",
    "killed": "a thread did not come back in time and the process was ended",
    "untimed": "the pass without clock readings",
    "broken": "the lock is a control for the harness's own tests",
    "bimodal": "the cell's windows fall into two groups (found by this report, carried by no window)",
}
REPORT_ONLY_FLAGS = {"bimodal"}

# Fields without which nothing can be said, with what they are; None: more than one kind of thing.
WINDOW_FIELDS = {"platform": str, "machine": str, "lock": str, "workload": str, "params": dict, "placement": str,
                 "lock_home": None, "threads": int, "repetition": int, "block": int, "aa": None, "flags": list,
                 "uncontended": None, "checks": None}
RUN_FIELDS = {"schema_version": int, "tool": str, "command": list, "status": str, "started_at": str, "host": dict,
              "plan": dict, "locks": list, "workloads": list}


class UsageError(Exception):
    """What the user asked for cannot be: exit status 2."""


class DataError(Exception):
    """A file of the run is not what results/README.md says: exit status 1."""


@dataclasses.dataclass
class Run:
    path: pathlib.Path
    info: dict  # run.json
    windows: list  # of dict, each with "run" added: the number of its folder on the command line
    warnings: list  # sentences about the files themselves

    @property
    def host(self):
        return self.info["host"]


def read_json(path):
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error}") from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not valid JSON: line {error.lineno}: {error.msg}") from error


def read_lines(folder):
    """The text of windows.jsonl. A recorded run may hold it compressed, as windows.jsonl.gz."""
    plain, packed = folder / "windows.jsonl", folder / "windows.jsonl.gz"
    path = plain if plain.exists() or not packed.exists() else packed
    try:
        data = path.read_bytes()
        return path, (gzip.decompress(data) if path is packed else data)
    except FileNotFoundError as error:
        raise DataError(f"{folder} has no windows.jsonl: nothing was measured") from error
    except (OSError, EOFError) as error:
        raise DataError(f"cannot read {path}: {error}") from error


def wrong_field(thing, fields):
    """What keeps `thing` from being read, in words; nothing if nothing does."""
    if not isinstance(thing, dict):
        return "is no JSON object"
    for name, kind in fields.items():
        if name not in thing:
            return f"has no {name!r}"
        if kind is not None and not isinstance(thing[name], kind):
            return f"has {thing[name]!r:.40} as {name!r}"
    return ""


def parse_windows(path, data, warnings):
    """One object a line. Only a last line without its newline may be broken: the tool was killed while it wrote."""
    lines = data.split(b"\n")
    torn = lines.pop()
    windows = []
    for number, line in enumerate(lines, 1):
        try:
            window = json.loads(line.decode("utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: line {number} is not valid JSON: {error}") from error
        wrong = wrong_field(window, WINDOW_FIELDS)
        if wrong:
            raise DataError(f"{path}: line {number} is not a window: it {wrong}")
        windows.append(window)
    if torn:
        warnings.append(f"{path}: the last line is torn (the run was killed while it wrote); it is left out.")
    return windows


def read_run(folder, number):
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder" if folder.exists() else f"{folder} does not exist")
    if not (folder / "run.json").exists():
        raise UsageError(f"{folder} is not the folder of a run: it has no run.json")
    info = read_json(folder / "run.json")
    wrong = wrong_field(info, RUN_FIELDS)
    if wrong:
        raise DataError(f"{folder / 'run.json'} {wrong}")
    if info["schema_version"] != SCHEMA_VERSION:
        raise DataError(f"{folder / 'run.json'} has schema version {info['schema_version']!r}; this plot.py reads "
                        f"{SCHEMA_VERSION}")
    warnings = []
    path, data = read_lines(folder)
    windows = parse_windows(path, data, warnings)
    if not windows:
        raise DataError(f"{path} has no whole line: nothing was measured")
    unknown = set()
    for window in windows:
        window["run"] = number
        unknown |= set(window["flags"]) - (set(FLAGS) - REPORT_ONLY_FLAGS)
    if unknown:
        warnings.append(f"{path}: flags that this plot.py does not know: {', '.join(sorted(unknown))}.")
    if info["status"] != "done":
        cells, measured = len(info["plan"].get("order", [])), sum(1 for w in windows if w["uncontended"] is None)
        warnings.append(f"{folder}: the run's status is '{info['status']}': {measured} of {cells} planned windows are "
                        "there.")
    return Run(folder, info, windows, warnings)
