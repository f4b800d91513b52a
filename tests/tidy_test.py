# SPDX-License-Identifier: MIT
"""tests/tidy.py must refuse a bad file for each of its rules, and only for the rule it breaks."""
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tidy  # noqa: E402
import tidy_cpp  # noqa: E402

SPDX = "// SPDX-License-Identifier: MIT\n"
GOOD = {
    "platform/platform.hpp": SPDX + "#include <atomic>\nnamespace lockbench {}\n",
    "platform/native.hpp": SPDX + '#include "platform/platform.hpp"\n',
    "locks/lock.hpp": SPDX + '#include "platform/platform.hpp"\n',
    "locks/registry.hpp": SPDX + '#include "locks/good.hpp"\n',
    "locks/good.hpp": SPDX + """#include <cstdint>

#include "locks/lock.hpp"

template <class P>
class Good {
  public:
    void lock() {
        // relaxed: a guess, "the exchange" decides; isn't it? while (word_.load(acquire)) stands in a comment.
        const unsigned word = word_.load(relaxed);
        // acquire (A1, pairs with R1 and R2): sees the last
        // holder's writes.
        if (!word_.try_cas(word, word + 1'000U, acquire)) {
            word_.await([](unsigned now) { return now == 0; },
                        acquire);  // A2: pairs with R1, R2
        }
        for (typename P::Retry loop;; loop.again()) {
            if (word_.load(seq_cst) != 0) {  // seq_cst: the flag of the other side
                return;
            }
        }
    }
    void unlock() {
        word_.store(0, release);  // R1, R2: pairs with A1 and A2
        // bounded: the list has at most one entry a thread
        while (Node* node = head_.exchange(nullptr, relaxed)) {  // relaxed: under the lock
            wake(node);
        }
        for (Node* node = first_; node != nullptr; node = node->next) {
            node->word.store(0, relaxed);  // relaxed: ordered by R1
        }
    }
    static constexpr unsigned kLimit = 3;
    static bool is_free(unsigned word) { return word == 0; }
};
""",
    "workloads/registry.hpp": SPDX + '#include "locks/lock.hpp"\n',
    "bench/main.cpp": SPDX + '#include <hwloc.h>\n\n#include "workloads/registry.hpp"\n',
    "bench/run.sh": "#!/usr/bin/env bash\n# SPDX-License-Identifier: MIT\nexit 0\n",
    "tests/locks/good_test.cpp": SPDX + '#include "platform/native.hpp"\n',
    "README.md": "Run `bench/run.sh`; locks" "/root" "/last is a path in prose.\n",
}


