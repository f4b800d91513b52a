// SPDX-License-Identifier: MIT
// Scenes of the lock contract on the cooperative platform. Each takes a lock type, so that registered locks are held to
// them and deliberately broken ones are seen to fail.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "platform/coop.hpp"
#include "tests/support/contract.hpp"
#include "tests/support/survey.hpp"

namespace lockbench::test {

// A lock in a world, a token a thread, and what the threads counted.
template <class L>
class Cast {
  public:
    using Part = Participant<Coop, L>;

    Cast(CoopWorld& world, unsigned threads) : world_(world), shared_(world.make<Protected<Coop, L>>()) {
        threads_.reserve(threads);  // tokens may keep a reference to their context
        for (ThreadId tid = 0; tid < threads; ++tid) {
            threads_.emplace_back(tid, Coop::choose(1U << 30U));
            tokens_.push_back(&world.make<typename L::Token>(threads_.back().ctx));
        }
    }

    [[nodiscard]] L& lock() { return shared_.lock; }
    [[nodiscard]] Protected<Coop, L>& shared() { return shared_; }
    [[nodiscard]] typename L::Token& token(ThreadId tid) { return *tokens_[tid]; }
    [[nodiscard]] Part part(ThreadId tid) { return part(tid, *tokens_[tid]); }
    [[nodiscard]] Part part(ThreadId tid, typename L::Token& token) { return Part(shared_, token, tallies_[tid]); }
    [[nodiscard]] Ctx<Coop>& ctx(ThreadId tid) { return threads_[tid].ctx; }
    [[nodiscard]] RandomStream& random(ThreadId tid) { return threads_[tid].ctx.random; }

    [[nodiscard]] Tally tally() const {
        Tally sum;
        for (const Tally& one : tallies_) {
            sum.add(one);
        }
        return sum;
    }

    // After the run: the data add up and the lock is as it was built.
    void verify() {
        if (!world_.verdict().passed) {
            return;
        }
        const std::uint64_t writes = tally().writes;
        if (shared_.low.peek() != writes || shared_.high.peek() != writes) {
            CoopWorld::fail("the sum of the writes is not what the data say");
        }
        if (!shared_.lock.is_constructed()) {
            CoopWorld::fail("the lock is not as it was built");
        }
        if (L::kInfo.is_locked && shared_.lock.is_locked()) {
            CoopWorld::fail("a lock that nobody holds says that it is locked");
        }
    }

