# SPDX-License-Identifier: MIT
"""Style checks by the usual tools: clang-format, clang-tidy, shellcheck, flake8. tests/tidy.py holds our own rules."""
import concurrent.futures
import hashlib
import json
import os
import subprocess
import sys

import tidy
import tidy_cpp
from counts import Counts


def run(command, root):
    done = subprocess.run([str(part) for part in command], cwd=root, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def one_tool(name, command, root, say):
    """One tool over all files counts as one check."""
    try:
        status, output = run(command, root)
    except FileNotFoundError:
        return Counts.of(name, False, f"{command[0]} is not installed")
    if status != 0:
        say(output.rstrip())
    return Counts.of(name, status == 0, f"status {status}, see above")


def quick_checks(root, say):
    """House rules, format, shell and Python lint: seconds in all."""
    counts = Counts()
    for rule, found in tidy.check(root).items():
        for path, line, what in sorted(set(found)):
            say(f"{path}:{line}: [{rule}] {what}")
        counts.add(Counts.of(f"tidy {rule}", not found, f"{len(set(found))} breaches"))
    paths = tidy.project_files(root)
    cpp = [path for path in paths if path.endswith((".hpp", ".cpp"))]
    shell = [path for path in paths if path.endswith(".sh")] + [path for path in paths if path == ".ci/run"]
    python = [path for path in paths if path.endswith(".py")]
    counts.add(one_tool("clang-format", ["clang-format", "--dry-run", "--Werror", *cpp], root, say))
    counts.add(one_tool("shellcheck", ["shellcheck", *shell], root, say))
    counts.add(one_tool("flake8", [sys.executable, "-m", "flake8", "--max-line-length", "120", *python], root, say))
    return counts


def translation_units(root, build):
    """The project's own .cpp files in the compile database, each once: slices of one file differ in a number only."""
    with open(build / "compile_commands.json", encoding="utf-8") as database:
        entries = json.load(database)
    commands = {}
    for entry in entries:
        path = os.path.relpath(os.path.realpath(os.path.join(entry["directory"], entry["file"])), root)
        if not path.startswith("..") and not path.startswith("build" + os.sep):
            commands.setdefault(path, entry.get("command") or " ".join(entry["arguments"]))
    return commands


def closure_key(root, path, command, version, sources):
    """A digest of all that decides what clang-tidy says about one file."""
    digest = hashlib.sha256((version + command + (root / ".clang-tidy").read_text(encoding="utf-8")).encode())
    todo, seen = [path], set()
    while todo:
        current = todo.pop()
        if current in sources and current not in seen:
            seen.add(current)
            todo += [name for _, bracket, name in sources[current].includes() if bracket == '"']
    for current in sorted(seen):
        digest.update(current.encode() + b"\0" + "\n".join(sources[current].lines).encode())
    return digest.hexdigest()


def clang_tidy(root, build, jobs, say):
    """Every translation unit is one check. What was clean and has not changed since is not looked at again."""
    status, version = run(["clang-tidy", "--version"], root)
    if status != 0:
        return Counts.of("clang-tidy", False, "is not installed")
    commands = translation_units(root, build)
    sources = {path: tidy_cpp.Source(path, (root / path).read_text(encoding="utf-8"))
               for path in tidy.project_files(root) if path.endswith((".hpp", ".cpp"))}
    clean = root / "build" / "clang-tidy-clean"
    clean.mkdir(parents=True, exist_ok=True)

    def check(path):
        stamp = clean / closure_key(root, path, commands[path], version, sources)
        if stamp.exists():
            return path, 0, ""
        # The database is g++'s: clang does not know all its warnings.
        options = ["--quiet", "-p", build, "--extra-arg=-Wno-unknown-warning-option"]
        code, output = run(["clang-tidy", *options, path], root)
        if code == 0:
            stamp.touch()
        return path, code, output

    counts = Counts()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for number, (path, code, output) in enumerate(pool.map(check, sorted(commands)), 1):
            if code != 0:
                say(output.rstrip())
            else:
                say(f"clang-tidy {number}/{len(commands)} {path}", progress=True)
            counts.add(Counts.of(f"clang-tidy {path}", code == 0))
    if not commands:
        counts.failed.append("clang-tidy: the compile database names no file of the project")
    return counts
