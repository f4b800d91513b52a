// SPDX-License-Identifier: MIT
// Engine G against the definition: random straight-line programs, whose executions are also found by trying every
// reads-from and every modification order, and judging each by the axioms as they are written down. Nothing is shared
// with the engine, and the numbers must be equal.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "platform/ctx.hpp"
#include "platform/explore/explore.hpp"
#include "platform/explore/verdict.hpp"
#include "tests/support/effort.hpp"

namespace lockbench::test {
namespace {

using explore::Model;
using P = Explore;

enum class What { load, store, exchange, fence, await };
struct Op {
    What what;
    Order order;
    unsigned loc;
    int value;  // written; await: at least this
};
using Source = std::vector<std::vector<Op>>;
constexpr unsigned kLocs = 2;

// A relation on the events of the program that is judged, up to 32.
std::size_t event_count = 0;
struct Relation {
    static constexpr std::size_t kMost = 32;
    std::array<std::uint32_t, kMost> row{};
    void add(std::size_t a, std::size_t b) { row[a] |= 1U << b; }
    [[nodiscard]] bool has(std::size_t a, std::size_t b) const { return (row[a] >> b & 1U) != 0; }
    Relation operator|(const Relation& other) const {
        Relation result = *this;
        for (std::size_t i = 0; i < event_count; ++i) {
            result.row[i] |= other.row[i];
        }
        return result;
    }
    // Composition.
    Relation operator*(const Relation& other) const {
        Relation result;
        for (std::size_t a = 0; a < event_count; ++a) {
            for (std::size_t b = 0; b < event_count; ++b) {
                result.row[a] |= has(a, b) ? other.row[b] : 0U;
            }
        }
        return result;
    }
    [[nodiscard]] Relation closed() const {
        Relation result = *this;
        for (std::size_t via = 0; via < event_count; ++via) {
            for (std::size_t a = 0; a < event_count; ++a) {
                result.row[a] |= result.has(a, via) ? result.row[via] : 0U;
            }
        }
        return result;
    }
    [[nodiscard]] bool reflexive_somewhere() const {
        for (std::size_t a = 0; a < event_count; ++a) {
            if (has(a, a)) {
                return true;
            }
        }
        return false;
    }
    [[nodiscard]] bool acyclic() const { return !closed().reflexive_somewhere(); }
    template <class Keep>
    [[nodiscard]] Relation where(Keep keep) const {
        Relation result;
        for (std::size_t a = 0; a < event_count; ++a) {
            for (std::size_t b = 0; b < event_count; ++b) {
                if (has(a, b) && keep(a, b)) {
                    result.add(a, b);
                }
            }
        }
        return result;
    }
};

struct Node {
    bool read = false;
    bool write = false;
    bool fence = false;
    bool second = false;  // the writing part of an exchange; its reading part comes just before
    bool await = false;
    Order order = Order::relaxed;
    unsigned loc = 0;
    int value = 0;
    unsigned thread = 0;
};

// Counts the consistent executions in which every await is satisfied.
class Oracle {
  public:
    Oracle(const Source& source, Model model) : model_(model) {
        for (unsigned loc = 0; loc < kLocs; ++loc) {
            Node first;
            first.write = true;
            first.loc = loc;
            first.thread = 100 + loc;
            nodes_.push_back(first);
        }
        for (unsigned thread = 0; thread < source.size(); ++thread) {
            for (const Op& op : source[thread]) {
                add(op, thread);
            }
        }
    }

    std::uint64_t count() {
        rf_.assign(nodes_.size(), 0);
        event_count = nodes_.size();
        choose_rf(0);
        return count_;
    }

  private:
    void add(const Op& op, unsigned thread) {
        Node node;
        node.order = op.order;
        node.loc = op.loc;
        node.thread = thread;
        node.fence = op.what == What::fence;
        node.read = op.what == What::load || op.what == What::exchange || op.what == What::await;
        node.await = op.what == What::await;
        node.write = op.what == What::store;
        node.value = op.value;
        nodes_.push_back(node);
        if (op.what == What::exchange) {
            node.read = false;
            node.write = node.second = true;
            nodes_.push_back(node);
        }
    }

