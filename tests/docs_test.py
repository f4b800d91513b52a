# SPDX-License-Identifier: MIT
"""Runs the ```sh blocks of the pages, so that no command in them is one that nobody ran, and follows their links.

A comment above a block says how a test runs it, several things separated by semicolons:
  <!-- test: skip because <reason> -->   not at all
  <!-- test: with <flags> -->            with these flags added to each command, to make it short
  <!-- test: env NAME=VALUE .. -->       with these variables
  <!-- test: exit N -->                  it must end with this status
A block runs as one script in a folder that looks like the project's, except that out/ and results/ are its own.
"""
import dataclasses
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIMIT_S = 1200
FENCE = re.compile(r"^```(\w*)\s*$")
DIRECTIVE = re.compile(r"^<!-- test: (.*?) -->$")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
SHELLS = {"bash", "shell", "console", "zsh", "shellsession"}


@dataclasses.dataclass
class Block:
    page: str
    line: int
    script: list
    skip: str = ""
    flags: str = ""
    environment: dict = dataclasses.field(default_factory=dict)
    status: int = 0
    problem: str = ""

    def read(self, text):
        """Takes in one directive; what it does not understand is a problem of the page."""
        for part in (part.strip() for part in text.split(";")):
            word, _, rest = part.partition(" ")
            if word == "skip" and re.fullmatch(r"because \S.*", rest):
                self.skip = rest.removeprefix("because ")
            elif word == "with" and rest:
                self.flags = rest
            elif word == "exit" and rest.isdigit():
                self.status = int(rest)
            elif word == "env" and all("=" in pair for pair in shlex.split(rest)) and rest:
                self.environment.update(pair.split("=", 1) for pair in shlex.split(rest))
            else:
                self.problem = f"'{part}' is none of: skip because .., with .., env NAME=VALUE, exit N"

    def text(self):
        joined = re.sub(r"\\\n\s*", "", "\n".join(self.script))
        commands = [line for line in joined.split("\n") if line.strip() and not line.lstrip().startswith("#")]
        return "\n".join(f"{command} {self.flags}".rstrip() for command in commands)


def blocks_of(page, text):
    """The shell blocks of a page."""
    found, directive, block, inside = [], "", None, False
    for number, line in enumerate(text.split("\n"), 1):
        fence = FENCE.match(line)
        if inside and fence:
            inside, block = False, None
        elif inside and block:
            block.script.append(line)
        elif not inside and fence:
            inside = True
            if fence.group(1) == "sh" or fence.group(1) in SHELLS:
                block = Block(page, number, [])
                found.append(block)
                if fence.group(1) != "sh":
                    block.problem = f"a block of commands is called sh, not {fence.group(1)}"
                if directive:
                    block.read(directive)
            directive = ""
        elif not inside and line.strip():
            above = DIRECTIVE.match(line.strip())
            directive = above.group(1) if above else ""
    return found


def run_block(block, folder):
    """Runs a block; returns (status, output). What it leaves running ends with it."""
    process = subprocess.Popen(["bash", "-euo", "pipefail", "-c", block.text()], cwd=folder, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                               env={**os.environ, **block.environment}, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    return process.returncode, output


def pages():
    return [path for pattern in ("*.md", "docs/*.md", "results/*.md") for path in sorted(ROOT.glob(pattern))]


class DocsTest(unittest.TestCase):
    """One test a block is added below."""

    def scratch(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for entry in ROOT.iterdir():
            if entry.name == "results":
                shutil.copytree(entry, folder / "results")
            elif entry.name not in ("out", ".git"):
                (folder / entry.name).symlink_to(entry)
        return folder

    def check_block(self, block):
        if block.problem:
            self.fail(f"{block.page}:{block.line}: {block.problem}")
        if block.skip:
            self.skipTest(block.skip)
        status, output = run_block(block, self.scratch())
        self.assertEqual(status, block.status, f"{block.page}:{block.line}:\n{block.text()}\n{output[-4000:]}")

    def test_links_lead_somewhere(self):
        for page in pages():
            for number, line in enumerate(page.read_text(encoding="utf-8").split("\n"), 1):
                for target in LINK.findall(line):
                    if not re.match(r"[a-z]+:", target):
                        with self.subTest(page=page.name, line=number, target=target):
                            self.assertTrue((page.parent / target).exists())


class ReadingTest(unittest.TestCase):
    """The reader of the pages itself."""

    def one(self, text):
        found = blocks_of("x.md", text)
        self.assertEqual(len(found), 1)
        return found[0]

    def test_only_shell_blocks_are_commands(self):
        self.assertEqual(blocks_of("x.md", "```\nls\n```\n```text\n<!-- test: exit 3 -->\n```\n    ls\n"), [])

    def test_a_block_is_one_script(self):
        block = self.one("text\n```sh\n# why\ncd docs\nls -1 \\\n    --all\n\n```\nmore\n")
        self.assertEqual((block.line, block.text()), (2, "cd docs\nls -1 --all"))

    def test_directives(self):
        block = self.one("<!-- test: with --a=1 --b; env X=1 Y='a b'; exit 2 -->\n\n```sh\nls\npwd\n```\n")
        self.assertEqual((block.text(), block.environment, block.status, block.problem),
                         ("ls --a=1 --b\npwd --a=1 --b", {"X": "1", "Y": "a b"}, 2, ""))
        self.assertEqual(self.one("<!-- test: skip because it is slow -->\n```sh\nls\n```\n").skip, "it is slow")

    def test_a_directive_holds_for_the_next_block_only(self):
        first, second = blocks_of("x.md", "<!-- test: exit 2 -->\n```sh\nls\n```\n```sh\nls\n```\n")
        self.assertEqual((first.status, second.status), (2, 0))
        self.assertEqual(self.one("<!-- test: exit 2 -->\ntext\n```sh\nls\n```\n").status, 0)

    def test_what_is_not_understood_is_a_problem(self):
        for words in ("skip", "skip because", "skipped because x", "with", "env", "env X", "exit two", "exit 2; fast"):
            self.assertTrue(self.one(f"<!-- test: {words} -->\n```sh\nls\n```\n").problem, words)
        self.assertTrue(self.one("```bash\nls\n```\n").problem)

    def test_a_command_that_fails_in_the_middle_fails_the_block(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(run_block(self.one("```sh\n(exit 7)\ntrue\n```\n"), folder)[0], 7)
            self.assertEqual(run_block(self.one("```sh\n(exit 7) | cat\n```\n"), folder)[0], 7)
            block = self.one("<!-- test: env X=there -->\n```sh\necho $X >file\n```\n")
            self.assertEqual(run_block(block, folder)[0], 0)
            self.assertEqual(pathlib.Path(folder, "file").read_text(encoding="utf-8"), "there\n")

    def test_a_block_leaves_the_project_alone(self):
        block = self.one("```sh\nmkdir out\n: >out/x\n: >results/x\nls CMakeLists.txt tests/run.sh\n```\n")
        status, output = run_block(block, DocsTest.scratch(self))
        self.assertEqual(status, 0, output)
        self.assertFalse((ROOT / "out" / "x").exists() or (ROOT / "results" / "x").exists())


def add_blocks():
    for page in pages():
        name = str(page.relative_to(ROOT))
        for block in blocks_of(name, page.read_text(encoding="utf-8")):
            title = f"test_{re.sub('[^a-z0-9]+', '_', name.lower())}_line_{block.line}"
            setattr(DocsTest, title, lambda self, block=block: self.check_block(block))


add_blocks()

if __name__ == "__main__":
    unittest.main()
