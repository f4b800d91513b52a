// SPDX-License-Identifier: MIT
#include "platform/explore/linearise.hpp"

#include <algorithm>

namespace lockbench::explore {
namespace {

class Lineariser {
  public:
    explicit Lineariser(const Graph& graph) : graph_(graph) {}

    Linear run() {
        Linear result;
        const std::size_t total = graph_.size();
        result.order.reserve(total);
        ThreadId tid = 0;
        while (result.order.size() < total) {
            // Stays with a thread as long as it can.
            const ThreadId next = pick(tid, true);
            if (next == kNoThread) {
                tid = pick(tid, false);
                ++result.stale;
            } else {
                tid = next;
            }
            result.order.push_back(event_id(tid, done_.at[tid]));
            ++done_.at[tid];
        }
        return result;
    }

  private:
    [[nodiscard]] ThreadId pick(ThreadId first, bool coherent) const {
        for (ThreadId i = 0; i < graph_.threads(); ++i) {
            const ThreadId tid = (first + i) % graph_.threads();
            if (done_.at[tid] < graph_.size(tid) && fits(graph_.at(event_id(tid, done_.at[tid])), coherent)) {
                return tid;
            }
        }
        return kNoThread;
    }

    [[nodiscard]] bool fits(const Event& event, bool coherent) const {
        if (event.is(Event::kWaiting)) {
            return true;
        }
        if (event.is(Event::kRead)) {
            return done_.covers(event.rf);
        }
        if (!coherent || !event.is(Event::kWrite)) {
            return true;
        }
        const Location& location = graph_.location(event.loc);
        if (!done_.covers(graph_.write_at(event.loc, event.mo - 1U))) {
            return false;
        }
        // Whoever reads an older write has done so.
        return std::all_of(location.reads.begin(), location.reads.end(), [&](EventId id) {
            const Event& read = graph_.at(id);
            return read.is(Event::kWaiting) || done_.covers(id) || graph_.mo(read.rf) >= event.mo;
        });
    }

    const Graph& graph_;
    Clock done_;
};

}  // namespace

Linear linearise(const Graph& graph) { return Lineariser(graph).run(); }

}  // namespace lockbench::explore
