// SPDX-License-Identifier: MIT
// The parts of the counters that need no PMU and no PAPI: the table, the selection, sums, nulls, reasons, and what is
// printed.
#include "bench/counters.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "bench/counters_absence.hpp"
#include "bench/counters_candidates.hpp"
#include "bench/counters_event_table.hpp"
#include "bench/glob.hpp"
#include "tests/bench/fake_counters.hpp"

namespace lockbench {
namespace {

CounterPlan sample_plan() {
    CounterPlan plan;
    const EventCode code{EventType::raw, 0x1b7, 0x402};
    plan.counted = {
        {"hitm_loads_local", "x::A", "loads", kLevelTransfer, "events", CounterSource::kernel, code},
        {"involuntary_switches", "ru_nivcsw", "switches", kLevelRusage, "events", CounterSource::rusage, {}}};
    plan.unavailable = {{{"hitm_rfo_local", "x::B", "rfo", kLevelTransfer, "events"}, "too many events"},
                        {{"cycles", "perf::CYCLES", "cycles", kLevelGeneric, "events"}, "no PMU"},
                        {{"instructions", "perf::INSTRUCTIONS", "instr", kLevelGeneric, "events"}, "no PMU"}};
    set_level(plan);
    return plan;
}

std::vector<std::string> names_of(const std::vector<Candidate>& candidates) {
    std::vector<std::string> names;
    names.reserve(candidates.size());
    for (const Candidate& candidate : candidates) {
        names.push_back(candidate.spec.name);
    }
    return names;
}

TEST(Glob, StarAndQuestionMarkOnly) {
    EXPECT_TRUE(glob_matches("*", ""));
    EXPECT_TRUE(glob_matches("hitm_*", "hitm_rfo_local"));
    EXPECT_TRUE(glob_matches("*_lo?al", "hitm_rfo_local"));
    EXPECT_TRUE(glob_matches("a*b*c", "aXbYbZc"));
    EXPECT_FALSE(glob_matches("hitm_*", "fills_same_ccx"));
    EXPECT_FALSE(glob_matches("hitm", "hitm_rfo_local"));
    EXPECT_FALSE(glob_matches("?", ""));
    EXPECT_FALSE(glob_matches("[a-z]*", "abc")) << "brackets are plain characters";
    EXPECT_FALSE(glob_matches("*a*a*a*a*a*a*a*b", std::string(2000, 'a')));
}

TEST(Levels, EveryLevelHasItsSentenceAndOnlyTwoSpeakOfTransfersAsCounted) {
    std::set<std::string_view> texts;
    for (int level = kLevelTransfer; level <= kLevelNone; ++level) {
        EXPECT_FALSE(level_text(level).empty());
        EXPECT_TRUE(texts.insert(level_text(level)).second);
        EXPECT_EQ(level_text(level).starts_with("line transfers"), level <= kLevelFillSource) << level;
        EXPECT_EQ(level_text(level).find("bounc"), std::string_view::npos) << level;
    }
}

TEST(Levels, APlanHasTheBestLevelOfWhatItCounts) {
    CounterPlan plan = sample_plan();
    EXPECT_EQ(plan.level, kLevelTransfer);
    plan.counted.erase(plan.counted.begin());
    set_level(plan);
    EXPECT_EQ(plan.level, kLevelRusage) << "what is unavailable does not raise the level";
    plan.counted.clear();
    set_level(plan);
    EXPECT_EQ(plan.level, kLevelNone);
}

TEST(EventTable, EachPmuIsNamedOnceAndEachNameOnceATable) {
    std::set<std::string> pmus;
    for (const EventTable& table : event_tables()) {
        std::istringstream list{std::string(table.pmus)};
        for (std::string pmu; list >> pmu;) {
            EXPECT_TRUE(pmus.insert(pmu).second) << pmu;
        }
        std::set<std::string_view> names;
        for (const EventRow& row : table.rows) {
            EXPECT_TRUE(names.insert(row.name).second) << row.name;
            const bool none = row.source == CounterSource::none;
            EXPECT_EQ(row.event.empty(), none) << row.name;
            EXPECT_EQ(row.code.config == 0, none) << row.name;
            EXPECT_EQ(row.absent.empty(), !none) << row.name << ": an event or a reason why there is none";
            EXPECT_FALSE(row.what_it_counts.empty()) << row.name;
            EXPECT_GE(row.level, kLevelTransfer);
            EXPECT_LE(row.level, kLevelGeneric);
        }
    }
    EXPECT_GE(pmus.size(), 24U);
}

TEST(EventTable, IntelTablesKeepLoadsAndOwnershipRequestsApartAndUseTwoOffcoreRegistersAtMost) {
    for (const char* pmu :
         {"wsm_dp", "snb", "snb_ep", "ivb_ep", "hsw", "bdw", "hsw_ep", "bdw_ep", "skl", "skx", "clx", "icx", "spr"}) {
        const std::vector<Candidate> all = candidates_for(pmu);
        ASSERT_GE(all.size(), 2U);
        EXPECT_EQ(all[0].spec.name, "hitm_loads_local") << pmu;
        EXPECT_EQ(all[1].spec.name, "hitm_rfo_local") << pmu;
        EXPECT_TRUE(all[0].spec.event.starts_with(std::string(pmu) + "::")) << all[0].spec.event;
        const auto offcore = std::count_if(all.begin(), all.end(),
                                           [](const Candidate& candidate) { return candidate.spec.code.config1 != 0; });
        EXPECT_LE(offcore, 2) << pmu;
    }
}

TEST(EventTable, ChoosesTheFirstKnownPmu) {
    EXPECT_EQ(choose_pmu({"perf", "perf_raw", "icx", "skx"}), "icx");
    EXPECT_EQ(choose_pmu({"perf", "amd64_fam19h_zen3"}), "amd64_fam19h_zen3");
    EXPECT_EQ(choose_pmu({"perf", "ix86arch"}), "");
    EXPECT_EQ(choose_pmu({"snb_unc_cbo0"}), "") << "an uncore PMU is not its CPU";
    EXPECT_EQ(choose_pmu({}), "");
}

TEST(EventTable, AnUnknownCpuStillHasARowForTransfersThatSaysWhy) {
    const std::vector<Candidate> none = candidates_for("");
    EXPECT_EQ(none[0].spec.name, "line_transfers");
    EXPECT_EQ(none[0].absent, "no event that counts transfers is known for this CPU");
    EXPECT_EQ(candidates_for("ix86arch")[0].spec.name, "line_transfers");
}

TEST(EventTable, SoftwareEventsAskForKernelModeByName) {
    for (const Candidate& candidate : candidates_for("skx")) {
        if (!candidate.hardware) {
            EXPECT_TRUE(candidate.spec.event.ends_with(":u=1:k=1")) << candidate.spec.event;
            EXPECT_EQ(candidate.spec.level, kLevelSoftware);
        }
    }
}

TEST(Selection, GlobsChooseAndTurnFallbacksIntoWishes) {
    EXPECT_EQ(names_of(selected_candidates(candidates_for("clx"), {"hitm_*_local", "cache_misses"})),
              (std::vector<std::string>{"hitm_loads_local", "hitm_rfo_local", "cache_misses"}));
    EXPECT_FALSE(selected_candidates(candidates_for("clx"), {"cache_misses"})[0].fallback);
    EXPECT_TRUE(selected_candidates(candidates_for("clx"), {"nothing_like_it"}).empty());
    const std::vector<Candidate> all = selected_candidates(candidates_for("clx"), {});
    EXPECT_EQ(all.size(), candidates_for("clx").size());
}

TEST(Selection, NamesCoverEveryTableOnce) {
    const std::vector<std::string> names = counter_names();
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
    for (const char* name : {"hitm_rfo_remote", "fills_other_ccx", "l1d_invalidations", "context_switches",
                             "line_transfers", "involuntary_switches"}) {
        EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
    }
}

TEST(Totals, SumOverThreadsAndNullAsSoonAsOneThreadHasNone) {
    const CounterPlan plan = sample_plan();
    const CounterTotals whole = total_counters(plan, {{{5, 1}, {"", ""}}, {{7, 0}, {"", ""}}});
    EXPECT_EQ(whole.counters["hitm_loads_local"], 12);
    EXPECT_EQ(whole.counters["involuntary_switches"], 1);
    EXPECT_TRUE(whole.counters["hitm_rfo_local"].is_null());
    EXPECT_EQ(whole.reasons["hitm_rfo_local"], "too many events");
    EXPECT_FALSE(whole.reasons.contains("hitm_loads_local"));

    const CounterTotals part = total_counters(plan, {{{5, 1}, {"", ""}}, {{std::nullopt, 2}, {"stopped short", ""}}});
    EXPECT_TRUE(part.counters["hitm_loads_local"].is_null()) << "a part is not a sum";
    EXPECT_EQ(part.reasons["hitm_loads_local"], "stopped short");
    EXPECT_EQ(part.counters["involuntary_switches"], 3);

    const CounterTotals bare = total_counters(plan, {{{std::nullopt, 2}, {}}});
    EXPECT_EQ(bare.reasons["hitm_loads_local"], "not counted") << "a null never lacks a reason";
    const CounterTotals silent = total_counters(plan, {{{std::nullopt, 2}, {"", ""}}});
    EXPECT_TRUE(silent.counters["hitm_loads_local"].is_null());
    EXPECT_EQ(silent.reasons["hitm_loads_local"], "not counted");

    const CounterTotals nobody = total_counters(plan, {});
    EXPECT_TRUE(nobody.counters["involuntary_switches"].is_null()) << "no thread is not zero events";
    EXPECT_EQ(nobody.reasons["involuntary_switches"], "no thread was counted");
}

TEST(Totals, AScaledValueTellsTheSmallestShareOfItsThreads) {
    const CounterPlan plan = sample_plan();
    const CounterTotals scaled = total_counters(plan, {{{5, 1}, {"", ""}, {0.5, 1}}, {{7, 0}, {"", ""}, {0.25, 1}}});
    EXPECT_EQ(scaled.counters["hitm_loads_local"], 12);
    EXPECT_EQ(scaled.shares, (nlohmann::ordered_json{{"hitm_loads_local", 0.25}}));
    const CounterTotals missing = total_counters(plan, {{{std::nullopt, 1}, {"no turn", ""}, {0.5, 1}}});
    EXPECT_TRUE(missing.shares.empty()) << "what is null is not scaled";
    EXPECT_TRUE(total_counters(plan, {{{5, 1}, {"", ""}, {}}}).shares.empty());
}

TEST(Totals, ARealZeroStaysAZero) {
    const CounterTotals totals = total_counters(sample_plan(), {{{0, 0}, {}}});
    EXPECT_EQ(totals.counters["hitm_loads_local"], 0);
    EXPECT_FALSE(totals.counters["hitm_loads_local"].is_null());
}

TEST(Output, ListAndPlanNameEveryCounterWithItsReason) {
    const CounterPlan plan = sample_plan();
    const nlohmann::ordered_json json = to_json(plan);
    EXPECT_EQ(json["level"], 1);
    EXPECT_EQ(json["level_text"], std::string(level_text(1)));
    EXPECT_TRUE(json["pmu"].is_null());
    EXPECT_TRUE(json["note"].is_null());
    EXPECT_EQ(json["multiplexed"], false);
    const nlohmann::ordered_json& list = json["counters"];
    ASSERT_EQ(list.size(), 5U);
    EXPECT_EQ(list[0]["name"], "hitm_loads_local");
    EXPECT_EQ(list[0]["available"], true);
    EXPECT_TRUE(list[0]["reason"].is_null());
    EXPECT_EQ(list[2]["available"], false);
    EXPECT_EQ(list[2]["reason"], "too many events");
    EXPECT_EQ(list[2]["event"], "x::B");
    EXPECT_EQ(list[2]["level"], 1);
    EXPECT_EQ(list[3]["unit"], "events");
    EXPECT_EQ(list[0]["by"], "perf_event_open");
    EXPECT_EQ(list[0]["code"], "cpu/config=0x1b7,config1=0x402/");
    EXPECT_EQ(list[1]["by"], "getrusage");
    EXPECT_TRUE(list[1]["code"].is_null());
}

TEST(Output, CodesAreWrittenAsPerfTakesThem) {
    EXPECT_EQ(perf_syntax({EventType::raw, 0x4d2, 0}), "cpu/config=0x4d2/");
    EXPECT_EQ(perf_syntax({EventType::raw, 0x1bb, 0x103fc00002}), "cpu/config=0x1bb,config1=0x103fc00002/");
    std::string all;
    for (const auto& rows : {generic_rows(), fallback_rows(), software_rows()}) {
        for (const EventRow& row : rows) {
            all += perf_syntax(row.code) + " ";
        }
    }
    EXPECT_EQ(all,
              "cycles instructions LLC-load-misses node-load-misses cache-misses context-switches cpu-migrations "
              "page-faults task-clock ");
}

TEST(Output, TextSaysWhoCountsAtWhichLevelAndWhatTakesTurns) {
    CounterPlan plan = sample_plan();
    plan.note = "PAPI is somewhere else";
    plan.multiplexed = true;
    const std::string text = counters_text(plan);
    EXPECT_NE(text.find("loads (events; level 1; perf_event_open x::A)"), std::string::npos) << text;
    EXPECT_NE(text.find("  PAPI is somewhere else\n"), std::string::npos) << text;
    EXPECT_NE(text.find("take turns"), std::string::npos) << text;
    EXPECT_EQ(counters_text(sample_plan()).find("take turns"), std::string::npos);
}

TEST(Output, TextGroupsCountersByReason) {
    const std::string text = counters_text(sample_plan());
    EXPECT_NE(text.find("counters: level 1 of 7, line transfers"), std::string::npos) << text;
    EXPECT_NE(text.find("  not counted: too many events\n    hitm_rfo_local\n"), std::string::npos) << text;
    const std::size_t block = text.find("  not counted: no PMU\n    cycles, instructions\n");
    ASSERT_NE(block, std::string::npos) << text;
    EXPECT_EQ(text.find("no PMU", block + 20), std::string::npos) << "each reason once\n" << text;
}

TEST(Output, LongListsAreBrokenIntoLines) {
    CounterPlan plan;
    for (int i = 0; i < 40; ++i) {
        plan.unavailable.push_back(
            {{"counter_with_a_name_" + std::to_string(i), "", "", kLevelGeneric, "events"}, "no PMU"});
    }
    std::istringstream lines(counters_text(plan));
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        EXPECT_LE(line.size(), 100U) << line;
    }
    EXPECT_GT(count, 8);
}

TEST(Rusage, SwitchesAndFaultsOfThisThreadAreCountedWithoutAnyPermission) {
    auto provider = make_counter_provider({.select = {"line_transfers"}, .root = "/nowhere", .use_papi = false});
    const CounterPlan& plan = provider->probe();
    EXPECT_EQ(plan.level, kLevelRusage);
    const auto voluntary = plan.find("voluntary_switches");
    const auto faults = plan.find("minor_faults");
    ASSERT_TRUE(voluntary && faults && plan.find("involuntary_switches"));
    auto set = provider->make_thread_set();
    set->open();
    set->start();
    for (int i = 0; i < 20; ++i) {
        usleep(100);
    }
    const auto values = set->stop();
    set->close();
    ASSERT_EQ(values.size(), plan.counted.size());
    EXPECT_GE(values[*voluntary].value_or(-1), 20);
    EXPECT_GE(values[*faults].value_or(-1), 0);
    set->start();
    const auto idle = set->stop();
    EXPECT_LT(idle[*voluntary].value_or(99), 20) << "a second window starts from zero";
}

TEST(Rusage, TheSelectionDoesNotTakeTheSwitchesAway) {
    auto provider = make_counter_provider({.select = {"line_transfers"}, .root = "/nowhere", .use_papi = false});
    EXPECT_TRUE(provider->probe().find("involuntary_switches"));
    ASSERT_EQ(provider->probe().unavailable.size(), 1U);
    EXPECT_EQ(provider->probe().unavailable[0].spec.name, "line_transfers");
}

TEST(Fake, InjectsCountsFailuresAndKeepsTheOrderOfCalls) {
    testing::FakeCounters fake;
    fake.plan = sample_plan();
    fake.counts = [](std::size_t set, std::size_t window) {
        return std::vector<std::optional<std::int64_t>>{
            set == 1 ? std::nullopt : std::optional<std::int64_t>(10 * window), window};
    };
    testing::FakeCounterProvider provider(fake);
    auto first = provider.make_thread_set();
    auto second = provider.make_thread_set();
    first->open();
    first->start();
    EXPECT_EQ(first->stop()[0], 0);
    first->start();
    EXPECT_EQ(first->stop()[0], 10);
    EXPECT_EQ(second->stop()[0], std::nullopt);
    EXPECT_EQ(fake.calls, (std::vector<std::string>{"open 0", "start 0", "stop 0", "start 0", "stop 0", "stop 1"}));
}

class Refusals : public ::testing::Test {
  protected:
    CounterHost no_pmu_{false, 2, ENOENT, ENOENT};
    CounterHost pmu_{true, 2, 0, 0};
    CounterHost plain_user_{true, 2, 0, EACCES};
    CounterHost paranoid_{true, 3, EACCES, EACCES};
    CounterHost seccomp_{true, 2, EPERM, EPERM};

