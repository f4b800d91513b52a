// SPDX-License-Identifier: MIT
// What lockcheck lets a few threads do with a lock, and what must hold whatever they do: one thread's role a letter,
// the same for every lock that offers what the roles need.
//
//   r reader   w writer   t writer that tries once   d writer that becomes a reader   k writer that may be cancelled
//   s reader that tries once   c reader that may be cancelled   i reader that may not queue, as an interrupt's
//   f writer of which the last one ends the lock's memory, as soon as it has unlocked
//   o observer that asks is_locked(); whoever holds the lock then asks too
// Writers change two counters that readers find equal. Exclusion: the counters are Plain, so that two sections at once
// are seen. At the end the counters are the number of sections, and the lock is as constructed.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "locks/lock.hpp"
#include "platform/ctx.hpp"
#include "platform/explore/engines.hpp"
#include "platform/explore/explore.hpp"
#include "platform/explore/verdict.hpp"

namespace lockbench {

// What a thread does to the reverse map: lockcheck_rmap.hpp.
enum class RmapAction : unsigned char { fork, exit, exits, recycle, stack, heap, fault, reclaim, walk };
inline constexpr std::string_view kRmapActions[] = {"fork", "exit",  "exits",   "recycle", "stack",
                                                    "heap", "fault", "reclaim", "walk"};

struct Client {
    std::string roles;  // one letter a thread
    unsigned sections = 1;
    std::string text;                   // as written
    bool counted = false;               // a thread has so many sections and no more
    bool endless = false;               // one section after another, for ever
    std::vector<RmapAction> rmap = {};  // one a thread, in the place of roles

    [[nodiscard]] std::size_t threads() const { return roles.size() + rmap.size(); }
};

// "2r1wx2", or "2r1w" or "2r1wx*" for sections without end where an engine can; "rmap:exit+walk". Throws
// UsageError for what is no client and for one that the engine cannot take.
Client parse_client(std::string_view text, const explore::EngineKind& engine);
// Why this lock cannot serve the client; empty: it can.
std::string unfit(const Client& client, const LockInfo& info);

template <class L>
class ClientProgram {
    using P = Explore;

  public:
    explicit ClientProgram(const Client& client) : client_(client), stats_(client.roles.size()) {
        for (ThreadId tid = 0; tid < client.roles.size(); ++tid) {
            ctxs_.push_back(std::make_unique<Ctx<P>>(tid, 1, 0, stats_[tid], nullptr));
        }
    }
    ClientProgram(const ClientProgram&) = delete;
    ClientProgram& operator=(const ClientProgram&) = delete;

    explore::Program program() {
        explore::Program program;
        program.threads = static_cast<ThreadId>(client_.roles.size());
        for (ThreadId tid = 0; tid < program.threads; ++tid) {
            const bool cancellable = client_.roles[tid] == 'k' || client_.roles[tid] == 'c';
            program.cancellable |= cancellable ? std::uint64_t{1} << tid : 0U;
        }
        program.setup = [this](explore::Arena& arena) { set_up(arena); };
        program.body = [this](ThreadId tid) { run(tid); };
        program.verify = [this] { verify(); };
        return program;
    }

  private:
    struct Shared {
        L lock;
        P::Plain<std::uint32_t> low{0U};
        P::Plain<std::uint32_t> high{0U};
    };
    using Token = typename L::Token;
    // Readers of an exclusive lock hold it exclusively.
    static constexpr Mode kReadMode = L::kInfo.shared ? Mode::read : Mode::write;

    void set_up(explore::Arena& arena) {
        shared_ = &arena.make<Shared>();
        arena.label(&shared_->lock, sizeof shared_->lock, "lock");
        arena.label(&shared_->low, sizeof shared_->low, "data");
        arena.label(&shared_->high, sizeof shared_->high, "data");
        for (std::size_t tid = 0; tid < ctxs_.size(); ++tid) {
            tokens_[tid] = &arena.make<Token>(*ctxs_[tid]);
            arena.label(tokens_[tid], sizeof(Token), "token of thread " + std::to_string(tid));
        }
    }

    void run(ThreadId tid) {
        writes_[tid] = 0;
        for (unsigned i = 0; client_.endless || i < client_.sections; ++i) {
            sections_[tid] = i;
            point(tid, client_.endless ? explore::Point::renewed : explore::Point::between);
            section(tid, client_.roles[tid], *tokens_[tid]);
        }
    }
    // What this thread knows here: how far it is. All else is in the lock, its token and the data.
    void point(ThreadId tid, explore::Point point) {
        explore::checkpoint(point, client_.endless ? 0 : std::uint64_t{sections_[tid]} << 32U | writes_[tid]);
    }