class TidyTest(unittest.TestCase):
    def breaches(self, changes, run_bits=("bench/run.sh",)):
        """Breaches as {rule: [text]} of the good tree with `changes` (None removes a file)."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, content in {**GOOD, **changes}.items():
                if content is None:
                    continue
                file = root / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content if isinstance(content, bytes) else content.encode())
                if path in run_bits:
                    os.chmod(file, 0o755)
            found = tidy.check(root)
        return {rule: [f"{path}:{line}: {what}" for path, line, what in breaches]
                for rule, breaches in found.items() if breaches}

    def assert_breaks(self, rule, changes, text="", **more):
        found = self.breaches(changes, **more)
        self.assertEqual(list(found), [rule], found)
        self.assertIn(text, " | ".join(found[rule]))

    def in_lock(self, body):
        """The good lock with `body` as a further member."""
        anchor = "    static constexpr"
        return {"locks/good.hpp": GOOD["locks/good.hpp"].replace(anchor, body + "\n" + anchor)}

    def test_the_good_tree_has_no_breach(self):
        self.assertEqual(self.breaches({}), {})

    def test_every_rule_has_a_test(self):
        rules = {*tidy.TEXT_RULES, *tidy_cpp.RULES}
        tested = {name.removeprefix("test_rule_").split("__")[0].replace("_", "-") for name in dir(self)
                  if name.startswith("test_rule_")}
        self.assertEqual(rules, tested)

    def test_rule_includes__upwards(self):
        user = SPDX + '#include "{}"\n'
        for path, name in (("platform/up.hpp", "locks/lock.hpp"), ("platform/up.hpp", "bench/options.hpp"),
                           ("locks/lock.hpp", "workloads/registry.hpp"), ("locks/lock.hpp", "bench/options.hpp"),
                           ("workloads/registry.hpp", "bench/options.hpp"), ("bench/main.cpp", "tests/support/x.hpp")):
            changes = {"bench/options.hpp": SPDX, "tests/support/x.hpp": SPDX, path: user.format(name)}
            self.assert_breaks("includes", changes, name)
        self.assertEqual(self.breaches({"tests/locks/good_test.cpp": user.format("bench/main.cpp")}), {})

    def test_rule_includes__one_platform(self):
        self.assert_breaks("includes", {"locks/lock.hpp": SPDX + '#include "platform/native.hpp"\n'}, "one platform")
        self.assert_breaks("includes", {"locks/lock.hpp": SPDX + '#include "platform/coop_world.hpp"\n',
                                        "platform/coop_world.hpp": SPDX}, "one platform")
        self.assert_breaks("includes", {"locks/lock.hpp": SPDX + '#include "platform/explore/core.hpp"\n',
                                        "platform/explore/core.hpp": SPDX}, "one platform")

    def test_rule_includes__bench_libraries(self):
        for header in ("hwloc.h", "hwloc/glibc-sched.h", "numa.h", "numaif.h", "papi.h", "benchmark/benchmark.h"):
            self.assert_breaks("includes", {"platform/native.hpp": SPDX + f"#include <{header}>\n"}, "belongs to")
            self.assertEqual(self.breaches({"tests/bench/x_test.cpp": SPDX + f"#include <{header}>\n"}), {})

    def test_rule_includes__effect_headers(self):
        for header in ("atomic", "thread", "chrono", "random", "mutex", "pthread.h", "linux/futex.h"):
            self.assert_breaks("includes", {"locks/lock.hpp": SPDX + f"#include <{header}>\n"}, "outside the Platform")

    def test_rule_includes__unknown_file(self):
        self.assert_breaks("includes", {"bench/main.cpp": SPDX + '#include "lock.hpp"\n'}, "not a file of the project")

    def test_native_only_adapters_may_use_their_library(self):
        adapter = SPDX + "#include <pthread.h>\n#ifdef __GLIBC__\nstd::shared_mutex m;\n#endif\n"
        user = SPDX + '#include "{}"\n'
        for path in ("locks/native_only.hpp", "locks/peers_tbb.hpp", "locks/folly_peers.hpp"):
            self.assertEqual(self.breaches({path: adapter, "bench/main.cpp": user.format(path)}), {})

    def test_rule_effects(self):
        for line in ("std::atomic<int> word;", "std::memory_order order;", "std::thread worker;", "std::mutex m;",
                     "std::this_thread::yield();", "thread_local int x;", "std::chrono::seconds s;", "std::mt19937 r;",
                     "int r = rand();", "__builtin_ia32_pause();", "_mm_pause();", "asm(nop);", "__asm__(nop);",
                     "volatile int x;", "__atomic_thread_fence(5);", "static int count;", "static unsigned calls = 0;",
                     "inline int total{0};"):
            self.assert_breaks("effects", self.in_lock("    " + line))
        self.assert_breaks("effects", {"workloads/registry.hpp": SPDX + "thread_local int x;\n"})
        self.assertEqual(self.breaches(self.in_lock('    // volatile\n    f("thread_local", \'"\', "asm");')), {})

    def test_rule_preprocessor(self):
        for line in ("#if X\n#endif", "#ifdef X\n#endif", "#  ifndef X\n#endif", "#define F(x) x", "#define X"):
            self.assert_breaks("preprocessor", self.in_lock(line))
        self.assert_breaks("preprocessor", {"locks/native_only.hpp": SPDX + "#define F(x) x\n",
                                            "bench/main.cpp": SPDX + '#include "locks/native_only.hpp"\n'})

    def test_rule_wait_loops(self):
        reason = "  // seq_cst: reason"
        for loop in (f"while (word_.load(seq_cst) != 0) {{}}{reason}",
                     f"while (!word_.try_cas(0, 1, seq_cst));{reason}",
                     f"for (;;) {{{reason}\n if (word_.load(seq_cst)) break;{reason}\n}}",
                     f"do {{\n x = word_.exchange(1, seq_cst);{reason}\n}} while (x);",
                     f"for (; !word_.compare_exchange(a, b, seq_cst);) {{}}{reason}",
                     "while (P::poll(stop)) {}", "while (true) { P::relax(); }", "while (!lock.try_lock(token)) {}"):
            self.assert_breaks("wait-loops", self.in_lock("    void f() {\n        " + loop + "\n    }"))
        for loop in ("while (node != nullptr) { node = node->next.get(); }",
                     "// bounded: one pass a thread\n while (!word_.try_cas(0, 1, seq_cst));" + reason,
                     "for (typename P::template EffectLoop<8> loop;; loop.again()) { word_.exchange(1, seq_cst); }"
                     + reason,
                     "for (typename P::Retry loop;; loop.again()) { word_.load(seq_cst); }" + reason,
                     "for (auto& item : list.load(seq_cst)) {}" + reason):
            self.assertEqual(self.breaches(self.in_lock("    void f() {\n        " + loop + "\n    }")), {}, loop)

    def test_rule_orders(self):
        for line in ("word_.store(1, release);", "word_.load(relaxed);", "word_.exchange(1, Order::acq_rel);",
                     "word_.store(1, seq_cst);", "// far away\n\n    word_.store(1, release);",
                     "x = 1;  // of another statement\n    word_.store(1, release);"):
            self.assert_breaks("orders", self.in_lock("    " + line), "without a reason")
        self.assert_breaks("orders", self.in_lock("    word_.store(1, release);  // because"), "without a label")
        self.assert_breaks("orders", {"workloads/registry.hpp": SPDX + "void f() { x.store(1, release); }\n"})
        for line in ("guard.release();", "release(token);", "word_.store(1, seq_cst);  // why",
                     "word_.store(1,\n                release);  // as R1",
                     "// as R1 and\n    // A2\n    word_.f(acq_rel);"):
            self.assertEqual(self.breaches(self.in_lock("    " + line)), {}, line)

    def test_rule_labels(self):
        for line, text in (("// A3: pairs with R9", "R9, which no comment defines"),
                           ("// A3: pairs with R1", "R1 does not name A3"),
                           ("// as A7 above", "A7 is mentioned"),
                           ("// A3: pairs with A1", "an acquire pairs with a release"),
                           ("// A3: pairs with none.hpp:R1", "no single file is called none.hpp"),
                           ("// A3: pairs with lock.hpp:R1", "lock.hpp:R1, which no comment defines")):
            self.assert_breaks("labels", self.in_lock("    " + line), text)
        paired = {"locks/lock.hpp": GOOD["locks/lock.hpp"] + "// release (R1, pairs with good.hpp:A3)\n"}
        self.assertEqual(self.breaches({**self.in_lock("    // A3: pairs with lock.hpp:R1"), **paired}), {})
        both = "    // acq_rel (A4 and R4, pairs with R5, A5)\n\n    // A5, R5: pair with A4, R4"
        self.assertEqual(self.breaches(self.in_lock(both)), {})

    def test_rule_registered(self):
        for path in ("locks/forgotten.hpp", "workloads/forgotten.hpp", "locks/native_only.hpp"):
            self.assert_breaks("registered", {path: SPDX}, path)

    def test_rule_file_length(self):
        self.assertEqual(self.breaches({"bench/main.cpp": SPDX + "int x;\n" * 399}), {})
        self.assert_breaks("file-length", {"bench/main.cpp": SPDX + "int x;\n" * 400}, "401 lines")

    def test_rule_line_length(self):
        self.assertEqual(self.breaches({"bench/main.cpp": SPDX + "// " + "x" * 117 + "\n"}), {})
        self.assert_breaks("line-length", {"bench/main.cpp": SPDX + "// " + "x" * 118 + "\n"}, "121 columns")

    def test_rule_whitespace(self):
        for text in ("int x; \n", "\tint x;\n", "int x;", "int x;\n\n"):
            self.assert_breaks("whitespace", {"bench/main.cpp": SPDX + text})

    def test_rule_spdx(self):
        self.assert_breaks("spdx", {"bench/main.cpp": "int x;\n" + SPDX})
        self.assert_breaks("spdx", {"cmake/x.cmake": "set(x)\n"})
        self.assert_breaks("spdx", {"bench/run.sh": "#!/usr/bin/env bash\nexit 0\n"})
        self.assert_breaks("spdx", {".ci/run": "#!/usr/bin/env bash\nexit 0\n"}, run_bits=("bench/run.sh", ".ci/run"))

    def test_rule_banned_words(self):
        for word in ("TO" + "DO", "FIX" + "ME", "X" + "XX", "Place" + "holder"):
            self.assert_breaks("banned-words", {"bench/main.cpp": SPDX + f"// {word}: later\n"}, word)
            self.assert_breaks("banned-words", {"docs/x.md": f"A {word} here.\n"}, word)

    def test_rule_machine_paths(self):
        for path in ("/wo" + "rk/x", "/ro" + "ot/x", "/ho" + "me/me/x", "/Us" + "ers/me/x"):
            for name in ("docs/x.md", "results/x.json"):
                self.assert_breaks("machine-paths", {name: f"in {path} or\n"}, "path of one machine")
                self.assert_breaks("machine-paths", {name: f'"{path}"\n'}, "path of one machine")

    def test_rule_run_bit(self):
        self.assert_breaks("run-bit", {}, "without the run bit", run_bits=())
        self.assert_breaks("run-bit", {}, "without #!", run_bits=("bench/run.sh", "README.md"))
        self.assert_breaks("run-bit", {"bench/run.sh": "# SPDX-License-Identifier: MIT\nexit 0\n"}, run_bits=())

    def test_rule_file_size(self):
        self.assert_breaks("file-size", {"results/x.png": b"\0" * (tidy.MAX_BYTES + 1)}, "at most")
        self.assertEqual(self.breaches({"results/x.png": b"\0" * tidy.MAX_BYTES}), {})


if __name__ == "__main__":
    unittest.main()
