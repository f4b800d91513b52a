// SPDX-License-Identifier: MIT
#include "bench/machine_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "bench/placement_order.hpp"

namespace lockbench {
namespace {

constexpr std::size_t kPackage = 0;  // levels as group_of counts them
constexpr std::size_t kNode = 1;
constexpr std::size_t kLlc = 2;
constexpr std::uint64_t kMiBShown = 10'240;  // from here on GiB
constexpr std::size_t kLeastRun = 3;         // fewer neighbours are as short one by one
constexpr std::size_t kLeastSteps = 5;       // the same of numbers with a step between them

std::string size_text(std::uint64_t bytes) {
    constexpr std::uint64_t kKiB = 1024;
    constexpr std::uint64_t kMiB = kKiB * kKiB;
    if (bytes < kMiB) {
        return fmt::format("{} KiB", bytes / kKiB);
    }
    const std::uint64_t mib = bytes / kMiB;
    return mib < kMiBShown ? fmt::format("{} MiB", mib) : fmt::format("{} GiB", (mib + kKiB / 2) / kKiB);
}

LastCache cache_of(const Topology& topology, int llc) {
    const auto at = static_cast<std::size_t>(llc);
    return at < topology.last_caches.size() ? topology.last_caches[at] : LastCache{};
}

std::string cache_name(const LastCache& cache) { return cache.level == 0 ? "LLC" : fmt::format("L{}", cache.level); }

std::string cache_text(const LastCache& cache) {
    return cache.bytes == 0 ? cache_name(cache) : fmt::format("{} {}", cache_name(cache), size_text(cache.bytes));
}

// What is to be said of each node, each last cache and each core; one sentence in the set: all are alike.
struct Facts {
    std::set<std::string> nodes;
    std::set<std::string> caches;
    std::set<std::size_t> threads;
    std::size_t cores = 0;
    std::size_t llcs = 0;
};

Facts facts_of(const Topology& topology) {
    Facts facts;
    for (const NumaNode& node : topology.nodes) {
        facts.nodes.insert(memory_text(topology, node));
    }
    std::map<int, std::size_t> threads;
    std::set<int> llcs;
    for (const Cpu& cpu : topology.cpus) {
        facts.caches.insert(cache_text(cache_of(topology, cpu.llc)));
        llcs.insert(cpu.llc);
        ++threads[cpu.core];
    }
    for (const auto& [core, count] : threads) {
        facts.threads.insert(count);
    }
    facts.cores = threads.size();
    facts.llcs = llcs.size();
    return facts;
}

// Every core has a last cache of its own: boxes of one core each would say nothing more.
bool cache_a_core(const Facts& facts) { return facts.llcs == facts.cores && facts.llcs > 1; }

class Builder {
  public:
    explicit Builder(const Topology& topology)
        : topology_(topology), facts_(facts_of(topology)), levels_(nesting(topology.cpus)) {}

    Group build() {
        Group machine;
        for (const Cpu& cpu : topology_.cpus) {
            machine.cpus.push_back(&cpu);
        }
        divide(machine, 0);
        return machine;
    }

  private:
    void divide(Group& group, std::size_t depth) {
        while (depth < kPathLevels && levels_[depth] == kLlc && cache_a_core(facts_)) {
            ++depth;
        }
        if (depth == kPathLevels) {
            return;
        }
        const std::size_t level = levels_[depth];
        std::map<int, std::size_t> place;
        for (const Cpu* cpu : group.cpus) {
            const auto [found, fresh] = place.emplace(group_of(*cpu, level), group.parts.size());
            if (fresh) {
                group.parts.push_back({name_of(*cpu, level), {}, {}});
            }
            group.parts[found->second].cpus.push_back(cpu);
        }
        for (Group& part : group.parts) {
            divide(part, depth + 1);
        }
        absorb_only_part(group);
    }

    // A package that is one node that is one cache: one box with three names.
    static void absorb_only_part(Group& group) {
        if (group.name.empty() || group.parts.size() != 1 || group.parts.front().is_core()) {
            return;
        }
        Group only = std::move(group.parts.front());
        group.name += only.name.empty() ? "" : ", " + only.name;
        group.parts = std::move(only.parts);
    }

