# SPDX-License-Identifier: MIT
"""bench/install.sh and bench/run.sh with stand-ins for apt-get, cmake, the tool and Python: calls and endings."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

# A runner in the background starts with SIGINT ignored, and a shell cannot trap what it was told to ignore: children
# get the default back.
signal.signal(signal.SIGINT, signal.default_int_handler)
ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOL = """#!/bin/sh
printf '%s %s\\n' "$(basename "$0")" "$*" >>"$CALLS"
BEHAVIOUR
"""
# What dpkg knows stands in the file `held`.
DPKG = 'while read -r name; do echo "installed $name"; done <"$HELD"; exit 1'
INSTALL = 'case "$*" in *" install "*) for p in "$@"; do echo "$p" >>"$HELD"; done;; esac'
# Writes windows into the folder it is told, as `lockbench run` does.
LOCKBENCH = """for flag in "$@"; do case $flag in --out=*|--resume=*) out=${flag#*=};; esac; done
mkdir -p "$out"; echo '{}' >"$out/windows.jsonl"; exit STATUS"""


class ScriptTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(os.path.realpath(folder.name))
        self.bin = self.root / "bin"
        self.bin.mkdir()
        (self.root / "bench").mkdir()
        for script in ("install.sh", "run.sh"):
            shutil.copy(ROOT / "bench" / script, self.root / "bench" / script)
        # Nothing but these tools is on the PATH, so that an absent one is absent on every host.
        for tool in "basename bash cat date dirname env grep mkdir nproc sh sleep tail true".split():
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.environment = {"PATH": str(self.bin), "CALLS": str(self.root / "calls"), "HELD": str(self.root / "held")}
        self.tool("dpkg-query", DPKG)
        self.tool("apt-get", INSTALL)
        self.tool("id", "echo 0")
        self.hold_all("test")

    def tool(self, name, behaviour="exit 0", folder=None):
        path = (folder or self.bin) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TOOL.replace("BEHAVIOUR", behaviour))
        path.chmod(0o755)

    def packages(self, which):
        done = subprocess.run(["bash", self.root / "bench/install.sh", "--list", which], capture_output=True, text=True,
                              check=True)
        return done.stdout.split()

    def hold_all(self, which, but=()):
        held = [name for name in self.packages(which) if name not in but]
        (self.root / "held").write_text("".join(name + "\n" for name in held))

    def run_script(self, *arguments, **environment):
        done = subprocess.run([str(part) for part in arguments], cwd=self.root, capture_output=True, text=True,
                              timeout=60, env={**self.environment, **environment}, check=False)
        return done.returncode, done.stdout, done.stderr

    def calls(self, name=""):
        calls = self.root / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return [line for line in lines if line.startswith(name)]


class InstallTest(ScriptTest):
    def install(self, which="run", **environment):
        return self.run_script("bench/install.sh", which, **environment)

    def test_nothing_missing_says_and_does_nothing(self):
        self.assertEqual(self.install("test"), (0, "", ""))
        self.assertEqual(self.calls("apt-get"), [])

    def test_the_sets_nest(self):
        self.assertLess(set(self.packages("run")), set(self.packages("test")))

    def test_a_clone_needs_git_to_name_its_commit(self):
        self.hold_all("run", but=("git",))
        self.assertEqual(self.install(), (0, "", ""))
        (self.root / ".git").mkdir()
        self.assertEqual(self.install()[0], 0)
        self.assertTrue(self.calls("apt-get")[-1].endswith(" --yes git"))

    def test_root_installs_exactly_what_is_missing(self):
        self.hold_all("run", but=("cmake", "libnuma-dev"))
        status, out, _ = self.install()
        self.assertEqual(status, 0)
        self.assertEqual(self.calls("apt-get"), ["apt-get --quiet update", "apt-get --quiet install "
                                                 "--no-install-recommends --yes cmake libnuma-dev"])
        self.assertIn("2 of ", out)
        self.assertIn("cmake libnuma-dev", out)

    def test_a_package_that_was_removed_is_missing(self):
        self.tool("dpkg-query", DPKG.replace("installed $name", "config-files $name"))
        self.assertEqual(self.install()[0], 3)  # and the installation did not change that
        self.assertTrue(self.calls("apt-get --quiet install"))

    def test_a_package_is_not_held_because_a_longer_name_is(self):
        self.hold_all("run", but=("python3",))
        self.install()
        self.assertTrue(self.calls("apt-get")[-1].endswith(" --yes python3"))

    def test_others_install_through_sudo(self):
        self.hold_all("run", but=("cmake",))
        self.tool("id", "echo 1000")
        self.tool("sudo", 'shift; exec "$@"')
        self.assertEqual(self.install()[0], 0)
        self.assertIn("sudo -n env DEBIAN_FRONTEND=noninteractive apt-get --quiet install --no-install-recommends --yes"
                      " cmake", self.calls("sudo"))

    def test_without_root_and_sudo_it_prints_the_one_line_to_run(self):
        self.hold_all("run", but=("cmake", "g++"))
        self.tool("id", "echo 1000")
        line = "sudo apt-get update && sudo apt-get install --no-install-recommends -y cmake g++"
        for _ in ("no sudo", "sudo that wants a password"):
            status, _, err = self.install()
            self.assertEqual((status, err.splitlines()[-1]), (3, line))
            self.assertEqual(self.calls("apt-get"), [])
            self.tool("sudo", "exit 1")

    def test_a_failing_update_is_no_obstacle_but_a_failing_install_is(self):
        self.hold_all("run", but=("cmake",))
        self.tool("apt-get", 'case "$*" in *update*) exit 100;; esac\n' + INSTALL)
        status, _, err = self.install()
        self.assertEqual(status, 0)
        self.assertIn("apt-get update reported errors", err)
        self.hold_all("run", but=("cmake",))
        self.tool("apt-get", 'echo "E: Unable to locate package"; exit 100')
        status, _, err = self.install()
        self.assertEqual(status, 3)
        self.assertIn("E: Unable to locate package", err)

    def test_no_apt_names_the_packages_and_the_way_out(self):
        (self.bin / "apt-get").unlink()
        status, _, err = self.install()
        self.assertEqual(status, 3)
        self.assertIn("LOCKBENCH_NO_INSTALL=1: " + " ".join(self.packages("run")), err)
        self.assertEqual(self.install(LOCKBENCH_NO_INSTALL="1"), (0, "", ""))

    def test_wrong_usage(self):
        for arguments in ((), ("all",), ("run", "test"), ("--lst", "run")):
            status, _, err = self.run_script("bench/install.sh", *arguments)
            self.assertEqual(status, 2, arguments)
            self.assertTrue(err)


class RunTest(ScriptTest):
    def setUp(self):
        super().setUp()
        self.tool("cmake")
        self.tool("python")
        self.environment["PYTHON"] = str(self.bin / "python")
        self.lockbench()

    def lockbench(self, status=0, behaviour=LOCKBENCH):
        self.tool("lockbench", behaviour.replace("STATUS", str(status)), self.root / "build" / "release")

    def run_it(self, *arguments):
        return self.run_script("bench/run.sh", *arguments)

    def test_installs_builds_measures_and_plots_in_this_order(self):
        status, _, err = self.run_it()
        self.assertEqual(status, 0, err)
        steps = [call for call in self.calls() if call.split()[0] in ("dpkg-query", "cmake", "lockbench", "python")]
        self.assertEqual([call.split()[0] for call in steps], ["dpkg-query", "cmake", "cmake", "lockbench", "python"])
        self.assertIn("--preset release", steps[1])
        self.assertIn("--target lockbench", steps[2])
        self.assertRegex(steps[3], rf"^lockbench run --quick --out={self.root}/out/\d{{4}}-\d\d-\d\dT\d{{6}}Z$")
        self.assertEqual(steps[4], f"python {self.root}/plot.py {steps[3].split('--out=')[1]}")

    def test_flags_are_passed_on_and_win(self):
        for flags, expected, folder in (
                (("--threads=1,2", "--out=mine"), "run --quick --threads=1,2 --out=mine", "mine"),
                (("--full", "--out=mine"), "run --full --out=mine", "mine"),
                (("--quick", "--out=mine"), "run --quick --out=mine", "mine"),
                (("--resume=old",), "run --resume=old", "old")):
            (self.root / "calls").unlink(missing_ok=True)
            self.assertEqual(self.run_it(*flags)[0], 0)
            self.assertEqual(self.calls("lockbench"), ["lockbench " + expected])
            self.assertTrue(self.calls("python")[0].endswith("plot.py " + folder))

    def test_a_folder_may_follow_its_flag(self):
        self.lockbench(behaviour='mkdir -p mine; echo x >mine/windows.jsonl')
        self.assertEqual(self.run_it("--out", "mine")[0], 0)
        self.assertEqual(self.calls("lockbench"), ["lockbench run --quick --out mine"])
        self.assertTrue(self.calls("python")[0].endswith("plot.py mine"))

    def test_it_runs_from_any_folder(self):
        done = subprocess.run([self.root / "bench/run.sh", "--out=x"], cwd=self.bin, env=self.environment, check=False,
                              capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0)
        self.assertTrue((self.bin / "x" / "windows.jsonl").exists())

    def test_usage_and_missing_hosts_are_passed_on_without_plots(self):
        for status in (2, 3):
            self.lockbench(status)
            self.assertEqual(self.run_it()[0], status)
        self.assertEqual(self.calls("python"), [])

    def test_a_failed_trial_and_an_interrupt_are_plotted_and_passed_on(self):
        for status, text in ((1, "ended with status 1"), (130, "--resume=")):
            self.lockbench(status)
            ended, out, _ = self.run_it()
            self.assertEqual(ended, status)
            self.assertIn(text, out)
            self.assertEqual(len(self.calls("python")), 1)
            (self.root / "calls").unlink()

    def test_no_windows_no_plots(self):
        for status, expected in ((130, 130), (1, 1), (0, 1)):
            self.lockbench(behaviour=f"exit {status}")
            self.assertEqual(self.run_it()[0], expected)
        self.assertEqual(self.calls("python"), [])

    def test_failures_on_the_way_end_it(self):
        self.tool("python", "exit 5")
        self.assertEqual(self.run_it()[0], 5)
        self.tool("cmake", 'case "$*" in *--build*) exit 9;; esac')
        status, _, err = self.run_it()
        self.assertEqual(status, 1)
        self.assertIn("the build failed", err)
        self.tool("cmake", "echo no such compiler; exit 9")
        status, _, err = self.run_it()
        self.assertEqual(status, 1)
        self.assertIn("no such compiler", err)
        self.hold_all("run", but=("cmake",))
        self.tool("apt-get", "exit 100")
        self.assertEqual(self.run_it()[0], 3)

    def test_help_does_nothing(self):
        status, out, _ = self.run_it("--help")
        self.assertEqual(status, 0)
        self.assertIn("usage: bench/run.sh", out)
        self.assertEqual(self.calls(), [])

    def interrupt(self, name):
        """Ctrl-C, which reaches the whole group, while the stand-in `name` sleeps; returns the exit status."""
        process = subprocess.Popen(["bench/run.sh"], cwd=self.root, env=self.environment, start_new_session=True,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not self.calls(name) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        return process.wait(60)

    def test_ctrl_c_while_measuring_still_plots(self):
        slow = LOCKBENCH.replace("exit STATUS", "trap 'exit 130' INT; sleep 60 & wait; exit 0")
        self.lockbench(behaviour=slow)
        self.assertEqual(self.interrupt("lockbench"), 130)
        self.assertEqual(len(self.calls("python")), 1)

    def test_ctrl_c_while_building_stops_there(self):
        self.tool("cmake", 'case "$*" in *--build*) sleep 60;; esac')
        self.assertEqual(self.interrupt("cmake --build"), 130)
        self.assertEqual(self.calls("lockbench"), [])


if __name__ == "__main__":
    unittest.main()
