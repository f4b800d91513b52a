// SPDX-License-Identifier: MIT
// A lock on the cooperative platform, and threads that a test leads step by step: who waits, who spins, who sleeps, who
// comes next.
//
// Each acquisition touches data that only the lock protects, so an order that is too weak shows as a race; is marked,
// so that a failure of exclusion ends the run; and is written down, so that a test can ask for the order of entries.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "locks/lock.hpp"
#include "platform/coop.hpp"
#include "platform/ctx.hpp"

namespace lockbench {

// Nothing happens but what the threads do; only the schedule varies with the seed.
inline CoopOptions calm(std::uint64_t seed, unsigned threads) {
    CoopOptions options{.seed = seed, .threads = threads};
    options.spurious_wakes = options.expiries = options.not_running = {};
    options.should_yield = options.budget_stops = options.cancels = {};
    return options;
}

template <class L>
class Stage {
  public:
    explicit Stage(const CoopOptions& options)
        : world_(options),
          lock_(world_.template make<L>()),
          data_(world_.template make<Coop::Plain<std::uint64_t>>(0U)) {
        for (ThreadId tid = 0; tid < options.threads; ++tid) {
            stats_.emplace_back();
            contexts_.emplace_back(tid, options.seed, 0, stats_.back(), nullptr);
            tokens_.push_back(&world_.template make<typename L::Token>(contexts_.back()));
        }
    }

    CoopWorld& world() { return world_; }
    L& raw() { return lock_; }
    typename L::Token& token(ThreadId tid) { return *tokens_[tid]; }
    RandomStream& random(ThreadId tid) { return contexts_[tid].random; }

    void lock(ThreadId tid) {
        Coop::mark(Mark::doorway, &lock_, Mode::write);
        lock_.lock(token(tid));
        entered(tid, Mode::write);
    }
    bool lock_killable(ThreadId tid) {
        Coop::mark(Mark::doorway, &lock_, Mode::write);
        return lock_.lock_killable(token(tid)) && entered(tid, Mode::write);
    }
    bool try_lock(ThreadId tid) { return lock_.try_lock(token(tid)) && entered(tid, Mode::write); }
    void unlock(ThreadId tid) {
        data_.set(data_.get() + 1);
        check(lock_.is_locked(), "a held lock says that it is not locked");
        Coop::mark(Mark::released, &lock_, Mode::write);
        lock_.unlock(token(tid));
    }
    void lock_shared(ThreadId tid) {
        Coop::mark(Mark::doorway, &lock_, Mode::read);
        lock_.lock_shared(token(tid));
        entered(tid, Mode::read);
    }
    bool lock_shared_killable(ThreadId tid) {
        Coop::mark(Mark::doorway, &lock_, Mode::read);
        return lock_.lock_shared_killable(token(tid)) && entered(tid, Mode::read);
    }
    bool try_lock_shared(ThreadId tid) { return lock_.try_lock_shared(token(tid)) && entered(tid, Mode::read); }
    void unlock_shared(ThreadId tid) {
        sum_ += data_.get();
        check(lock_.is_locked(), "a held lock says that it is not locked");
        Coop::mark(Mark::released, &lock_, Mode::read);
        lock_.unlock_shared(token(tid));
    }
    void downgrade(ThreadId tid) {
        data_.set(data_.get() + 1);
        Coop::mark(Mark::acquired, &lock_, Mode::read);
        lock_.downgrade(token(tid));
    }

    bool cue = false;  // a scene's own step, where no event tells it

    // Stays on the CPU until `holds`.
    template <class Pred>
    static void until(Pred holds) {
        while (!holds()) {
            Coop::relax();
        }
    }
    // Off the CPU until somebody gives the cue and wakes this thread.
    void sleep_until_cue() const {
        while (!cue) {
            Coop::sleep_prepare();
            if (!cue) {
                Coop::sleep(Coop::never());
            }
        }
    }

    [[nodiscard]] std::uint64_t events(Event event) const { return world_.events(event); }
    [[nodiscard]] std::uint64_t events(ThreadId tid, Event event) const { return world_.events(tid, event); }
    // Inside its `times`-th sleep, or in a later one.
    [[nodiscard]] bool asleep(ThreadId tid, std::uint64_t times = 1) const {
        return events(tid, Event::slept) >= times && !Coop::is_running(tid);
    }
    [[nodiscard]] bool has_entered(ThreadId tid) const { return place(tid) != kNowhere; }
    // Position among all entries of the thread's first one.
    [[nodiscard]] std::size_t place(ThreadId tid) const { return place(tid, 1); }
    [[nodiscard]] std::size_t place(ThreadId tid, std::size_t time) const {
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (entries_[i] == tid && --time == 0) {
                return i;
            }
        }
        return kNowhere;
    }
    static constexpr std::size_t kNowhere = SIZE_MAX;
    [[nodiscard]] const std::vector<ThreadId>& entries() const { return entries_; }

    // Runs the bodies to their end: no failure, and the lock is as it was built.
    void play(const std::function<void(ThreadId)>& body) {
        world_.run(body);
        if (world_.verdict().passed) {
            check_constructed();
        }
    }
    bool passed() {
        const CoopVerdict& verdict = world_.close();
        EXPECT_TRUE(verdict.passed) << verdict.text;
        return verdict.passed;
    }
    CoopVerdict close() { return world_.close(); }

  private:
    bool entered(ThreadId tid, Mode mode) {
        Coop::mark(Mark::acquired, &lock_, mode);
        entries_.push_back(tid);
        sum_ += data_.get();
        return true;
    }
    void check_constructed() {
        EXPECT_TRUE(lock_.is_constructed()) << "seed " << world_.verdict().seed;
        EXPECT_FALSE(lock_.is_locked()) << "seed " << world_.verdict().seed;
    }

    CoopWorld world_;
    L& lock_;
    Coop::Plain<std::uint64_t>& data_;
    std::deque<ThreadStats> stats_;
    std::deque<Ctx<Coop>> contexts_;
    std::vector<typename L::Token*> tokens_;
    std::vector<ThreadId> entries_;
    std::uint64_t sum_ = 0;
};

// Plays `scene(stage, tid)` on `seeds` schedules and hands each finished stage to `after(stage)`; stops at the first
// that fails.
template <class L, class Scene, class After>
void play_scenes(std::uint64_t seeds, const CoopOptions& base, Scene scene, After after) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        CoopOptions options = base;
        options.seed = seed;
        Stage<L> stage(options);
        stage.play([&](ThreadId tid) { scene(stage, tid); });
        const bool passed = stage.world().verdict().passed;
        if (passed) {
            after(stage);
        }
        if (!stage.passed() || ::testing::Test::HasFailure()) {
            ADD_FAILURE() << "seed " << seed;
            return;
        }
    }
}

}  // namespace lockbench
