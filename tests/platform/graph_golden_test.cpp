// SPDX-License-Identifier: MIT
// The explorer's counts of complete executions against those of GenMC on the same small locks and clients.
#include <gtest/gtest.h>

#include <cstdint>

#include "platform/explore/explore.hpp"
#include "platform/explore/verdict.hpp"
#include "tests/support/reference_locks.hpp"

namespace lockbench::test {
namespace {

using explore::Arena;
using explore::Model;
using explore::Options;
using explore::Program;
using explore::Verdict;
using P = Explore;

struct Data {
    P::Plain<std::uint64_t> low{std::uint64_t{0}};
    P::Plain<std::uint64_t> high{std::uint64_t{0}};

    void write() {
        low.set(low.get() + 1);
        high.set(high.get() + 1);
    }
    void read() const { check(low.get() == high.get(), "a reader sees half of a section"); }
};

// The same thing done by each of `threads`, `sections` times.
template <class Lock, class Section>
Verdict count(unsigned threads, unsigned sections, Model model, Section section) {
    struct Shared {
        Lock lock;
        Data data;
    };
    Shared* shared = nullptr;
    Program program;
    program.threads = threads;
    program.setup = [&](Arena& arena) { shared = &arena.make<Shared>(); };
    program.body = [&](ThreadId tid) {
        for (unsigned i = 0; i < sections; ++i) {
            section(*shared, tid);
        }
    };
    Options options;
    options.model = model;
    Verdict verdict = explore::explore_graphs(program, options);
    EXPECT_TRUE(verdict.exhaustive) << to_string(verdict.failure) << ": " << verdict.message << "\n" << verdict.trace;
    return verdict;
}

template <class Lock>
std::uint64_t exclusive(unsigned threads, unsigned sections, Model model) {
    return count<Lock>(threads, sections, model,
                       [](auto& shared, ThreadId) {
                           shared.lock.lock();
                           shared.data.write();
                           shared.lock.unlock();
                       })
        .counts.complete;
}

struct McsWithNodes {
    ReferenceMcs<P> mcs;
    ReferenceMcs<P>::Node nodes[explore::kMaxFibers];
};
std::uint64_t mcs(unsigned threads, unsigned sections, Model model) {
    return count<McsWithNodes>(threads, sections, model,
                               [](auto& shared, ThreadId tid) {
                                   auto& node = shared.lock.nodes[tid];
                                   shared.lock.mcs.lock(node);
                                   shared.data.write();
                                   shared.lock.mcs.unlock(node);
                               })
        .counts.complete;
}

std::uint64_t qrw(unsigned readers, unsigned writers, unsigned sections, Model model) {
    return count<ReferenceQrw<P>>(readers + writers, sections, model,
                                  [readers](auto& shared, ThreadId tid) {
                                      if (tid < readers) {
                                          shared.lock.read_lock();
                                          shared.data.read();
                                          shared.lock.read_unlock();
                                      } else {
                                          shared.lock.write_lock();
                                          shared.data.write();
                                          shared.lock.write_unlock();
                                      }
                                  })
        .counts.complete;
}

class GraphGolden : public testing::TestWithParam<Model> {};

TEST_P(GraphGolden, Ticket) {
    EXPECT_EQ(exclusive<ReferenceTicket<P>>(3, 1, GetParam()), 6U);
    EXPECT_EQ(exclusive<ReferenceTicket<P>>(3, 2, GetParam()), 90U);
    EXPECT_EQ(exclusive<ReferenceTicket<P>>(4, 1, GetParam()), 24U);
}

TEST_P(GraphGolden, Ttas) {
    EXPECT_EQ(exclusive<ReferenceTtas<P>>(3, 1, GetParam()), 36U);
    EXPECT_EQ(exclusive<ReferenceTtas<P>>(2, 2, GetParam()), 34U);
    EXPECT_EQ(exclusive<ReferenceTtas<P>>(3, 2, GetParam()), 7134U);
    EXPECT_EQ(exclusive<ReferenceTtas<P>>(4, 1, GetParam()), 576U);
}

TEST_P(GraphGolden, Mcs) {
    EXPECT_EQ(mcs(2, 2, GetParam()), 78U);
    EXPECT_EQ(mcs(3, 1, GetParam()), 66U);
    EXPECT_EQ(mcs(4, 1, GetParam()), 1080U);
    EXPECT_EQ(mcs(3, 2, GetParam()), 17670U);
}

TEST_P(GraphGolden, Qrwlock) {
    EXPECT_EQ(qrw(2, 1, 1, GetParam()), 594U);
    EXPECT_EQ(qrw(1, 2, 1, GetParam()), 400U);
    EXPECT_EQ(qrw(1, 1, 2, GetParam()), 370U);
    EXPECT_EQ(qrw(2, 2, 1, GetParam()), 108516U);
}

INSTANTIATE_TEST_SUITE_P(Models, GraphGolden, testing::Values(Model::rc11, Model::sc),
                         [](const auto& each) { return each.param == Model::sc ? "sc" : "rc11"; });

}  // namespace
}  // namespace lockbench::test
