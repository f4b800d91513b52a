# SPDX-License-Identifier: MIT
"""What machine instructions built objects hold: which atomics an AArch64 build uses, and whether an x86-64 build keeps
to the instructions that every x86-64 CPU has."""
import re
import subprocess

OBJDUMP = {"aarch64": "aarch64-linux-gnu-objdump", "x86_64": "objdump"}

# Read-modify-writes of Armv8.1 and the exclusive loads and stores that they replace, by what they begin with.
LSE = {"compare and swap": "cas", "swap": "swp", "fetch and add": "ldadd"}
EXCLUSIVE = {"load exclusive": "ldxr ldaxr", "store exclusive": "stxr stlxr"}
WIDTHS = ("", "b", "h")
RMW = re.compile(r"(ld(add|clr|eor|set|[su]m(ax|in))|swp)(al|a|l)?[bh]?")
# Objdump's names for a read-modify-write whose result goes to the zero register.
RMW_WITHOUT_RESULT = re.compile(r"st(add|clr|eor|set|[su]m(ax|in))l?[bh]?")

# What came after the x86-64 baseline (the psABI's levels v2 to v4 and the extensions beside them), by mnemonic. Not
# tzcnt: its encoding is a bsf on CPUs without it, and compilers write it where the two agree.
AFTER_BASELINE = re.compile(
    r"v(?!err$|erw$|erri$|mcall$|mmcall$)\w+|k(mov|and|or|xor|not|test|ortest|shift|unpck|add)\w*"
    r"|cmpxchg16b|lahf|sahf|popcnt|crc32\w*|lzcnt|andn|bextr|bls(i|r|msk|ic|fill)|bzhi|mulx|pdep|pext|rorx"
    r"|(sar|shl|shr)x|movbe\w*|adcx|adox|rdrand|rdseed|rdtscp|rdpid|xsave\w*|xrstor\w*|xgetbv|xbegin|xend|xabort|xtest"
    r"|clflushopt|clwb|umwait|umonitor|tpause|monitorx?|mwaitx?|serialize|movdiri|movdir64b|cldemote|prefetchw\w*"
    r"|addsubp[sd]|h(add|sub)p[sd]|lddqu|mov(d|sh|sl)dup|fisttp\w*"
    r"|pabs[bwd]|palignr|ph(add|sub)\w+|pmaddubsw|pmulhrsw|pshufb|psign[bwd]"
    r"|p?blend\w+|dpp[sd]|extractps|insertps|mpsadbw|packusdw|pcmpeqq|pcmpgtq|pcmp[ei]str[im]|pextr[bdq]|pinsr[bdq]"
    r"|phminposuw|p(max|min)(sb|sd|ud|uw)|pmov[sz]x\w+|pmuldq|pmulld|ptest|round[ps][sd]"
    r"|movntdqa|aes\w+|pclmul\w+|sha\d\w+")
LINE = re.compile(r"^\s+[0-9a-f]+:\t(?:(?:lock|rep|repz|repnz|bnd|notrack|data16) )*(\S+)[ \t]*(.*)$")


def instructions(machine, objects):
    """(mnemonic, operands) of each instruction of some objects or programs."""
    command = [OBJDUMP[machine], "--disassemble", "--no-show-raw-insn", *map(str, objects)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            found = LINE.match(line)
            if found:
                yield found.group(1), found.group(2)
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with status {process.returncode}")


def all_of(beginnings):
    """The mnemonics that begin so, with their orders and widths."""
    return {begin + order + width for begin in beginnings.split() for width in WIDTHS
            for order in (("", "a", "l", "al") if begin in LSE.values() else ("",))}


def atomics_faults(found, atomics):
    """What is wrong with the instructions of a build with LOCKBENCH_ATOMICS=lse or llsc; one line each."""
    seen, calls, without_result = {}, set(), set()
    for mnemonic, operands in found:
        seen[mnemonic] = seen.get(mnemonic, 0) + 1
        if "__aarch64_" in operands:
            calls.add(operands)
        # With the zero register the architecture drops the acquire, and an acquire fence behind it does not bind it
        # (llvm/llvm-project#68428).
        if RMW_WITHOUT_RESULT.fullmatch(mnemonic) or (RMW.fullmatch(mnemonic)
                                                      and re.match(r"\w+, [wx]zr,", operands)):
            without_result.add(f"{mnemonic} {operands}")
    wanted, banned = (LSE, EXCLUSIVE) if atomics == "lse" else (EXCLUSIVE, LSE)
    faults = [f"no {name} ({begin})" for name, begin in wanted.items() if not all_of(begin) & seen.keys()]
    faults += [f"{seen[mnemonic]} times {mnemonic}" for begin in banned.values()
               for mnemonic in sorted(all_of(begin) & seen.keys())]
    faults += [f"an atomic operation is a call: {call}" for call in sorted(calls)]
    return faults + [f"no result is kept: {line}" for line in sorted(without_result)]


def after_baseline(found):
    """The mnemonics among x86-64 instructions that not every x86-64 CPU has."""
    return sorted({mnemonic for mnemonic, _ in found if AFTER_BASELINE.fullmatch(mnemonic)})
