// SPDX-License-Identifier: MIT
// Faults of the history of the read-write semaphores since 5.3, put back one at a time: each must be found, as what it
// is, and the right form must pass the same.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "locks/rwsem.hpp"
#include "locks/rwsem_5_3.hpp"
#include "tests/locks/rwsem_handoff_scenes.hpp"
#include "tests/support/contract_coop.hpp"
#include "tests/support/mutant_record.hpp"
#include "tests/support/rwsem_faults.hpp"

namespace lockbench {
namespace {

using test::Survey;
using Right = RwsemCount<Coop>;

// --- what finds them

template <class L>
struct Mix {
    static constexpr std::string_view kName = "mixed sections, 2 to 6 threads";
    static Survey play() {
        test::Reached reached;
        for (unsigned threads = 2; threads <= 6; ++threads) {
            test::mixed_sections<L>(reached, threads, 400, 8);
        }
        return reached.survey;
    }
};

// Tokens die with the section they served.
template <class L>
struct Brief {
    static constexpr std::string_view kName = "tokens that end, 4 threads";
    static Survey play() { return test::brief_tokens<L>(4, 400); }
};

template <class L, class Scene>
Survey staged(unsigned threads, unsigned runs, Scene scene, std::uint32_t spurious = 0) {
    Survey result;
    for (unsigned seed = 1; seed <= runs; ++seed) {
        CoopOptions options = calm(seed, threads);
        options.max_steps = 40'000;
        options.spurious_wakes = {.permille = spurious, .budget = 64};
        Stage<L> stage(options);
        stage.world().run([&](ThreadId tid) { scene(stage, tid); });
        result.add(stage.close());
    }
    return result;
}
template <class L>
struct ReaderBehindSleeper {
    static constexpr std::string_view kName = "led: reader, writer asleep, reader";
    static Survey play() { return staged<L>(3, 100, &reader_behind_sleeper_scene<L>); }
};
template <class L>
struct SecondInLine {
    static constexpr std::string_view kName = "led: two writers asleep";
    static Survey play() { return staged<L>(4, 100, &second_in_line_scene<L>); }
};
template <class L>
struct CancelledHead {
    static constexpr std::string_view kName = "led: two writers asleep, the first is cancelled";
    static Survey play() {
        return staged<L>(4, 4000, [](Stage<L>& stage, ThreadId tid) { cancelled_head_scene(stage, tid, Mode::write); });
    }
};

// Readers 1, 2 and 3 sleep, and may wake for no reason just when they are let in; writer 4 comes then.
template <class L>
struct ReadersTogether {
    static constexpr std::string_view kName = "led: three readers asleep, a writer";
    static Survey play() {
        return staged<L>(
            5, 4000,
            [](Stage<L>& stage, ThreadId tid) {
                if (tid == 0) {
                    own_asleep(stage);
                    stage.unlock(0);
                } else if (tid == 4) {
                    wake_owner_when(stage, [&] { return stage.asleep(3); });
                    stage.lock(4);
                    stage.unlock(4);
                } else {
                    come_after(stage, tid - 1);
                    stage.lock_shared(tid);
                    stage.unlock_shared(tid);
                }
            },
            300);
    }
};

// Writer 1, alone in line, asks for the hand-off and gives up.
template <class L>
struct HandoffThenCancelled {
    static constexpr std::string_view kName = "led: a writer asleep, cancelled";
    static Survey play() {
        return staged<L>(3, 100, [](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.unlock(0);
                check(!stage.raw().is_locked(), "a free lock says that it is locked");
            } else if (tid == 1) {
                come_after(stage, 0);
                check(!stage.lock_killable(1), "nobody let it go");
                stage.cue = true;
                Coop::wake(0);
            } else {
                stage.until([&] { return stage.asleep(1); });
                let_patience_end();
                Coop::wake(1);
                stage.until([&] { return stage.asleep(1, 2); });
                Coop::cancel(1);
            }
        });
    }
};

// Readers 0 and 2, writer 1 asleep: it asks for the hand-off while 0 is in, and 0, when it leaves, sees 2's claim.
template <class L>
struct MisledReader {
    static constexpr std::string_view kName = "led: two readers, a writer asleep";
    static Survey play() {
        return staged<L>(4, 4000, [](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.downgrade(0);
                let_patience_end();
                Coop::wake(1);
                stage.until([&] { return stage.asleep(1, 2); });
                stage.cue = false;
                stage.unlock_shared(0);
            } else if (tid == 1) {
                come_after(stage, 0);
                stage.lock(1);
                stage.unlock(1);
            } else if (tid == 2) {
                stage.until([&] { return stage.asleep(1, 2) && !stage.cue; });
                stage.lock_shared(2);
                stage.unlock_shared(2);
            } else {
                wake_owner_when(stage, [&] { return stage.asleep(1); });
            }
        });
    }
};

