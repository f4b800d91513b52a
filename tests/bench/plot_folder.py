# SPDX-License-Identifier: MIT
"""What the tests of plot.py share: a folder of their own, small made-up runs, plot.py called as a user does."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(pathlib.Path(__file__).resolve().parent)]

from fake_run import Fake  # noqa: E402

FEW = ["rwlock_classic", "mutex_3_10", "rwsem_3_8", "rwsem_3_10"]
PYTHON = "/usr/bin/python3"


def run_plot(*arguments, python=(PYTHON,)):
    return subprocess.run([*python, str(ROOT / "plot.py"), *map(str, arguments)], capture_output=True, text=True,
                          check=False)


def small(path, **options):
    fake = Fake(path, **{"locks": FEW, "workloads": ["fork_server"], "threads": (1, 2), "repetitions": 6, **options})
    fake.samples = 40
    return fake


class FolderTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