    static std::string why(Refusal refusal, const CounterHost& host, bool hardware = true, std::size_t added = 0,
                           const std::string& detail = "words") {
        return refusal_text({refusal, hardware, added, detail}, host);
    }
};

TEST_F(Refusals, EachCauseHasItsOwnSentence) {
    EXPECT_EQ(why(Refusal::no_event, no_pmu_),
              "no PMU: the kernel has no hardware counters here, as in most virtual machines");
    EXPECT_EQ(why(Refusal::no_event, pmu_), "the kernel does not have this event on this CPU (words)");
    EXPECT_EQ(why(Refusal::no_event, CounterHost{true, 2, ENOENT, ENOENT}),
              "the kernel does not have this event on this CPU (words)")
        << "sysfs shows a PMU, so its absence is not the cause";
    EXPECT_NE(why(Refusal::permission, CounterHost{true, 2, 0, EPERM}, false).find("seccomp"), std::string::npos);
    EXPECT_NE(why(Refusal::permission, CounterHost{true, 3, EACCES, EPERM}).find("perf_event_paranoid is 3"),
              std::string::npos)
        << "hardware events go by the probe of user mode";
    EXPECT_EQ(why(Refusal::no_event, no_pmu_, false), "the kernel does not have this event (words)");
    EXPECT_EQ(why(Refusal::permission, paranoid_),
              "no permission to count hardware events: perf_event_paranoid is 3; as root: sysctl "
              "kernel.perf_event_paranoid=1");
    EXPECT_EQ(
        why(Refusal::permission, plain_user_, false),
        "no permission to count in the kernel: perf_event_paranoid is 2; as root: sysctl kernel.perf_event_paranoid=1");
    EXPECT_NE(why(Refusal::permission, seccomp_).find("seccomp"), std::string::npos);
    EXPECT_NE(why(Refusal::no_event, paranoid_).find("perf_event_paranoid is 3"), std::string::npos)
        << "no event because no permission";
    EXPECT_EQ(why(Refusal::invalid, pmu_, true, 4),
              "too many events: 4 hardware events fill this CPU's counters; ask for fewer by name, or let all take "
              "turns with --multiplex");
    EXPECT_EQ(why(Refusal::invalid, pmu_), "the kernel calls this event invalid (words)");
    EXPECT_NE(why(Refusal::conflict, pmu_, true, 4).find("beside the 4 other"), std::string::npos);
    EXPECT_EQ(why(Refusal::start, pmu_, true, 4), "could not be started beside 4 other hardware events (words)");
    EXPECT_NE(why(Refusal::no_turn, pmu_).find("had none in this window"), std::string::npos);
    CounterHost no_syscall{false, std::nullopt, ENOSYS, ENOSYS};
    EXPECT_EQ(why(Refusal::no_syscall, no_syscall), "this kernel has no perf_event_open");
    EXPECT_EQ(why(Refusal::no_syscall, pmu_), "refused: words");
    EXPECT_EQ(why(Refusal::other, pmu_), "refused: words");
}

TEST_F(Refusals, PapiThatIsOffSaysWhatSwitchedItOff) {
    EXPECT_EQ(papi_off_text("perf_event support disabled by Linux with paranoid=3", paranoid_),
              "PAPI is switched off: perf_event_paranoid is 3; as root: sysctl kernel.perf_event_paranoid=1");
    EXPECT_NE(papi_off_text("Error libpfm4 no default PMU found", pmu_).find("unknown to the installed"),
              std::string::npos);
    EXPECT_EQ(papi_off_text("other words", pmu_), "PAPI's perf_event component is off: other words");
}

TEST_F(Refusals, AnUnreadableSysctlIsSaidToBe) {
    paranoid_.paranoid.reset();
    EXPECT_NE(why(Refusal::permission, paranoid_).find("perf_event_paranoid is not readable"), std::string::npos);
}

}  // namespace
}  // namespace lockbench
