# SPDX-License-Identifier: MIT
"""Reads objdump's text and tells, for each way through a function, which accesses to memory it makes.

An access is "ld 32", "st 8", "lock add 64", "ldxr 32.acquire"...: what is done and how wide, without registers and
addresses. Accesses to the stack are none. A way ends at a return; one that calls or leaves for another function is cut
off and remembered by whom it calls.
"""
import dataclasses
import itertools
import re
import subprocess

MOST_WAYS = 4000


@dataclasses.dataclass
class Instruction:
    address: int
    name: str  # mnemonic with prefixes
    operands: str
    symbol: str = ""  # of a relocation: whom a call means


@dataclasses.dataclass
class Function:
    name: str
    section: str
    code: list


def read_objdump(command, path, machine):
    """Functions by name."""
    text = subprocess.run([*command, "-dr", "--no-show-raw-insn", str(path)], capture_output=True, text=True,
                          check=True).stdout
    functions, section, current = {}, "", None
    for line in text.splitlines():
        if found := re.match(r"Disassembly of section (\S+):", line):
            section = found[1]
        elif found := re.match(r"[0-9a-f]+ <(.+)>:$", line):
            current = functions[found[1]] = Function(found[1], section, [])
        elif found := re.match(r"\s*[0-9a-f]+: R_\S+\s+(\S+)", line):
            if current and current.code:
                current.code[-1].symbol = re.sub(r"[-+]0x[0-9a-f]+$", "", found[1])
        elif found := re.match(r"\s*([0-9a-f]+):\t(.+)", line):
            if current:
                name, operands = machine.split(found[2])
                current.code.append(Instruction(int(found[1], 16), name, operands))
    return functions


