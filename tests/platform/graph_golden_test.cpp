// SPDX-License-Identifier: MIT
// The explorer's counts of complete executions against those of GenMC on the same small locks and clients.
#include <gtest/gtest.h>

#include "tests/support/golden_graphs.hpp"

namespace lockbench::test {
namespace {

using explore::Model;
using explore::Options;
using explore::Verdict;
using golden::exclusive;
using golden::mcs;
using golden::P;
using golden::qrw;

Options under(Model model) {
    Options options;
    options.model = model;
    return options;
}
void proves(const Verdict& verdict, std::uint64_t executions) {
    EXPECT_TRUE(verdict.exhaustive) << to_string(verdict.failure) << ": " << verdict.message << "\n" << verdict.trace;
    EXPECT_EQ(verdict.counts.complete, executions);
}

class GraphGolden : public testing::TestWithParam<Model> {};

TEST_P(GraphGolden, Ticket) {
    proves(exclusive<ReferenceTicket<P>>(3, 1, under(GetParam())), 6);
    proves(exclusive<ReferenceTicket<P>>(3, 2, under(GetParam())), 90);
    proves(exclusive<ReferenceTicket<P>>(4, 1, under(GetParam())), 24);
}

TEST_P(GraphGolden, Ttas) {
    proves(exclusive<ReferenceTtas<P>>(3, 1, under(GetParam())), 36);
    proves(exclusive<ReferenceTtas<P>>(2, 2, under(GetParam())), 34);
    proves(exclusive<ReferenceTtas<P>>(3, 2, under(GetParam())), 7134);
    proves(exclusive<ReferenceTtas<P>>(4, 1, under(GetParam())), 576);
}

TEST_P(GraphGolden, Mcs) {
    proves(mcs(2, 2, under(GetParam())), 78);
    proves(mcs(3, 1, under(GetParam())), 66);
    proves(mcs(4, 1, under(GetParam())), 1080);
    proves(mcs(3, 2, under(GetParam())), 17670);
}

TEST_P(GraphGolden, Qrwlock) {
    proves(qrw(2, 1, 1, under(GetParam())), 594);
    proves(qrw(1, 2, 1, under(GetParam())), 400);
    proves(qrw(1, 1, 2, under(GetParam())), 370);
    proves(qrw(2, 2, 1, under(GetParam())), 108516);
}

INSTANTIATE_TEST_SUITE_P(Models, GraphGolden, testing::Values(Model::rc11, Model::sc),
                         [](const auto& each) { return each.param == Model::sc ? "sc" : "rc11"; });

}  // namespace
}  // namespace lockbench::test
