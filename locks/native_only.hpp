// SPDX-License-Identifier: MIT
// The platform library's reader-writer locks behind the same interface: baselines that exist natively only.
//
// Origin: pthread_rwlock_t of the GNU C library (nptl/pthread_rwlock_common.c since 2.25), its three kinds named;
// std::shared_mutex of
//   libstdc++, which is a pthread_rwlock_t of the default kind, so it must measure like pthread_rwlock.prefer_reader.
// Differs: kInfo.is_locked is false, as POSIX offers no such question: is_locked() then answers true, the safe side for
// a freer that asks.
//   PTHREAD_RWLOCK_PREFER_WRITER_NP is not offered: the library treats it as prefer_reader.
#pragma once

#include <gnu/libc-version.h>
#include <pthread.h>

#include <shared_mutex>

#include "locks/lock.hpp"
#include "locks/registry.hpp"

namespace lockbench {

constexpr LockInfo library_info(std::string_view name, std::string_view library, Fairness fairness, std::uint32_t bytes,
                                std::string_view origin) {
    return {.name = name,
            .family = "glibc",
            .kernel_release = library,
            .kind = WaitKind::sleep,
            .shared = true,
            .fairness = fairness,
            .hold_across_sleep = true,
            .bytes = bytes,
            .rmw_read = 2,
            // A writer claims the lock, then the write phase, and gives both back (disassembled, 2.36).
            .rmw_write = 4,
            .killable = false,
            .downgrade = false,
            .irq_readers = false,
            .free_after_unlock = false,
            .is_locked = false,
            .convoys = false,
            .control = false,
            .origin = origin,
            // What a rwlock of this kind needs at least, not what the library does.
            .paths = {.lock = "cas32.acquire",
                      .unlock = "cas32.release",
                      .lock_shared = "faa32.acquire",
                      .unlock_shared = "cas32.release"}};
}

template <Platform P>
class StdSharedMutex {
  public:
    struct Token {
        explicit Token(Ctx<P>&) {}
    };
    static constexpr LockInfo kInfo =
        library_info("std::shared_mutex", "libstdc++", Fairness::reader_preference, sizeof(std::shared_mutex),
                     "libstdc++ std::shared_mutex over the C library's pthread_rwlock_t");

    void lock(Token&) { mutex_.lock(); }
    bool try_lock(Token&) { return mutex_.try_lock(); }
    void unlock(Token&) { mutex_.unlock(); }
    void lock_shared(Token&) { mutex_.lock_shared(); }
    bool try_lock_shared(Token&) { return mutex_.try_lock_shared(); }
    void unlock_shared(Token&) { mutex_.unlock_shared(); }
    [[nodiscard]] bool is_locked() const { return true; }
    [[nodiscard]] bool is_constructed() const {
        if (!mutex_.try_lock()) {
            return false;
        }
        mutex_.unlock();
        return true;
    }

  private:
    mutable std::shared_mutex mutex_;
};

enum class RwlockKind : int {
    prefer_reader = PTHREAD_RWLOCK_PREFER_READER_NP,
    prefer_writer_nonrecursive = PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP
};

template <Platform P, RwlockKind kKind>
class PthreadRwlock {
  public:
    struct Token {
        explicit Token(Ctx<P>&) {}
    };
    static constexpr LockInfo kInfo = library_info(
        kKind == RwlockKind::prefer_reader ? "pthread_rwlock.prefer_reader"
                                           : "pthread_rwlock.prefer_writer_nonrecursive",
        "glibc", kKind == RwlockKind::prefer_reader ? Fairness::reader_preference : Fairness::writer_preference,
        sizeof(pthread_rwlock_t), "GNU C library nptl/pthread_rwlock_common.c");

    PthreadRwlock() {
        pthread_rwlockattr_t attributes;
        pthread_rwlockattr_init(&attributes);
        check(pthread_rwlockattr_setkind_np(&attributes, static_cast<int>(kKind)) == 0,
              "the C library knows this rwlock kind");
        check(pthread_rwlock_init(&lock_, &attributes) == 0, "an rwlock can be made");
        pthread_rwlockattr_destroy(&attributes);
    }
    PthreadRwlock(const PthreadRwlock&) = delete;
    PthreadRwlock& operator=(const PthreadRwlock&) = delete;

    void lock(Token&) { pthread_rwlock_wrlock(&lock_); }
    bool try_lock(Token&) { return pthread_rwlock_trywrlock(&lock_) == 0; }
    void unlock(Token&) { pthread_rwlock_unlock(&lock_); }
    void lock_shared(Token&) { pthread_rwlock_rdlock(&lock_); }
    bool try_lock_shared(Token&) { return pthread_rwlock_tryrdlock(&lock_) == 0; }
    void unlock_shared(Token&) { pthread_rwlock_unlock(&lock_); }
    [[nodiscard]] bool is_locked() const { return true; }
    [[nodiscard]] bool is_constructed() const {
        if (pthread_rwlock_trywrlock(&lock_) != 0) {
            return false;
        }
        pthread_rwlock_unlock(&lock_);
        return true;
    }

  private:
    mutable pthread_rwlock_t lock_;
};

template <Platform P>
using LibraryLocks = TypeList<StdSharedMutex<P>, PthreadRwlock<P, RwlockKind::prefer_reader>,
                              PthreadRwlock<P, RwlockKind::prefer_writer_nonrecursive>>;

// Everything that the native tools know.
template <Platform P>
using AllNativeLocks = ConcatT<ConcatT<AllLocks<P>, LibraryLocks<P>>, ControlLocks<P>>;

}  // namespace lockbench