  private:
    CoopWorld& world_;
    Protected<Coop, L>& shared_;
    std::vector<CoopThread> threads_;
    std::vector<typename L::Token*> tokens_;
    std::array<Tally, coop::kMaxFibers> tallies_{};
};

inline void work() { Coop::compute(20); }

// Scenes in which threads wait for each other end early when one of them does not come.
inline CoopOptions scene(unsigned threads) { return {.threads = threads, .max_steps = 20'000}; }

// What the schedules of a mix reached.
struct Reached {
    Survey survey;
    Tally tally;
    std::array<std::uint64_t, kEventCount> events{};

    [[nodiscard]] std::uint64_t count(Event event) const { return events[static_cast<std::size_t>(event)]; }
};

// Everything a lock offers, drawn at random by every thread; any of them may be cancelled at any time, and everything
// that may happen does.
template <class L>
void mixed_sections(Reached& reached, unsigned threads, unsigned runs, unsigned rounds) {
    CoopOptions options{.seed = 1000ULL * threads, .threads = threads};
    options.cancellable = L::kInfo.killable ? (1U << threads) - 1 : 0;
    reached.survey.add(survey(options, runs, [&](CoopWorld& world) {
        Cast<L> cast(world, threads);
        world.run([&](ThreadId tid) {
            auto part = cast.part(tid);
            for (unsigned round = 0; round < rounds; ++round) {
                part.any_section(cast.random(tid), work);
            }
        });
        cast.verify();
        reached.tally.add(cast.tally());
        for (std::size_t event = 0; event < kEventCount; ++event) {
            reached.events[event] += world.events(static_cast<Event>(event));
        }
    }));
}

// What try_lock says while thread 0 holds the lock in `mode`, and after.
template <class L>
Survey tries(unsigned runs, Mode mode) {
    return survey(scene(2), runs, [mode](CoopWorld& world) {
        Cast<L> cast(world, 2);
        auto& stage = world.make<Coop::Atomic<std::uint32_t>>(0U);
        const auto reach = [&stage](std::uint32_t wanted) {
            stage.await([wanted](std::uint32_t seen) { return seen == wanted; }, acquire);
        };
        world.run([&](ThreadId tid) {
            auto part = cast.part(tid);
            const auto nothing = [] {};
            if (tid == 0) {
                const auto hold = [&] {
                    stage.store(1, release);
                    reach(2);
                };
                if (mode == Mode::write) {
                    part.write(hold);
                } else {
                    part.read(hold);
                }
                stage.store(3, release);
                return;
            }
            reach(1);
            check(!part.try_write(nothing), "a writer's try succeeds on a held lock");
            check(part.try_read(nothing) == (mode == Mode::read && L::kInfo.shared), "a reader's try");
            stage.store(2, release);
            reach(3);
            check(part.try_write(nothing), "a writer's try fails on a free lock");
            check(part.try_read(nothing), "a reader's try fails on a free lock");
        });
        cast.verify();
    });
}

// One thread: after every operation the lock is as it was built.
template <class L>
Survey cycles(unsigned runs) {
    return survey(scene(1), runs, [](CoopWorld& world) {
        Cast<L> cast(world, 1);
        world.run([&](ThreadId tid) {
            auto part = cast.part(tid);
            for (int i = 0; i < 40; ++i) {
                part.any_section(cast.random(tid), work);
                check(cast.lock().is_constructed(), "the word is not back in its constructed state after a cycle");
                check(!L::kInfo.is_locked || !cast.lock().is_locked(), "a free lock says that it is locked");
            }
        });
        cast.verify();
    });
}

// lock; the last one out frees the lock's memory. With locks whose unlock does not look back that is safe.
template <class L>
Survey freed_after_unlock(unsigned threads, unsigned runs) {
    struct Shared {
        Protected<Coop, L> part;
        Coop::Plain<std::uint32_t> users;
        explicit Shared(std::uint32_t count) : users(count) {}
    };
    return survey(scene(threads), runs, [threads](CoopWorld& world) {
        Cast<L> cast(world, threads);  // for the tokens: they stay
        auto& slab = world.make<Coop::Slab<Shared>>();
        Shared* shared = slab.make(threads);
        world.run([&](ThreadId tid) {
            Tally tally;
            Participant<Coop, L> part(shared->part, cast.token(tid), tally);
            bool last = false;
            part.write([&] {
                shared->users.set(shared->users.get() - 1);
                last = shared->users.get() == 0;
            });
            if (last) {
                slab.destroy(shared);
            }
        });
    });
}

// A token that dies with the section it served: nobody may look at a waiter that has been let go.
template <class L>
Survey brief_tokens(unsigned threads, unsigned runs) {
    using Token = typename L::Token;
    return survey(scene(threads), runs, [threads](CoopWorld& world) {
        Cast<L> cast(world, threads);
        auto& slab = world.make<Coop::Slab<Token>>();
        world.run([&](ThreadId tid) {
            for (int i = 0; i < 4; ++i) {
                Token* token = slab.make(cast.ctx(tid));
                auto part = cast.part(tid, *token);
                if (cast.random(tid).chance(500)) {
                    part.read(work);
                } else {
                    part.write(work);
                }
                slab.destroy(token);
            }
        });
        cast.verify();
    });
}

// An observer must never hear that the lock is free while somebody is inside for the whole time of the question.
template <class L>
Survey observed_locked(unsigned runs, bool readers_only) {
    return survey(scene(4), runs, [readers_only](CoopWorld& world) {
        Cast<L> cast(world, 4);
        unsigned inside = 0;      // host memory: exact, as threads run one at a time
        std::uint64_t empty = 0;  // times that the lock was left empty
        bool done = false;
        const auto going_on = [&done] { return !done; };
        world.run([&](ThreadId tid) {
            if (tid == 3) {
                for (Coop::EffectLoop<64> loop; going_on(); loop.again()) {
                    const bool held = inside != 0;
                    const std::uint64_t before = empty;
                    const bool said = cast.lock().is_locked();
                    check(said || !held || before != empty, "is_locked() is false while the lock is held");
                }
                return;
            }
            auto part = cast.part(tid);
            for (int i = 0; i < 4; ++i) {
                const auto stay = [&] {
                    ++inside;
                    work();
                    work();
                    --inside;
                    empty += inside == 0 ? 1 : 0;
                };
                if (readers_only || cast.random(tid).chance(500)) {
                    part.read(stay);
                } else {
                    part.write(stay);
                }
            }
            done = tid == 0 || done;
        });
        cast.verify();
    });
}

// The holder sleeps. A spinning lock keeps preemption off, so that this is an error.
template <class L>
Survey sleeping_holder(unsigned runs) {
    return survey(scene(2), runs, [](CoopWorld& world) {
        Cast<L> cast(world, 2);
        world.run([&](ThreadId tid) { cast.part(tid).write([] { Coop::sleep_until(Coop::after(100)); }); });
        cast.verify();
    });
}

// Read-modify-writes of one uncontended acquire and release: {read, write}.
template <class L>
std::array<std::uint64_t, kModeCount> uncontended_rmws() {
    CoopWorld world(plain_options(1));
    Cast<L> cast(world, 1);
    std::array<std::uint64_t, kModeCount> counts{};
    world.run([&](ThreadId tid) {
        lock_for_read(cast.lock(), cast.token(tid));
        unlock_for_read(cast.lock(), cast.token(tid));
        counts[static_cast<std::size_t>(Mode::read)] = world.read_modify_writes(tid);
        cast.lock().lock(cast.token(tid));
        cast.lock().unlock(cast.token(tid));
        counts[static_cast<std::size_t>(Mode::write)] = world.read_modify_writes(tid) - counts[0];
    });
    return counts;
}

}  // namespace lockbench::test
