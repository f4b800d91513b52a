# SPDX-License-Identifier: MIT
"""A machine with several NUMA nodes in QEMU: Debian's kernel, an initial file system with what was built, one boot.

QEMU translates (TCG) and does not virtualise: every host can do that, and the guest's CPUs take turns on one of the
host's. So nothing here says how long anything takes; what the kernel says of CPUs, nodes and pages is that of a real
kernel.
"""
import dataclasses
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / "build" / "guest"
KERNEL_PACKAGE = "linux-image-cloud-amd64"  # small, and has NUMA, cpusets and CPU hotplug built in
QEMU = "qemu-system-x86_64"
BOOT_LIMIT_S = 300  # a boot and its steps take some 40 s of one CPU
# Not thread=multi, a thread of the host for each CPU of the guest. Linux rewrites its own code while it runs, with a
# trap in the place meanwhile, and so it does whenever a first or last counter of a software event comes or goes, twice
# a window of lockbench. QEMU before 8.1 may translate the trap while another CPU already overwrites it, and then traps
# for ever on an instruction that is gone: the kernel locks up in __schedule (QEMU's commit deba78709ae8 mends it; the
# thread "qemu-x86_64 booting with 8.0.0 stil see int3" of July 2023 on the kernel's list). CPUs that take turns
# cannot, and cost less of the host.
ACCELERATOR = "tcg,thread=single"
# no_timer_check: a busy host ticks too late for the kernel's check of its timer, which then panics.
KERNEL_FLAGS = "console=ttyS0 panic=-1 quiet loglevel=3 no_timer_check"
# QEMU's own CPU is AMD's, which without KVM has no threads; Westmere-EX has.
SMT_CPU = "max,vendor=GenuineIntel,family=6,model=47,stepping=2"


class Absent(Exception):
    """What this host lacks to have a guest, in a sentence."""


@dataclasses.dataclass(frozen=True)
class Node:
    cpus: str = ""  # as QEMU takes it, 0-3; empty: memory alone
    megabytes: int = 0


@dataclasses.dataclass(frozen=True)
class Machine:
    name: str  # init.sh goes by it
    sockets: int
    cores: int
    threads: int
    nodes: tuple
    distances: tuple  # a row a node
    cpu: str = "max"

    def flags(self):
        cpus = self.sockets * self.cores * self.threads
        flags = [f"-smp={cpus},sockets={self.sockets},cores={self.cores},threads={self.threads}",
                 f"-m={sum(node.megabytes for node in self.nodes)}M"]
        for number, node in enumerate(self.nodes):
            numa = f"-numa=node,nodeid={number}" + (f",cpus={node.cpus}" if node.cpus else "")
            if node.megabytes:
                flags.append(f"-object=memory-backend-ram,size={node.megabytes}M,id=m{number}")
                numa += f",memdev=m{number}"
            flags.append(numa)
        flags += [f"-numa=dist,src={a},dst={b},val={value}" for a, row in enumerate(self.distances)
                  for b, value in enumerate(row) if a != b]
        # In QEMU a flag and its value are two words.
        return [word for flag in flags for word in flag.split("=", 1)]


@dataclasses.dataclass
class Boot:
    """What a guest left behind: its console, and a folder with `<step>.txt`, `.err`, `.status` and runs."""
    console: str
    folder: pathlib.Path

    def status(self, step):
        return int((self.folder / f"{step}.status").read_text())

    def text(self, step):
        return (self.folder / f"{step}.txt").read_text()

    def errors(self, step):
        return (self.folder / f"{step}.err").read_text()


def need(tool, package):
    path = shutil.which(tool)
    if path is None:
        raise Absent(f"{tool} is not installed (Debian package {package})")
    return path


def run(*command, **options):
    return subprocess.run([str(word) for word in command], text=True, capture_output=True, check=False, **options)


def download_kernel(folder):
    """Fetches the newest kernel package of Debian's lists into `folder`."""
    need("apt-get", "apt")
    why = ""
    for update in (False, True):
        if update:
            if os.geteuid() != 0:
                break  # only root may refresh the lists, which name packages that are gone from the mirror
            run("apt-get", "--quiet", "update")
        listed = run("apt-cache", "depends", KERNEL_PACKAGE)
        name = re.search(r"Depends: (linux-image-\S+)", listed.stdout)
        if name is None:
            why = f"the package lists do not know {KERNEL_PACKAGE}"
            continue
        fetched = run("apt-get", "--quiet", "-o", "APT::Sandbox::User=root", "download", name[1], cwd=folder)
        if fetched.returncode == 0:
            return next(folder.glob("*.deb"))
        told = fetched.stderr.strip().splitlines() or ["apt-get gave no reason"]
        why = f"{name[1]} cannot be downloaded: {told[-1]}"
    raise Absent(why)


