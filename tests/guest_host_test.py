# SPDX-License-Identifier: MIT
"""What tests/guest does on a host that cannot have a guest, and what it makes for QEMU: without booting anything."""
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "guest"), str(ROOT / "tests" / "bench")]
import guest  # noqa: E402
import page  # noqa: E402

LISTED = "echo '  Depends: linux-image-9.9-cloud-amd64'"


class HostTest(unittest.TestCase):
    """A host with stand-ins for its tools, and no others."""

    def setUp(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.tools = folder / "bin"
        self.tools.mkdir()
        for name in ("qemu-system-x86_64", "busybox", "cpio"):
            self.tool(name)
        for name in ("sh", "tar", "cat", "mkdir", "touch"):
            (self.tools / name).symlink_to(f"/bin/{name}")
        self.cache = folder / "cache"
        self.enterContext(mock.patch.object(guest, "CACHE", self.cache))
        self.enterContext(mock.patch.object(guest.platform, "machine", lambda: "x86_64"))
        kept = {name: value for name, value in os.environ.items() if name != "LOCKBENCH_GUEST_KERNEL"}
        self.enterContext(mock.patch.dict(os.environ, {**kept, "PATH": str(self.tools)}, clear=True))
        self.enterContext(mock.patch.object(os, "geteuid", lambda: 0))

    def tool(self, name, script=""):
        (self.tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.tools / name).chmod(0o755)

    def absent(self):
        with self.assertRaises(guest.Absent) as raised:
            guest.require()
        return str(raised.exception)

    def test_each_missing_tool_is_named_with_its_package(self):
        for tool, package in (("cpio", "cpio"), ("busybox", "busybox-static"),
                              ("qemu-system-x86_64", "qemu-system-x86")):
            (self.tools / tool).unlink()
            self.assertEqual(self.absent(), f"{tool} is not installed (Debian package {package})")

    def test_another_processor_has_no_guest(self):
        with mock.patch.object(guest.platform, "machine", lambda: "aarch64"):
            self.assertIn("this host is aarch64", self.absent())

    def test_a_host_without_apt_has_no_kernel(self):
        self.assertIn("dpkg-deb is not installed", self.absent())
        self.tool("dpkg-deb")
        self.assertIn("apt-get is not installed", self.absent())

    def offline(self):
        self.tool("dpkg-deb")
        self.tool("apt-cache", LISTED)
        self.tool("apt-get", "echo 'E: Failed to fetch: no route to host' >&2; exit 100")

    def test_a_host_without_network_says_what_apt_said(self):
        self.offline()
        self.assertEqual(self.absent(),
                         "linux-image-9.9-cloud-amd64 cannot be downloaded: E: Failed to fetch: no route to host")
        self.assertEqual(list(self.cache.glob("*")), [], "nothing is left half done")

    def test_lists_that_do_not_know_the_kernel(self):
        self.offline()
        self.tool("apt-cache")
        self.assertEqual(self.absent(), "the package lists do not know linux-image-cloud-amd64")

    def test_a_kernel_is_fetched_once(self):
        self.offline()
        self.tool("apt-get", '[ "$2" = update ] && exit 1\necho x >>"$HOME/fetched"; : >kernel.deb')
        self.tool("dpkg-deb", 'mkdir -p boot; echo image >boot/vmlinuz-9.9; tar -c ./boot/vmlinuz-9.9')
        with mock.patch.dict(os.environ, {"HOME": str(self.tools)}):
            for _ in range(2):
                image = guest.require()
                self.assertEqual((image.name, image.read_text()), ("vmlinuz-9.9", "image\n"))
        self.assertEqual((self.tools / "fetched").read_text(), "x\n")
        with mock.patch.dict(os.environ, {"LOCKBENCH_GUEST_KERNEL": "elsewhere"}):
            self.assertEqual(guest.require(), pathlib.Path("elsewhere"))

    def test_old_lists_are_refreshed_by_root_alone(self):
        self.offline()
        self.tool("apt-get", 'for last in "$@"; do :; done; echo "$last" >>"$HOME/asked"; exit 100')
        with mock.patch.dict(os.environ, {"HOME": str(self.tools)}):
            self.absent()
            self.assertIn("update\n", (self.tools / "asked").read_text())
            (self.tools / "asked").unlink()
            with mock.patch.object(os, "geteuid", lambda: 1000):
                self.absent()
            self.assertNotIn("update\n", (self.tools / "asked").read_text())


class BootTest(unittest.TestCase):
    def boot(self, script):
        with contextlib.ExitStack() as stack:
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            (folder / "qemu").write_text("#!/bin/sh\n" + script)
            (folder / "qemu").chmod(0o755)
            stack.enter_context(mock.patch.object(guest, "QEMU", str(folder / "qemu")))
            stack.enter_context(mock.patch.object(guest, "BOOT_LIMIT_S", 1))
            guest.boot(guest.Machine("m", 1, 1, 1, (), ()), "kernel", "initrd", folder / "out")

    def test_a_guest_that_does_not_come_to_its_end_is_no_result(self):
        for script, says in (("echo Kernel panic", "Kernel panic"), ("sleep 60", "still on after 1 s"),
                             ("echo; echo 'guest: all steps done'; exit 3", "status 3 in no step"),
                             ("echo; echo 'guest: all steps done'", "damaged")):
            with self.subTest(script=script), self.assertRaisesRegex(RuntimeError, says):
                self.boot(script)

    def test_a_hang_names_its_step(self):
        said = "a begins", "a ended", "b begins", "c begins"
        with self.assertRaisesRegex(RuntimeError, "status -9 in step b, c:"):
            self.boot("".join(f"echo 'guest: {words} at 1.20 s'\n" for words in said) + "sleep 60")

    def test_cpus_of_the_guest_take_turns(self):
        with self.assertRaisesRegex(RuntimeError, " -accel tcg,thread=single "):
            self.boot('echo "$*"; exit 1')

    def test_what_qemu_is_told(self):
        machine = guest.Machine("m", 2, 1, 2, (guest.Node("0-1", 64), guest.Node("2-3"), guest.Node("", 32)),
                                ((10, 20, 30), (20, 10, 25), (30, 25, 10)))
        told = " ".join(machine.flags())
        for flag in ("-smp 4,sockets=2,cores=1,threads=2", "-m 96M", "-numa node,nodeid=0,cpus=0-1,memdev=m0",
                     "-numa node,nodeid=1,cpus=2-3 ", "-object memory-backend-ram,size=32M,id=m2",
                     "-numa node,nodeid=2,memdev=m2", "-numa dist,src=2,dst=1,val=25"):
            self.assertIn(flag, told)


class PageTest(unittest.TestCase):
    def test_shares_that_are_not_even_are_not_called_so(self):
        self.assertEqual(page.arrow({"asked": "interleave", "got": {"0": 16, "1": 16}}),
                         "interleave → 0 1, even shares")
        self.assertEqual(page.arrow({"asked": "interleave", "got": {"0": 32, "1": 2}}), "interleave → 0 1")
        self.assertEqual(page.arrow({"asked": 3, "got": {"0": 1}}), "3 → 0")
        self.assertEqual(page.arrow({"asked": None, "got": {"0": 1}}), "first touch → any")
        self.assertEqual(page.qnodes_arrow({"asked": [0, 1], "by_thread": [{"1": 1}, {"0": 1}]}), "0 1 → 1 0")

    def test_versions_alone_may_differ(self):
        self.assertEqual(page.without_versions("a\nReported by x\nb"), page.without_versions("a\nReported by y\nb"))
        self.assertNotEqual(page.without_versions("a"), page.without_versions("b"))


class SkipTest(unittest.TestCase):
    def test_no_guest_is_a_skip_with_its_reason(self):
        with tempfile.TemporaryDirectory() as empty:
            # The interpreter by its path, and nothing else in the PATH.
            done = subprocess.run([sys.executable, "tests/run_unittest.py", "tests/guest/placements_test.py"], cwd=ROOT,
                                  env={**os.environ, "PATH": empty}, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("skipped 'no guest: qemu-system-x86_64 is not installed (Debian package qemu-system-x86)'",
                      done.stderr)


if __name__ == "__main__":
    unittest.main()
