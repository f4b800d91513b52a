// SPDX-License-Identifier: MIT
// What every lock promises, as work that threads do on any platform: sections over data that only differ inside a write
// section, in every mode a lock offers, judged by the platform's marks and by the data.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "locks/lock.hpp"
#include "platform/check.hpp"
#include "platform/ctx.hpp"
#include "platform/platform.hpp"

namespace lockbench::test {

// A lock and what it protects. Writers make the counters differ and equal again.
template <Platform P, class L>
struct Protected {
    L lock;
    typename P::template Plain<std::uint64_t> low{0U};
    typename P::template Plain<std::uint64_t> high{0U};
};

struct Tally {
    std::uint64_t writes = 0;
    std::uint64_t reads = 0;
    std::uint64_t failed_tries = 0;
    std::uint64_t cancelled = 0;

    void add(const Tally& other) {
        writes += other.writes;
        reads += other.reads;
        failed_tries += other.failed_tries;
        cancelled += other.cancelled;
    }
};

// One thread's hands on a lock. `Inside` is called while the lock is held.
template <Platform P, class L>
class Participant {
  public:
    using Token = typename L::Token;
    // Readers of an exclusive lock hold it exclusively.
    static constexpr Mode kReadMode = L::kInfo.shared ? Mode::read : Mode::write;

    Participant(Protected<P, L>& shared, Token& token, Tally& tally) : shared_(shared), token_(token), tally_(tally) {}

    template <class Inside>
    void write(Inside inside) {
        P::mark(Mark::doorway, &shared_.lock, Mode::write);
        shared_.lock.lock(token_);
        hold_write(inside);
    }
    template <class Inside>
    bool try_write(Inside inside) {
        if (!shared_.lock.try_lock(token_)) {
            ++tally_.failed_tries;
            return false;
        }
        hold_write(inside);
        return true;
    }
    template <class Inside>
    bool write_killable(Inside inside) {
        P::mark(Mark::doorway, &shared_.lock, Mode::write);
        if (!shared_.lock.lock_killable(token_)) {
            ++tally_.cancelled;
            return false;
        }
        hold_write(inside);
        return true;
    }
    template <class Inside>
    void read(Inside inside) {
        P::mark(Mark::doorway, &shared_.lock, kReadMode);
        lock_for_read(shared_.lock, token_);
        hold_read(inside);
    }
    template <class Inside>
    bool try_read(Inside inside) {
        if (!try_lock_for_read(shared_.lock, token_)) {
            ++tally_.failed_tries;
            return false;
        }
        hold_read(inside);
        return true;
    }
    template <class Inside>
    bool read_killable(Inside inside) {
        P::mark(Mark::doorway, &shared_.lock, Mode::read);
        if (!shared_.lock.lock_shared_killable(token_)) {
            ++tally_.cancelled;
            return false;
        }
        hold_read(inside);
        return true;
    }
    template <class Inside>
    void read_irq(Inside inside) {
        P::mark(Mark::doorway, &shared_.lock, Mode::read);
        shared_.lock.lock_shared_irq(token_);
        hold_read(inside);
    }
    // Writes, becomes a reader, reads what it wrote: nobody may have written in between.
    template <class Inside>
    void write_then_read(Inside inside) {
        P::mark(Mark::doorway, &shared_.lock, Mode::write);
        shared_.lock.lock(token_);
        P::mark(Mark::acquired, &shared_.lock, Mode::write);
        const std::uint64_t mine = change(inside);
        // The mark comes first: once the lock is downgraded other readers may be inside.
        P::mark(Mark::acquired, &shared_.lock, Mode::read);
        shared_.lock.downgrade(token_);
        check_locked();
        inside();
        check(shared_.low.get() == mine, "another writer came between a downgrade and its end");
        P::mark(Mark::released, &shared_.lock, Mode::read);
        shared_.lock.unlock_shared(token_);
        ++tally_.writes;
    }

    // One section in a way drawn from `random`, among all that the lock offers.
    template <class Inside>
    void any_section(RandomStream& random, Inside inside) {
        const std::uint32_t draw = random.below(16);
        if (draw < 4) {
            write(inside);
        } else if (draw < 6) {
            try_write(inside);
        } else if (draw < 8) {
            try_read(inside);
        } else if (draw < 10) {
            killable_section(draw == 8, inside);
        } else if (draw < 11) {
            downgrade_section(inside);
        } else if (draw < 12) {
            irq_section(inside);
        } else {
            read(inside);
        }
    }

  private:
    template <class Inside>
    void killable_section(bool writes, Inside inside) {
        if constexpr (KillableSharedLock<L>) {
            if (!writes) {
                cancelled_if(!read_killable(inside));
                return;
            }
        }
        if constexpr (KillableLock<L>) {
            cancelled_if(!write_killable(inside));
        } else if (writes) {
            write(inside);
        } else {
            read(inside);
        }
    }
    // The signal is dealt with: the next wait is not cut short by it.
    static void cancelled_if(bool cancelled) {
        if (cancelled) {
            P::clear_cancel();
        }
    }
    template <class Inside>
    void downgrade_section(Inside inside) {
        if constexpr (DowngradableLock<L>) {
            write_then_read(inside);
        } else {
            write(inside);
        }
    }
    template <class Inside>
    void irq_section(Inside inside) {
        if constexpr (IrqReaderLock<L>) {
            read_irq(inside);
        } else {
            read(inside);
        }
    }

    void check_locked() const {
        if constexpr (L::kInfo.is_locked) {
            check(shared_.lock.is_locked(), "a held lock says that it is not locked");
        }
    }
    template <class Inside>
    std::uint64_t change(Inside inside) {
        const std::uint64_t mine = shared_.low.get() + 1;
        check(shared_.high.get() == mine - 1, "a writer found another's work half done");
        shared_.low.set(mine);
        check_locked();
        inside();
        shared_.high.set(mine);
        return mine;
    }
    template <class Inside>
    void hold_write(Inside inside) {
        P::mark(Mark::acquired, &shared_.lock, Mode::write);
        change(inside);
        P::mark(Mark::released, &shared_.lock, Mode::write);
        shared_.lock.unlock(token_);
        ++tally_.writes;
    }
    template <class Inside>
    void hold_read(Inside inside) {
        P::mark(Mark::acquired, &shared_.lock, kReadMode);
        const std::uint64_t seen = shared_.low.get();
        check_locked();
        inside();
        check(shared_.high.get() == seen, "a reader found a writer's work half done");
        P::mark(Mark::released, &shared_.lock, kReadMode);
        unlock_for_read(shared_.lock, token_);
        ++tally_.reads;
    }

    Protected<P, L>& shared_;
    Token& token_;
    Tally& tally_;
};

// A lock's name as part of a test's name: letters, digits and underscores.
inline std::string test_name(std::string_view lock) {
    std::string name(lock);
    for (char& c : name) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        c = plain ? c : '_';
    }
    return name;
}

struct LockNames {
    template <class L>
    static std::string GetName(int) {  // NOLINT(readability-identifier-naming): GoogleTest asks for it
        return test_name(L::kInfo.name);
    }
};

}  // namespace lockbench::test
