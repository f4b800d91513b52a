# SPDX-License-Identifier: MIT
"""Style checks that take seconds: clang-format, shellcheck, flake8, and our own rules of tests/tidy.py."""
import subprocess
import sys

import tidy
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
