// SPDX-License-Identifier: MIT
// The qrwlock of Linux 4.3: "a writer waits" is a value of the locked byte, and is written by an exchange of the byte.
//
// Origin: Linux 4.3 to 4.14 kernel/locking/qrwlock.c: the byte exchange (commit 405963b6a57c, in 4.2), the head
//   reader's unit at once (commit 6e1e5196975f, 4.3). On x86 over the qspinlock, since 4.2.
// Differs: the qspinlock inside is this suite's, of the form of 4.20. The poll before the byte exchange reads the whole
//   word. A slow reader looks at the word once more, where 4.3 goes on from the value that its addition gave.
//
//   word_  31                                   8 7                        0
//         +--------------------------------------+--------------------------+
//         |               readers                | writer 0, waiting, 0xff  |      written (readers, writer)
//         +--------------------------------------+--------------------------+      waiting = 1; 0xff: one is in
//   queue_  the spinlock on which slow readers and writers queue; its holder is the next to enter
//   read:      (n,0) -> (n+1,0). Found a writer, in or waiting: back to n; queue; n+1; wait for writer != 0xff; unqueue
//   read irq:  n+1; wait for writer != 0xff; whoever waits
//   write:     (0,0) -> (0,0xff). Else queue; again; else wait for writer == 0 and (n,0) -> (n,waiting), whatever the
//              readers do meanwhile; wait for (0,waiting) -> (0,0xff); unqueue
//   unlock:    readers -= 1; or writer = 0 by a byte store
// I1  writer == 0xff excludes readers that have entered; readers counted beside it are waiting or about to leave again.
// I2  Only the holder of queue_ sets waiting, and clears it by entering, so there is at most one waiting writer.
// I3  Once waiting is set no fast path enters. But it can be set only when the writer before has left: from that store
//     to the exchange the lock looks free, and fast paths, of writers and of readers, pass the writer at the head of
//     the queue, one after another without end. 4.15 (commit d13316614633) gave waiting a bit of its own.
// I4  A reader at the head has its unit in the word, so no writer passes it.
// I5  A reader that queues takes its unit back first: the writer ahead of it in the queue waits for no readers at all.
#pragma once

#include "locks/qrwlock_frame.hpp"
#include "locks/qspinlock.hpp"

namespace lockbench {

template <Platform P>
struct Qrw43 {
    using Word = QrwWord<P, SubWord::mixed, 1>;
    using Queue = QSpinLock<P, SubWord::mixed, true>;

    static constexpr LockInfo kInfo = qrw_info(SubWord::mixed, "qrwlock_4_3", "4.3-4.14", Fairness::stealing, 8,
                                               "Linux 4.3 kernel/locking/qrwlock.c, include/asm-generic/qrwlock.h");

    static void announce(Word& word) {
        for (typename P::Retry loop;; loop.again()) {
            // relaxed: only a guess, the exchange decides.
            word.word().await([](std::uint32_t seen) { return (seen & Word::kWriterMask) == 0; }, relaxed);
            // relaxed: announces, and publishes nothing.
            if (word.locked_field().try_cas(0, Word::kWaiting, relaxed)) {
                return;
            }
        }
    }
    static void enter_as_head(Word& word) { word.stand_behind_writer(); }
};

template <Platform P>
using QrwLock43 = QrwFrame<P, Qrw43<P>>;

}  // namespace lockbench
