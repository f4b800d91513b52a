// SPDX-License-Identifier: MIT
// The beginning and the end of a world, and what a failure says.
#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include "platform/check.hpp"
#include "platform/coop_engine.hpp"

namespace lockbench {

std::string_view to_string(CoopFailure failure) {
    constexpr std::string_view kNames[] = {
        "none", "deadlock",      "livelock",  "check failed",       "race",       "use after free", "double free",
        "leak", "uninitialised", "exclusion", "sleeping in atomic", "unbalanced", "limit"};
    return kNames[static_cast<std::size_t>(failure)];
}

namespace coop {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(Op::kCount)> kOpNames = {
    "load",   "store", "rmw",    "failed cas", "init",    "fence",         "get",   "set",
    "poll",   "await", "retry",  "yield",      "compute", "sleep_prepare", "sleep", "wake",
    "cancel", "park",  "unpark", "alloc",      "free",    "inject",        "done"};
constexpr std::array<std::string_view, 4> kStrategyNames = {"from_seed", "uniform", "sticky", "pct"};
constexpr std::size_t kShownSteps = 30;

std::string hex(std::uint64_t value) {
    char text[24];
    std::snprintf(text, sizeof text, "%#llx", static_cast<unsigned long long>(value));
    return text;
}

// The first template argument in a __PRETTY_FUNCTION__, without what all have in common.
std::string short_type(const char* pretty) {
    std::string text(pretty);
    std::size_t begin = text.find("Fresh = ");  // of a pool: Stable and Fresh
    begin = begin != std::string::npos ? begin + 8 : text.find("T = ") + 4;
    std::size_t end = begin;
    for (int depth = 0; end < text.size(); ++end) {
        const char c = text[end];
        depth += c == '<' || c == '(' ? 1 : c == '>' || c == ')' ? -1 : 0;
        if (depth <= 0 && (c == ';' || c == ']' || c == ',')) {
            break;
        }
    }
    text = text.substr(begin, end - begin);
    for (const std::string_view common :
         {"lockbench::", "<Coop>", "coop::", "(anonymous namespace)::", "{anonymous}::"}) {
        for (std::size_t at = text.find(common); at != std::string::npos; at = text.find(common)) {
            text.erase(at, common.size());
        }
    }
    return text;
}

}  // namespace

Engine::Engine() {
    for (ThreadId tid = 0; tid < kMaxFibers; ++tid) {
        threads_[tid].tid = tid;
    }
}

void Engine::begin(const CoopOptions& options, CoopVerdict* verdict) {
    check(options.threads >= 1 && options.threads <= kMaxFibers, "a cooperative world has 1 to 16 threads");
    options_ = options;
    verdict_ = verdict;
    thread_count_ = options.threads;
    random_ = RandomStream(options.seed * 0x9e3779b97f4a7c15ULL + options.threads);
    steps_ = 0;
    now_ = 1;
    next_deadline_ = UINT64_MAX;
    traced_ = 0;
    loc_map_.reset();
    locs_.clear();
    arena_.reset();
    objects_.clear();
    std::fill(per_thread_.begin(), per_thread_.end(), nullptr);
    judge_map_.reset();
    judged_.clear();
    parked_.clear();
    for (ThreadId tid = 0; tid < thread_count_; ++tid) {
        threads_[tid].reset();
    }
    choose_strategy(options);
    choose_injections(options);
    schedule_injection();
    next_stop_ = 1;  // the first step works out when the next rare one is due
}

void Engine::end() {
    for (std::uint32_t i = 0; i < object_count() && !failed(); ++i) {
        if (objects_[i].live && (objects_[i].kind == ObjectKind::slab || objects_[i].kind == ObjectKind::pool)) {
            message_ = name_of_address(reinterpret_cast<const void*>(objects_[i].base)) +
                       " is still alive at the end of the world";
            fail(CoopFailure::leak);
        }
    }
    verdict_->steps = steps_;
}

void Engine::fail(CoopFailure kind) {
    if (!failed()) {
        compose(kind);
    }
    if (self_thread != nullptr) {
        Thread& me = *self_thread;
        me.fiber.leave_to(main_);
    }
}

void Engine::print_seed() const {
    std::fprintf(stderr, "lockbench: in a cooperative world, seed %llu\n",
                 static_cast<unsigned long long>(options_.seed));
}

void Engine::compose(CoopFailure kind) {
    verdict_->passed = false;
    verdict_->kind = kind;
    verdict_->steps = steps_;
    std::string& text = verdict_->text;
    text.assign(to_string(kind))
        .append(": ")
        .append(message_)
        .append("\n  seed ")
        .append(std::to_string(options_.seed));
    text.append(", ").append(std::to_string(thread_count_)).append(" threads, step ").append(std::to_string(steps_));
    text.append(", ").append(kStrategyNames[static_cast<std::size_t>(began_as_)]).append(" schedule\n");
    for (ThreadId tid = 0; tid < thread_count_; ++tid) {
        text.append("  thread ").append(std::to_string(tid)).append(": ").append(place_of(threads_[tid])).append("\n");
    }
    text.append("  last steps (the newest at the end):\n").append(trace());
}

std::string Engine::place_of(const Thread& thread) const {
    if (thread.done) {
        return "done";
    }
    const Block& block = thread.block;
    if (block.kind == BlockKind::none) {
        return "can run, last at " + name_of(thread.last_site);
    }
    std::string text;
    switch (block.kind) {
        case BlockKind::await:
            text = "waits for " + name_of_address(block.address);
            break;
        case BlockKind::retry:
            text = "waits in a Retry loop for a change of";
            for (std::uint32_t i = thread.retry_begin; i < thread.seen_count; ++i) {
                text += " " + name_of(thread.seen[i].loc);
            }
            break;
        case BlockKind::sleep:
            text = "sleeps";
            break;
        case BlockKind::sleep_killable:
            text = "sleeps killably";
            break;
        case BlockKind::park:
            text = "is parked on " + name_of_address(block.address);
            break;
        default:
            text = "sleeps until a time";
    }
    text += block.deadline != 0 ? ", with a deadline," : "";
    return text + " at " + name_of(block.site);
}

std::string Engine::trace() const {
    std::string text;
    const std::uint64_t kept = std::min<std::uint64_t>({traced_, kTrace, kShownSteps});
    for (std::uint64_t i = traced_ - kept; i < traced_; ++i) {
        const TraceEntry& entry = trace_[i % kTrace];
        const std::string who = entry.tid == kNoThread ? "host" : "t" + std::to_string(entry.tid);
        text += "    #" + std::to_string(entry.step) + " " + who + " ";
        text += kOpNames[static_cast<std::size_t>(entry.op)];
        if (entry.loc != kNone) {
            text += " " + name_of(entry.loc) + " " + hex(entry.before);
            text += entry.before != entry.after ? " -> " + hex(entry.after) : "";
        } else if (entry.before != 0) {
            text += " " + std::to_string(entry.before);
        }
        text += entry.site.file != nullptr ? "  " + name_of(entry.site) + "\n" : "\n";
    }
    return text;
}

std::string Engine::name_of(std::uint32_t loc) const {
    return name_of_address(reinterpret_cast<const void*>(locs_[loc].address));
}

std::string Engine::name_of_address(const void* address) const {
    const std::uint32_t loc = loc_map_.find(reinterpret_cast<std::uintptr_t>(address));
    const std::string name =
        loc == kNone ? "" : ((locs_[loc].flags & Loc::kAtomic) != 0 ? "a" : "p") + std::to_string(loc);
    const std::uint32_t number = object_at(address);
    if (number == kNone) {
        return name.empty() ? "an object outside the world" : name;
    }
    const Object& object = objects_[number];
    const auto offset = reinterpret_cast<std::uintptr_t>(address) - object.base;
    return name + (name.empty() ? "" : "=") + short_type(object.type) + "#" + std::to_string(number) + "+" +
           std::to_string(offset);
}

// The last two parts of the path.
std::string Engine::name_of(Site site) {
    if (site.file == nullptr) {
        return "its start";
    }
    const std::string_view path(site.file);
    std::size_t slash = path.rfind('/');
    slash = slash == std::string_view::npos || slash == 0 ? slash : path.rfind('/', slash - 1);
    return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1)) + ":" +
           std::to_string(site.line);
}

}  // namespace coop
}  // namespace lockbench
