// SPDX-License-Identifier: MIT
// The qrwlock as it was merged in Linux 3.16: a word and a spinlock in eight bytes, and whoever is fast may pass the
// head of the queue.
//
// Origin: Linux 3.16 to 4.1 kernel/locking/qrwlock.c, include/asm-generic/qrwlock.h, arch/x86/include/asm/qrwlock.h
//   (commit 70af2f8a4f48). The queue is the spinlock of the architecture, so the lock comes in a build for each: over
//   the ticket lock, as x86 had it in these releases, and over the qspinlock, as it was measured on 4.0 before the two
//   met in 4.2 (commit 405963b6a57c).
// Differs: the qspinlock inside is this suite's, of the form of 4.20. x86's byte store unlocks a writer; elsewhere 3.16
//   subtracts from the whole word. Full barriers of the kernel's exchanges are acquires here. A head that is a reader
//   looks at the word once more, where 3.16 goes on from the value that its addition gave.
//
//   word_  31                                   8 7                        0
//         +--------------------------------------+--------------------------+
//         |               readers                | writer 0, waiting, 0xff  |      written (readers, writer)
//         +--------------------------------------+--------------------------+      waiting = 1; 0xff: one is in
//   queue_  the spinlock on which slow readers and writers queue; its holder is the next to enter
//   read:      (n,0) -> (n+1,0). Found a writer, in or waiting: back to n; queue; wait for writer == 0; n+1, and if a
//              writer came in between wait for writer != 0xff; unqueue
//   read irq:  n+1; wait for writer != 0xff; whoever waits
//   write:     (0,0) -> (0,0xff). Else queue; again; else wait for writer == 0 and (n,0) -> (n,waiting), again if a
//              reader came or left between the two; wait for (0,waiting) -> (0,0xff); unqueue
//   unlock:    readers -= 1; or writer = 0 by a byte store
// I1  writer == 0xff excludes readers that have entered; readers counted beside it are waiting or about to leave again.
// I2  Only the holder of queue_ sets waiting, and clears it by entering, so there is at most one waiting writer.
// I3  Once waiting is set no fast path enters. But it can be set only when the writer before has left: from that store
//     to the exchange the lock looks free, and fast paths, of writers and of readers, pass the head of the queue, one
//     after another without end; a head that is a reader too, as it has no unit in the word yet.
// I4  A reader that queues takes its unit back first: the writer ahead of it in the queue waits for no readers at all.
#pragma once

#include "locks/qrwlock_frame.hpp"
#include "locks/qspinlock.hpp"
#include "locks/ticket.hpp"

namespace lockbench {

// What the head of the queue does in this era.
template <Platform P, class Word>
struct Qrw316Head {
    static void announce(Word& word) {
        for (typename P::Retry loop;; loop.again()) {
            // relaxed: only a guess, the exchange decides.
            const std::uint32_t seen =
                word.word().await_value([](std::uint32_t now) { return (now & Word::kWriterMask) == 0; }, relaxed);
            // relaxed: announces, and publishes nothing.
            if (word.word().try_cas(seen, seen | Word::kWaiting, relaxed)) {
                return;
            }
        }
    }
    static void enter_as_head(Word& word) {
        // relaxed: only a guess, and nothing is read under it.
        word.word().await([](std::uint32_t now) { return (now & Word::kWriterMask) == 0; }, relaxed);
        word.stand_behind_writer();
    }
};

template <Platform P, class WaitLock>
struct Qrw316 : Qrw316Head<P, QrwWord<P, SubWord::mixed, 1>> {
    using Word = QrwWord<P, SubWord::mixed, 1>;
    using Queue = WaitLock;
    static constexpr bool kTicket = std::same_as<WaitLock, TicketLock<P, true>>;
    static_assert(kTicket || std::same_as<WaitLock, QSpinLock<P, SubWord::mixed, true>>,
                  "a build must be told by its name");

    static constexpr LockInfo kInfo =
        qrw_info(SubWord::mixed, kTicket ? "qrwlock_3_16" : "qrwlock_3_16.qspinlock",
                 kTicket ? "3.16-4.1" : "4.0+qspinlock", Fairness::stealing, 4 + WaitLock::kInfo.bytes,
                 "Linux 3.16 kernel/locking/qrwlock.c, include/asm-generic/qrwlock.h");
};

template <Platform P, class WaitLock = TicketLock<P, true>>
using QrwLock316 = QrwFrame<P, Qrw316<P, WaitLock>>;

}  // namespace lockbench
