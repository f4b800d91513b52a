// SPDX-License-Identifier: MIT
#include "bench/counters_candidates.hpp"

#include <algorithm>
#include <set>

#include "bench/glob.hpp"

namespace lockbench {

namespace {

bool names_pmu(std::string_view list, std::string_view pmu) {
    std::size_t at = 0;
    while (at < list.size()) {
        const std::size_t end = std::min(list.find(' ', at), list.size());
        if (list.substr(at, end - at) == pmu) {
            return true;
        }
        at = end + 1;
    }
    return false;
}

Candidate candidate_of(const EventRow& row, std::string_view pmu, bool fallback) {
    Candidate made;
    made.spec.name = row.name;
    made.spec.source = row.source;
    made.spec.code = row.code;
    made.spec.what_it_counts = row.what_it_counts;
    made.spec.level = row.level;
    made.spec.unit = row.name == "task_clock" ? "ns" : "events";
    if (row.source == CounterSource::papi) {
        const bool whole = row.event.find("::") != std::string_view::npos;
        made.papi_event = whole ? std::string(row.event) : std::string(pmu) + "::" + std::string(row.event);
    }
    // Until it is known who counts it, the name under which it is looked up in a manual.
    made.spec.event = made.papi_event.empty() ? std::string(row.event) : made.papi_event;
    made.absent = row.absent;
    made.fallback = fallback;
    made.hardware = row.level < kLevelSoftware;
    return made;
}

}  // namespace

std::string choose_pmu(const std::vector<std::string>& pmus) {
    for (const std::string& pmu : pmus) {
        for (const EventTable& table : event_tables()) {
            if (names_pmu(table.pmus, pmu)) {
                return pmu;
            }
        }
    }
    return {};
}

std::vector<Candidate> candidates_for(std::string_view pmu) {
    std::vector<Candidate> all;
    const auto add = [&all](std::span<const EventRow> rows, std::string_view of, bool fallback) {
        for (const EventRow& row : rows) {
            all.push_back(candidate_of(row, of, fallback));
        }
    };
    for (const EventTable& table : event_tables()) {
        if (names_pmu(table.pmus, pmu)) {
            add(table.rows, pmu, false);
        }
    }
    if (all.empty()) {
        Candidate none;
        none.spec.name = "line_transfers";
        none.spec.what_it_counts = "cache lines that move between cores";
        none.spec.level = kLevelTransfer;
        none.absent = "no event that counts transfers is known for this CPU";
        all.push_back(none);
    }
    add(generic_rows(), "", false);
    add(fallback_rows(), "", true);
    add(software_rows(), "", false);
    return all;
}

std::vector<Candidate> selected_candidates(std::vector<Candidate> all, const std::vector<std::string>& globs) {
    if (globs.empty()) {
        return all;
    }
    std::erase_if(all, [&globs](const Candidate& candidate) {
        return std::none_of(globs.begin(), globs.end(),
                            [&](const std::string& glob) { return glob_matches(glob, candidate.spec.name); });
    });
    for (Candidate& candidate : all) {
        candidate.fallback = false;  // asked for by name, so it stands in for nothing
    }
    return all;
}

std::vector<CounterSpec> rusage_specs() {
    const auto made = [](const char* name, const char* field, const char* what) {
        return CounterSpec{name, field, what, kLevelRusage, "events", CounterSource::rusage, {}};
    };
    return {made("voluntary_switches", "ru_nvcsw", "times the thread gave up its CPU, to sleep or to yield"),
            made("involuntary_switches", "ru_nivcsw", "times the thread was taken off its CPU"),
            made("minor_faults", "ru_minflt", "page faults of the thread without input or output")};
}

std::vector<std::string> counter_names() {
    std::vector<std::string> names;
    std::set<std::string> seen;
    const auto add = [&](const std::string& name) {
        if (seen.insert(name).second) {
            names.push_back(name);
        }
    };
    for (const EventTable& table : event_tables()) {
        for (const EventRow& row : table.rows) {
            add(std::string(row.name));
        }
    }
    for (const Candidate& candidate : candidates_for("")) {
        add(candidate.spec.name);
    }
    for (const CounterSpec& spec : rusage_specs()) {
        add(spec.name);
    }
    return names;
}

}  // namespace lockbench
