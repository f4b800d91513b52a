// SPDX-License-Identifier: MIT
// Programs that do one thing wrong, or nothing, for every engine to judge alike: what threads do to one World.
#pragma once

#include <cstdint>
#include <functional>
#include <set>

#include "platform/explore/explore.hpp"

namespace lockbench::test::fault {

using P = Explore;

struct Node {
    P::Atomic<int> word;
    P::Plain<int> data{0};
};
struct World {
    P::Atomic<int> flag{0};
    P::Atomic<std::uint32_t> futex{0U};
    P::Atomic<Node*> node{nullptr};
    P::Plain<int> data{0};
    P::Slab<Node> slab;
};
using Body = std::function<void(World&, ThreadId)>;

// Thread 0 makes a node, publishes it, and waits for the other before its end, or not.
inline Body life(bool waits, bool twice, bool sets) {
    return [=](World& w, ThreadId tid) {
        if (tid == 0) {
            Node* const node = w.slab.make();
            if (sets) {
                node->word.init(1);
            }
            w.node.store(node, release);
            if (waits) {
                w.flag.await([](int flag) { return flag == 1; }, acquire);
            }
            w.slab.destroy(node);
            if (twice) {
                w.slab.destroy(node);
            }
            return;
        }
        Node* const node = w.node.await_value([](const Node* seen) { return seen != nullptr; }, acquire);
        (void)node->word.load(relaxed);
        w.flag.store(1, release);
    };
}

// Thread 0 waits for the flag to be 2; the other, if there is one, sets it to 1.
inline Body waits_in_vain() {
    return [](World& w, ThreadId tid) {
        if (tid == 0) {
            w.flag.await([](int flag) { return flag == 2; }, relaxed);
        } else {
            w.flag.store(1, relaxed);
        }
    };
}
// The same loop by hand: no thread is ever blocked.
inline Body loops_in_vain() {
    return [](World& w, ThreadId tid) {
        for (P::Retry loop; tid == 0 && w.flag.load(relaxed) != 2; loop.again()) {
        }
    };
}
// Thread 0 waits for what nobody writes, until `stop()` ends it.
template <class Stop>
Body waits_until(Stop stop) {
    return [=](World& w, ThreadId tid) {
        if (tid == 0) {
            auto mine = stop();
            w.flag.await_until([](int flag) { return flag == 2; }, relaxed, mine);
        }
    };
}

// Thread 0 waits for the flag to be 1, or for the futex word to be, whichever comes; thread 1 sets what it is told to.
inline Body waits_at_two_places(int flag, std::uint32_t futex, std::set<int>* ended_by = nullptr) {
    return [=](World& w, ThreadId tid) {
        if (tid == 1) {
            w.flag.store(flag, relaxed);
            w.futex.store(futex, relaxed);
            return;
        }
        const int by = w.flag.await_until([](int now) { return now == 1; }, relaxed,
                                          P::when(
                                              w.futex, [](std::uint32_t now) { return now == 1; }, relaxed));
        if (ended_by != nullptr) {
            ended_by->insert(by);
        }
    };
}

// Thread 0 sleeps until the flag is set; the wake may come at any time.
inline Body sleeper(bool looks_before_it_prepares) {
    return [=](World& w, ThreadId tid) {
        if (tid == 1) {
            w.flag.store(1, relaxed);
            P::wake(0);
            return;
        }
        if (looks_before_it_prepares) {
            const bool set = w.flag.load(relaxed) != 0;
            P::sleep_prepare();
            if (!set) {
                P::sleep(P::never());
            }
            return;
        }
        for (P::EffectLoop<2> loop;; loop.again()) {
            P::sleep_prepare();
            if (w.flag.load(relaxed) != 0) {
                return;
            }
            P::sleep(P::never());
        }
    };
}

}  // namespace lockbench::test::fault
