// SPDX-License-Identifier: MIT
// What tells the library's reader-writer locks apart: whether a reader comes in past a writer that waits.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "locks/native_only.hpp"
#include "platform/native.hpp"

namespace lockbench {
namespace {

// The thread is off its CPU until somebody wakes it: state S behind the name, which may itself hold parentheses.
bool sleeps(pid_t tid) {
    std::ifstream file("/proc/self/task/" + std::to_string(tid) + "/stat");
    const std::string line((std::istreambuf_iterator<char>(file)), {});
    const std::size_t name_end = line.rfind(')');
    return name_end != std::string::npos && line.compare(name_end, 3, ") S") == 0;
}

// Whether a reader comes in while this thread reads and a writer waits, asleep.
template <class L>
bool reader_passes_waiting_writer() {
    ThreadStats stats;
    Ctx<Native> ctx(0, 1, 0, stats, nullptr);
    typename L::Token mine(ctx);
    typename L::Token theirs(ctx);
    L lock;
    std::atomic<pid_t> tid{0};
    lock.lock_shared(mine);
    std::thread writer([&] {
        tid.store(gettid());  // the lock is the next thing that it can sleep in
        lock.lock(theirs);
        lock.unlock(theirs);
    });
    while (tid.load() == 0 || !sleeps(tid.load())) {
        std::this_thread::yield();
    }
    const bool passed = lock.try_lock_shared(mine);
    if (passed) {
        lock.unlock_shared(mine);
    }
    lock.unlock_shared(mine);
    writer.join();
    return passed;
}

using PreferReader = PthreadRwlock<Native, RwlockKind::prefer_reader>;
using PreferWriter = PthreadRwlock<Native, RwlockKind::prefer_writer_nonrecursive>;
static_assert(PreferReader::kInfo.fairness == Fairness::reader_preference);
static_assert(StdSharedMutex<Native>::kInfo.fairness == Fairness::reader_preference);
static_assert(PreferWriter::kInfo.fairness == Fairness::writer_preference);

TEST(LibraryLocks, ReadersPassAWaitingWriter) {
    EXPECT_TRUE(reader_passes_waiting_writer<PreferReader>());
    EXPECT_TRUE(reader_passes_waiting_writer<StdSharedMutex<Native>>());
}

TEST(LibraryLocks, AWaitingWriterHoldsReadersBack) { EXPECT_FALSE(reader_passes_waiting_writer<PreferWriter>()); }

}  // namespace
}  // namespace lockbench