    void section(ThreadId tid, char role, Token& token) {
        L& lock = shared_->lock;
        if (role == 'r') {
            P::mark(Mark::doorway, &lock, kReadMode);
            lock_for_read(lock, token);
            leave_read(tid, token);
        } else if (role == 'w') {
            P::mark(Mark::doorway, &lock, Mode::write);
            lock.lock(token);
            hold(tid, token);
        } else if (role == 's') {
            P::mark(Mark::doorway, &lock, kReadMode);
            if (try_lock_for_read(lock, token)) {
                leave_read(tid, token);
            }
        } else if (role == 'f') {
            P::mark(Mark::doorway, &lock, Mode::write);
            lock.lock(token);
            if (hold(tid, token) == client_.roles.size() * client_.sections) {
                explore::tell_life(explore::Kind::release, shared_, sizeof(Shared), false, Site::here());
            }
        } else if (role == 't') {
            P::mark(Mark::doorway, &lock, Mode::write);
            if (lock.try_lock(token)) {
                hold(tid, token);
            }
        } else if (role == 'k') {
            if constexpr (KillableLock<L>) {
                P::mark(Mark::doorway, &lock, Mode::write);
                if (lock.lock_killable(token)) {
                    hold(tid, token);
                }
            }
        } else if (role == 'c') {
            if constexpr (KillableSharedLock<L>) {
                P::mark(Mark::doorway, &lock, Mode::read);
                if (lock.lock_shared_killable(token)) {
                    leave_read(tid, token);
                }
            }
        } else if (role == 'd') {
            if constexpr (DowngradableLock<L>) {
                P::mark(Mark::doorway, &lock, Mode::write);
                lock.lock(token);
                P::mark(Mark::acquired, &lock, Mode::write);
                write(tid);
                P::mark(Mark::acquired, &lock, Mode::read);
                lock.downgrade(token);
                point(tid, explore::Point::held);
                read();
                P::mark(Mark::released, &lock, Mode::read);
                lock.unlock_shared(token);
            }
        } else if (role == 'i') {
            if constexpr (IrqReaderLock<L>) {
                P::mark(Mark::doorway, &lock, Mode::read);
                lock.lock_shared_irq(token);
                leave_read(tid, token);
            }
        } else {
            (void)lock.is_locked();
        }
    }
    void leave_read(ThreadId tid, Token& token) {
        P::mark(Mark::acquired, &shared_->lock, kReadMode);
        point(tid, explore::Point::held);
        read();
        ask();
        P::mark(Mark::released, &shared_->lock, kReadMode);
        unlock_for_read(shared_->lock, token);
    }

    // Which of all sections it was.
    std::uint32_t hold(ThreadId tid, Token& token) {
        P::mark(Mark::acquired, &shared_->lock, Mode::write);
        point(tid, explore::Point::held);
        const std::uint32_t number = write(tid);
        ask();
        P::mark(Mark::released, &shared_->lock, Mode::write);
        shared_->lock.unlock(token);
        return number;
    }
    void ask() const {
        if (client_.roles.find('o') != std::string::npos) {
            check(shared_->lock.is_locked(), "is_locked() is false while the lock is held");
        }
    }
    // Sections without end leave the counters as they are: what is looked for is the accesses.
    std::uint32_t write(ThreadId tid) {
        const std::uint32_t more = client_.endless ? 0 : 1;
        writes_[tid] += more;
        const std::uint32_t low = shared_->low.get() + more;
        shared_->low.set(low);
        shared_->high.set(shared_->high.get() + more);
        return low;
    }
    void read() const { check(shared_->low.get() == shared_->high.get(), "a reader sees half of a section"); }

    void verify() const {
        if (client_.roles.find('f') != std::string::npos) {
            return;  // it is gone
        }
        std::uint32_t writes = 0;
        for (std::size_t tid = 0; tid < client_.roles.size(); ++tid) {
            writes += writes_[tid];
        }
        check(shared_->low.peek() == writes && shared_->high.peek() == writes,
              "the counters are not the number of sections");
        check(shared_->lock.is_constructed(), "with nobody about, the lock is not as constructed");
    }

    Client client_;
    std::vector<ThreadStats> stats_;
    std::vector<std::unique_ptr<Ctx<P>>> ctxs_;
    std::array<Token*, explore::kMaxFibers> tokens_{};
    std::array<std::uint32_t, explore::kMaxFibers> writes_{};
    std::array<std::uint32_t, explore::kMaxFibers> sections_{};
    Shared* shared_ = nullptr;
};

template <class L>
explore::Verdict check_lock(const Client& client, const explore::Options& options) {
    ClientProgram<L> hands(client);
    const explore::Program program = hands.program();
    return options.engine(program, options);
}

}  // namespace lockbench
