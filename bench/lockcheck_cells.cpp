// SPDX-License-Identifier: MIT
// The slices put together; and clients, as far as they do not depend on the lock.
#include "bench/lockcheck_cells.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <initializer_list>
#include <iterator>

#include "bench/errors.hpp"

namespace lockbench {
namespace {

template <std::size_t... kSlices>
std::vector<LockChecker> collect(std::index_sequence<kSlices...>) {
    std::vector<std::pair<std::size_t, LockChecker>> found;
    (add_checkers<kSlices>(found), ...);
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<LockChecker> checkers;
    checkers.reserve(found.size());
    for (auto& [place, checker] : found) {
        checkers.push_back(checker);
    }
    return checkers;
}

constexpr std::string_view kRoles = "rwtsdkcoif";
constexpr unsigned kMaxSections = 16;

// The number that `text` begins with, taken off it; 0 where there is none.
unsigned take_number(std::string_view& text) {
    unsigned number = 0;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9' && number < 1000) {
        number = number * 10 + static_cast<unsigned>(text.front() - '0');
        text.remove_prefix(1);
    }
    return number;
}

RmapAction parse_action(std::string_view text, std::string_view name) {
    for (std::size_t i = 0; i < std::size(kRmapActions); ++i) {
        if (name == kRmapActions[i]) {
            return static_cast<RmapAction>(i);
        }
    }
    throw UsageError(fmt::format("--client={}: what a thread may do is {}.", text, fmt::join(kRmapActions, ", ")));
}

// "exit+walk".
std::vector<RmapAction> parse_actions(std::string_view text, std::string_view names) {
    std::vector<RmapAction> actions;
    for (;;) {
        const std::size_t end = names.find('+');
        actions.push_back(parse_action(text, names.substr(0, end)));
        if (end == std::string_view::npos) {
            break;
        }
        names.remove_prefix(end + 1);
    }
    const auto count = [&actions](std::initializer_list<RmapAction> which) {
        return std::count_if(actions.begin(), actions.end(), [&which](RmapAction action) {
            return std::find(which.begin(), which.end(), action) != which.end();
        });
    };
    using enum RmapAction;
    const auto ends_child = count({exit, exits, recycle, stack, heap});
    if (ends_child > 1) {
        throw UsageError(fmt::format("--client={}: exit, exits, recycle, stack and heap end the one child.", text));
    }
    if (count({exits}) != 0 && count({fork, fault}) != 0) {
        throw UsageError(fmt::format("--client={}: exits ends the parent, which fork and fault need.", text));
    }
    if (count({walk}) != 0 && ends_child == 0) {
        throw UsageError(fmt::format("--client={}: walk needs a child: exit, exits, recycle, stack or heap.", text));
    }
    return actions;
}

}  // namespace

const std::vector<LockChecker>& lock_checkers() {
    static const std::vector<LockChecker> checkers = collect(std::make_index_sequence<LOCKBENCH_SLICES>{});
    return checkers;
}

namespace {

Client parse_text(std::string_view text) {
    const auto refuse = [text](std::string_view why) {
        throw UsageError(fmt::format(
            "--client={}: {}. A client is written <n><r|w|t|s|d|k|c|o|i|f>..[x<sections>], for example 2r1wx2, or "
            "rmap:<action>+<action>.., for example rmap:exit+walk.",
            text, why));
    };
    Client client;
    client.text = text;
    constexpr std::string_view kRmap = "rmap:";
    if (text.substr(0, kRmap.size()) == kRmap) {
        client.rmap = parse_actions(text, text.substr(kRmap.size()));
        return client;
    }
    std::string_view rest = text;
    while (!rest.empty() && rest.front() != 'x') {
        const unsigned count = take_number(rest);
        if (count == 0 || rest.empty() || kRoles.find(rest.front()) == std::string_view::npos) {
            refuse("a number from 1 on and one of r, w, t, s, d, k, c, o, i, f are wanted");
        }
        client.roles.append(std::min(count, 2 * explore::kMaxFibers), rest.front());
        rest.remove_prefix(1);
    }
    if (client.roles.empty() || client.roles.size() > explore::kMaxFibers) {
        refuse(fmt::format("1 to {} threads", explore::kMaxFibers));
    }
    const std::size_t enders = static_cast<std::size_t>(std::count(client.roles.begin(), client.roles.end(), 'f'));
    if (enders != 0 && enders != client.roles.size()) {
        refuse("f, who ends the lock, goes with nobody else");
    }
    client.counted = enders != 0;
    if (!rest.empty()) {
        rest.remove_prefix(1);
        client.counted = rest != "*";
        client.endless = !client.counted;
        client.sections = client.endless ? 1 : take_number(rest);
        rest = client.endless ? std::string_view() : rest;
        if (!rest.empty() || client.sections == 0 || client.sections > kMaxSections) {
            refuse(fmt::format("x1 to x{}, or x* for sections without end", kMaxSections));
        }
        if (enders != 0 && client.endless) {
            refuse("a lock ends once");
        }
    }
    return client;
}

}  // namespace

// Without a number of sections an engine that can goes on for ever.
Client parse_client(std::string_view text, const explore::EngineKind& engine) {
    Client client = parse_text(text);
    const auto refuse = [&](std::string_view why) {
        throw UsageError(fmt::format("--client={}: engine {} {}.", text, engine.name, why));
    };
    if (client.endless && !engine.endless) {
        refuse("explores a bounded number of sections");
    }
    if (client.threads() > engine.threads) {
        refuse(fmt::format("takes 1 to {} threads", engine.threads));
    }
    if (!client.rmap.empty() && !engine.reuse) {
        refuse("does not let memory come back, without which the reverse map cannot be judged");
    }
    client.endless = engine.endless && !client.counted;
    return client;
}

std::string unfit(const Client& client, const LockInfo& info) {
    if (!client.rmap.empty() && info.control) {
        return "no workload uses it";
    }
    for (const char role : client.roles) {
        if (role == 'd' && !info.downgrade) {
            return "it cannot be downgraded";
        }
        if (role == 'k' && !info.killable) {
            return "a wait for it cannot be cancelled";
        }
        if (role == 'c' && !(info.killable && info.shared)) {
            return "no reader's wait for it can be cancelled";
        }
        if (role == 'i' && !info.irq_readers) {
            return "it has no readers that may not queue";
        }
        if (role == 'o' && !info.is_locked) {
            return "it does not say whether it is locked";
        }
    }
    return "";
}

}  // namespace lockbench
