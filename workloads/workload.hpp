// SPDX-License-Identifier: MIT
// What a workload is: its parameters, roles, operations and call sites, told as data; and its life in one trial.
//
// A workload W is a class template over <Platform P, class L> (L the lock under test) with
//   static const WorkloadInfo& info()                       the same for every P and L
//   explicit W(const TrialSetup&)                           builds the shared state; throws nothing, checks only
//   (parameters are valid)
//   class W::Thread { Thread(W&, Ctx<P>&, RoleId); }        one thread's state and lock tokens, built by that thread on
//   its own node
//   void step(Thread&)                                      one operation of the thread's role, counted in
//   ctx.stats.ops
//   void finish(Thread&)                                    gives back what the thread still holds (after the window,
//   by that thread)
//   void verify(Verdict&)                                   after all threads finished: every invariant, nothing leaked
// and for the verification of memory homes: template <class F> void for_each_home(F&& f): f(HomeKind, base, bytes).
// Construct, use by many threads, verify, destroy: a trial owns its state and nothing outlives it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "locks/guard.hpp"
#include "platform/ctx.hpp"
#include "platform/platform.hpp"

namespace lockbench {

// One parameter. All values are integers; an enumeration lists its names and the value is the index.
struct ParamInfo {
    std::string_view key;   // [a-z0-9_]+, unique in its workload
    std::string_view unit;  // "ns", "pages", "vmas", "permille", "threads", "1" ...; "enum" for an enumeration
    std::int64_t default_value;
    std::int64_t min;
    std::int64_t max;
    std::string_view help;  // one sentence, with the source of the default
    std::span<const std::string_view> names = {};
};

struct OpInfo {
    std::string_view name;  // key in ops{} of a window
    std::string_view unit;  // what one count is: "forks", "pages" ...
    bool headline;          // shown in summaries and figures
};

using RoleId = std::uint32_t;
using ParamValues = std::vector<std::int64_t>;  // one value a ParamInfo, same order

struct WorkloadInfo {
    std::string_view name;
    std::string_view summary;                 // one sentence
    std::string_view origin;                  // kernel path and release, or "microbenchmark"
    std::span<const ParamInfo> params;        // role shares among them, see role_share_params
    std::span<const std::string_view> roles;  // at least one
    std::span<const std::size_t>
        share_param;  // share_param[r]: index of the parameter that holds role r's share (any positive weights)
    std::span<const OpInfo> ops;              // index = number in ThreadStats::ops
    std::span<const std::string_view> sites;  // index = number in ThreadStats::sites; for conformance tables
    bool quick = false;                       // in the quick plan, which is to end within minutes
    // Why these values are illegal with this lock; empty: they are not. Null: all are legal.
    std::string_view (*refusal)(const LockInfo& lock, const ParamValues& values) = nullptr;
};

inline ParamValues default_params(const WorkloadInfo& info) {
    ParamValues values;
    for (const ParamInfo& param : info.params) {
        values.push_back(param.default_value);
    }
    return values;
}

// Where the trial wants its memory. kAnyNode: first touch.
struct Homes {
    NodeId lock = kAnyNode;
    NodeId data = kAnyNode;
};
enum class HomeKind : unsigned char { lock, data };

struct TrialSetup {
    ParamValues params;
    std::uint32_t threads = 1;
    std::uint64_t seed = 1;
    Homes homes;
};

// What verification found. Texts are sentences with the numbers in them.
struct Verdict {
    std::vector<std::string> failures;

    void expect(bool holds, std::string_view what) {
        if (!holds) {
            failures.emplace_back(what);
        }
    }
    void expect_equal(std::int64_t got, std::int64_t want, std::string_view what) {
        if (got != want) {
            failures.emplace_back(std::string(what) + ": got " + std::to_string(got) + ", expected " +
                                  std::to_string(want));
        }
    }
    [[nodiscard]] bool passed() const { return failures.empty(); }
};

// Gives each thread a role by weighted shares, each role at least one thread. With fewer threads than roles a thread
// has no fixed role: it gets kEveryRole and interleaves all roles by share, chosen at each step by its own random
// stream.
inline constexpr RoleId kEveryRole = 0xffff'ffffU;
inline std::vector<RoleId> assign_roles(std::uint32_t threads, std::span<const std::int64_t> shares) {
    if (threads < shares.size()) {
        return std::vector<RoleId>(threads, kEveryRole);
    }
    std::int64_t total = 0;
    for (const std::int64_t share : shares) {
        total += share;
    }
    // What is left after one thread each goes where it is most wanting.
    std::vector<std::int64_t> counts(shares.size(), 1);
    for (std::size_t given = shares.size(); given < threads; ++given) {
        std::size_t neediest = 0;
        for (std::size_t role = 1; role < shares.size(); ++role) {
            const auto lacks = [&](std::size_t r) { return shares[r] * threads - counts[r] * total; };
            neediest = lacks(role) > lacks(neediest) ? role : neediest;
        }
        ++counts[neediest];
    }
    // Roles are spread over the thread numbers, so that neighbours in a placement do not all have the same one.
    std::vector<RoleId> roles;
    std::vector<std::int64_t> placed(shares.size(), 0);
    for (std::int64_t thread = 1; thread <= static_cast<std::int64_t>(threads); ++thread) {
        const auto late = [&](std::size_t r) {
            return counts[r] * thread - placed[r] * static_cast<std::int64_t>(threads);
        };
        std::size_t next = 0;
        for (std::size_t role = 1; role < shares.size(); ++role) {
            next = late(role) > late(next) ? role : next;
        }
        ++placed[next];
        roles.push_back(static_cast<RoleId>(next));
    }
    return roles;
}

// Draws a role by share: for threads that have kEveryRole.
inline RoleId draw_role(RandomStream& random, std::span<const std::int64_t> shares) {
    std::int64_t total = 0;
    for (const std::int64_t share : shares) {
        total += share;
    }
    std::int64_t at = random.below(static_cast<std::uint32_t>(total));
    for (std::size_t role = 0; role + 1 < shares.size(); ++role) {
        at -= shares[role];
        if (at < 0) {
            return static_cast<RoleId>(role);
        }
    }
    return static_cast<RoleId>(shares.size() - 1);
}

}  // namespace lockbench
