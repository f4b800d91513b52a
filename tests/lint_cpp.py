# SPDX-License-Identifier: MIT
"""clang-tidy over every translation unit, several at a time in one file: most of its work is the headers they share."""
import concurrent.futures
import hashlib
import json
import os
import shlex

import tidy
import tidy_cpp
from counts import Counts
from lint import run

# What it says is of the source, not of one lock more: of what goes through all locks it sees some.
FEWER_LOCKS = {"-DLOCKBENCH_SLICES=": 29, "-DLOCKBENCH_TEST_EVERY=": 11}
GROUP = 7  # files looked at together: enough to share the headers, few enough for memory and for all jobs to be busy


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


def how(command):
    """The compiler and its options, without the files, all locks, and the precompiled headers, behind which a missing
    include hides: CMake writes `compiler options [-Winvalid-pch -include headers] -o object -c source`."""
    words = shlex.split(command)
    words = [word for word in words[:words.index("-o")] if not word.startswith(tuple(FEWER_LOCKS))]
    words += [f"{option}{number}" for option, number in FEWER_LOCKS.items()]
    while "-include" in words:
        at = words.index("-include")
        del words[at:at + 2]
    return tuple(words)


def groups(commands):
    """Files of one folder that are compiled alike, up to GROUP at a time."""
    alike = {}
    for path in sorted(commands):
        alike.setdefault((os.path.dirname(path), how(commands[path])), []).append(path)
    return [paths[first:first + GROUP] for paths in alike.values() for first in range(0, len(paths), GROUP)]


class Checker:
    """What the checks of all files share."""

    def __init__(self, root, build, version):
        self.root, self.build, self.version = root, build, version
        self.commands = translation_units(root, build)
        self.sources = {path: tidy_cpp.Source(path, (root / path).read_text(encoding="utf-8"))
                        for path in tidy.project_files(root) if path.endswith((".hpp", ".cpp"))}
        self.clean = root / "build" / "clang-tidy-clean"
        self.clean.mkdir(parents=True, exist_ok=True)
        self.database(self.clean, [root / path for path in self.commands], self.commands.values())

    def stamp(self, path):
        return self.clean / closure_key(self.root, path, self.commands[path], self.version, self.sources)

    def database(self, folder, files, commands):
        """Writes the compile database of some files."""
        entries = [{"directory": str(self.build), "file": str(file), "arguments": [*how(command), "-c", str(file)]}
                   for file, command in zip(files, commands)]
        (folder / "compile_commands.json").write_text(json.dumps(entries), encoding="utf-8")

    def tidy(self, path, database, *more):
        # The database is g++'s: clang does not know all its warnings.
        options = ["--quiet", "-p", database, "--extra-arg=-Wno-unknown-warning-option", *more]
        return run(["clang-tidy", *options, path], self.root)

    def together(self, paths):
        """Whether the files are clean, included in one. 'No' may mean only that their names clash."""
        text = "".join(f'#include "{self.root / path}"\n' for path in paths)
        name = hashlib.sha256(text.encode()).hexdigest()[:16]
        folder = self.clean / name
        folder.mkdir(exist_ok=True)
        unit = folder / "together.cpp"
        unit.write_text(text, encoding="utf-8")
        self.database(folder, [unit], [self.commands[paths[0]]])
        return self.tidy(unit, folder, "--checks=-bugprone-suspicious-include")[0] == 0

    def check(self, paths):
        """(path, status, output) of each. What was clean and has not changed since is not looked at again."""
        todo = [path for path in paths if not self.stamp(path).exists()]
        results = {path: (path, 0, "") for path in paths}
        if len(todo) < 2 or not self.together(todo):
            for path in todo:
                results[path] = (path, *self.tidy(path, self.clean))
        for path in todo:
            if results[path][1] == 0:
                self.stamp(path).touch()
        return list(results.values())


def clang_tidy(root, build, jobs, say):
    """Every translation unit is one check."""
    status, version = run(["clang-tidy", "--version"], root)
    if status != 0:
        return Counts.of("clang-tidy", False, "is not installed")
    checker = Checker(root, build, version)
    counts, done = Counts(), 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        try:
            for results in pool.map(checker.check, groups(checker.commands)):
                for path, code, output in results:
                    done += 1
                    if code != 0:
                        say(output.rstrip())
                    counts.add(Counts.of(f"clang-tidy {path}", code == 0))
                say(f"clang-tidy {done}/{len(checker.commands)} {results[-1][0]}", progress=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if not checker.commands:
        counts.failed.append("clang-tidy: the compile database names no file of the project")
    return counts
