# SPDX-License-Identifier: MIT
"""What each operation of tests/platform/codegen/operations.cpp is to become: by architecture, or by target where one
compiler does otherwise. In the words of disassembly.py, one tuple a way."""


def row(x86, lse, ll_sc=None, **others):
    """ll_sc: as lse where the operation is a load, a store or a barrier."""
    columns = {"x86": x86, "lse": lse, "ll_sc": lse if ll_sc is None else ll_sc}
    columns.update({name.replace("_", " ").replace("x86 64", "x86-64"): way for name, way in others.items()})
    return columns


def exclusive(bits, load="", store="", before=()):
    """A load-exclusive and its store."""
    return (*before, f"ldxr {bits}{load}", f"stxr {bits}{store}")


ACQUIRE, RELEASE, ACQ_REL = ".acquire", ".release", ".acq_rel"
NOTHING = ()

OPERATIONS = {
    "load_relaxed": row(("ld 32",), ("ld 32",)),
    "load_acquire": row(("ld 32",), ("ld 32.acquire",)),
    "load_seq_cst": row(("ld 32",), ("ld 32.acquire",)),
    "store_relaxed": row(("st 32",), ("st 32",)),
    "store_release": row(("st 32",), ("st 32.release",)),
    "store_seq_cst": row(("lock xchg 32",), ("st 32.release",)),
    "init": row(("st 32",), ("st 32",)),
    "exchange": row(("lock xchg 32",), ("swp 32.acq_rel",), exclusive(32, ACQUIRE, RELEASE)),
    "compare_exchange": row(("lock cmpxchg 32",), ("cas 32.acquire",), exclusive(32, ACQUIRE)),
    "try_cas_acquire": row(("lock cmpxchg 32",), ("cas 32.acquire",), exclusive(32, ACQUIRE)),
    "try_cas_release": row(("lock cmpxchg 64",), ("cas 64.release",), exclusive(64, store=RELEASE)),
    "fetch_add": row(("lock xadd 32",), ("ldadd 32.acquire",), exclusive(32, ACQUIRE)),
    "fetch_sub": row(("lock xadd 64",), ("ldadd 64.release",), exclusive(64, store=RELEASE)),
    # Without a result it is cheaper on x86-64.
    "add": row(("lock add 32",), ("ldadd 32.acquire",), exclusive(32, ACQUIRE)),
    "sub": row(("lock add 64",), ("ldadd 64.release",), exclusive(64, store=RELEASE)),
    "or_word": row(("lock or 32",), ("ldset 32",), exclusive(32)),
    "and_word": row(("lock and 32",), ("ldclr 32.release",), exclusive(32, store=RELEASE)),
    # x86-64 has no conjunction that returns the old value: a loop. No fast path uses it.
    "fetch_and": row(("ld 32", "lock cmpxchg 32"), ("ldclr 32.acquire",), exclusive(32, ACQUIRE)),
    # The flags decide: no old value. clang 14 does not see it of a sign after an addition.
    "add_fetch_test_sign": row(("lock add 64",), ("ldadd 64.acquire",), exclusive(64, ACQUIRE),
                               clang_x86_64=("lock xadd 64",)),
    "add_fetch_test_zero": row(("lock add 32",), ("ldadd 32.acquire",), exclusive(32, ACQUIRE)),
    "test_and_set_bit": row(("lock bts 32",), ("ldset 32.acquire",), exclusive(32, ACQUIRE)),
    "mixed_load": row(("ld 8",), ("ld 8.acquire",)),
    "mixed_put": row(("st 8",), ("st 8.release",)),
    "mixed_try_cas": row(("lock cmpxchg 8",), ("cas 8",), exclusive(8)),
    "mixed_exchange": row(("lock xchg 16",), ("swp 16.acq_rel",), exclusive(16, ACQUIRE, RELEASE)),
    "portable_load": row(("ld 32",), ("ld 32.acquire",)),
    "portable_put": row(("lock add 32",), ("ldadd 32.release",), exclusive(32, store=RELEASE)),
    "portable_try_cas": row(("ld 32", "lock cmpxchg 32"), ("ld 32", "cas 32"), exclusive(32, before=("ld 32",))),
    "portable_exchange": row(("ld 32", "lock cmpxchg 32"), ("ld 32", "cas 32.acq_rel"),
                             exclusive(32, ACQUIRE, RELEASE, before=("ld 32",))),
    "await": row(("ld 32",), ("ld 32.acquire",)),
    "await_until": row(("ld 32",), ("ld 32.acquire",)),
    # GCC: a locked or of nothing to the top of the stack.
    "fence_seq_cst": row(("mfence",), ("dmb ish",), gcc_x86_64=("lock or",)),
    "fence_acquire": row(NOTHING, ("dmb ishld",)),
    "fence_after_rmw": row(NOTHING, ("dmb ish",)),
    "fence_light": row(NOTHING, NOTHING),
    "preempt_off_and_on": row(NOTHING, NOTHING),
    "mark": row(NOTHING, NOTHING),
}

# Loops, and what further rounds may make on top: the budget of await_until is counted down.
SPINS = {"await": set(), "await_until": {"ld 64", "st 64"}, "portable_exchange": set()}