    void choose_rf(std::size_t from) {
        if (from == nodes_.size()) {
            orders_.assign(kLocs, {});
            for (std::size_t i = 0; i < nodes_.size(); ++i) {
                if (nodes_[i].write) {
                    orders_[nodes_[i].loc].push_back(i);
                }
            }
            choose_mo(0);
            return;
        }
        if (!nodes_[from].read) {
            choose_rf(from + 1);
            return;
        }
        for (std::size_t write = 0; write < nodes_.size(); ++write) {
            if (nodes_[write].write && nodes_[write].loc == nodes_[from].loc &&
                (!nodes_[from].await || nodes_[write].value >= nodes_[from].value)) {
                rf_[from] = write;
                choose_rf(from + 1);
            }
        }
    }
    void choose_mo(unsigned loc) {
        if (loc == kLocs) {
            count_ += consistent() ? 1U : 0U;
            return;
        }
        auto& order = orders_[loc];  // its first element is the first value
        std::sort(order.begin(), order.end());
        do {
            choose_mo(loc + 1);
        } while (std::next_permutation(order.begin() + 1, order.end()));
    }

    [[nodiscard]] bool consistent() const {
        const std::size_t n = nodes_.size();
        Relation po;
        Relation rf;
        Relation mo;
        Relation rmw;
        for (std::size_t a = 0; a < n; ++a) {
            for (std::size_t b = a + 1; b < n; ++b) {
                if (nodes_[a].thread == nodes_[b].thread || a < kLocs) {
                    po.add(a, b);
                }
            }
            if (nodes_[a].read) {
                rf.add(rf_[a], a);
            }
            if (nodes_[a].second) {
                rmw.add(a - 1, a);
            }
        }
        for (const auto& order : orders_) {
            for (std::size_t i = 0; i < order.size(); ++i) {
                for (std::size_t j = i + 1; j < order.size(); ++j) {
                    mo.add(order[i], order[j]);
                }
            }
        }
        Relation fr;
        for (std::size_t read = 0; read < n; ++read) {
            if (nodes_[read].read) {
                fr.row[read] = mo.row[rf_[read]];
            }
        }
        // Atomicity: no write between.
        if ((fr * mo).where([&](std::size_t a, std::size_t b) { return rmw.has(a, b); }).row != Relation().row) {
            return false;
        }
        const Relation all = po | rf | mo | fr;
        return model_ == Model::sc ? all.acyclic() : (po | rf).acyclic() && rc11(po, rf, mo, fr, rmw);
    }

    [[nodiscard]] bool rc11(const Relation& po, const Relation& rf, const Relation& mo, const Relation& fr,
                            const Relation& rmw) const {
        const std::size_t n = nodes_.size();
        const auto acquires = [](Order o) { return o == acquire || o == acq_rel || o == seq_cst; };
        const auto releases = [](Order o) { return o == release || o == acq_rel || o == seq_cst; };
        // sw = [rel] ; ([F];po)? ; rs ; rf ; (po;[F])? ; [acq], rs = [W] ; (rf;rmw)*
        Relation same;
        for (std::size_t i = 0; i < n; ++i) {
            same.add(i, i);
        }
        const Relation rs =
            (same | (rf * rmw).closed()).where([&](std::size_t a, std::size_t) { return nodes_[a].write; });
        const Relation before = same | po.where([&](std::size_t a, std::size_t) { return nodes_[a].fence; });
        const Relation after = same | po.where([&](std::size_t, std::size_t b) { return nodes_[b].fence; });
        const Relation sw = (before * rs * rf * after).where([&](std::size_t a, std::size_t b) {
            return a >= kLocs && releases(nodes_[a].order) && acquires(nodes_[b].order) &&
                   (nodes_[a].fence || nodes_[a].write) && (nodes_[b].fence || nodes_[b].read);
        });
        const Relation hb = (po | sw).closed();
        const Relation eco = (rf | mo | fr).closed();
        if (hb.reflexive_somewhere() || (hb * eco).reflexive_somewhere()) {
            return false;
        }
        const auto located = [&](std::size_t a) { return nodes_[a].read || nodes_[a].write; };
        const auto same_loc = [&](std::size_t a, std::size_t b) {
            return located(a) && located(b) && nodes_[a].loc == nodes_[b].loc;
        };
        const Relation other = po.where([&](std::size_t a, std::size_t b) { return !same_loc(a, b); });
        const Relation scb = po | (other * hb * other) | hb.where(same_loc) | mo | fr;
        const auto is_sc = [&](std::size_t a) { return a >= kLocs && nodes_[a].order == seq_cst; };
        const auto sc_fence = [&](std::size_t a) { return nodes_[a].fence && is_sc(a); };
        const Relation id = same.where([&](std::size_t a, std::size_t) { return is_sc(a); });
        const Relation fence = same.where([&](std::size_t a, std::size_t) { return sc_fence(a); });
        const Relation base = (id | fence * hb) * scb * (id | hb * fence);
        const Relation psc_f = fence * (hb | hb * eco * hb) * fence;
        return (base | psc_f).acyclic();
    }

