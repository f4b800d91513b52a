// SPDX-License-Identifier: MIT
// The catalogue of historic faults of locks under engine G: each is found, as what it is, and the right form passes the
// same client. docs/mutations.md is made of what is found here (tests/bench/mutations_page_test.py).
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

#include "locks/registry.hpp"
#include "tests/support/broken_sleeping_locks.hpp"
#include "tests/support/mutant_clients.hpp"
#include "tests/support/mutant_record.hpp"
#include "tests/support/rwsem_faults.hpp"
#include "tests/support/small_mutants.hpp"

namespace lockbench::test {
namespace {

using explore::Act;
using explore::Failure;
using explore::Fault;
using explore::Model;
using explore::Mutation;
using explore::Mutator;
using explore::Operation;

using Play = Verdict (*)(const Client&, const Options&);

// One place of a registered lock's source: the n-th of its kind in the file, among those that the client reaches.
struct Place {
    std::string_view file;
    Act act = Act::load;
    Order order = Order::relaxed;
    Fault fault = Fault::order;
    Order weaker = Order::relaxed;
    std::size_t nth = 0;
};

struct Row {
    std::string_view id;
    std::string_view mutant;  // in words
    std::string_view roles;
    unsigned sections;
    Failure found;  // as what
    Play wrong;
    Play right;
    Place place = {};  // where wrong == right: what is made wrong in it
    Model model = Model::rc11;
};

// NOLINTNEXTLINE(readability-identifier-naming): GoogleTest asks for it
void PrintTo(const Row& row, std::ostream* out) { *out << row.id << ": " << row.mutant; }

Client client_of(const Row& row) {
    Client client{std::string(row.roles), row.sections, ""};
    for (std::size_t i = 0; i < row.roles.size();) {
        const std::size_t end = std::min(row.roles.find_first_not_of(row.roles[i], i), row.roles.size());
        client.text += std::to_string(end - i) + row.roles[i];
        i = end;
    }
    client.text += row.sections == 1 ? "" : "x" + std::to_string(row.sections);
    return client;
}

// What the right form is explored for at most: its verdict on small clients is for others to give.
constexpr std::uint64_t kRightBudget = 2000;
constexpr std::uint64_t kWrongBudget = 50'000;

Options options_of(const Row& row, std::uint64_t budget) {
    Options options;
    options.model = row.model;
    options.max_executions = budget;
    return options;
}

Mutation mutation_of(const Row& row, const Client& client) {
    const Mutator notes;
    static_cast<void>(row.right(client, options_of(row, kRightBudget)));
    std::size_t seen = 0;
    for (const Operation& operation : notes.noted()) {
        const bool here = std::string_view(operation.site.file).ends_with(row.place.file) &&
                          operation.act == row.place.act && operation.order == row.place.order;
        if (here && seen++ == row.place.nth) {
            return {operation, row.place.fault, row.place.weaker};
        }
    }
    ADD_FAILURE() << "no such place in " << row.place.file;
    return {};
}

Verdict wrong(const Row& row, const Client& client) {
    if (row.place.file.empty()) {
        return row.wrong(client, options_of(row, kWrongBudget));
    }
    const Mutation mutation = mutation_of(row, client);
    const Mutator mutator(mutation);
    return row.wrong(client, options_of(row, kWrongBudget));
}

class Mutants : public ::testing::TestWithParam<Row> {};

TEST_P(Mutants, AreCaught) {
    const Row& row = GetParam();
    const Client client = client_of(row);
    const Verdict found = wrong(row, client);
    EXPECT_EQ(to_string(found.failure), to_string(row.found)) << found.message << "\n" << found.trace;
    const std::uint64_t executions = found.counts.complete + found.counts.blocked + found.counts.cut;
    // At least as far as the fault was away.
    const Verdict right = row.right(client, options_of(row, executions + kRightBudget));
    EXPECT_TRUE(right.passed()) << to_string(right.failure) << ": " << right.message << "\n" << right.trace;
    record_mutant({row.id, row.mutant, "G", row.model == Model::sc ? "SC" : "RC11", client.text,
                   to_string(found.failure), executions, !found.passed()});
}

template <class L>
Verdict lock(const Client& client, const Options& options) {
    return check_lock<L>(client, options);
}

template <template <class> class Fault>
using Today = Rwsem<Explore, TicketLock<Explore>, RwsemPolicy, Fault<Explore>>;
template <template <class> class Fault>
using Of53 = Rwsem53<Explore, TicketLock<Explore>, Rwsem53Policy, Fault<Explore>>;
using RightToday = Rwsem<Explore>;
using RightOf53 = Rwsem53<Explore>;
template <Bug kBug>
using Sem = SmallSem<Explore, kBug>;
template <Bug kBug>
using Rw = SmallRw<Explore, kBug>;

template <class Wrong, class Right>
constexpr Row found(std::string_view id, std::string_view mutant, std::string_view roles, unsigned sections,
                    Failure failure) {
    return {id, mutant, roles, sections, failure, &lock<Wrong>, &lock<Right>};
}
constexpr Row placed(std::string_view id, std::string_view mutant, std::string_view roles, unsigned sections,
                     Failure failure, Play play, Place place) {
    return {id, mutant, roles, sections, failure, play, play, place};
}

const Row kRows[] = {
    found<NarrowTicket<Explore, Slip::half_compared>, NarrowTicket<Explore>>(
        "M2", "ticket of two bits: a try compares the next ticket alone", "tww", 2, Failure::liveness),
    placed("M3", "mcs: the exchange of the tail acquires only", "ww", 1, Failure::race, &lock<McsLock<Explore>>,
           {"locks/mcs.hpp", Act::rmw, acq_rel, Fault::order, acquire}),
    placed("M4", "mcs: the link is not a release, locked may be cleared behind it", "ww", 1, Failure::race,
           &lock<McsLock<Explore>>, {"locks/mcs.hpp", Act::store, release, Fault::order, relaxed, 1}),
    found<SmallMcs<Explore, Bug::link_before_locked>, SmallMcs<Explore>>(
        "M4", "small MCS: linked first, then locked is cleared", "ww", 1, Failure::liveness),
    placed("M5", "osq: the link is not a release, prev may be set behind it", "wlw", 1, Failure::race, &spinners,
           {"locks/osq.hpp", Act::store, release, Fault::order, relaxed, 0}),
    placed("M6", "osq: the exchange of the tail acquires only", "ww", 1, Failure::liveness, &lock<OsqLock<Explore>>,
           {"locks/osq.hpp", Act::rmw, acq_rel, Fault::order, acquire}),
    placed("M6b", "osq: step B looks at next and clears it, in two steps", "wll", 1, Failure::check_failed, &spinners,
           {"locks/osq.hpp", Act::rmw, acquire, Fault::halved}),
    placed("M7a", "qspinlock: the link is not a release of the node's setting up", "www", 1, Failure::race,
           &lock<QSpinLock<Explore, SubWord::mixed>>,
           {"locks/qspinlock.hpp", Act::store, release, Fault::order, relaxed, 0}),
    {"M7d",
     "qspinlock: is_locked() without its fence",
     "ww",
     1,
     Failure::check_failed,
     &each_asks_for_the_other<QSpinLock<Explore, SubWord::mixed>>,
     &each_asks_for_the_other<QSpinLock<Explore, SubWord::mixed>>,
     {"locks/qspinlock.hpp", Act::fence, seq_cst, Fault::left_out}},
    {"M7b", "small pending lock: the bit is set by an exchange that any change makes fail", "vw", 3,
     Failure::check_failed, &steps_bounded<SmallPending<Explore, Slip::pending_by_guess>>,
     &steps_bounded<SmallPending<Explore>>},
    {"M8", "mutex_3_10, freed by its last owner while the one before is still in unlock", "ww", 1,
     Failure::use_after_free, &freed_by_the_last<Mutex310<Explore>>, &freed_by_the_last<TicketLock<Explore>>},
    {"M8", "rwsem_3_8, freed likewise", "ww", 1, Failure::use_after_free, &freed_by_the_last<Rwsem38<Explore>>,
     &freed_by_the_last<McsLock<Explore>>},
    found<Rw<Bug::relaxed_commit>, Rw<Bug::none>>(
        "M9", "small rwlock: the head writer's poll acquires, its exchange does not", "iw", 2, Failure::race),
    found<Rw<Bug::unlock_clears_wrong_byte>, Rw<Bug::none>>(
        "M11", "small rwlock: unlock clears the byte at the other end", "rw", 1, Failure::check_failed),
    found<Rw<Bug::reader_keeps_unit>, Rw<Bug::none>>("M11b", "small rwlock: a reader that queues keeps its unit", "rww",
                                                     1, Failure::liveness),
    {"M16", "rwsem: the waker looks at the waiter after it let it go", "rw", 1, Failure::use_after_free,
     &brief_tokens<Today<M16>>, &brief_tokens<RightToday>},
    found<Sem<Bug::grant_before_count>, Sem<Bug::none>>(
        "M17", "small semaphore: waiters are let in before they are counted", "wwo", 1, Failure::check_failed),
    found<SmallXadd<Explore, Slip::unsigned_compare>, SmallXadd<Explore>>(
        "M18", "semaphore of 3.8: the count is compared without its sign", "rw", 1, Failure::liveness),
    found<Rwsem50<Explore, TicketLock<Explore>, M19<Explore>>, Rwsem50<Explore>>(
        "M19", "rwsem_5_0: the look for a spinner comes before the release", "ww", 1, Failure::liveness),
    found<Today<M20>, RightToday>("M20", "rwsem: the wake-up comes before the task is cleared", "rw", 1,
                                  Failure::liveness),
    found<Today<M21>, RightToday>("M21", "rwsem: the exit from an empty queue does not acquire", "rw", 1,
                                  Failure::race),
    found<Today<M22>, RightToday>("M22", "rwsem: a sleeper's look at its task does not acquire", "rw", 1,
                                  Failure::race),
    found<Today<M24>, RightToday>("M24", "rwsem: the last to give up leaves the hand-off set", "wk", 1,
                                  Failure::check_failed),
    {"M31", "rwsem: preemption is on between count and owner", "ww", 1, Failure::liveness, &preempted_taker<OneCpuOpen>,
     &preempted_taker<OneCpu>},
    found<SmallXadd<Explore, Slip::units_last>, SmallXadd<Explore>>(
        "M36", "semaphore of 3.8: units are added when the readers are on their way", "rww", 1, Failure::liveness),
    found<Today<M37>, RightToday>("M37", "rwsem: whoever queues wakes nobody", "rw", 1, Failure::liveness),
    found<WrappingRwlock<Explore>, RwlockClassic<Explore>>("M38", "rwlock_classic: bias 100 in eight bits", "wwwr", 1,
                                                           Failure::exclusion),
    found<Today<M40>, RightToday>("M40", "rwsem: a downgrade publishes nothing", "rd", 1, Failure::race),
};

// --- faults at one place, on a small semaphore

std::vector<Mutation> all_of(const Client& client) {
    const Mutator notes;
    EXPECT_TRUE(check_lock<Sem<Bug::none>>(client, {}).exhaustive) << "noting changes nothing";
    std::vector<Mutation> all;
    for (const Operation& operation : notes.noted()) {
        for (const Mutation& mutation : explore::mutations_of(operation)) {
            all.push_back(mutation);
        }
    }
    return all;
}

TEST(FaultsAtOnePlace, AreMadeOneAtATimeAndFound) {
    const Client client{"ww", 1, "2w"};
    std::set<std::string> found;
    for (const Mutation& mutation : all_of(client)) {
        const Mutator mutator(mutation);
        const Verdict verdict = check_lock<Sem<Bug::none>>(client, {});
        if (!verdict.passed()) {
            found.insert(describe(mutation) + ": " + std::string(to_string(verdict.failure)));
        }
    }
    for (const char* wanted : {"wake in unlock left out: liveness", "sleep_prepare behind the re-check: liveness",
                               "load acquire -> relaxed: race", "store release -> relaxed: race"}) {
        EXPECT_EQ(found.count(wanted), 1U) << wanted;
    }
    EXPECT_TRUE(check_lock<Sem<Bug::none>>(client, {}).exhaustive) << "nothing stays";
}

TEST(FaultsAtOnePlace, EveryOrderHasItsNextWeaker) {
    const auto told = [](Act act, Order order, Order failure) {
        std::string all;
        for (const Mutation& mutation : explore::mutations_of({act, explore::InCall::elsewhere, order, failure, {}})) {
            all += describe(mutation) + "; ";
        }
        return all;
    };
    EXPECT_EQ(told(Act::load, seq_cst, seq_cst), "load seq_cst -> acquire; ");
    EXPECT_EQ(told(Act::load, relaxed, relaxed), "");
    EXPECT_EQ(told(Act::store, seq_cst, seq_cst), "store seq_cst -> release; ");
    EXPECT_EQ(told(Act::fence, acq_rel, acq_rel),
              "fence acq_rel -> acquire; fence acq_rel -> release; fence acq_rel left out; ");
    EXPECT_EQ(told(Act::rmw, acq_rel, acquire),
              "rmw acq_rel -> acquire; rmw acq_rel -> release; rmw that fails, acquire -> relaxed; "
              "rmw acq_rel -> load, store; ");
    EXPECT_EQ(told(Act::wake, seq_cst, seq_cst), "wake left out; ");
    EXPECT_EQ(told(Act::prepare, seq_cst, seq_cst), "sleep_prepare behind the re-check; ");
}

std::string name_of(const ::testing::TestParamInfo<Row>& info) {
    return std::string(info.param.id) + "_" + std::to_string(info.index);
}
INSTANTIATE_TEST_SUITE_P(Each, Mutants, ::testing::ValuesIn(kRows), name_of);

}  // namespace
}  // namespace lockbench::test
