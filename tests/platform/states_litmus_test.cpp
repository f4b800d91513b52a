// SPDX-License-Identifier: MIT
// Litmus programs on engine S: under SC it must show what engine G shows, under TSO that and what x86's store buffers
// add.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/support/litmus.hpp"

namespace lockbench::test {
namespace {

using litmus::Body;
using litmus::Outcome;
using litmus::Vars;
using Threads = std::vector<Body>;
using P = Explore;

std::set<Outcome> shown(explore::Verdict (*engine)(const explore::Program&, const explore::Options&),
                        const Threads& threads, explore::Model model) {
    Vars* vars = nullptr;
    Outcome now{};
    std::set<Outcome> outcomes;
    explore::Program program;
    program.threads = static_cast<ThreadId>(threads.size());
    program.setup = [&](explore::Arena& arena) { vars = &arena.make<Vars>(); };
    program.body = [&](ThreadId tid) { threads[tid](*vars, now); };
    program.verify = [&] {
        now[litmus::kFinalX] = vars->x.peek();
        now[litmus::kFinalY] = vars->y.peek();
        outcomes.insert(now);
    };
    explore::Options options;
    options.model = model;
    const explore::Verdict verdict = engine(program, options);
    EXPECT_TRUE(verdict.exhaustive) << verdict.message << "\n" << verdict.trace;
    return outcomes;
}

struct Program {
    const char* name;
    Threads threads;
    std::vector<int> weak;  // what no interleaving shows: what the threads read; final x and y in the last two
    bool on_tso;
};

bool has(const std::set<Outcome>& outcomes, const std::vector<int>& values) {
    return std::any_of(outcomes.begin(), outcomes.end(), [&](const Outcome& outcome) {
        bool same = true;
        for (std::size_t i = 0; i < values.size(); ++i) {
            same = same && (values[i] < 0 || outcome[i] == values[i]);
        }
        return same;
    });
}

void fence() { P::fence(seq_cst); }
constexpr auto kNoFence = [] {};

// Each thread stores and then loads what the other stores.
template <class Between0, class Between1>
Threads store_buffering(Between0 first, Between1 second, Order store = relaxed) {
    return {[=](Vars& v, Outcome& o) {
                v.x.store(1, store);
                first();
                o[0] = v.y.load(relaxed);
            },
            [=](Vars& v, Outcome& o) {
                v.y.store(1, store);
                second();
                o[1] = v.x.load(relaxed);
            }};
}
template <class Between0, class Between1>
Threads message_passing(Between0 first, Between1 second) {
    return {[=](Vars& v, Outcome&) {
                v.x.store(1, relaxed);
                first();
                v.y.store(1, relaxed);
            },
            [=](Vars& v, Outcome& o) {
                o[0] = v.y.load(relaxed);
                second();
                o[1] = v.x.load(relaxed);
            }};
}
template <class Between>
Threads load_buffering(Between between) {
    return {[=](Vars& v, Outcome& o) {
                o[0] = v.x.load(relaxed);
                between();
                v.y.store(1, relaxed);
            },
            [=](Vars& v, Outcome& o) {
                o[1] = v.y.load(relaxed);
                between();
                v.x.store(1, relaxed);
            }};
}
template <class Between>
Threads two_writes_each(Between between) {
    return {[=](Vars& v, Outcome&) {
                v.x.store(1, relaxed);
                between();
                v.y.store(2, relaxed);
            },
            [=](Vars& v, Outcome&) {
                v.y.store(1, relaxed);
                between();
                v.x.store(2, relaxed);
            }};
}
template <class Between0, class Between1>
Threads r_shape(Between0 first, Between1 second) {
    return {[=](Vars& v, Outcome&) {
                v.x.store(1, relaxed);
                first();
                v.y.store(1, relaxed);
            },
            [=](Vars& v, Outcome& o) {
                v.y.store(2, relaxed);
                second();
                o[0] = v.x.load(relaxed);
            }};
}
template <class Between>
Threads s_shape(Between between) {
    return {[=](Vars& v, Outcome&) {
                v.x.store(2, relaxed);
                between();
                v.y.store(1, relaxed);
            },
            [=](Vars& v, Outcome& o) {
                o[0] = v.y.load(relaxed);
                between();
                v.x.store(1, relaxed);
            }};
}
Threads independent_reads() {
    return {[](Vars& v, Outcome&) { v.x.store(1, relaxed); }, [](Vars& v, Outcome&) { v.y.store(1, relaxed); },
            [](Vars& v, Outcome& o) {
                o[0] = v.x.load(relaxed);
                o[1] = v.y.load(relaxed);
            },
            [](Vars& v, Outcome& o) {
                o[2] = v.y.load(relaxed);
                o[3] = v.x.load(relaxed);
            }};
}
// A thread sees its own store before others do.
Threads own_store_first() {
    return {[](Vars& v, Outcome& o) {
                v.x.store(1, relaxed);
                o[0] = v.x.load(relaxed);
                o[1] = v.y.load(relaxed);
            },
            [](Vars& v, Outcome& o) {
                v.y.store(1, relaxed);
                o[2] = v.y.load(relaxed);
                o[3] = v.x.load(relaxed);
            }};
}
Threads exchanges() {
    return {[](Vars& v, Outcome& o) {
                (void)v.x.exchange(1, relaxed);
                o[0] = v.y.load(relaxed);
            },
            [](Vars& v, Outcome& o) {
                (void)v.y.exchange(1, relaxed);
                o[1] = v.x.load(relaxed);
            }};
}
// Writers put parts of one word and look at another.
Threads parts() {
    using Low = Field<0, 8>;
    return {[](Vars& v, Outcome& o) {
                v.x.field<Low, SubWord::portable>().put(0, 1, release);
                o[0] = v.y.load(relaxed);
            },
            [](Vars& v, Outcome& o) {
                v.y.store(1, relaxed);
                fence();
                o[1] = v.x.load(relaxed);
            }};
}

std::vector<Program> programs() {
    return {
        {"SB", store_buffering(kNoFence, kNoFence), {0, 0}, true},
        {"SB one fence", store_buffering(fence, kNoFence), {0, 0}, true},
        {"SB fences", store_buffering(fence, fence), {0, 0}, false},
        {"SB release fences", store_buffering([] { P::fence(acq_rel); }, [] { P::fence(acq_rel); }), {0, 0}, true},
        {"SB seq_cst stores", store_buffering(kNoFence, kNoFence, seq_cst), {0, 0}, false},
        {"SB exchanges", exchanges(), {0, 0}, false},
        {"SB of a part", parts(), {0, 0}, true},
        {"SB own stores", own_store_first(), {1, 0, 1, 0}, true},
        {"MP", message_passing(kNoFence, kNoFence), {1, 0}, false},
        {"MP fences", message_passing(fence, fence), {1, 0}, false},
        {"LB", load_buffering(kNoFence), {1, 1}, false},
        {"LB fences", load_buffering(fence), {1, 1}, false},
        {"IRIW", independent_reads(), {1, 0, 1, 0}, false},
        {"2+2W", two_writes_each(kNoFence), {-1, -1, -1, -1, 1, 1}, false},
        {"2+2W fences", two_writes_each(fence), {-1, -1, -1, -1, 1, 1}, false},
        {"R", r_shape(kNoFence, kNoFence), {0, -1, -1, -1, -1, 2}, true},
        {"R one fence", r_shape(fence, kNoFence), {0, -1, -1, -1, -1, 2}, true},
        {"R the other fence", r_shape(kNoFence, fence), {0, -1, -1, -1, -1, 2}, false},
        {"R fences", r_shape(fence, fence), {0, -1, -1, -1, -1, 2}, false},
        {"S", s_shape(kNoFence), {1, -1, -1, -1, 2}, false},
        {"S fences", s_shape(fence), {1, -1, -1, -1, 2}, false},
    };
}

TEST(StatesLitmus, OutcomesByModel) {
    for (const Program& program : programs()) {
        const auto sc = shown(&explore::explore_states, program.threads, explore::Model::sc);
        EXPECT_EQ(sc, shown(&explore::explore_graphs, program.threads, explore::Model::sc)) << program.name;
        EXPECT_FALSE(has(sc, program.weak)) << program.name;
        const auto tso = shown(&explore::explore_states, program.threads, explore::Model::tso);
        EXPECT_EQ(has(tso, program.weak), program.on_tso) << program.name;
        EXPECT_TRUE(std::includes(tso.begin(), tso.end(), sc.begin(), sc.end())) << program.name;
        // RC11 allows what TSO does but for the order of other threads' stores, which none of these asks for.
        const auto rc11 = shown(&explore::explore_graphs, program.threads, explore::Model::rc11);
        EXPECT_TRUE(std::includes(rc11.begin(), rc11.end(), tso.begin(), tso.end())) << program.name;
    }
}

struct Operation {
    int kind;
    bool on_y;
    int value;
};
Body body_of(const std::vector<Operation>& operations, std::size_t first_result) {
    return [=](Vars& v, Outcome& o) {
        std::size_t result = first_result;
        for (const Operation& operation : operations) {
            auto& word = operation.on_y ? v.y : v.x;
            switch (operation.kind) {
                case 0:
                    o[result++] = word.load(relaxed);
                    break;
                case 1:
                    word.store(operation.value, release);
                    break;
                case 2:
                    o[result++] = word.fetch_add(operation.value, acq_rel);
                    break;
                case 3:
                    o[result++] = word.try_cas(0, operation.value, relaxed) ? 1 : 0;
                    break;
                default:
                    fence();
            }
        }
    };
}

// The machine itself, one operation or one buffered store at a time, and nothing else.
class X86 {
  public:
    explicit X86(std::vector<std::vector<Operation>> threads) : threads_(std::move(threads)) {}
    std::set<Outcome> run() {
        State state;
        state.next.resize(threads_.size());
        state.results.resize(threads_.size());
        state.buffers.resize(threads_.size());
        from(state);
        return outcomes_;
    }

