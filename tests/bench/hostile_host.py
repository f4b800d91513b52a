# SPDX-License-Identifier: MIT
"""Hostile hosts to run lockbench on: system calls that a filter refuses, mounts that are missing, control groups that
are too small. Each maker skips the test with a plain reason where this machine does not allow it."""
import contextlib
import ctypes
import os
import pathlib
import platform
import shlex
import struct
import subprocess
import tempfile
import unittest

LIBC = ctypes.CDLL(None, use_errno=True)
# System call numbers: x86-64, AArch64.
CALLS = {"sched_setaffinity": (203, 122), "mbind": (237, 235), "set_mempolicy": (238, 237), "get_mempolicy": (239, 236),
         "move_pages": (279, 239), "perf_event_open": (298, 241), "membarrier": (324, 283)}
# What Docker's default filter refuses of these without CAP_SYS_NICE and CAP_PERFMON.
CONTAINER = ("mbind", "set_mempolicy", "get_mempolicy", "move_pages", "perf_event_open")


def number_of(call):
    machine = platform.machine()
    if machine not in ("x86_64", "aarch64"):
        raise unittest.SkipTest(f"numbers of system calls on {machine} are not known here")
    return CALLS[call][machine == "aarch64"]


def forbid(*calls, error):
    """For preexec_fn: from then on these calls fail with `error`, in the process and all that it starts."""
    numbers = [number_of(call) for call in calls]

    def instruction(code, jump_true, jump_false, value):
        return struct.pack("HBBI", code, jump_true, jump_false, value)
    code = instruction(0x20, 0, 0, 0)  # load the call's number
    for index, number in enumerate(numbers):
        code += instruction(0x15, len(numbers) - index, 0, number)  # equal: to the last instruction
    code += instruction(0x06, 0, 0, 0x7FFF0000)  # allow
    code += instruction(0x06, 0, 0, 0x00050000 | error)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer)))

    def install():
        no_new_privileges, set_filter, filter_mode = 38, 22, 2
        if LIBC.prctl(no_new_privileges, 1, 0, 0, 0) or LIBC.prctl(set_filter, filter_mode, program, 0, 0):
            raise OSError(ctypes.get_errno(), "seccomp")
    install.keep = buffer
    return install


def with_memory_policy(mode):
    """For preexec_fn: set_mempolicy(mode, {node 0}), as numactl does before it starts a program."""
    number = number_of("set_mempolicy")

    def install():
        nodes = ctypes.c_ulong(1)
        if LIBC.syscall(number, mode, ctypes.byref(nodes), 64) != 0:
            raise OSError(ctypes.get_errno(), "set_mempolicy")
    return install


def all_of(*steps):
    def install():
        for step in steps:
            step()
    return install


def in_namespace(*commands):
    """The words before a command line that run it where `commands` have changed the mounts, which nobody else sees."""
    start = ["unshare", "--mount", "--propagation", "private"]
    script = " && ".join([*commands, 'exec "$@"'])
    probe = subprocess.run([*start, "sh", "-c", " && ".join([*commands, "true"])], capture_output=True, text=True,
                           check=False)
    if probe.returncode != 0:
        raise unittest.SkipTest(f"no mount namespace of our own: {probe.stderr.strip()}")
    return [*start, "sh", "-c", script, "sh"]


def empty_over(path):
    return f"mount -t tmpfs none {shlex.quote(path)}"


@contextlib.contextmanager
def file_over(path, text):
    """A command for in_namespace that puts a file with `text` in the place of `path`."""
    if not os.path.exists(path):
        raise unittest.SkipTest(f"this machine has no {path}")
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(text)
        file.flush()
        yield f"mount --bind {file.name} {path}"


def controller_folder(controller):
    """Where groups of a controller are made: version 1's own hierarchy, or version 2's."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ")
        kind, _, options = after.split()[:3]
        point = pathlib.Path(before.split()[4])
        if kind == "cgroup" and controller in options.split(","):
            return point
        available = point / "cgroup.controllers"
        if kind == "cgroup2" and available.exists() and controller in available.read_text().split():
            try:
                (point / "cgroup.subtree_control").write_text(f"+{controller}")
            except OSError:
                continue
            return point
    raise unittest.SkipTest(f"no control group with {controller} can be made here")


class Group:
    """A control group that lives as long as the context; join() is for preexec_fn."""

    def __init__(self, controller, **settings):
        self.folder = controller_folder(controller) / f"lockbench-test-{os.getpid()}"
        self.settings = {name.replace("__", "."): value for name, value in settings.items()}

    def __enter__(self):
        try:
            self.folder.mkdir()
        except OSError as error:
            raise unittest.SkipTest(f"no control group can be made: {error}") from error
        try:
            for name, value in self.settings.items():
                self.set(name, value)
        except OSError as error:
            self.folder.rmdir()
            raise unittest.SkipTest(f"a control group cannot be set: {error}") from error
        return self

    def __exit__(self, *_):
        self.folder.rmdir()

    def set(self, name, value):
        (self.folder / name).write_text(str(value))

    def join(self):
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))


def cpuset(cpus):
    return Group("cpuset", cpuset__mems="0", cpuset__cpus=cpus)


def as_nobody():
    """For preexec_fn: no capabilities, and limits that count."""
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
