// SPDX-License-Identifier: MIT
// Clients for engine G that lockcheck's roles do not write: tokens and locks that end, two locks at once, a queue that
// its waiters leave.
#pragma once

#include <array>
#include <deque>

#include "bench/lockcheck_client.hpp"
#include "locks/osq.hpp"
#include "locks/rwsem.hpp"

namespace lockbench::test {

using explore::Options;
using explore::Verdict;

// Contexts that outlive the program.
template <class P = Explore>
class Crew {
  public:
    explicit Crew(ThreadId threads) : stats_(threads) {
        for (ThreadId tid = 0; tid < threads; ++tid) {
            all_.emplace_back(tid, 1, 0, stats_[tid], nullptr);
        }
    }
    Ctx<P>& operator[](ThreadId tid) { return all_[tid]; }
    [[nodiscard]] ThreadId size() const { return static_cast<ThreadId>(all_.size()); }

  private:
    std::vector<ThreadStats> stats_;
    std::deque<Ctx<P>> all_;
};

// A program whose shared part is one object.
template <class World>
Verdict explored_world(const Options& options, ThreadId threads, const std::function<void(World&, ThreadId)>& body,
                       const std::function<void(World&)>& verify = {}) {
    World* world = nullptr;
    explore::Program program;
    program.threads = threads;
    program.setup = [&](explore::Arena& arena) {
        world = &arena.make<World>();
        arena.label(world, sizeof *world, "world");
    };
    program.body = [&](ThreadId tid) { body(*world, tid); };
    program.verify = [&] {
        if (verify) {
            verify(*world);
        }
    };
    return explore::explore_graphs(program, options);
}

// Each thread's token dies with the section that it served. roles: r or w.
template <class L>
Verdict brief_tokens(const Client& client, const Options& options) {
    struct World {
        L lock;
        Explore::Plain<std::uint32_t> data{0U};
        Explore::Slab<typename L::Token> tokens;
    };
    Crew<> crew(static_cast<ThreadId>(client.roles.size()));
    return explored_world<World>(options, crew.size(), [&](World& world, ThreadId tid) {
        auto* token = world.tokens.make(crew[tid]);
        if (client.roles[tid] == 'w') {
            world.lock.lock(*token);
            world.data.set(world.data.get() + 1);
            world.lock.unlock(*token);
        } else {
            lock_for_read(world.lock, *token);
            static_cast<void>(world.data.get());
            unlock_for_read(world.lock, *token);
        }
        world.tokens.destroy(token);
    });
}

// The last of the writers ends the lock.
template <class L>
Verdict freed_by_the_last(const Client& client, const Options& options) {
    struct Part {
        L lock;
        Explore::Plain<std::uint32_t> users;
        explicit Part(std::uint32_t count) : users(count) {}
    };
    struct World {
        Explore::Slab<Part> slab;
        Part* part = nullptr;
        std::array<typename L::Token*, explore::kMaxFibers> tokens{};
    };
    Crew<> crew(static_cast<ThreadId>(client.roles.size()));
    World* world = nullptr;
    explore::Program program;
    program.threads = crew.size();
    program.setup = [&](explore::Arena& arena) {
        world = &arena.make<World>();
        world->part = world->slab.make(crew.size());
        arena.label(world->part, sizeof(Part), "lock");
        for (ThreadId tid = 0; tid < crew.size(); ++tid) {
            world->tokens[tid] = &arena.make<typename L::Token>(crew[tid]);
        }
    };
    program.body = [&](ThreadId tid) {
        Part& part = *world->part;
        part.lock.lock(*world->tokens[tid]);
        part.users.set(part.users.get() - 1);
        const bool last = part.users.get() == 0;
        part.lock.unlock(*world->tokens[tid]);
        if (last) {
            world->slab.destroy(world->part);
        }
    };
    return explore::explore_graphs(program, options);
}

// Two threads take a lock each, and then ask for the other's: one of them came second, and must hear that it is held.
template <class L>
Verdict each_asks_for_the_other(const Client&, const Options& options) {
    struct World {
        L locks[2];
        Explore::Atomic<std::uint32_t> seen[2];
        World() {
            seen[0].init(1);
            seen[1].init(1);
        }
    };
    Crew<> crew(2);
    return explored_world<World>(
        options, crew.size(),
        [&](World& world, ThreadId tid) {
            typename L::Token token(crew[tid]);
            world.locks[tid].lock(token);
            if (!world.locks[1 - tid].is_locked()) {
                world.seen[tid].store(0, relaxed);
            }
            Explore::preempt_on();  // nobody unlocks: the question is asked while both locks are held
        },
        [](World& world) {
            check(world.seen[0].peek() + world.seen[1].peek() != 0, "both find the other's lock free");
        });
}

// v, once, against w, as often as the client says: what an acquisition asks of memory must not grow with what others
// do.
template <class L>
Verdict steps_bounded(const Client& client, const Options& options) {
    constexpr std::uint64_t kMost = 6;  // of a lock with a pending bit: claim, look, wait, bit, wait, take
    struct World {
        L lock;
        Explore::Plain<std::uint32_t> data{0U};
    };
    const explore::Mutator counter;
    Crew<> crew(static_cast<ThreadId>(client.roles.size()));
    return explored_world<World>(options, crew.size(), [&](World& world, ThreadId tid) {
        typename L::Token token(crew[tid]);
        const bool victim = client.roles[tid] == 'v';
        for (unsigned i = 0; i < (victim ? 1U : client.sections); ++i) {
            explore::mutator->count_from_here();
            world.lock.lock(token);
            check(!victim || explore::mutator->counted() <= kMost,
                  "an acquisition takes more steps the more others do");
            world.data.set(world.data.get() + 1);
            world.lock.unlock(token);
        }
    });
}

// A CPU for two: where the first thread may be preempted while it takes the lock it is, and comes back when the other
// sleeps or is done. That other must not wait for it awake.
inline Explore::Atomic<std::uint32_t>* cpu_free = nullptr;
struct OneCpu : Explore {
    static Wake sleep(Deadline deadline, Site site = Site::here()) {
        cpu_free->store(1, release);
        return Explore::sleep(deadline, site);
    }
};
// M31: nothing keeps preemption away.
struct OneCpuOpen : OneCpu {
    static void preempt_off() {}
    static void preempt_on(Site = Site::here()) {}
};
template <class P>
struct PreemptedTaker : RwsemCount<P> {
    using Right = RwsemCount<P>;
    using typename Right::Owner;
    static void own_write(Owner& owner, ThreadId self) {
        if (self == 0 && explore::self_thread->preempt_off == 0) {
            cpu_free->await([](std::uint32_t free) { return free != 0; }, acquire);
        }
        Right::own_write(owner, self);
    }
};
template <class P>
Verdict preempted_taker(const Client&, const Options& options) {
    using L = Rwsem<P, TicketLock<P>, RwsemPolicy, PreemptedTaker<P>>;
    struct World {
        L lock;
        Explore::Atomic<std::uint32_t> free{0U};
        Explore::Slab<typename L::Token> tokens;
    };
    Crew<P> crew(2);
    return explored_world<World>(options, crew.size(), [&](World& world, ThreadId tid) {
        cpu_free = &world.free;
        auto& token = *world.tokens.make(crew[tid]);
        world.lock.lock(token);
        world.lock.unlock(token);
        if (tid == 1) {
            world.free.store(1, release);
        }
    });
}

// A queue of spinners: w waits, l leaves when it is told to, which may be at any time.
inline Verdict spinners(const Client& client, const Options& options) {
    struct Nodes {};
    struct World {
        OptimisticSpinQueue<Explore, Nodes> queue;
        Explore::Plain<std::uint32_t> data{0U};
    };
    return explored_world<World>(
        options, static_cast<ThreadId>(client.roles.size()),
        [&](World& world, ThreadId tid) {
            bool mine = true;
            if (client.roles[tid] == 'l') {
                auto stop = Explore::should_yield();
                mine = world.queue.lock(tid, stop);
            } else {
                world.queue.lock(tid);
            }
            if (mine) {
                Explore::mark(Mark::acquired, &world.queue, Mode::write);
                world.data.set(world.data.get() + 1);
                Explore::mark(Mark::released, &world.queue, Mode::write);
                world.queue.unlock(tid);
            }
        },
        [](World& world) { check(world.queue.is_constructed(), "a queue that all have left is not empty"); });
}

}  // namespace lockbench::test