  private:
    struct State {
        std::array<int, 2> memory{};
        std::vector<std::size_t> next;
        std::vector<std::size_t> results;
        std::vector<std::vector<Operation>> buffers;
        Outcome seen{};
    };

    void from(const State& state) {
        bool done = true;
        for (std::size_t tid = 0; tid < threads_.size(); ++tid) {
            if (!state.buffers[tid].empty()) {
                done = false;
                State after = state;
                const Operation store = after.buffers[tid].front();
                after.buffers[tid].erase(after.buffers[tid].begin());
                after.memory[store.on_y ? 1 : 0] = store.value;
                from(after);
            }
            if (state.next[tid] < threads_[tid].size()) {
                done = false;
                take(state, tid);
            }
        }
        if (done) {
            Outcome outcome = state.seen;
            outcome[litmus::kFinalX] = state.memory[0];
            outcome[litmus::kFinalY] = state.memory[1];
            outcomes_.insert(outcome);
        }
    }
    void take(State state, std::size_t tid) {
        const Operation operation = threads_[tid][state.next[tid]++];
        auto& buffer = state.buffers[tid];
        if (operation.kind >= 2 && !buffer.empty()) {
            return;
        }
        int& word = state.memory[operation.on_y ? 1 : 0];
        int read = word;
        for (const Operation& store : buffer) {
            read = store.on_y == operation.on_y ? store.value : read;
        }
        if (operation.kind == 1) {
            buffer.push_back(operation);
        } else if (operation.kind == 2) {
            word += operation.value;
        } else if (operation.kind == 3) {
            read = word == 0 ? 1 : 0;
            word = word == 0 ? operation.value : word;
        }
        if (operation.kind != 1 && operation.kind != 4) {
            state.seen[2 * tid + state.results[tid]++] = read;
        }
        from(state);
    }

