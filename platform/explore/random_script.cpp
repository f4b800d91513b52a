// SPDX-License-Identifier: MIT
#include "platform/explore/random_script.hpp"

#include <numeric>
#include <tuple>

#include "platform/explore/core.hpp"

namespace lockbench::explore {
namespace {

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

std::string letter(ThreadId tid) {
    return tid < kLetters.size() ? std::string(1, kLetters[tid])
                                 : "_" + std::string(1, kLetters[tid - kLetters.size()]);
}

// The number that `text` begins with, taken off it; `otherwise` where there is none.
std::uint64_t take_number(std::string_view& text, std::uint64_t otherwise) {
    if (text.empty() || text.front() < '0' || text.front() > '9') {
        return otherwise;
    }
    std::uint64_t number = 0;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
        number = number * 10 + static_cast<std::uint64_t>(text.front() - '0');
        text.remove_prefix(1);
    }
    return number;
}

}  // namespace

std::size_t Script::switches() const {
    std::size_t count = 0;
    for (std::size_t i = 1; i < segments.size(); ++i) {
        count += segments[i].tid != segments[i - 1].tid ? 1 : 0;
    }
    return count;
}

std::size_t Script::choices() const {
    return std::accumulate(segments.begin(), segments.end(), std::size_t{0},
                           [](std::size_t sum, const Segment& each) { return sum + (each.choice != 0 ? 1 : 0); });
}

std::uint64_t Script::steps() const {
    return std::accumulate(segments.begin(), segments.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const Segment& each) { return sum + each.steps; });
}

bool Script::simpler_than(const Script& other) const {
    return std::tuple(choices(), switches(), steps()) < std::tuple(other.choices(), other.switches(), other.steps());
}

void Script::add(ThreadId tid, std::uint64_t choice) {
    if (segments.empty() || segments.back().tid != tid || segments.back().choice != 0) {
        segments.push_back({tid, 0, 0});
    }
    ++segments.back().steps;
    segments.back().choice = choice;
}

std::string Script::text() const {
    std::string text;
    for (const Segment& segment : segments) {
        text += letter(segment.tid);
        text += segment.steps == 1 ? "" : std::to_string(segment.steps);
        text += segment.choice == 0 ? "" : "," + std::to_string(segment.choice);
    }
    return text;
}

bool parse_script(std::string_view text, Script& script) {
    while (!text.empty()) {
        std::size_t base = 0;
        if (text.front() == '_') {
            base = kLetters.size();
            text.remove_prefix(1);
        }
        const std::size_t at = text.empty() ? std::string_view::npos : kLetters.find(text.front());
        if (at == std::string_view::npos || base + at >= kMaxFibers) {
            return false;
        }
        text.remove_prefix(1);
        Segment segment{static_cast<ThreadId>(base + at), take_number(text, 1), 0};
        if (!text.empty() && text.front() == ',') {
            text.remove_prefix(1);
            segment.choice = take_number(text, 0);
            if (segment.choice == 0) {
                return false;
            }
        }
        script.segments.push_back(segment);
    }
    return true;
}

}  // namespace lockbench::explore
