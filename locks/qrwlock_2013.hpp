// SPDX-License-Identifier: MIT
// The qrwlock as it was posted in 2013 and never merged: waiters in an MCS queue, each spinning on a node of its own,
// in a lock of sixteen bytes.
//
// Origin: Waiman Long, "qrwlock: A queue read/write lock implementation", linux-kernel list: v4 (2 October 2013) to v11
//   (23 January 2014). From v7 (22 November 2013) on all readers are fair. Until v5 the default was an unfair reader,
//   which enters while a writer only waits (.unfair here; then a property of each lock, set when it was made).
// Differs: written from the letters of the postings, not from their code: that a writer announces itself by an exchange
//   of the whole word, and that it tries the word once more at the head of the queue, is taken from the merged form.
//   The queue is the MCS lock of this suite (locks/mcs.hpp), the place of its holder being the head of the queue.
//
//   word_  31                                   8 7                        0
//         +--------------------------------------+--------------------------+
//         |               readers                | writer 0, waiting, 0xff  |      written (readers, writer)
//         +--------------------------------------+--------------------------+      waiting = 1; 0xff: one is in
//   queue_ 63                                                               0
//         +-----------------------------------------------------------------+
//         |    node of the last in the MCS queue, null: nobody queues       |     at offset 8
//         +-----------------------------------------------------------------+
//   read:        (n,0) -> (n+1,0). Found a writer, in or waiting: back to n; queue; at the head wait for writer == 0;
//                n+1, and if a writer came in between wait for writer != 0xff; unqueue
//   read unfair: (n,w) -> (n+1,w) unless w == 0xff. Found one in: back to n; queue; at the head n+1 at once and wait
//                for writer != 0xff; unqueue
//   read irq:    n+1; wait for writer != 0xff; whoever waits
//   write:       (0,0) -> (0,0xff). Else queue; at the head again; else wait for writer == 0 and (n,0) -> (n,waiting);
//                wait for (0,waiting) -> (0,0xff); unqueue
//   unlock:      readers -= 1; or writer = 0 by a byte store
// I1  writer == 0xff excludes readers that have entered; readers counted beside it are waiting or about to leave again.
// I2  Only the head of the queue sets waiting, and clears it by entering, so there is at most one waiting writer.
// I3  Once waiting is set no fair reader's fast path enters. But it can be set only when the writer before has left:
//     from that store to the exchange the lock looks free, and fast paths pass the head of the queue, one after another
//     without end ("a slight chance of lock stealing", says the posting).
// I4  Unfair readers keep one another in: a writer may wait for ever.
// I5  A thread's node is out of the queue before its critical section: a token serves nothing while the lock is held.
#pragma once

#include "locks/mcs.hpp"
#include "locks/qrwlock_3_16.hpp"
#include "locks/qrwlock_frame.hpp"

namespace lockbench {

enum class QrwReaders : unsigned char { fair, unfair };

template <Platform P, QrwReaders kReaders>
struct Qrw2013 {
    static constexpr bool kFair = kReaders == QrwReaders::fair;
    using Word = QrwWord<P, SubWord::mixed, 1, !kFair>;
    using Queue = McsLock<P, true>;
    using Head = Qrw316Head<P, Word>;

    static constexpr LockInfo kInfo =
        qrw_info(SubWord::mixed, kFair ? "qrwlock_2013" : "qrwlock_2013.unfair", "-",
                 kFair ? Fairness::stealing : Fairness::reader_preference, 16,
                 kFair ? "Waiman Long, qrwlock v7 to v11, linux-kernel list, November 2013 to January 2014"
                       : "Waiman Long, qrwlock v4 and v5, linux-kernel list, October and November 2013");

    static void announce(Word& word) { Head::announce(word); }
    static void enter_as_head(Word& word) {
        if constexpr (kFair) {
            Head::enter_as_head(word);
        } else {
            word.stand_behind_writer();
        }
    }
};

template <Platform P, QrwReaders kReaders = QrwReaders::fair>
using QrwLock2013 = QrwFrame<P, Qrw2013<P, kReaders>>;

}  // namespace lockbench
