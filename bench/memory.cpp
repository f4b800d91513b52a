// SPDX-License-Identifier: MIT
#include "bench/memory.hpp"

#include <numa.h>
#include <numaif.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "bench/cpu_list.hpp"
#include "bench/errors.hpp"
#include "bench/limits.hpp"

namespace lockbench {
namespace {

std::size_t page_size() {
    static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return bytes;
}

std::size_t round_to_pages(std::size_t bytes) { return (bytes + page_size() - 1) / page_size() * page_size(); }

// At once and without destructors: other threads of a trial may still use what those would take away.
[[noreturn]] void give_up(const std::string& message) {
    std::fprintf(stderr, "lockbench: %s\n", message.c_str());
    std::fflush(nullptr);
    std::_Exit(kExitHost);
}

class Problems {
  public:
    void add(const std::string& text) {
        const std::lock_guard<std::mutex> hold(mutex_);
        if (std::find(texts_.begin(), texts_.end(), text) == texts_.end()) {
            texts_.push_back(text);
        }
    }
    std::vector<std::string> all() {
        const std::lock_guard<std::mutex> hold(mutex_);
        return texts_;
    }

  private:
    std::mutex mutex_;
    std::vector<std::string> texts_;
};

Problems& problem_list() {
    static Problems problems;
    return problems;
}

struct Capability {
    std::vector<NodeId> nodes = {0};
    std::string why_not;
};

// Asked once: nodes do not come and go during a run, and a container's filter stays.
const Capability& capability() {
    static const Capability answer = [] {
        Capability can;
        // Asked here first: libnuma takes a container's refusal for an answer and prints it.
        if (get_mempolicy(nullptr, nullptr, 0, nullptr, 0) != 0 || numa_available() < 0) {
            can.why_not =
                std::string("the kernel refuses NUMA calls (") + std::strerror(errno) + "), so memory is not bound";
            return can;
        }
        bitmask* allowed = numa_get_mems_allowed();
        std::vector<NodeId> nodes;
        std::vector<NodeId> of_any_size;
        for (int node = 0; node <= numa_max_node(); ++node) {
            if (numa_bitmask_isbitset(allowed, static_cast<unsigned>(node)) == 0) {
                continue;
            }
            of_any_size.push_back(node);
            // A kernel without cpusets allows every number that could ever be a node.
            if (numa_node_size64(node, nullptr) > 0) {
                nodes.push_back(node);
            }
        }
        if (nodes.empty()) {
            nodes = of_any_size;  // sizes are not told, as sysfs is not mounted
        }
        numa_bitmask_free(allowed);
        if (nodes.empty()) {
            can.why_not = "the kernel does not tell from which nodes memory may be taken, so memory is not bound";
        } else {
            can.nodes = nodes;
        }
        return can;
    }();
    return answer;
}

// Node numbers as mbind(2) wants them.
class NodeMask {
  public:
    void add(NodeId node) {
        const auto bit = static_cast<std::size_t>(node);
        words_.at(bit / kBits) |= 1UL << (bit % kBits);
    }
    [[nodiscard]] unsigned long* words() { return words_.data(); }
    [[nodiscard]] std::vector<NodeId> nodes() const {
        std::vector<NodeId> found;
        for (std::size_t bit = 0; bit < kMostNodeNumber; ++bit) {
            if ((words_.at(bit / kBits) >> (bit % kBits) & 1UL) != 0) {
                found.push_back(static_cast<NodeId>(bit));
            }
        }
        return found;
    }
    // The kernel takes one off the number it is given.
    [[nodiscard]] static unsigned long size() { return kMostNodeNumber + 1; }

