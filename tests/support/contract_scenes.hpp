// SPDX-License-Identifier: MIT
// Scenes of the lock contract that are led step by step: thread 0 is on the lock first and calls the others on stage
// one by one, each when all before it have come to rest.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tests/support/contract_coop.hpp"

namespace lockbench::test {

class Director {
  public:
    explicit Director(CoopWorld& world) : world_(world), cue_(world.make<Coop::Atomic<std::uint32_t>>(0U)) {}

    // Thread 0: lets thread `tid` begin and waits until nobody but the caller can run.
    void call(ThreadId tid) {
        cue(tid);
        rest();
    }
    void cue(ThreadId tid) { cue_.store(tid, release); }
    void rest() const {
        for (Coop::EffectLoop<64> loop; !world_.quiet(); loop.again()) {
        }
    }
    // Another thread: waits for its call.
    void await(ThreadId tid) const {
        cue_.await([tid](std::uint32_t called) { return called >= tid; }, acquire);
    }

  private:
    CoopWorld& world_;
    Coop::Atomic<std::uint32_t>& cue_;
};

// Readers inside together: none leaves before all have come.
class Meeting {
  public:
    explicit Meeting(CoopWorld& world) : inside_(world.make<Coop::Atomic<std::uint32_t>>(0U)) {}

    void join(std::uint32_t everybody) {
        inside_.add(1, acq_rel);
        inside_.await([everybody](std::uint32_t count) { return count == everybody; }, acquire);
    }

