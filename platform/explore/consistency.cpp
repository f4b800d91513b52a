// SPDX-License-Identifier: MIT
// The axioms that no choice keeps by itself.
//
// RC11 as repaired by Lahav, Vafeiadis, Kang, Hur and Dreyer (PLDI 2017): psc = psc_base | psc_F is acyclic, with
//   scb      = po | po_other;hb;po_other | hb_same | mo | fr     (other: between different locations, same: the same)
//   psc_base = ([E] | [F];hb?) ; scb ; ([E] | hb?;[F])           E: sequentially consistent accesses and fences, F:
//   psc_F    = [F] ; (hb | hb;eco;hb) ; [F]                         fences
// Coherence and atomicity hold by construction, and no cycle of po | rf (load buffering) is ever built.
#include <algorithm>
#include <bitset>

#include "platform/explore/graph.hpp"
#include "platform/explore/linearise.hpp"

namespace lockbench::explore {
namespace {

bool is_fence(const Event& event) { return event.kind == Kind::fence; }
bool has_location(const Event& event) { return event.is(Event::kRead) || event.is(Event::kWrite); }
bool same_location(const Event& a, const Event& b) { return has_location(a) && has_location(b) && a.loc == b.loc; }

class Psc {
  public:
    explicit Psc(const Graph& graph) : graph_(graph) {
        for (ThreadId tid = 0; tid < graph.threads(); ++tid) {
            for (std::size_t i = 0; i < graph.size(tid); ++i) {
                const EventId id = event_id(tid, i);
                const Event& event = graph.at(id);
                if (event.order == Order::seq_cst && !event.is(Event::kWaiting)) {
                    nodes_.push_back(id);
                }
            }
        }
    }

    [[nodiscard]] bool acyclic() {
        if (nodes_.size() < 2) {
            return true;
        }
        if (nodes_.size() > kMaxNodes) {
            core->engine().fail(Failure::limit, "more sequentially consistent operations than the explorer takes");
        }
        for (std::size_t from = 0; from < nodes_.size(); ++from) {
            add_base(from);
            if (is_fence(graph_.at(nodes_[from]))) {
                add_fences(from);
            }
        }
        return no_cycle();
    }

  private:
    static constexpr std::size_t kMaxNodes = 512;

    // What is reached from nodes_[from] by psc_base.
    void add_base(std::size_t from) {
        const EventId id = nodes_[from];
        image(from, id);
        if (!is_fence(graph_.at(id))) {
            return;
        }
        for (ThreadId tid = 0; tid < graph_.threads(); ++tid) {
            for (std::size_t i = 0; i < graph_.size(tid); ++i) {
                const EventId after = event_id(tid, i);
                if (after != id && graph_.at(after).hb.covers(id)) {
                    image(from, after);
                }
            }
        }
    }

    // All y with scb(x, y).
    void image(std::size_t from, EventId x) {
        const Event& event = graph_.at(x);
        const ThreadId tid = owner_of(x);
        std::size_t other = graph_.size(tid);  // the first that comes after x at another location
        for (std::size_t i = index_of(x) + 1; i < graph_.size(tid); ++i) {
            const EventId y = event_id(tid, i);
            reach(from, y);
            if (other == graph_.size(tid) && !same_location(event, graph_.at(y))) {
                other = i;
            }
        }
        if (other != graph_.size(tid)) {
            through_happens_before(from, event_id(tid, other));
        }
        if (has_location(event) && !event.is(Event::kPlain) && !event.is(Event::kWaiting)) {
            along_location(from, x);
        }
    }

    // y after z at another location, z after `first`. What happens after `first` in a thread is its end.
    void through_happens_before(std::size_t from, EventId first) {
        for (ThreadId tid = 0; tid < graph_.threads(); ++tid) {
            std::size_t begin = 0;
            while (begin < graph_.size(tid) &&
                   (event_id(tid, begin) == first || !graph_.at(event_id(tid, begin)).hb.covers(first))) {
                ++begin;
            }
            bool all_same = true;  // so far one location only
            for (std::size_t i = begin + 1; i < graph_.size(tid); ++i) {
                const Event& y = graph_.at(event_id(tid, i));
                const bool differs = !same_location(graph_.at(event_id(tid, begin)), y);
                if (differs || !all_same) {
                    reach(from, event_id(tid, i));
                }
                all_same = all_same && !differs;
            }
        }
    }

