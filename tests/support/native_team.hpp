// SPDX-License-Identifier: MIT
// Threads of a native trial, for tests of the platform itself.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "platform/native.hpp"

namespace lockbench::test {

// A trial of `threads` threads plus this one, which is thread number `threads`.
class Team {
  public:
    explicit Team(ThreadId threads) : threads_(threads) {
        native::World::get().begin_trial(std::vector<NodeId>(threads + 1, kAnyNode), 7);
        scope_ = std::make_unique<native::ThreadScope>(threads);
    }
    ~Team() {
        scope_.reset();
        native::World::get().end_trial();
    }
    template <class Body>
    void run(Body body) {
        std::vector<std::thread> team;
        for (ThreadId tid = 0; tid < threads_; ++tid) {
            team.emplace_back([&, tid] {
                const native::ThreadScope scope(tid);
                body(tid);
            });
        }
        for (std::thread& thread : team) {
            thread.join();
        }
    }

  private:
    ThreadId threads_;
    std::unique_ptr<native::ThreadScope> scope_;
};

}  // namespace lockbench::test