struct Fault {
    std::string_view name;
    std::string_view part;
    Survey (*faulty)();
    Survey (*right)();
    CoopFailure kind;  // as what it is found
};

// NOLINTNEXTLINE(readability-identifier-naming): GoogleTest asks for it
void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

template <template <class> class Era, class Moves, template <class> class Part>
Fault fault(std::string_view name, CoopFailure kind) {
    return {name, Part<Era<Moves>>::kName, &Part<Era<Moves>>::play, &Part<Era<Right>>::play, kind};
}

// "M16_rwsem": which fault, and of which lock.
void record(const Fault& fault, const Survey& survey) {
    const std::string_view id = fault.name.substr(0, fault.name.find('_'));
    if (id.front() == 'M' && id.find_first_not_of("0123456789", 1) == std::string_view::npos) {
        test::record_mutant({id, fault.name.substr(id.size() + 1), "Coop", "SC, happens-before", fault.part,
                             to_string(survey.first.kind), survey.first_run, survey.count(fault.kind) != 0});
    }
}

template <class Moves>
using Of53 = Rwsem53<Coop, TicketLock<Coop>, Rwsem53Policy, Moves>;
template <class Moves>
using Today = Rwsem<Coop, TicketLock<Coop>, RwsemPolicy, Moves>;

const Fault kFaults[] = {
    fault<Today, test::M16<Coop>, Brief>("M16_rwsem", CoopFailure::use_after_free),
    fault<Today, test::M20<Coop>, Mix>("M20_rwsem", CoopFailure::deadlock),
    fault<Today, test::M21<Coop>, Mix>("M21_rwsem", CoopFailure::race),
    fault<Today, test::M22<Coop>, Mix>("M22_rwsem", CoopFailure::race),
    fault<Today, test::M23<Coop>, ReaderBehindSleeper>("M23_rwsem", CoopFailure::livelock),
    fault<Today, test::M24<Coop>, HandoffThenCancelled>("M24_rwsem", CoopFailure::check_failed),
    fault<Today, test::M25<Coop>, CancelledHead>("M25_rwsem", CoopFailure::deadlock),
    fault<Today, test::M26<Coop>, SecondInLine>("M26_rwsem", CoopFailure::livelock),
    fault<Today, test::M27<Coop>, CancelledHead>("M27_rwsem", CoopFailure::deadlock),
    fault<Today, test::M36<Coop>, ReadersTogether>("M36_rwsem", CoopFailure::exclusion),
    fault<Today, test::M37<Coop>, Mix>("M37_rwsem", CoopFailure::deadlock),
    fault<Today, test::M40<Coop>, Mix>("M40_rwsem", CoopFailure::race),
    fault<Of53, test::M16<Coop>, Brief>("M16_rwsem_5_3", CoopFailure::use_after_free),
    fault<Of53, test::M20<Coop>, Mix>("M20_rwsem_5_3", CoopFailure::deadlock),
    fault<Of53, test::M21<Coop>, Mix>("M21_rwsem_5_3", CoopFailure::race),
    fault<Of53, test::M22<Coop>, Mix>("M22_rwsem_5_3", CoopFailure::race),
    fault<Of53, test::M24<Coop>, HandoffThenCancelled>("M24_rwsem_5_3", CoopFailure::check_failed),
    fault<Of53, test::M36<Coop>, ReadersTogether>("M36_rwsem_5_3", CoopFailure::exclusion),
    fault<Of53, test::M37<Coop>, Mix>("M37_rwsem_5_3", CoopFailure::deadlock),
    fault<Of53, test::M40<Coop>, Mix>("M40_rwsem_5_3", CoopFailure::race),
    fault<Of53, test::Misleading<Coop>, MisledReader>("misleading_claim_rwsem_5_3", CoopFailure::deadlock),
};

class RwsemFaults : public ::testing::TestWithParam<Fault> {};

TEST_P(RwsemFaults, AreFound) {
    const Survey wrong = GetParam().faulty();
    EXPECT_GT(wrong.count(GetParam().kind), 0U) << wrong;
    record(GetParam(), wrong);
    std::printf("[ found    ] %u of %u runs fail, %u as %s\n", wrong.failures(), wrong.runs,
                wrong.count(GetParam().kind), std::string(to_string(GetParam().kind)).c_str());
    const Survey right = GetParam().right();
    EXPECT_TRUE(right.passed()) << right;
}

INSTANTIATE_TEST_SUITE_P(Each, RwsemFaults, ::testing::ValuesIn(kFaults),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace lockbench
