// SPDX-License-Identifier: MIT
// How fast the explorer's engines are: a program that prints results/explore-speed.md, which says what the columns are.
// Other than the tests it is no entry of ctest; tests/bench/explore_speed_test.py holds its counts to those known.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "tests/support/golden_graphs.hpp"
#include "tests/support/golden_states.hpp"

namespace lockbench::test {
namespace {

using explore::Model;

// What one exploration did, in the unit that its row counts.
struct Row {
    const char* what;
    const char* unit;
    std::uint64_t expected;  // 0: follows from nothing but the seed
    double yardstick_s;      // of the tool that is compared with; 0: the goal is a rate
    double goal;             // seconds at most, or units a second at least
    std::function<std::uint64_t()> run;
};

std::uint64_t executions(const explore::Verdict& verdict) { return verdict.exhaustive ? verdict.counts.complete : 0; }

// MCS, eight threads of four sections.
std::uint64_t drawn_steps(Model model) {
    explore::Options options;
    options.engine = &explore::explore_random;
    options.model = model;
    options.max_executions = 20000;
    return golden::mcs(8, 4, options).counts.events;
}

const std::vector<Row>& rows() {
    static const std::vector<Row> all = {
        {"g, rc11: TTAS, 3 threads, 2 sections", "executions", 7134, 3.2, 3.2 / 15,
         [] { return executions(golden::exclusive<ReferenceTtas<Explore>>(3, 2, {})); }},
        {"g, rc11: MCS, 3 threads, 2 sections", "executions", 17670, 7.4, 7.4 / 15,
         [] { return executions(golden::mcs(3, 2, {})); }},
        {"g, rc11: qrwlock, 2 readers, 2 writers", "executions", 108516, 20.1, 20.1 / 15,
         [] { return executions(golden::qrw(2, 2, 1, {})); }},
        {"r, sc: MCS, 8 threads, 4 sections", "steps", 0, 0, 10e6, [] { return drawn_steps(Model::sc); }},
        {"r, rc11: MCS, 8 threads, 4 sections", "steps", 0, 0, 2e6, [] { return drawn_steps(Model::rc11); }},
        {"s, sc: qrwlock, 2 readers, 2 writers, without end", "states", 23544, 0, 150e3,
         [] { return golden_states::qrw(2, 2, 0, Model::sc).counts.states; }},
    };
    return all;
}

std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text,
                  value >= 1e6   ? "%.1f M"
                  : value >= 1e3 ? "%.0f k"
                                 : "%.3f",
                  value >= 1e6   ? value / 1e6
                  : value >= 1e3 ? value / 1e3
                                 : value);
    return text;
}

void measure(const Row& row, unsigned repetitions) {
    std::vector<double> seconds;
    std::uint64_t counted = 0;
    for (unsigned i = 0; i < repetitions; ++i) {
        const auto began = std::chrono::steady_clock::now();
        counted = row.run();
        seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    }
    std::sort(seconds.begin(), seconds.end());
    const bool rate = row.yardstick_s == 0;
    const auto shown = [&](double each) { return number(rate ? static_cast<double>(counted) / each : each); };
    const double middle = seconds[seconds.size() / 2];
    const auto reaches = [&](double each) {
        return rate ? static_cast<double>(counted) / each >= row.goal : each <= row.goal;
    };
    const double fastest = seconds.front();
    const double slowest = seconds.back();
    const char* const reached = reaches(slowest) ? "reached" : reaches(middle) ? "by the median" : "missed";
    const std::string unit = rate ? std::string(" ") + row.unit + "/s" : " s";
    const std::string times_as_fast = std::to_string(std::lround(row.yardstick_s / middle));
    std::printf("| %s | %llu %s | %s | %s%s [%s, %s] | %s | %s%s | %s |\n", row.what,
                static_cast<unsigned long long>(counted), row.unit,
                rate ? "" : (number(row.yardstick_s) + " s").c_str(), shown(middle).c_str(), unit.c_str(),
                shown(rate ? slowest : fastest).c_str(), shown(rate ? fastest : slowest).c_str(),
                rate ? "" : times_as_fast.c_str(), number(row.goal).c_str(), unit.c_str(), reached);
    std::fflush(stdout);
    if (row.expected != 0 && counted != row.expected) {
        std::fprintf(stderr, "explore_speed: %s: %llu, not %llu\n", row.what, static_cast<unsigned long long>(counted),
                     static_cast<unsigned long long>(row.expected));
        std::exit(1);
    }
}

}  // namespace
}  // namespace lockbench::test

int main(int argc, char** argv) {
    unsigned repetitions = 11;
    if (argc > 2) {
        std::fputs("usage: explore_speed [repetitions of each row]\n", stderr);
        return 2;
    }
    if (argc == 2) {
        const char* const end = argv[1] + std::strlen(argv[1]);
        const auto [rest, error] = std::from_chars(argv[1], end, repetitions);
        if (error != std::errc{} || rest != end || repetitions == 0 || repetitions > 1000) {
            std::fprintf(stderr, "explore_speed: '%s': repetitions are a number from 1 to 1000\n", argv[1]);
            return 2;
        }
    }
    std::puts("| engine, model, client | counted | GenMC | here: median [least, most] | times as fast | goal | |");
    std::puts("| --- | ---: | ---: | ---: | ---: | ---: | --- |");
    for (const auto& row : lockbench::test::rows()) {
        lockbench::test::measure(row, repetitions);
    }
    return 0;
}