    Model model_;
    std::vector<Node> nodes_;
    std::vector<std::size_t> rf_;
    std::vector<std::vector<std::size_t>> orders_;
    std::uint64_t count_ = 0;
};

std::uint64_t engine_count(const Source& source, Model model, explore::Verdict& verdict) {
    struct Shared {
        P::Atomic<int> at[kLocs];
        Shared() {
            for (auto& each : at) {
                each.init(0);
            }
        }
    };
    Shared* shared = nullptr;
    explore::Program program;
    program.threads = static_cast<ThreadId>(source.size());
    program.setup = [&](explore::Arena& arena) { shared = &arena.make<Shared>(); };
    program.body = [&](ThreadId tid) {
        for (const Op& op : source[tid]) {
            auto& atomic = shared->at[op.loc];
            if (op.what == What::load) {
                (void)atomic.load(op.order);
            } else if (op.what == What::store) {
                atomic.store(op.value, op.order);
            } else if (op.what == What::exchange) {
                (void)atomic.exchange(op.value, op.order);
            } else if (op.what == What::fence) {
                P::fence(op.order);
            } else {
                const int least = op.value;
                atomic.await([least](int value) { return value >= least; }, op.order);
            }
        }
    };
    explore::Options options;
    options.model = model;
    verdict = explore::explore_graphs(program, options);
    return verdict.counts.complete;
}

Source random_source(RandomStream& random, bool with_awaits) {
    const unsigned threads = 2 + random.below(2);
    Source source(threads);
    int value = 1;
    constexpr Order kLoads[] = {relaxed, acquire, seq_cst};
    constexpr Order kStores[] = {relaxed, release, seq_cst};
    constexpr Order kBoth[] = {relaxed, acquire, release, acq_rel, seq_cst};
    constexpr Order kFences[] = {acquire, release, acq_rel, seq_cst, seq_cst};
    for (auto& thread : source) {
        const unsigned ops = threads == 2 ? 2 + random.below(3) : 1 + random.below(3);
        for (unsigned i = 0; i < ops; ++i) {
            const unsigned loc = random.below(kLocs);
            switch (random.below(with_awaits ? 6 : 5)) {
                case 0:
                case 1:
                    thread.push_back({What::load, kLoads[random.below(3)], loc, 0});
                    break;
                case 2:
                    thread.push_back({What::store, kStores[random.below(3)], loc, value++});
                    break;
                case 3:
                    thread.push_back({What::exchange, kBoth[random.below(5)], loc, value++});
                    break;
                case 4:
                    thread.push_back({What::fence, kFences[random.below(5)], 0, 0});
                    break;
                default:
                    thread.push_back(
                        {What::await, kLoads[random.below(2)], loc, 1 + static_cast<int>(random.below(4))});
            }
        }
    }
    return source;
}

std::string to_text(const Source& source) {
    constexpr const char* kWhats[] = {"load", "store", "exchange", "fence", "await"};
    std::string text;
    for (const auto& thread : source) {
        text += "thread:";
        for (const Op& op : thread) {
            text += std::string(" ") + kWhats[static_cast<int>(op.what)] + "(" + std::to_string(op.loc) + "," +
                    std::to_string(op.value) + ",o" + std::to_string(static_cast<int>(op.order)) + ")";
        }
        text += "\n";
    }
    return text;
}

void compare(unsigned programs, std::uint64_t seed, bool with_awaits) {
    RandomStream random(seed);
    std::uint64_t executions = 0;
    for (unsigned i = 0; i < programs; ++i) {
        const Source source = random_source(random, with_awaits);
        for (const Model model : {Model::rc11, Model::sc}) {
            explore::Verdict verdict;
            const std::uint64_t found = engine_count(source, model, verdict);
            if (verdict.failure == explore::Failure::liveness) {
                continue;  // an await that nobody ever satisfies ends the search
            }
            const std::uint64_t expected = Oracle(source, model).count();
            ASSERT_EQ(found, expected) << "program " << i << (model == Model::sc ? " sc\n" : " rc11\n")
                                       << to_text(source);
            executions += found;
        }
    }
    EXPECT_GT(executions, programs);
}

TEST(GraphOracle, RandomPrograms) { compare(seeds(60), 1, false); }
TEST(GraphOracle, RandomProgramsWithAwaits) { compare(seeds(25), 2, true); }

}  // namespace
}  // namespace lockbench::test