    [[nodiscard]] std::string name_of(const Cpu& cpu, std::size_t level) const {
        switch (level) {
            case kPackage:
                return fmt::format("package {}", cpu.package);
            case kNode: {
                const NumaNode* node = topology_.find_node(cpu.node);
                const bool told = node != nullptr && (topology_.nodes.size() == 1 || facts_.nodes.size() > 1);
                return fmt::format("node {}", cpu.node) +
                       (told ? fmt::format(" ({})", memory_text(topology_, *node)) : "");
            }
            case kLlc: {
                const LastCache cache = cache_of(topology_, cpu.llc);
                const bool told = cache.bytes != 0 && (facts_.llcs == 1 || facts_.caches.size() > 1);
                return fmt::format("{} {}", cache_name(cache), cpu.llc) +
                       (told ? fmt::format(" ({})", size_text(cache.bytes)) : "");
            }
            default:
                return "";
        }
    }

    const Topology& topology_;
    Facts facts_;
    std::array<std::size_t, kPathLevels> levels_;
};

}  // namespace

std::size_t Group::depth() const {
    std::size_t most = 0;
    for (const Group& part : parts) {
        most = std::max(most, part.is_core() ? 0 : 1 + part.depth());
    }
    return most;
}

Group tree_of(const Topology& topology) { return Builder(topology).build(); }

std::string common_facts(const Topology& topology) {
    const Facts facts = facts_of(topology);
    std::vector<std::string> texts;
    if (topology.nodes.size() > 1 && facts.nodes.size() == 1 && topology.nodes.front().memory_bytes != 0) {
        texts.push_back("each node " + *facts.nodes.begin());
    }
    if (facts.caches.size() == 1 && facts.llcs > 1 && cache_of(topology, 0).level != 0) {
        texts.push_back((cache_a_core(facts) ? "each core its own " : "each ") + *facts.caches.begin());
    }
    if (facts.threads.size() == 1 && facts.cores > 1) {
        const std::size_t threads = *facts.threads.begin();
        texts.push_back(fmt::format("each core {} CPU{}", threads, threads == 1 ? "" : "s"));
    }
    return fmt::format("{}", fmt::join(texts, ", "));
}

std::string ranges(std::vector<CpuId> cpus) {
    std::sort(cpus.begin(), cpus.end());
    std::string text;
    for (std::size_t i = 0; i < cpus.size();) {
        // The longest run with one step from here.
        std::size_t end = i + 1;
        const CpuId step = end < cpus.size() ? cpus[end] - cpus[i] : 1;
        while (end < cpus.size() && cpus[end] - cpus[end - 1] == step) {
            ++end;
        }
        const std::size_t count = end - i;
        if (count < (step == 1 ? kLeastRun : kLeastSteps)) {
            end = i + 1;
        }
        text += text.empty() ? "" : ",";
        text += std::to_string(cpus[i]);
        if (end - i > 1) {
            text += fmt::format("-{}{}", cpus[end - 1], step == 1 ? "" : fmt::format("/{}", step));
        }
        i = end;
    }
    return text;
}

std::string cpus_text(const std::vector<const Cpu*>& cpus) {
    std::vector<CpuId> usable;
    std::vector<CpuId> hidden;
    for (const Cpu* cpu : cpus) {
        (cpu->allowed ? usable : hidden).push_back(cpu->os_index);
    }
    std::string text = ranges(usable);
    if (!hidden.empty()) {
        text += fmt::format("{}({})", text.empty() ? "" : " ", ranges(hidden));
    }
    return text;
}

std::string memory_text(const Topology& topology, const NumaNode& node) {
    if (!topology.has_memory(node)) {
        return "no memory";
    }
    const std::string size = node.memory_bytes == 0 ? "no size told" : size_text(node.memory_bytes);
    return node.allowed ? size : size + ", hidden";
}

}  // namespace lockbench