    void along_location(std::size_t from, EventId x) {
        const Event& event = graph_.at(x);
        const Location& location = graph_.location(event.loc);
        const std::size_t place = event.is(Event::kWrite) ? event.mo : graph_.mo(event.rf);
        for (std::size_t i = 0; i < location.writes.size(); ++i) {
            const EventId y = location.writes[i];
            if (y != x && (i + 1 > place || graph_.at(y).hb.covers(x))) {
                reach(from, y);  // mo, or fr, or hb
            }
        }
        for (const EventId y : location.reads) {
            if (y != x && graph_.at(y).hb.covers(x)) {
                reach(from, y);
            }
        }
    }

    // `y` ends an scb: it is a node, or a fence comes after it.
    void reach(std::size_t from, EventId y) {
        for (std::size_t to = 0; to < nodes_.size(); ++to) {
            const Event& node = graph_.at(nodes_[to]);
            if (nodes_[to] == y || (is_fence(node) && node.hb.covers(y))) {
                edges_[from].set(to);
            }
        }
    }

    void add_fences(std::size_t from) {
        const EventId id = nodes_[from];
        for (std::size_t loc = 0; loc < graph_.locations(); ++loc) {
            const Location& location = graph_.location(static_cast<LocId>(loc));
            std::size_t oldest = location.writes.size() + 1;  // what comes before it in eco is not reached
            bool by_read = false;
            const auto look = [&](EventId x, std::size_t place, bool read) {
                if (graph_.at(x).hb.covers(id) && place < oldest) {
                    oldest = place;
                    by_read = read;
                }
            };
            for (std::size_t i = 0; i < location.writes.size(); ++i) {
                look(location.writes[i], i + 1, false);
            }
            for (const EventId read : location.reads) {
                if (!graph_.at(read).is(Event::kWaiting)) {
                    look(read, graph_.mo(graph_.at(read).rf), true);
                }
            }
            if (oldest <= location.writes.size()) {
                reach_fences(from, location, oldest, by_read);
            }
        }
        for (std::size_t to = 0; to < nodes_.size(); ++to) {
            if (to != from && is_fence(graph_.at(nodes_[to])) && graph_.at(nodes_[to]).hb.covers(id)) {
                edges_[from].set(to);
            }
        }
    }
    // Fences after an event that eco puts after the one at `oldest` (a write there is read by those of that place).
    void reach_fences(std::size_t from, const Location& location, std::size_t oldest, bool by_read) {
        const auto reach_fence = [&](EventId y) {
            for (std::size_t to = 0; to < nodes_.size(); ++to) {
                const Event& node = graph_.at(nodes_[to]);
                if (is_fence(node) && node.hb.covers(y)) {
                    edges_[from].set(to);
                }
            }
        };
        for (std::size_t i = oldest; i < location.writes.size(); ++i) {
            reach_fence(location.writes[i]);
        }
        for (const EventId read : location.reads) {
            const Event& event = graph_.at(read);
            const std::size_t place = graph_.mo(event.rf);
            if (!event.is(Event::kWaiting) && (place > oldest || (place == oldest && !by_read))) {
                reach_fence(read);
            }
        }
    }

    [[nodiscard]] bool no_cycle() {
        const std::size_t count = nodes_.size();
        for (std::size_t via = 0; via < count; ++via) {
            for (std::size_t from = 0; from < count; ++from) {
                if (edges_[from].test(via)) {
                    edges_[from] |= edges_[via];
                }
            }
        }
        for (std::size_t node = 0; node < count; ++node) {
            if (edges_[node].test(node)) {
                return false;
            }
        }
        return true;
    }

    const Graph& graph_;
    std::vector<EventId> nodes_;
    std::array<std::bitset<kMaxNodes>, kMaxNodes> edges_;
};

bool has_sequential(const Graph& graph) {
    for (ThreadId tid = 0; tid < graph.threads(); ++tid) {
        for (const Event& event : graph.events(tid)) {
            if (event.order == Order::seq_cst) {
                return true;
            }
        }
    }
    return false;
}

}  // namespace

bool consistent(const Graph& graph, Model model) {
    if (model == Model::sc) {
        return linearise(graph).stale == 0;
    }
    return !has_sequential(graph) || Psc(graph).acyclic();
}

}  // namespace lockbench::explore