  private:
    static constexpr std::size_t kBits = 8 * sizeof(unsigned long);
    std::array<unsigned long, kMostNodeNumber / kBits> words_{};
};

void bind_pages(void* base, std::size_t bytes, NodeId node) {
    const Capability& can = capability();
    if (!can.why_not.empty()) {
        problem_list().add(can.why_not);
        return;
    }
    NodeMask mask;
    const std::vector<NodeId> wanted = node == kInterleaveNodes ? can.nodes : std::vector<NodeId>{node};
    std::for_each(wanted.begin(), wanted.end(), [&](NodeId one) { mask.add(one); });
    const int mode = node == kInterleaveNodes ? MPOL_INTERLEAVE : MPOL_BIND;
    if (mbind(base, bytes, mode, mask.words(), NodeMask::size(), 0) != 0) {
        problem_list().add("mbind to nodes " + format_numbers(wanted) + " failed: " + std::strerror(errno) +
                           "; memory is not bound");
    }
}

void check_node(NodeId node) {
    const std::vector<NodeId>& nodes = capability().nodes;
    const bool special = node == kAnyNode || node == kInterleaveNodes;
    if (!special && std::find(nodes.begin(), nodes.end(), node) == nodes.end()) {
        give_up("memory on node " + std::to_string(node) + " was asked for; this process may take it from nodes " +
                format_numbers(nodes) + " only.");
    }
}

// Of pages that move_pages(2) calls absent, those that are there: one that automatic NUMA balancing has marked, to see
// who touches it next, looks absent on some kernels (6.1 of Debian 12 is one). Reading a page takes the mark off. What
// really is absent is not read, as that would make it.
bool unmark(std::span<void* const> at, std::span<const int> status) {
    bool any = false;
    for (std::size_t i = 0; i < at.size(); ++i) {
        unsigned char resident = 0;
        if (status[i] == -ENOENT && mincore(at[i], page_size(), &resident) == 0 && (resident & 1U) != 0) {
            static_cast<void>(*static_cast<volatile std::byte*>(at[i]));
            any = true;
        }
    }
    return any;
}

}  // namespace

namespace memory {

void* alloc(std::size_t bytes, NodeId node) {
    check_node(node);
    const std::size_t size = round_to_pages(bytes);
    void* base = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        give_up("out of memory: " + std::to_string(size) + " bytes: " + std::strerror(errno) + ".");
    }
    if (node == kAnyNode) {
        return base;
    }
    bind_pages(base, size, node);
    auto* const first = static_cast<volatile std::byte*>(base);
    for (std::size_t offset = 0; offset < size; offset += page_size()) {
        first[offset] = std::byte{0};
    }
    return base;
}

void release(void* base, std::size_t bytes) {
    if (base != nullptr && munmap(base, round_to_pages(bytes)) != 0) {
        problem_list().add(std::string("munmap failed: ") + std::strerror(errno));
    }
}

std::vector<std::string> problems() { return problem_list().all(); }

const std::vector<NodeId>& nodes() { return capability().nodes; }

const std::string& why_not_bound() { return capability().why_not; }

CallersPolicy drop_callers_policy() {
    static constexpr std::array kNames = {"default",        "preferred",          "bind", "interleave", "local",
                                          "preferred many", "weighted interleave"};
    constexpr unsigned kWithoutFlags = 0xff;  // the kernel's flags on a policy are high bits
    constexpr unsigned kLocal = 4;            // the default by another name
    CallersPolicy policy;
    int mode = MPOL_DEFAULT;
    NodeMask mask;
    if (get_mempolicy(&mode, mask.words(), NodeMask::size(), nullptr, 0) != 0) {
        return policy;  // a kernel that does not tell is recorded as one on which memory is not bound
    }
    const unsigned plain = static_cast<unsigned>(mode) & kWithoutFlags;
    if (plain == MPOL_DEFAULT || plain == kLocal) {
        return policy;
    }
    policy.was = (plain < kNames.size() ? std::string(kNames.at(plain)) : "policy " + std::to_string(plain)) +
                 " over nodes " + format_numbers(mask.nodes());
    if (set_mempolicy(MPOL_DEFAULT, nullptr, 0) != 0) {
        policy.still_why = std::strerror(errno);
    } else if (get_mempolicy(&mode, nullptr, 0, nullptr, 0) != 0 || mode != MPOL_DEFAULT) {
        policy.still_why = "the kernel keeps it";
    }
    return policy;
}

}  // namespace memory

void count_pages(NodePages& pages, const void* base, std::size_t bytes) {
    constexpr std::size_t kBatch = 1024;
    const auto begin = reinterpret_cast<std::uintptr_t>(base) / page_size() * page_size();
    const std::uintptr_t end = reinterpret_cast<std::uintptr_t>(base) + bytes;
    std::array<void*, kBatch> at{};
    std::array<int, kBatch> status{};
    for (std::uintptr_t page = begin; page < end;) {
        unsigned long count = 0;
        for (; count < kBatch && page < end; page += page_size()) {
            at[count++] = reinterpret_cast<void*>(page);
        }
        const auto ask = [&] { return move_pages(0, count, at.data(), nullptr, status.data(), 0); };
        if (ask() < 0 || (unmark({at.data(), count}, {status.data(), count}) && ask() < 0)) {
            pages[-errno] += count;
            problem_list().add(std::string("the kernel does not tell where pages lie (move_pages: ") +
                               std::strerror(errno) + ")");
            continue;
        }
        for (unsigned long i = 0; i < count; ++i) {
            ++pages[status[i]];
        }
    }
}

std::uint64_t HomeReport::pages() const {
    std::uint64_t sum = 0;
    for (const auto& [node, count] : got) {
        sum += node >= 0 ? count : 0;
    }
    return sum;
}

std::uint64_t HomeReport::unknown() const {
    std::uint64_t sum = 0;
    for (const auto& [node, count] : got) {
        sum += node < 0 ? count : 0;
    }
    return sum;
}

std::uint64_t HomeReport::misplaced(std::span<const NodeId> nodes) const {
    if (asked == kAnyNode) {
        return 0;
    }
    const std::uint64_t share = nodes.empty() ? 0 : (pages() + nodes.size() - 1) / nodes.size();
    std::uint64_t sum = 0;
    for (const auto& [node, count] : got) {
        const bool ours =
            asked == kInterleaveNodes ? std::find(nodes.begin(), nodes.end(), node) != nodes.end() : node == asked;
        if (node >= 0) {
            const std::uint64_t right = !ours ? 0 : asked == kInterleaveNodes ? std::min(count, share) : count;
            sum += count - right;
        }
    }
    return sum;
}

bool HomeReport::verified(std::span<const NodeId> nodes) const {
    if (asked == kAnyNode) {
        return true;
    }
    if (asked != kInterleaveNodes) {
        return unknown() == 0 && misplaced(nodes) == 0;
    }
    const bool ours = std::all_of(got.begin(), got.end(), [&](const auto& entry) {
        return std::find(nodes.begin(), nodes.end(), entry.first) != nodes.end();
    });
    return ours && misplaced(nodes) <= pages() / 4;
}

}  // namespace lockbench
