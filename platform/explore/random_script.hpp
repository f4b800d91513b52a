// SPDX-License-Identifier: MIT
// An execution of engine R as a list of who does how many steps, for replays and for making failures shorter.
//
// As text: a thread's letter (a to z, A to Z, then _a to _l), the number of its steps where that is not 1, and behind a
// comma what is out of the ordinary about the last of them: how many newer writes a read does not see, or what was
// chosen. "a5b3,2" is five steps of thread 0, then three of thread 1, the last of which reads what two writes have
// replaced.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "platform/units.hpp"

namespace lockbench::explore {

struct Segment {
    ThreadId tid = 0;
    std::uint64_t steps = 0;
    std::uint64_t choice = 0;  // of the last step; 0: nothing out of the ordinary
};

struct Script {
    std::vector<Segment> segments;

    // What makes one script simpler than another, in this order.
    [[nodiscard]] std::size_t switches() const;
    [[nodiscard]] std::size_t choices() const;
    [[nodiscard]] std::uint64_t steps() const;
    [[nodiscard]] bool simpler_than(const Script& other) const;
    // Another step of this thread.
    void add(ThreadId tid, std::uint64_t choice);
    [[nodiscard]] std::string text() const;
};

// False where the text is no script.
bool parse_script(std::string_view text, Script& script);

}  // namespace lockbench::explore
