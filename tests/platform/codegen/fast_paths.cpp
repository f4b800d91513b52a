// SPDX-License-Identifier: MIT
// The fast paths of every registered lock.
#include "locks/registry.hpp"
#include "tests/platform/codegen/probe.hpp"

namespace lockbench::probe {

using Locks = AllLocks<Native>;
[[gnu::section("lockbench_names"), gnu::used]] constinit const auto kNames = names_of(Locks{});
void emit_everything() { emit_all(Locks{}); }

}  // namespace lockbench::probe
