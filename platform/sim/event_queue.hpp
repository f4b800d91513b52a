// SPDX-License-Identifier: MIT
// The events to come, by time and, of equal times, in the order in which they were added: nothing else decides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "platform/sim/machine.hpp"

namespace lockbench::sim {

enum class EventKind : std::uint8_t { resume, arrive, lose, complete, free, poll, timer, check, quantum };

struct Event {
    Time at;
    std::uint64_t order;
    std::uint32_t arg;    // a thread, a request (thread * 2, + 1 for its store buffer's), a line or a CPU
    std::uint32_t stamp;  // of the wait that a timer, poll or check belongs to
    EventKind kind;
};

// A heap with four children a node: half as deep as a binary one, and the children share two cache lines.
class EventQueue {
  public:
    void push(Time at, EventKind kind, std::uint32_t arg, std::uint32_t stamp = 0) {
        std::size_t hole = heap_.size();
        heap_.push_back({});
        const Event event{at, ++pushed_, arg, stamp, kind};
        while (hole > 0) {
            const std::size_t parent = (hole - 1) / kChildren;
            if (!before(event, heap_[parent])) {
                break;
            }
            heap_[hole] = heap_[parent];
            hole = parent;
        }
        heap_[hole] = event;
    }
    Event pop() {
        const Event top = heap_.front();
        const Event last = heap_.back();
        heap_.pop_back();
        const std::size_t size = heap_.size();
        std::size_t hole = 0;
        while (hole * kChildren + 1 < size) {
            const std::size_t first = hole * kChildren + 1;
            const std::size_t end = first + kChildren < size ? first + kChildren : size;
            std::size_t least = first;
            for (std::size_t child = first + 1; child < end; ++child) {
                least = before(heap_[child], heap_[least]) ? child : least;
            }
            if (!before(heap_[least], last)) {
                break;
            }
            heap_[hole] = heap_[least];
            hole = least;
        }
        if (size != 0) {
            heap_[hole] = last;
        }
        return top;
    }
    [[nodiscard]] bool empty() const { return heap_.empty(); }
    [[nodiscard]] Time next_at() const { return heap_.empty() ? UINT64_MAX : heap_.front().at; }
    void clear() {
        heap_.clear();
        pushed_ = 0;
    }

  private:
    static constexpr std::size_t kChildren = 4;
    static bool before(const Event& a, const Event& b) { return a.at < b.at || (a.at == b.at && a.order < b.order); }

    std::vector<Event> heap_;
    std::uint64_t pushed_ = 0;
};

}  // namespace lockbench::sim
