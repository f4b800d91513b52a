// SPDX-License-Identifier: MIT
// What the workloads say about themselves is consistent, and the house's limits hold.
#include "workloads/registry.hpp"

#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <string>

#include "locks/registry.hpp"
#include "platform/native.hpp"

namespace lockbench {
namespace {

using Workloads = AllWorkloads<Native, TicketLock<Native>>;

template <class F>
void for_each_info(F&& f) {
    for_each_type(Workloads{}, [&f]<class W>() { f(W::info()); });
}

bool is_key(std::string_view key) { return std::regex_match(std::string(key), std::regex("[a-z0-9_]+")); }

TEST(WorkloadRegistry, NamesAreTheDesignsAndUnique) {
    std::set<std::string> names;
    for_each_info([&names](const WorkloadInfo& info) {
        EXPECT_TRUE(is_key(info.name)) << info.name;
        EXPECT_TRUE(names.insert(std::string(info.name)).second) << info.name;
        EXPECT_FALSE(info.summary.empty());
        EXPECT_FALSE(info.origin.empty());
    });
    EXPECT_EQ(names, (std::set<std::string>{"aim7", "exit_storm", "file_mkclean", "fork_server", "numa_migration",
                                            "pageable_reclaim", "reclaim_scan", "rw_mix", "vma_adjust"}));
}

TEST(WorkloadRegistry, ParametersAreSound) {
    for_each_info([](const WorkloadInfo& info) {
        std::set<std::string> keys;
        for (const ParamInfo& param : info.params) {
            const std::string where = std::string(info.name) + "." + std::string(param.key);
            EXPECT_TRUE(is_key(param.key)) << where;
            EXPECT_TRUE(keys.insert(std::string(param.key)).second) << where;
            EXPECT_FALSE(param.unit.empty()) << where;
            EXPECT_GE(param.help.size(), 20U) << where;
            EXPECT_EQ(param.help.back(), '.') << where;
            EXPECT_LE(param.min, param.default_value) << where;
            EXPECT_LE(param.default_value, param.max) << where;
            EXPECT_GE(param.min, 0) << where;
            if (param.unit == "enum") {
                EXPECT_EQ(param.min, 0) << where;
                EXPECT_EQ(static_cast<std::size_t>(param.max) + 1, param.names.size()) << where;
            } else {
                EXPECT_TRUE(param.names.empty()) << where;
            }
        }
    });
}

TEST(WorkloadRegistry, RolesOpsAndSitesFit) {
    for_each_info([](const WorkloadInfo& info) {
        ASSERT_FALSE(info.roles.empty());
        ASSERT_EQ(info.roles.size(), info.share_param.size()) << info.name;
        for (std::size_t role = 0; role < info.roles.size(); ++role) {
            ASSERT_LT(info.share_param[role], info.params.size()) << info.name;
            const ParamInfo& share = info.params[info.share_param[role]];
            EXPECT_EQ(share.key, std::string(info.roles[role]) + "_share") << info.name;
            EXPECT_GE(share.min, 1) << info.name;
        }
        EXPECT_LE(info.ops.size(), kMaxOps) << info.name;
        EXPECT_LE(info.sites.size(), kMaxSites) << info.name;
        std::set<std::string> seen;
        bool headline = false;
        for (const OpInfo& op : info.ops) {
            EXPECT_TRUE(seen.insert(std::string(op.name)).second) << info.name << " " << op.name;
            EXPECT_FALSE(op.unit.empty()) << info.name << " " << op.name;
            headline = headline || op.headline;
        }
        EXPECT_TRUE(headline) << info.name;
    });
}

// Each more would lengthen the main job, which promises minutes.
TEST(WorkloadRegistry, QuickPlanIsShort) {
    std::set<std::string> quick;
    for_each_info([&quick](const WorkloadInfo& info) {
        if (info.quick) {
            quick.insert(std::string(info.name));
        }
    });
    EXPECT_EQ(quick, (std::set<std::string>{"fork_server", "reclaim_scan", "rw_mix"}));
}

// What summaries and figures show of each workload.
TEST(WorkloadRegistry, HeadlinesAreWhatUsersCount) {
    std::map<std::string, std::string> headlines;
    for_each_info([&headlines](const WorkloadInfo& info) {
        for (const OpInfo& op : info.ops) {
            if (op.headline) {
                std::string& all = headlines[std::string(info.name)];
                all += (all.empty() ? "" : " ") + std::string(op.name) + ":" + std::string(op.unit);
            }
        }
    });
    EXPECT_EQ(headlines["aim7"], "fork:forks");
    EXPECT_EQ(headlines["exit_storm"], "exit:exits");
    EXPECT_EQ(headlines["fork_server"], "fork:forks");
    EXPECT_EQ(headlines["numa_migration"], "page_migrated:pages");
    EXPECT_EQ(headlines["pageable_reclaim"],
              "fork:forks page_reclaimed:pages page_scanned:pages asked in shrink_page_list device_access:accesses");
    EXPECT_EQ(headlines["file_mkclean"], "page_written:pages fork:forks");
    EXPECT_EQ(headlines["vma_adjust"], "vma_changed:changes of a VMA");
    EXPECT_EQ(headlines["rw_mix"], "read:sections write:sections");
}

TEST(WorkloadRegistry, InfoIsTheSameForEveryLock) {
    EXPECT_EQ(&(Aim7<Native, TicketLock<Native>>::info()), &(Aim7<Native, Rwsem310<Native>>::info()));
    EXPECT_EQ(&(ExitStorm<Native, TicketLock<Native>>::info()), &(ExitStorm<Native, Rwsem310<Native>>::info()));
    EXPECT_EQ(&(NumaMigration<Native, TicketLock<Native>>::info()), &(NumaMigration<Native, Rwsem310<Native>>::info()));
    EXPECT_EQ(&(ForkServer<Native, TicketLock<Native>>::info()), &(ForkServer<Native, Rwsem310<Native>>::info()));
    EXPECT_EQ(&(PageableReclaim<Native, TicketLock<Native>>::info()),
              &(PageableReclaim<Native, Rwsem310<Native>>::info()));
    EXPECT_EQ(&(ReclaimScan<Native, TicketLock<Native>>::info()), &(ReclaimScan<Native, Rwsem310<Native>>::info()));
    EXPECT_EQ(&(FileMkclean<Native, TicketLock<Native>>::info()), &(FileMkclean<Native, Rwsem310<Native>>::info()));
    EXPECT_EQ(&(VmaAdjust<Native, TicketLock<Native>>::info()), &(VmaAdjust<Native, Rwsem310<Native>>::info()));
    EXPECT_EQ(&(RwMix<Native, TicketLock<Native>>::info()), &(RwMix<Native, Rwsem310<Native>>::info()));
}

TEST(WorkloadRegistry, AnonVmaHasTheKernelsLayout) {
    using E = RmapEnv<Native>;
    using Stable = AnonVmaStable<E, Rwsem310<Native>>;
    EXPECT_EQ(offsetof(Stable, root), 0U);
    EXPECT_EQ(offsetof(Stable, lock), 8U);
    EXPECT_EQ(offsetof(Stable, refcount), 8 + sizeof(Rwsem310<Native>));
    EXPECT_EQ(offsetof(Stable, last_writer), offsetof(Stable, refcount) + 4);
    // root, 32 bytes of rwsem, count, tree: the 56 that Linux 3.12 has on x86-64 without debugging; and the link that
    // its SLUB keeps behind objects that may be looked at when they are free.
    EXPECT_EQ(sizeof(Rwsem310<Native>), 32U);
    EXPECT_EQ(offsetof(AnonVmaFresh<E>, use), 8U);
    EXPECT_EQ(sizeof(AnonVma<E, Rwsem310<Native>>), 64U);
}

}  // namespace
}  // namespace lockbench