def section_text(command, path, section):
    """The bytes of a section as text."""
    text = subprocess.run([*command, "-s", "-j", section, str(path)], capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^ [0-9a-f]+ ((?:[0-9a-f]{2,8} ){1,4})", text, re.M)
    return bytes.fromhex("".join(rows).replace(" ", "")).decode("ascii")


class X86:
    """Intel's syntax: widths stand beside addresses."""
    WIDTHS = {"BYTE": 8, "WORD": 16, "DWORD": 32, "QWORD": 64, "XMMWORD": 128}
    # An increment is an addition of one.
    SAME = {"lock inc": "lock add", "lock dec": "lock add", "lock sub": "lock add", "xchg": "lock xchg"}
    PREFIXES = {"rep", "repz", "notrack", "bnd", "cs", "data16"}
    READS_AND_WRITES = {"add", "sub", "inc", "dec", "and", "or", "xor", "not", "neg", "shl", "shr", "sar"}

    @staticmethod
    def split(text):
        name, _, operands = text.partition("#")[0].strip().partition(" ")
        while name in X86.PREFIXES or name == "lock":
            follow, _, operands = operands.strip().partition(" ")
            if name == "lock":
                return f"lock {follow}", operands.strip()
            name = follow
        return name, operands.strip()

    @staticmethod
    def accesses(instruction):
        name, operands = instruction.name, instruction.operands
        if name in ("mfence", "lfence", "sfence"):
            return [name]
        memory = re.search(r"(\w+) PTR (\w\w:)?\[?([^\]]*)", operands)
        if not memory or name in ("lea", "nop", "nopw", "nopl", "call", "jmp"):
            return []
        if re.match(r"r[sb]p\b", memory[3]):
            return [name] if name.startswith("lock ") else []  # a locked access to the stack is a fence
        width = X86.WIDTHS[memory[1]]
        if name.startswith("lock ") or name == "xchg":
            return [f"{X86.SAME.get(name, name)} {width}"]
        writes = operands.index(memory[0]) == 0 and name not in ("cmp", "test", "push", "bt")
        if writes and name in X86.READS_AND_WRITES:
            return [f"ld {width}", f"st {width}"]
        return [f"{'st' if writes else 'ld'} {width}"]

    @staticmethod
    def flow(instruction):
        """(goes on to the next, address it may jump to, whom it calls)"""
        name, operands = instruction.name, instruction.operands
        target = re.match(r"([0-9a-f]+) <", operands)
        address = int(target[1], 16) if target else None
        if name == "call":
            return False, None, instruction.symbol or operands
        if name in ("ret", "ud2", "hlt"):
            return False, None, None
        if name == "jmp":
            return False, address, instruction.symbol or None
        if name.startswith("j"):
            return True, address, instruction.symbol or None
        return True, None, None

    @staticmethod
    def returns(instruction):
        return instruction.name == "ret"


class Arm:
    """AArch64. The order of an access is part of its name there."""
    # suffix of an LSE instruction: its order
    ORDERS = {"": "", "a": ".acquire", "l": ".release", "al": ".acq_rel"}
    PLAIN = {"ldr": "ld", "ldur": "ld", "str": "st", "stur": "st", "ldar": "ld.acquire", "ldapr": "ld.acquire",
             "stlr": "st.release", "ldxr": "ldxr", "ldaxr": "ldxr.acquire", "stxr": "stxr", "stlxr": "stxr.release",
             "ldrsw": "ld", "ldp": "ldp", "stp": "stp"}

    @staticmethod
    def split(text):
        name, _, operands = text.partition("//")[0].strip().partition("\t")
        return name.strip(), operands.strip()

    @staticmethod
    def accesses(instruction):
        name, operands = instruction.name, instruction.operands
        if name in ("dmb", "dsb"):
            return [f"{name} {operands}"]
        memory = re.search(r"\[([^\]]+)\]", operands)
        if not memory or name.startswith("prfm") or memory[1].startswith("sp"):
            return []
        wide = operands.replace("{", "").split(",")
        lse = re.fullmatch(r"(cas|swp|ldadd|ldset|ldclr|ldeor|stadd|stset|stclr)(al|a|l)?([bh])?", name)
        size = {"b": 8, "h": 16}.get(name[-1]) if (lse and lse[3]) or Arm.PLAIN.get(name[:-1]) else None
        # Of a store-exclusive the first register is the outcome.
        register = wide[1 if name.startswith(("stxr", "stlxr")) else 0].strip()
        width = size or (64 if register.startswith(("x", "d")) else 32)
        if lse:
            # ldadd without a destination is shown as stadd.
            return [f"{lse[1].replace('st', 'ld', 1)} {width}{Arm.ORDERS[lse[2] or '']}"]
        kind = Arm.PLAIN.get(name) or Arm.PLAIN.get(name[:-1])
        if kind is None:
            return [f"? {name}"]
        what, _, order = kind.partition(".")
        if what in ("ldp", "stp"):
            return [f"{what[:2]} {width}"] * 2
        return [f"{what} {width}{'.' + order if order else ''}"]

    @staticmethod
    def flow(instruction):
        name, operands = instruction.name, instruction.operands
        target = re.search(r"([0-9a-f]+) <", operands)
        address = int(target[1], 16) if target else None
        if name in ("bl", "blr"):
            return False, None, instruction.symbol or operands
        if name in ("ret", "brk", "udf"):
            return False, None, None
        if name == "b":
            return False, address, instruction.symbol or None
        if name.startswith(("b.", "cbz", "cbnz", "tbz", "tbnz")):
            return True, address, instruction.symbol or None
        return True, None, None

    @staticmethod
    def returns(instruction):
        return instruction.name == "ret"


@dataclasses.dataclass
class Ways:
    """All ways that return without a call, each a tuple of accesses; and whom the others call."""
    returning: set
    called: set

    def add(self, other):
        self.returning |= other.returning
        self.called |= other.called


def settled(made):
    """Neighbouring loads without an order may be made in any: sorted."""
    groups = itertools.groupby(made, lambda access: bool(re.fullmatch(r"ld \d+", access)))
    return tuple(access for loads, group in groups for access in (sorted(group) if loads else group))


def gave_up(made):
    """A load-exclusive without its store: a comparison that failed, joined with the way of one that did not."""
    exclusive = [access.split()[0] for access in made if access.startswith(("ldxr", "stxr"))]
    return exclusive != ["ldxr", "stxr"] * (len(exclusive) // 2)


def ways(function, machine):
    """No instruction twice on a way: the second round of a retry makes the accesses of the first."""
    places = {instruction.address: at for at, instruction in enumerate(function.code)}
    found = Ways(set(), set())
    stack, steps = [(0, (), frozenset())], 0
    while stack:
        at, made, seen = stack.pop()
        steps += 1
        if steps > MOST_WAYS * 50:
            raise ValueError(f"{function.name}: too many ways through it")
        if at in seen or at >= len(function.code):
            continue
        instruction = function.code[at]
        seen |= {at}
        made += tuple(machine.accesses(instruction))
        goes_on, address, callee = machine.flow(instruction)
        if callee is not None:
            found.called.add(callee)
        if machine.returns(instruction):
            if not gave_up(made):
                found.returning.add(settled(made))
        if goes_on:
            stack.append((at + 1, made, seen))
        if address is not None and callee is None:
            if address in places:
                stack.append((places[address], made, seen))
            else:
                found.called.add(f"address {address:x}")
    return found
