#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""House rules that no compiler checks. Prints each breach as path:line: [rule] what; exit 1 when there is one."""
import argparse
import os
import pathlib
import re
import subprocess
import sys

import tidy_cpp

SOURCE_SUFFIXES = (".hpp", ".cpp", ".py", ".sh", ".cmake")
MAX_LINES = 400
MAX_COLUMNS = 120
MAX_BYTES = 2 * 1024 * 1024
# In two halves, so that this file does not break its own rule.
BANNED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b|(?i:\bplace" r"holder)")
# A path of the machine on which a file was written says nothing anywhere else. Only where a path can start.
MACHINE_PATH = re.compile(r"(?<![\w.)}\"'*$-])/(?:wo" r"rk|ro" r"ot)/|/(?:ho" r"me|Us" r"ers)/[a-z]")
MACHINE_PATH_QUOTED = re.compile(r"[\"']/(?:wo" r"rk|ro" r"ot)/")
SKIPPED_FOLDERS = {".git", "build", "out", "__pycache__"}


class Entry:
    """A file of the project; `text` is None for a binary one."""

    def __init__(self, root, path):
        full = root / path
        self.path = path
        self.size = full.stat().st_size
        self.executable = os.access(full, os.X_OK)
        data = full.read_bytes()
        self.text = None if b"\0" in data[:8192] else data.decode("utf-8", errors="replace")
        self.lines = [] if self.text is None else self.text.split("\n")

    def is_source(self):
        name = self.path.rsplit("/", 1)[-1]
        return name.endswith(SOURCE_SUFFIXES) or name == "CMakeLists.txt" or self.path == ".ci/run"


def project_files(root):
    """Paths below root: what git tracks or would track, or everything outside build folders where there is no git."""
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, capture_output=True, check=False)
        if listed.returncode == 0:
            names = listed.stdout.decode().split("\0")
            return sorted({name for name in names if name and (root / name).is_file()})
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(found)


def check_file_length(entries):
    """A file that does not fit in a head is split."""
    for entry in entries:
        count = len(entry.lines) - (1 if entry.lines and not entry.lines[-1] else 0)
        if entry.is_source() and count > MAX_LINES:
            yield entry.path, MAX_LINES + 1, f"{count} lines; at most {MAX_LINES}"


def check_line_length(entries):
    """Lines fit a review side by side."""
    for entry in entries:
        if entry.is_source():
            for number, line in enumerate(entry.lines, 1):
                if len(line) > MAX_COLUMNS:
                    yield entry.path, number, f"{len(line)} columns; at most {MAX_COLUMNS}"


def check_whitespace(entries):
    """No tab, no blank at the end of a line, one newline at the end of the file."""
    for entry in entries:
        if not entry.is_source() or entry.text == "":
            continue
        for number, line in enumerate(entry.lines, 1):
            if line != line.rstrip() or "\t" in line:
                yield entry.path, number, "a tab or trailing blanks"
        if not entry.text.endswith("\n") or entry.text.endswith("\n\n"):
            yield entry.path, len(entry.lines), "the file does not end in exactly one newline"


def check_spdx(entries):
    """The licence is one line, on top of each source."""
    for entry in entries:
        if entry.is_source():
            first = entry.lines[1:2] if entry.lines[0].startswith("#!") else entry.lines[:1]
            if not first or not re.fullmatch(r"(//|#) SPDX-License-Identifier: MIT", first[0]):
                yield entry.path, 1, "the SPDX line is not on top"


def check_banned_words(entries):
    """Nothing is left for later without being an issue."""
    for entry in entries:
        if entry.is_source() or entry.path.endswith(".md"):
            for number, line in enumerate(entry.lines, 1):
                found = BANNED.search(line)
                if found:
                    yield entry.path, number, f"'{found.group(0)}'"


def check_machine_paths(entries):
    """No path of one machine."""
    for entry in entries:
        for number, line in enumerate(entry.lines, 1):
            found = MACHINE_PATH.search(line) or MACHINE_PATH_QUOTED.search(line)
            if found:
                yield entry.path, number, f"'{found.group(0)}' is a path of one machine"


def check_run_bit(entries):
    """What starts with #! can be run, and nothing else claims to."""
    for entry in entries:
        script = entry.text is not None and entry.text.startswith("#!")
        if script and not entry.executable:
            yield entry.path, 1, "a script without the run bit"
        elif entry.executable and not script:
            yield entry.path, 1, "the run bit on a file without #!"
        elif entry.path.endswith(".sh") and not script:
            yield entry.path, 1, "a shell script without #!"


def check_file_size(entries):
    """A clone stays small."""
    for entry in entries:
        if entry.size > MAX_BYTES:
            yield entry.path, 1, f"{entry.size} bytes; at most {MAX_BYTES}"


TEXT_RULES = {
    "file-length": check_file_length,
    "line-length": check_line_length,
    "whitespace": check_whitespace,
    "spdx": check_spdx,
    "banned-words": check_banned_words,
    "machine-paths": check_machine_paths,
    "run-bit": check_run_bit,
    "file-size": check_file_size,
}


def check(root):
    """Returns {rule: [(path, line, what)]} for every rule; an empty list where it holds."""
    entries = [Entry(root, path) for path in project_files(root)]
    sources = [tidy_cpp.Source(entry.path, entry.text) for entry in entries
               if entry.path.endswith((".hpp", ".cpp")) and entry.text is not None]
    known = {entry.path for entry in entries}
    breaches = {name: list(rule(entries)) for name, rule in TEXT_RULES.items()}
    breaches.update({name: list(rule(sources, known)) for name, rule in tidy_cpp.RULES.items()})
    return breaches


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", nargs="?", default=pathlib.Path(__file__).resolve().parent.parent, type=pathlib.Path)
    breaches = check(parser.parse_args().root)
    for rule, found in breaches.items():
        for path, line, what in sorted(set(found)):
            print(f"{path}:{line}: [{rule}] {what}")
    broken = sum(1 for found in breaches.values() if found)
    print(f"tidy: {len(breaches) - broken} rules hold, {broken} are broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
