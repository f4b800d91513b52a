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

namespace lockbench {
namespace {

using test::Survey;
using Right = RwsemCount<Coop>;
using Waiter = RwsemWaiter<Coop>;

// --- faults

// The waker reads the waiter's task after it was cleared: the waiter may be gone.
struct M16 : Right {
    template <class Batch>
    static void let_in(Count& count, std::int64_t delta, Waiter* chain, Batch& woken) {
        count.add(delta, relaxed);
        while (chain != nullptr) {
            Waiter* const next = chain->next.get();
            const std::uint64_t task = chain->task.exchange(0, release);
            woken.add(chain->mode.get() == Mode::read ? task : 0);
            chain = next;
        }
    }
};
// The wake-up comes before the task is cleared: the sleeper finds nothing and sleeps on.
struct M20 : Right {
    template <class Batch>
    static void let_in(Count& count, std::int64_t delta, Waiter* chain, Batch&) {
        count.add(delta, relaxed);
        while (chain != nullptr) {
            Waiter* const next = chain->next.get();
            wake_task<Coop>(chain->task.load(relaxed));
            chain->task.store(0, release);
            chain = next;
        }
    }
};
// A reader that finds the queue empty and the writer gone enters without having seen what the writer did.
struct M21 : Right {
    static std::int64_t recount(const Count& count) { return count.load(relaxed); }
};
// So does a sleeper that finds itself granted before it was woken.
struct M22 : Right {
    static bool is_granted(const Waiter& waiter) { return waiter.task.load(relaxed) == 0; }
};
// Readers come in past sleeping writers as long as readers are in.
struct M23 : Right {
    static bool may_steal_read(std::int64_t count, std::uint64_t) { return (count & (kWriter | kHandoff)) == 0; }
};
// The last waiter gives up and leaves the hand-off behind, on an empty queue.
struct M24 : Right {
    static bool leave(Count& count, List& list, Waiter& waiter) {
        list.remove(waiter);
        if (!list.empty()) {
            return true;
        }
        count.and_(~kWaiters, relaxed);
        return false;
    }
    static bool withdraw(Count& count, List& list, Waiter& waiter) {
        const bool first = list.front() == &waiter;
        return leave(count, list, waiter) && first;
    }
};
// The first in line alone honours the hand-off, whoever set it, and one that gives up wakes nobody: a free lock that
// nobody may take (5.16 to 5.18).
struct M25 : Right {
    static bool is_for_first_only(const Waiter& first, const Waiter& mine) { return &first != &mine; }
    static bool withdraw(Count& count, List& list, Waiter& waiter) {
        leave(count, list, waiter);
        return false;
    }
};
// Who asks for the hand-off takes it for its own, first in line or not, and waits for the owner awake.
struct M26 : Right {
    static void mark_handoff(Waiter&, Waiter& mine) { mine.handoff_set.set(true); }
};
// Whether the one that gives up is first is asked when it is gone.
struct M27 : Right {
    static bool withdraw(Count& count, List& list, Waiter& waiter) {
        return leave(count, list, waiter) && list.front() == &waiter;
    }
};
// The readers' units are added when they are already on their way.
struct M36 : Right {
    template <class Batch>
    static void let_in(Count& count, std::int64_t delta, Waiter* chain, Batch& woken) {
        Right::let_in(count, 0, chain, woken);
        count.add(delta, relaxed);
    }
};
// Whoever queues wakes nobody, although it misled one that left, or readers wait beside readers.
struct M37 : Right {
    static bool wakes_when_queueing(std::int64_t) { return false; }
};
// A downgraded writer publishes nothing.
struct M40 : Right {
    static bool release_to_read(Count& count) { return (count.fetch_add(kReader - kWriter, relaxed) & kWaiters) != 0; }
};

// A reader that goes to spin takes its claim back and does not care whom it misled: Linux 5.3 to 5.10.
struct Misleading : Right {
    static bool drop_read(Count& count) {
        count.sub(kReader, relaxed);
        return false;
    }
};

// --- what finds them

template <class L>
struct Mix {
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
    static Survey play() { return staged<L>(3, 100, &reader_behind_sleeper_scene<L>); }
};
template <class L>
struct SecondInLine {
    static Survey play() { return staged<L>(4, 100, &second_in_line_scene<L>); }
};
template <class L>
struct CancelledHead {
    static Survey play() {
        return staged<L>(4, 4000, [](Stage<L>& stage, ThreadId tid) { cancelled_head_scene(stage, tid, Mode::write); });
    }
};

// Readers 1, 2 and 3 sleep, and may wake for no reason just when they are let in; writer 4 comes then.
template <class L>
struct ReadersTogether {
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
    Survey (*faulty)();
    Survey (*right)();
    CoopFailure kind;  // as what it is found
};

// NOLINTNEXTLINE(readability-identifier-naming): GoogleTest asks for it
void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

template <template <class> class Era, class Moves, template <class> class Part>
Fault fault(std::string_view name, CoopFailure kind) {
    return {name, &Part<Era<Moves>>::play, &Part<Era<Right>>::play, kind};
}

template <class Moves>
using Of53 = Rwsem53<Coop, TicketLock<Coop>, Rwsem53Policy, Moves>;
template <class Moves>
using Today = Rwsem<Coop, TicketLock<Coop>, RwsemPolicy, Moves>;

const Fault kFaults[] = {
    fault<Today, M16, Brief>("M16_rwsem", CoopFailure::use_after_free),
    fault<Today, M20, Mix>("M20_rwsem", CoopFailure::deadlock),
    fault<Today, M21, Mix>("M21_rwsem", CoopFailure::race),
    fault<Today, M22, Mix>("M22_rwsem", CoopFailure::race),
    fault<Today, M23, ReaderBehindSleeper>("M23_rwsem", CoopFailure::livelock),
    fault<Today, M24, HandoffThenCancelled>("M24_rwsem", CoopFailure::check_failed),
    fault<Today, M25, CancelledHead>("M25_rwsem", CoopFailure::deadlock),
    fault<Today, M26, SecondInLine>("M26_rwsem", CoopFailure::livelock),
    fault<Today, M27, CancelledHead>("M27_rwsem", CoopFailure::deadlock),
    fault<Today, M36, ReadersTogether>("M36_rwsem", CoopFailure::exclusion),
    fault<Today, M37, Mix>("M37_rwsem", CoopFailure::deadlock),
    fault<Today, M40, Mix>("M40_rwsem", CoopFailure::race),
    fault<Of53, M16, Brief>("M16_rwsem_5_3", CoopFailure::use_after_free),
    fault<Of53, M20, Mix>("M20_rwsem_5_3", CoopFailure::deadlock),
    fault<Of53, M21, Mix>("M21_rwsem_5_3", CoopFailure::race),
    fault<Of53, M22, Mix>("M22_rwsem_5_3", CoopFailure::race),
    fault<Of53, M24, HandoffThenCancelled>("M24_rwsem_5_3", CoopFailure::check_failed),
    fault<Of53, M36, ReadersTogether>("M36_rwsem_5_3", CoopFailure::exclusion),
    fault<Of53, M37, Mix>("M37_rwsem_5_3", CoopFailure::deadlock),
    fault<Of53, M40, Mix>("M40_rwsem_5_3", CoopFailure::race),
    fault<Of53, Misleading, MisledReader>("misleading_claim_rwsem_5_3", CoopFailure::deadlock),
};

class RwsemFaults : public ::testing::TestWithParam<Fault> {};

TEST_P(RwsemFaults, AreFound) {
    const Survey wrong = GetParam().faulty();
    EXPECT_GT(wrong.count(GetParam().kind), 0U) << wrong;
    std::printf("[ found    ] %u of %u runs fail, %u as %s\n", wrong.failures(), wrong.runs,
                wrong.count(GetParam().kind), std::string(to_string(GetParam().kind)).c_str());
    const Survey right = GetParam().right();
    EXPECT_TRUE(right.passed()) << right;
}

INSTANTIATE_TEST_SUITE_P(Each, RwsemFaults, ::testing::ValuesIn(kFaults),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace lockbench
