// SPDX-License-Identifier: MIT
// Locks that are wrong must be found, by which scene and as what; and the same locks without the fault must pass all.
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "locks/controls.hpp"
#include "platform/coop.hpp"
#include "tests/support/broken_locks.hpp"
#include "tests/support/broken_sleeping_locks.hpp"
#include "tests/support/contract_coop.hpp"
#include "tests/support/contract_scenes.hpp"
#include "tests/support/mutant_record.hpp"

namespace lockbench {
namespace {

using test::Bug;
using test::Survey;

constexpr unsigned kSeeds = 200;

// One part of the contract.
struct Part {
    std::string_view name;
    Survey (*play)();
};

template <class L>
Survey mix() {
    test::Reached reached;
    for (unsigned threads = 2; threads <= 6; ++threads) {
        test::mixed_sections<L>(reached, threads, kSeeds, 6);
    }
    return reached.survey;
}

template <class L>
std::vector<Part> contract() {
    std::vector<Part> parts = {{"mix", &mix<L>},
                               {"tries",
                                [] {
                                    Survey both = test::tries<L>(kSeeds, Mode::write);
                                    both.add(test::tries<L>(kSeeds, Mode::read));
                                    return both;
                                }},
                               {"cycles", [] { return test::cycles<L>(kSeeds); }},
                               {"brief", [] { return test::brief_tokens<L>(4, kSeeds); }},
                               {"observed", [] {
                                    Survey both = test::observed_locked<L>(kSeeds, false);
                                    both.add(test::observed_locked<L>(kSeeds, true));
                                    return both;
                                }}};
    if constexpr (L::kInfo.shared) {
        parts.push_back({"meeting", [] { return test::readers_meet<L>(kSeeds); }});
    }
    if constexpr (L::kInfo.free_after_unlock) {
        parts.push_back({"freed", [] { return test::freed_after_unlock<L>(3, kSeeds); }});
    }
    if constexpr (L::kInfo.fairness == Fairness::fifo || L::kInfo.fairness == Fairness::fifo_after_claim) {
        parts.push_back({"order", [] {
                             return test::arrival_order<L>(kSeeds, {Mode::write, Mode::read, Mode::write, Mode::read});
                         }});
    }
    if constexpr (L::kInfo.fairness == Fairness::fifo || L::kInfo.fairness == Fairness::fifo_after_claim) {
        parts.push_back({"return", [] {
                             constexpr std::uint64_t kBound = L::kInfo.fairness == Fairness::fifo ? 0 : 1;
                             return test::holder_comes_back<L>(kSeeds, Mode::write, Mode::write, kBound);
                         }});
    }
    if constexpr (DowngradableLock<L>) {
        parts.push_back({"downgrade", [] { return test::downgrade_admits_readers<L>(kSeeds, true); }});
    }
    if constexpr (KillableLock<L>) {
        parts.push_back({"cancel", [] {
                             Survey all = test::cancelled_waiters<L>(kSeeds, Mode::write, true, true);
                             all.add(test::cancelled_waiters<L>(kSeeds, Mode::read, false, false));
                             return all;
                         }});
    }
    return parts;
}

template <class L>
class SoundLock : public ::testing::Test {};
using SoundLocks = ::testing::Types<test::SmallTicket<Coop>, test::SmallMcs<Coop>, test::SmallQueuedSpin<Coop>,
                                    test::SmallRw<Coop>, test::SmallSem<Coop>>;
TYPED_TEST_SUITE(SoundLock, SoundLocks, test::LockNames);

TYPED_TEST(SoundLock, PassesWhatItsBrokenFormsFail) {
    static_assert(info_matches_type<Coop, TypeParam>());
    static_assert(sizeof(TypeParam) == TypeParam::kInfo.bytes);
    for (const Part& part : contract<TypeParam>()) {
        const Survey result = part.play();
        EXPECT_TRUE(result.passed()) << part.name << ": " << result;
    }
}

struct Canary {
    std::string_view name;
    std::vector<Part> parts;
    std::string_view part;  // of the contract that must find it
    CoopFailure kind;       // as what
};

void PrintTo(const Canary& canary, std::ostream* out) { *out << canary.name; }

// Those of them that the catalogue of historic faults names and that no engine of the explorer can find.
void record(const Canary& canary, const Survey& result) {
    if (canary.name == "waiting_shares_byte") {
        test::record_mutant({"M10", "small rwlock: waiting can be set only when no writer is in", "Coop",
                             "SC, happens-before", "contract: the holder comes back", to_string(result.first.kind),
                             result.first_run, result.count(canary.kind) != 0});
    }
}

class Canaries : public ::testing::TestWithParam<Canary> {};

TEST_P(Canaries, AreCaught) {
    const Canary& canary = GetParam();
    bool played = false;
    for (const Part& part : canary.parts) {
        if (part.name == canary.part) {
            played = true;
            const Survey result = part.play();
            EXPECT_GT(result.count(canary.kind), 0U) << result;
            EXPECT_EQ(result.first.text.rfind(to_string(result.first.kind), 0), 0U)
                << "the report begins with its kind";
            record(canary, result);
            std::printf("[ caught   ] %u of %u runs fail, %u as %s\n", result.failures(), result.runs,
                        result.count(canary.kind), std::string(to_string(canary.kind)).c_str());
        }
    }
    EXPECT_TRUE(played) << "no part of the contract is called " << canary.part;
}

template <Bug kBug>
using Ticket = test::SmallTicket<Coop, kBug>;
template <Bug kBug>
using Mcs = test::SmallMcs<Coop, kBug>;
template <Bug kBug>
using Queued = test::SmallQueuedSpin<Coop, kBug>;
template <Bug kBug>
using Rw = test::SmallRw<Coop, kBug>;
template <Bug kBug>
using Sem = test::SmallSem<Coop, kBug>;

const Canary kCanaries[] = {
    {"relaxed_unlock", contract<Ticket<Bug::relaxed_unlock>>(), "mix", CoopFailure::race},
    {"try_keeps_ticket", contract<Ticket<Bug::try_keeps_ticket>>(), "mix", CoopFailure::deadlock},
    {"try_leaves_preempt", contract<Ticket<Bug::try_leaves_preempt>>(), "mix", CoopFailure::unbalanced},
    {"init_after_publish", contract<Mcs<Bug::init_after_publish>>(), "mix", CoopFailure::race},
    {"tail_not_released", contract<Mcs<Bug::tail_not_released>>(), "mix", CoopFailure::race},
    {"link_before_locked", contract<Mcs<Bug::link_before_locked>>(), "mix", CoopFailure::deadlock},
    {"unlock_skips_late", contract<Mcs<Bug::unlock_skips_late>>(), "mix", CoopFailure::deadlock},
    {"headship_not_passed", contract<Queued<Bug::headship_not_passed>>(), "mix", CoopFailure::deadlock},
    {"reader_keeps_unit", contract<Rw<Bug::reader_keeps_unit>>(), "mix", CoopFailure::deadlock},
    {"reader_unlock_relaxed", contract<Rw<Bug::reader_unlock_relaxed>>(), "mix", CoopFailure::race},
    {"is_locked_sees_writers_only", contract<Rw<Bug::is_locked_sees_writers_only>>(), "observed",
     CoopFailure::check_failed},
    {"relaxed_commit", contract<Rw<Bug::relaxed_commit>>(), "mix", CoopFailure::race},
    {"waiting_shares_byte", contract<Rw<Bug::waiting_shares_byte>>(), "return", CoopFailure::check_failed},
    {"unlock_clears_wrong_byte", contract<Rw<Bug::unlock_clears_wrong_byte>>(), "mix", CoopFailure::deadlock},
    {"unlock_clears_whole_word", contract<Rw<Bug::unlock_clears_whole_word>>(), "mix", CoopFailure::check_failed},
    {"writer_forgets_readers", contract<Rw<Bug::writer_forgets_readers>>(), "mix", CoopFailure::exclusion},
    {"sleep_without_recheck", contract<Sem<Bug::sleep_without_recheck>>(), "mix", CoopFailure::deadlock},
    {"downgrade_wakes_nobody", contract<Sem<Bug::downgrade_wakes_nobody>>(), "downgrade", CoopFailure::deadlock},
    {"cancel_leaves_waiting", contract<Sem<Bug::cancel_leaves_waiting>>(), "mix", CoopFailure::deadlock},
    {"cancel_ignores_grant", contract<Sem<Bug::cancel_ignores_grant>>(), "mix", CoopFailure::deadlock},
    {"waker_reads_dead_waiter", contract<Sem<Bug::waker_reads_dead_waiter>>(), "brief", CoopFailure::use_after_free},
    {"grant_before_count", contract<Sem<Bug::grant_before_count>>(), "mix", CoopFailure::check_failed},
    {"unlock_looks_back", contract<Sem<Bug::unlock_looks_back>>(), "freed", CoopFailure::use_after_free},
    {"sleeps_under_wait_lock", contract<Sem<Bug::sleeps_under_wait_lock>>(), "mix", CoopFailure::sleeping_in_atomic},
    {"readers_exclude", contract<Rw<Bug::readers_exclude>>(), "meeting", CoopFailure::deadlock},
    {"last_in_first_out", contract<Sem<Bug::last_in_first_out>>(), "order", CoopFailure::check_failed},
    {"downgrade_leaves_flag", contract<Sem<Bug::downgrade_leaves_flag>>(), "cycles", CoopFailure::check_failed},
    {"no_lock_at_all", {{"mix", &mix<NullLock<Coop>>}}, "mix", CoopFailure::exclusion},
    {"test_then_set", {{"mix", &mix<BrokenLock<Coop>>}}, "mix", CoopFailure::exclusion},
};

INSTANTIATE_TEST_SUITE_P(Every, Canaries, ::testing::ValuesIn(kCanaries),
                         [](const auto& canary) { return std::string(canary.param.name); });

}  // namespace
}  // namespace lockbench
