// SPDX-License-Identifier: MIT
// A lock on the cooperative platform with what it protects: two counters that only ever differ inside a write section.
//
// Sections are marked, so that the platform judges exclusion; the counters are Plain, so that it judges the memory
// orders too. What a test notes in host variables costs no step: threads of the world run one at a time.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "locks/lock.hpp"
#include "platform/coop.hpp"

namespace lockbench {

// Lets the others run until `condition`, which reads host variables or asks without waiting.
template <class Condition>
void yield_until(Condition condition) {
    while (!condition()) {
        Coop::yield();
    }
}

template <class L>
class Scene {
  public:
    using Token = typename L::Token;

    explicit Scene(const CoopOptions& options)
        : world(options),
          lock(world.make<L>()),
          low_(world.make<Coop::Plain<std::uint64_t>>(0U)),
          high_(world.make<Coop::Plain<std::uint64_t>>(0U)),
          stats_(options.threads) {
        for (ThreadId tid = 0; tid < options.threads; ++tid) {
            contexts_.emplace_back(tid, options.seed, 0U, stats_[tid], nullptr);
            tokens_.push_back(&world.make<Token>(contexts_[tid]));
        }
    }

    // What only shows when the world ends: leaks.
    ~Scene() { EXPECT_TRUE(world.close().passed) << world.verdict().text; }
    Scene(const Scene&) = delete;
    Scene& operator=(const Scene&) = delete;

    Token& token(ThreadId tid) { return *tokens_[tid]; }
    Ctx<Coop>& ctx(ThreadId tid) { return contexts_[tid]; }
    std::uint64_t events(ThreadId tid, Event event) const { return world.events(tid, event); }

    // inside() runs while the lock is held.
    template <class Inside>
    void write(ThreadId tid, Inside inside) {
        Coop::mark(Mark::doorway, &lock, Mode::write);
        lock.lock(token(tid));
        write_held(tid, inside);
    }
    void write(ThreadId tid) {
        write(tid, [] {});
    }
    template <class Inside>
    void read(ThreadId tid, Inside inside) {
        Coop::mark(Mark::doorway, &lock, Mode::read);
        lock_for_read(lock, token(tid));
        read_held(tid, inside);
    }
    void read(ThreadId tid) {
        read(tid, [] {});
    }
    template <class Inside>
    void read_irq(ThreadId tid, Inside inside) {
        Coop::mark(Mark::doorway, &lock, Mode::read);
        lock.lock_shared_irq(token(tid));
        read_held(tid, inside);
    }
    void read_irq(ThreadId tid) {
        read_irq(tid, [] {});
    }
    bool try_write(ThreadId tid) {
        if (!lock.try_lock(token(tid))) {
            return false;
        }
        write_held(tid, [] {});
        return true;
    }
    bool try_read(ThreadId tid) {
        if (!try_lock_for_read(lock, token(tid))) {
            return false;
        }
        read_held(tid, [] {});
        return true;
    }

    // After run(): every write section counted, the lock as it was made, nothing wrong on the way.
    void expect_clean(std::uint64_t writes) {
        ASSERT_TRUE(world.verdict().passed) << world.verdict().text;
        EXPECT_EQ(low_.peek(), writes);
        EXPECT_EQ(high_.peek(), writes);
        EXPECT_TRUE(lock.is_constructed());
        EXPECT_FALSE(lock.is_locked());
    }

    CoopWorld world;
    L& lock;

  private:
    template <class Inside>
    void write_held(ThreadId tid, Inside inside) {
        Coop::mark(Mark::acquired, &lock, Mode::write);
        low_.set(low_.get() + 1);
        look();
        inside();
        high_.set(high_.get() + 1);
        Coop::mark(Mark::released, &lock, Mode::write);
        lock.unlock(token(tid));
    }
    template <class Inside>
    void read_held(ThreadId tid, Inside inside) {
        constexpr Mode kMode = L::kInfo.shared ? Mode::read : Mode::write;
        Coop::mark(Mark::acquired, &lock, kMode);
        const std::uint64_t low = low_.get();
        look();
        inside();
        check(low == high_.get(), "a reader saw half of a write section");
        Coop::mark(Mark::released, &lock, kMode);
        unlock_for_read(lock, token(tid));
    }

    // Between the two counters: is_locked may fence, which would hide a weak acquire from accesses after it and a weak
    // release from accesses before it.
    void look() { check(lock.is_locked(), "a holder finds the lock free"); }

    Coop::Plain<std::uint64_t>& low_;
    Coop::Plain<std::uint64_t>& high_;
    std::vector<ThreadStats> stats_;
    std::deque<Ctx<Coop>> contexts_;
    std::vector<Token*> tokens_;
};

// Sums of the events of many runs: what the seeds reached.
class EventSums {
  public:
    void add(const CoopWorld& world) {
        for (std::size_t i = 0; i < kEventCount; ++i) {
            sums_[i] += world.events(static_cast<Event>(i));
        }
    }
    std::uint64_t operator[](Event event) const { return sums_[static_cast<std::size_t>(event)]; }

  private:
    std::array<std::uint64_t, kEventCount> sums_{};
};

// Every thread takes an exclusive lock in the order of its number: each is let go when the one before it stands where
// `arrived(tid)` says so. Thread 0 holds the lock meanwhile. Returns the order of entry.
template <class L, class Arrived>
std::vector<ThreadId> entry_order(Scene<L>& scene, unsigned threads, Arrived arrived) {
    std::vector<ThreadId> order;
    order.reserve(threads);
    scene.world.run([&](ThreadId tid) {
        if (tid == 0) {
            scene.write(tid, [&] {
                order.push_back(tid);
                yield_until([&] { return arrived(threads - 1); });
            });
            return;
        }
        yield_until([&] { return tid == 1 ? order.size() == 1 : arrived(tid - 1); });
        scene.write(tid, [&] { order.push_back(tid); });
    });
    return order;
}

inline std::vector<ThreadId> ascending(unsigned threads) {
    std::vector<ThreadId> numbers;
    for (ThreadId tid = 0; tid < threads; ++tid) {
        numbers.push_back(tid);
    }
    return numbers;
}

// A mix of all exclusive operations by every thread, drawn from the seed; returns the sections entered.
template <class L>
std::uint64_t mixed_exclusive(Scene<L>& scene, unsigned rounds) {
    std::uint64_t writes = 0;
    scene.world.run([&](ThreadId tid) {
        for (unsigned round = 0; round < rounds; ++round) {
            if (scene.ctx(tid).random.chance(250)) {
                writes += scene.try_write(tid) ? 1 : 0;
            } else {
                scene.write(tid);
                ++writes;
            }
        }
    });
    return writes;
}

// The same with readers, three of four operations; `irq_only` threads (a bit each) read as interrupts do and never
// otherwise.
template <class L>
std::uint64_t mixed_shared(Scene<L>& scene, unsigned rounds, std::uint32_t irq_only) {
    std::uint64_t writes = 0;
    scene.world.run([&](ThreadId tid) {
        for (unsigned round = 0; round < rounds; ++round) {
            const std::uint32_t draw = scene.ctx(tid).random.below(8);
            if ((irq_only >> tid & 1U) != 0) {
                scene.read_irq(tid);
            } else if (draw < 2) {
                scene.write(tid);
                ++writes;
            } else if (draw == 2) {
                writes += scene.try_write(tid) ? 1 : 0;
            } else if (draw == 3) {
                scene.try_read(tid);
            } else {
                scene.read(tid);
            }
        }
    });
    return writes;
}

}  // namespace lockbench