  private:
    Coop::Atomic<std::uint32_t>& inside_;
};

template <class L>
Survey readers_meet(unsigned runs) {
    return survey(scene(3), runs, [](CoopWorld& world) {
        Cast<L> cast(world, 3);
        Meeting meeting(world);
        world.run([&](ThreadId tid) { cast.part(tid).read([&] { meeting.join(3); }); });
        cast.verify();
    });
}

// A writer with readers waiting turns into a reader: they come in beside it, and a writer behind them does not.
template <class L>
Survey downgrade_admits_readers(unsigned runs, bool writer_behind) {
    CoopOptions options = scene(4);
    options.not_running = options.should_yield = {};  // a reader that gave up spinning would queue behind the writer
    return survey(options, runs, [writer_behind](CoopWorld& world) {
        Cast<L> cast(world, 4);
        Director director(world);
        Meeting meeting(world);
        world.run([&](ThreadId tid) {
            auto part = cast.part(tid);
            if (tid == 0) {
                bool downgraded = false;
                part.write_then_read([&] {
                    if (downgraded) {
                        meeting.join(3);
                        return;
                    }
                    for (const ThreadId other : {1U, 2U, 3U}) {
                        director.call(other);
                    }
                    downgraded = true;
                });
                return;
            }
            director.await(tid);
            if (tid != 3) {
                part.read([&] { meeting.join(3); });
            } else if (writer_behind) {
                part.write(work);
            }
        });
        cast.verify();
    });
}

// A waiter in `mode` is cancelled: it comes back with empty hands, and the lock goes on; thread 2 waits before or
// behind it. The holder is off its CPU, as spinners beside a running owner do not look at signals in every era.
template <class L>
Survey cancelled_waiters(unsigned runs, Mode mode, bool holder_reads, bool first) {
    return survey(scene(4), runs, [=](CoopWorld& world) {
        Cast<L> cast(world, 4);
        Director director(world);
        const ThreadId victim = first ? 1 : 2;
        bool refused = false;
        const auto waits = [&refused] { return !refused; };
        world.run([&](ThreadId tid) {
            auto part = cast.part(tid);
            const auto hold = [&] {
                director.call(1);
                director.call(2);
                director.cue(3);
                for (Coop::EffectLoop<8> loop; waits(); loop.again()) {
                    Coop::sleep_prepare();
                    if (waits()) {
                        Coop::sleep(Coop::never());
                    }
                }
            };
            if (tid == 0) {
                if (holder_reads) {
                    part.read(hold);
                } else {
                    part.write(hold);
                }
                return;
            }
            director.await(tid);
            if (tid == 3) {
                director.rest();
                Coop::cancel(victim);
                return;
            }
            if (tid != victim) {
                part.write(work);
                return;
            }
            bool taken = true;
            if constexpr (KillableSharedLock<L>) {
                taken = mode == Mode::read ? part.read_killable(work) : part.write_killable(work);
            } else {
                taken = part.write_killable(work);
            }
            check(!taken, "a cancelled waiter got the lock although nobody let it go");
            refused = true;
            Coop::wake(0);
            Coop::clear_cancel();
            part.write(work);
        });
        cast.verify();
    });
}

// Thread 0 holds the lock while the others come; `modes[i]` is thread i+1's. Nobody passes a waiter of the other mode,
// nor a writer another.
template <class L>
Survey arrival_order(unsigned runs, const std::vector<Mode>& modes) {
    const auto threads = static_cast<unsigned>(modes.size() + 1);
    return survey(scene(threads), runs, [&](CoopWorld& world) {
        Cast<L> cast(world, threads);
        Director director(world);
        std::vector<ThreadId> order;
        order.reserve(threads);
        world.run([&](ThreadId tid) {
            auto part = cast.part(tid);
            if (tid == 0) {
                part.write([&] {
                    for (ThreadId other = 1; other < threads; ++other) {
                        director.call(other);
                    }
                });
                return;
            }
            director.await(tid);
            const auto note = [&] { order.push_back(tid); };
            if (modes[tid - 1] == Mode::read) {
                part.read(note);
            } else {
                part.write(note);
            }
        });
        cast.verify();
        for (std::size_t i = 1; i < order.size() && world.verdict().passed; ++i) {
            const bool both_read = modes[order[i] - 1] == Mode::read && modes[order[i - 1] - 1] == Mode::read;
            if (order[i] < order[i - 1] && !both_read) {
                CoopWorld::fail("a waiter was passed by one that came later");
            }
        }
    });
}

// Thread 0 holds the lock as a writer, thread 1 stands in line as `waiter`. Thread 0 leaves and comes back at once as
// `comer`, kReturns times; more than `bound` entries past thread 1 are a failure. `most`: the most in any run.
constexpr std::uint64_t kReturns = 6;
template <class L>
Survey holder_comes_back(unsigned runs, Mode waiter, Mode comer, std::uint64_t bound, std::uint64_t* most = nullptr) {
    return survey(scene(2), runs, [=](CoopWorld& world) {
        Cast<L> cast(world, 2);
        Director director(world);
        bool entered = false;
        std::uint64_t passed = 0;
        world.run([&](ThreadId tid) {
            auto part = cast.part(tid);
            const auto take = [&part](Mode mode, auto inside) {
                if (mode == Mode::read) {
                    part.read(inside);
                } else {
                    part.write(inside);
                }
            };
            if (tid == 1) {
                director.await(tid);
                take(waiter, [&] { entered = true; });
                return;
            }
            part.write([&] { director.call(1); });
            for (std::uint64_t i = 0; i < kReturns; ++i) {
                take(comer, [&] { passed += entered ? 0U : 1U; });
            }
        });
        cast.verify();
        if (passed > bound && world.verdict().passed) {
            CoopWorld::fail("a thread that stood in line was passed by one that came again and again");
        }
        if (most != nullptr) {
            *most = std::max(*most, passed);
        }
    });
}

// Thread 0 reads and stays until thread 2, a reader that comes when a writer waits, is inside too; `irq`: as a reader
// that may not queue.
template <class L>
Survey reader_passes_waiting_writer(unsigned runs, bool irq) {
    return survey(scene(3), runs, [=](CoopWorld& world) {
        Cast<L> cast(world, 3);
        Director director(world);
        Meeting meeting(world);
        world.run([&](ThreadId tid) {
            auto part = cast.part(tid);
            if (tid == 0) {
                part.read([&] {
                    director.call(1);
                    director.call(2);
                    meeting.join(2);
                });
                return;
            }
            director.await(tid);
            if (tid == 1) {
                part.write(work);
                return;
            }
            if constexpr (IrqReaderLock<L>) {
                if (irq) {
                    part.read_irq([&] { meeting.join(2); });
                    return;
                }
            }
            part.read([&] { meeting.join(2); });
        });
        cast.verify();
    });
}

}  // namespace lockbench::test