    std::vector<std::vector<Operation>> threads_;
    std::set<Outcome> outcomes_;
};

// On programs that nobody has thought of: under SC what engine G shows, under TSO what the machine shows.
TEST(StatesLitmus, RandomPrograms) {
    std::minstd_rand random(1);
    for (int round = 0; round < 150; ++round) {
        std::vector<std::vector<Operation>> threads(2);
        Threads bodies;
        int value = 0;
        for (std::size_t tid = 0; tid < 2; ++tid) {
            std::size_t results = 0;
            while (threads[tid].size() < 4) {
                Operation operation{static_cast<int>(random() % 5), random() % 2 != 0, ++value};
                const bool reads = operation.kind == 0 || operation.kind == 2 || operation.kind == 3;
                if (!reads || results < 2) {
                    results += reads ? 1 : 0;
                    threads[tid].push_back(operation);
                }
            }
            bodies.push_back(body_of(threads[tid], 2 * tid));
        }
        EXPECT_EQ(shown(&explore::explore_states, bodies, explore::Model::sc),
                  shown(&explore::explore_graphs, bodies, explore::Model::sc))
            << round;
        EXPECT_EQ(shown(&explore::explore_states, bodies, explore::Model::tso), X86(threads).run()) << round;
    }
}

}  // namespace
}  // namespace lockbench::test