def kernel():
    """The path of a kernel image. What was fetched once stays below build/; LOCKBENCH_GUEST_KERNEL names another."""
    if os.environ.get("LOCKBENCH_GUEST_KERNEL"):
        return pathlib.Path(os.environ["LOCKBENCH_GUEST_KERNEL"])
    kept = sorted(CACHE.glob("vmlinuz-*"))
    if kept:
        return kept[-1]
    need("dpkg-deb", "dpkg")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        folder = pathlib.Path(scratch)
        package = download_kernel(folder)
        command = ["dpkg-deb", "--fsys-tarfile", package.name]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE) as unpacked:
            run("tar", "--extract", "--wildcards", "./boot/vmlinuz-*", cwd=folder, stdin=unpacked.stdout)
        image = next(folder.glob("boot/vmlinuz-*"), None)
        if image is None:
            raise Absent(f"{package.name} has no kernel image")
        return image.rename(CACHE / image.name)


def libraries(program):
    """Shared libraries of a program, with the loader, by their paths on this host."""
    found = run("ldd", program).stdout
    return re.findall(r"(/\S+) \(0x", found)


def pack(programs, texts, folder):
    """Makes the initial file system: busybox, the programs, their libraries at the paths they have here, and `texts`
    by their path in the guest."""
    busybox = need("busybox", "busybox-static")
    need("cpio", "cpio")
    tree = folder / "initrd"
    for name in ("bin", "proc", "sys", "dev", "tmp", "out", "cgroup"):
        (tree / name).mkdir(parents=True)
    shutil.copy(busybox, tree / "bin/busybox")
    (tree / "bin/sh").symlink_to("busybox")
    shutil.copy(HERE / "init.sh", tree / "init")
    for program in programs:
        # Without debug sections, which would be most of what the guest has to load.
        stripped = run(need("strip", "binutils"), "-o", tree / "bin" / program.name, program)
        if stripped.returncode != 0:
            raise OSError(stripped.stderr)
    for library in sorted({path for program in [busybox, *programs] for path in libraries(program)}):
        target = tree / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    for path, text in texts.items():
        (tree / path).write_text(text)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    packed = folder / "initrd.cpio"
    done = run("cpio", "--create", "--format=newc", "--quiet", f"--file={packed}", cwd=tree, input=names)
    if done.returncode != 0:
        raise OSError(done.stderr)
    return packed


def qemu_version():
    return re.search(r"version (\S+)", run(need(QEMU, "qemu-system-x86"), "--version").stdout)[1]


def require():
    """Raises Absent with the first thing that is missing; downloads the kernel if need be."""
    if platform.machine() != "x86_64":
        raise Absent(f"the guest runs x86-64 programs, this host is {platform.machine()}")
    need(QEMU, "qemu-system-x86")
    need("busybox", "busybox-static")
    need("cpio", "cpio")
    return kernel()


def unfinished(console):
    """Steps of init.sh that the console saw begin and not end, in words."""
    ended = set(re.findall(r"^guest: (\w+) ended", console, re.M))
    steps = [step for step in re.findall(r"^guest: (\w+) begins", console, re.M) if step not in ended]
    return f"in step {', '.join(steps)}" if steps else "in no step"


def boot(machine, image, initrd, folder):
    """Boots the machine, waits until it has switched itself off, and unpacks what it sent through its second serial
    line. The console tells the rest; its last line is init.sh's."""
    folder.mkdir()
    sent = folder / "sent.tar.gz"
    command = [QEMU, "-machine", "q35", "-accel", ACCELERATOR, "-cpu", machine.cpu, *machine.flags(),
               "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot",
               "-serial", "stdio", "-serial", f"file:{sent}", "-kernel", str(image), "-initrd", str(initrd),
               "-append", f"{KERNEL_FLAGS} guest={machine.name}"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          start_new_session=True) as process:
        try:
            console, _ = process.communicate(timeout=BOOT_LIMIT_S)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            console, _ = process.communicate()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            console += f"\nstill on after {BOOT_LIMIT_S} s\n".encode()
    text = console.decode(errors="replace").replace("\r", "")
    (folder / "console").write_text(text)
    if process.returncode != 0 or "\nguest: all steps done" not in text:
        raise RuntimeError(f"the guest {machine.name} ended with status {process.returncode} {unfinished(text)}:\n"
                           f"{text[-3000:]}")
    unpacked = run("tar", "--extract", "--gzip", f"--file={sent}", f"--directory={folder}")
    if unpacked.returncode != 0:
        raise RuntimeError(f"what the guest {machine.name} sent is damaged: {unpacked.stderr}")
    return Boot(text, folder)
