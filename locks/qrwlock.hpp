// SPDX-License-Identifier: MIT
// qrwlock: a reader-writer word whose waiters queue, readers and writers alike, on a fair spinlock inside.
//
// Origin: Linux 3.16 kernel/locking/qrwlock.c and include/asm-generic/qrwlock.h in today's form: waiting bit beside the
//   locked byte (4.15), the writer's commit acquires (5.13).
// Differs: threads, not CPUs, and "in an interrupt" is said by the caller (lock_shared_irq).
//
//   word_  31                       9     8      7                0
//         +--------------------------+---------+-------------------+
//         |         readers          | waiting | locked 0 or 0xff  |      written (readers, waiting, locked)
//         +--------------------------+---------+-------------------+
//   queue_  the spinlock on which slow readers and writers queue; its holder is the next to enter
//   read:      (n,0,0) -> (n+1,0,0). Found a writer, in or waiting: back to n; queue; n+1; wait for locked == 0;
//              unqueue
//   read irq:  n+1; wait for locked == 0; whoever waits
//   write:     (0,0,0) -> (0,0,0xff). Else queue; again; else set waiting and wait for (0,1,0) -> (0,0,0xff);
//              unqueue
//   unlock:    readers -= 1; or locked = 0 by a byte store, of its own width (mixed) or of the whole word (portable)
// I1  locked == 0xff excludes readers that have entered; readers counted beside it are waiting or about to leave again.
// I2  Only the holder of queue_ sets waiting, and clears it by entering, so there is at most one waiting writer.
// I3  While waiting is set no fast path enters: the queue's head is not passed, but by readers that may not queue. It
//     is set while the writer before is still in, so no moment is left in which the lock looks free (qrwlock_4_3.hpp).
// I4  A reader that queues takes its unit back first: the writer ahead of it in the queue waits for no readers at all.
#pragma once

#include "locks/qrwlock_frame.hpp"
#include "locks/qspinlock.hpp"

namespace lockbench {

template <Platform P, SubWord kBuild, class Inner>
struct QrwToday {
    using Word = QrwWord<P, kBuild, 0x100>;
    using Queue = Inner;

    static constexpr LockInfo kInfo =
        qrw_info(kBuild, kBuild == SubWord::mixed ? "qrwlock" : "qrwlock.portable", "5.13-",
                 Inner::kInfo.fairness == Fairness::fifo ? Fairness::fifo_after_claim : Inner::kInfo.fairness,
                 4 + Inner::kInfo.bytes, "Linux 5.13 kernel/locking/qrwlock.c, include/asm-generic/qrwlock.h", true);

    static void announce(Word& word) {
        // relaxed: announces, and publishes nothing. Without the bit, or with one in the locked byte, where a fast
        // writer clears it, other writers would pass the head of the queue without end.
        word.word().or_(Word::kWaiting, relaxed);
    }
    // The unit comes at once, so that no writer passes; the wait is for the writer that is in.
    static void enter_as_head(Word& word) { word.stand_behind_writer(); }
};

// Inner: the queue; with an unfair one the lock is unfair.
template <Platform P, SubWord kBuild, class Inner = QSpinLock<P, kBuild, true>>
using QrwLock = QrwFrame<P, QrwToday<P, kBuild, Inner>>;

}  // namespace lockbench
