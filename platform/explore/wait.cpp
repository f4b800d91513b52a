// SPDX-License-Identifier: MIT
#include "platform/explore/wait.hpp"

#include <algorithm>
#include <string>

#include "platform/explore/memory.hpp"

namespace lockbench::explore {
namespace {

// States of a sleep word, as on the Native platform.
constexpr std::uint32_t kArmed = 0;
constexpr std::uint32_t kWoken = 1;

struct KernelWords {
    Atomic<std::uint32_t> sleep{kWoken};
    Atomic<std::uint32_t> cancelled{0U};
    Atomic<std::uint32_t> granted{0U};  // by unpark
};
KernelWords* kernel_words = nullptr;

// A futex(2) bucket for all words: who is parked, oldest first, and on which word, by the offset that each leaves. As
// far as the threads are few they stand in the queue word, four bits each as (thread + 1), oldest in the low bits;
// otherwise that is their number and they stand in `order`. Bit 63 is the bucket's lock.
struct ParkQueue {
    Atomic<std::uint64_t> queue{std::uint64_t{0}};
    Plain<std::uint32_t> word_of[kMaxFibers];
    Plain<std::uint8_t> order[kMaxFibers];
};
ParkQueue* park_queue = nullptr;
constexpr unsigned kEntryBits = 4;
constexpr ThreadId kFewThreads = 8;
constexpr std::uint64_t kBucketLock = std::uint64_t{1} << 63U;

struct Parked {
    std::uint8_t tids[kMaxFibers];
    std::size_t count = 0;

    void add(std::uint8_t tid) { tids[count++] = tid; }
};

// Who is parked, by the queue word of the locked bucket.
void read_queue(std::uint64_t queue, Parked& parked, Site site) {
    if (core->thread_count() > kFewThreads) {
        for (std::size_t i = 0; i < queue; ++i) {
            parked.add(park_queue->order[i].get(site));
        }
        return;
    }
    for (std::uint64_t rest = queue; rest != 0; rest >>= kEntryBits) {
        parked.add(static_cast<std::uint8_t>((rest & ((1U << kEntryBits) - 1)) - 1));
    }
}
// The queue word that says so.
std::uint64_t write_queue(const Parked& parked, Site site) {
    std::uint64_t queue = 0;
    for (std::size_t i = 0; i < parked.count; ++i) {
        if (core->thread_count() > kFewThreads) {
            park_queue->order[i].set(parked.tids[i], site);
            queue = i + 1;
        } else {
            queue |= std::uint64_t{parked.tids[i] + 1U} << (i * kEntryBits);
        }
    }
    return queue;
}

KernelWords& words_of(ThreadId tid) { return kernel_words[tid]; }

// Locks the bucket and returns its queue.
std::uint64_t lock_bucket(Site site) {
    for (Retry loop;; loop.again(site)) {
        const auto unlocked = [](std::uint64_t queue) { return (queue & kBucketLock) == 0; };
        std::uint64_t queue = park_queue->queue.await_value(unlocked, {relaxed, site.file, site.line});
        // acquire: the last holder's notes in word_of are seen.
        if (park_queue->queue.try_cas(queue, queue | kBucketLock, {acquire, site.file, site.line})) {
            return queue;
        }
    }
}
void unlock_bucket(std::uint64_t queue, Site site) {
    // release: pairs with lock_bucket.
    park_queue->queue.store(queue, {release, site.file, site.line});
}

void may_not_sleep_in_atomic(Site site) {
    if (self_thread->preempt_off != 0) {
        core->engine().fail(Failure::sleeping_in_atomic, "thread " + std::to_string(self_thread->tid) +
                                                             " sleeps with preemption off at " + short_name(site));
    }
}

// Why a sleep ends, chosen before it begins: 0 for a wake, the others as far as they may happen.
enum class End : std::uint8_t { woken, spurious, expired, cancelled };
End choose_end(Deadline deadline, bool killable, Site site) {
    Thread& me = *self_thread;
    End open[4] = {End::woken};
    std::size_t count = 1;
    if (me.left.spurious_wakes != 0) {
        open[count++] = End::spurious;
    }
    if (deadline.may_fire()) {
        open[count++] = End::expired;
    }
    if (killable && Cancelled::may_fire()) {
        open[count++] = End::cancelled;
    }
    const End end = open[count == 1 ? 0 : choose(count, site)];
    me.left.spurious_wakes -= end == End::spurious ? 1 : 0;
    if (end == End::expired) {
        deadline.fire(site);
    } else if (end == End::cancelled) {
        Cancelled::fire(site);
    }
    return end;
}

Request wait_for(Atomic<std::uint32_t>& word, bool (*holds)(const void*, std::uint64_t), Site site) {
    Request request = request_for<std::uint32_t>(Kind::await, &word, {acquire, site.file, site.line});
    request.holds = holds;
    return request;
}
bool is_one(const void*, std::uint64_t value) { return value == 1; }

void arm(Site site) {
    // seq_cst: the caller's re-check must not be satisfied before the word is armed (pairs with wake).
    words_of(self_thread->tid).sleep.exchange(kArmed, {seq_cst, site.file, site.line});
}
bool left_out(Act act, Site site) { return mutator != nullptr && !mutator->does(act, site); }
bool has_expired(std::uint64_t deadline) {
    const auto& expired = self_thread->expired;
    return std::find(expired.begin(), expired.end(), deadline) != expired.end();
}

}  // namespace

std::size_t choose(std::size_t n, Site site, bool sure) {
    check(self_thread != nullptr && n != 0, "choices are made by threads, of one or more");
    if (n == 1) {
        return 0;
    }
    Request request;
    request.kind = Kind::choose;
    request.may_end = sure;
    request.operand = n;
    request.site = site;
    return static_cast<std::size_t>(perform(request));
}

bool choose_rare(unsigned& budget, Site site) {
    if (budget == 0 || choose(2, site) == 0) {
        return false;
    }
    --budget;
    return true;
}

// A deadline's name is its number in its thread, from 1 on, and the thread; who compares it with the time may be any.
bool Deadline::may_fire() const { return at != 0 && (has_expired(at) || self_thread->left.expiries != 0); }
void Deadline::fire(Site) const {
    Thread& me = *self_thread;
    if (!has_expired(at)) {
        me.expired.push_back(at);
        --me.left.expiries;
    }
}
bool Deadline::fired(Site site) const {
    self_thread->wants_time = self_thread->wants_time || at != 0;
    if (!may_fire()) {
        return false;
    }
    if (has_expired(at)) {
        return true;
    }
    if (choose(2, site, true) == 0) {
        return false;
    }
    fire(site);
    return true;
}
Deadline after() {
    Thread& me = *self_thread;
    ++me.deadlines;
    return {std::uint64_t{me.deadlines} * kMaxFibers + me.tid};
}

bool Cancelled::may_fire() {
    return self_thread->cancelled || (core->program().cancellable >> self_thread->tid & 1U) != 0;
}
bool Cancelled::fired(Site site) const {
    Thread& me = *self_thread;
    if (!me.cancelled && may_fire()) {
        me.cancelled = choose(2, site) != 0;
    }
    // relaxed: as on the Native platform.
    return me.cancelled || words_of(me.tid).cancelled.load({relaxed, site.file, site.line}) != 0;
}

void build_kernel_words() {
    void* const words = core->arena().take(sizeof(KernelWords) * core->thread_count(), alignof(KernelWords));
    for (std::size_t i = 0; i < core->thread_count(); ++i) {
        const auto* const made = new (static_cast<KernelWords*>(words) + i) KernelWords();
        const std::string of = " word of thread " + std::to_string(i);
        core->arena().label(&made->sleep, sizeof made->sleep, "sleep" + of);
        core->arena().label(&made->cancelled, sizeof made->cancelled, "cancel" + of);
        core->arena().label(&made->granted, sizeof made->granted, "unpark" + of);
    }
    kernel_words = static_cast<KernelWords*>(words);
    park_queue = &core->arena().make<ParkQueue>();
    core->arena().label(park_queue, sizeof *park_queue, "park queue");
}
bool is_kernel_word(std::uint32_t place) { return place < place_of(park_queue) + sizeof *park_queue; }

void sleep_prepare(Site site) {
    if (!left_out(Act::prepare, site)) {
        arm(site);
    }
}

Wake sleep(Deadline deadline, bool killable, Site site) {
    may_not_sleep_in_atomic(site);
    Thread& me = *self_thread;
    KernelWords& words = words_of(me.tid);
    if (mutator != nullptr && mutator->arms_late(me.tid)) {
        arm(site);
    }
    if (killable && me.cancelled) {
        return Wake::cancelled;
    }
    End end = choose_end(deadline, killable, site);
    if (end == End::woken) {
        Request request = wait_for(words.sleep, &is_one, site);
        request.may_end = deadline.is_set();
        if (perform(request) != 1) {
            deadline.fire(site);
            end = End::expired;
        }
    }
    if (end != End::woken) {
        // acq_rel: a wake that came before is seen, as on the Native platform.
        words.sleep.exchange(kWoken, {acq_rel, site.file, site.line});
    }
    // relaxed: as on the Native platform.
    const bool cancelled = killable && (me.cancelled || words.cancelled.load({relaxed, site.file, site.line}) != 0);
    return cancelled ? Wake::cancelled : end == End::expired ? Wake::expired : Wake::woken;
}

// Time passes for everybody: a sleep that a deadline ends is no operation.
void sleep_until(Deadline, Site site) { may_not_sleep_in_atomic(site); }

void wake(ThreadId tid, Site site) {
    check(tid < core->thread_count(), "no such thread in this program", site.file, site.line);
    if (left_out(Act::wake, site)) {
        return;
    }
    // seq_cst: pairs with sleep_prepare; the caller's condition is visible before the word says so.
    words_of(tid).sleep.exchange(kWoken, {seq_cst, site.file, site.line});
}

void cancel(ThreadId tid, Site site) {
    check(tid < core->thread_count(), "no such thread in this program", site.file, site.line);
    words_of(tid).cancelled.store(1, {seq_cst, site.file, site.line});
    wake(tid, site);
}

void clear_cancel(Site site) {
    Thread& me = *self_thread;
    me.cancelled = false;
    // relaxed: the thread's own word.
    if (words_of(me.tid).cancelled.load({relaxed, site.file, site.line}) != 0) {
        words_of(me.tid).cancelled.store(0, {relaxed, site.file, site.line});  // relaxed: as above
    }
}

// A parked thread that nobody has unparked takes itself off the queue.
void leave_queue(Site site) {
    Parked parked;
    read_queue(lock_bucket(site), parked, site);
    Parked left;
    for (std::size_t i = 0; i < parked.count; ++i) {
        if (parked.tids[i] != self_thread->tid) {
            left.add(parked.tids[i]);
        }
    }
    unlock_bucket(write_queue(left, site), site);
}

// The look at the word and the entry into the queue are one step under the bucket's lock: a wake between them would be
// a false lost wake-up.
Wake park(const Atomic<std::uint32_t>& word, std::uint32_t expected, Deadline deadline, Site site) {
    may_not_sleep_in_atomic(site);
    Thread& me = *self_thread;
    const End end = choose_end(deadline, false, site);
    const std::uint64_t queue = lock_bucket(site);
    // relaxed: ordered by the bucket's lock.
    if (end != End::woken || word.load({relaxed, site.file, site.line}) != expected) {
        unlock_bucket(queue, site);
        return end == End::expired ? Wake::expired : Wake::woken;
    }
    Parked parked;
    read_queue(queue, parked, site);
    parked.add(static_cast<std::uint8_t>(me.tid));
    park_queue->word_of[me.tid].set(place_of(&word), site);
    // relaxed: armed before the bucket is unlocked.
    words_of(me.tid).granted.store(0, {relaxed, site.file, site.line});
    unlock_bucket(write_queue(parked, site), site);
    Request request = wait_for(words_of(me.tid).granted, &is_one, site);
    request.may_end = deadline.is_set();
    if (perform(request) == 1) {
        return Wake::woken;
    }
    deadline.fire(site);
    leave_queue(site);
    return Wake::expired;
}

void unpark(const Atomic<std::uint32_t>& word, std::uint32_t count, Site site) {
    if (left_out(Act::wake, site)) {
        return;
    }
    Parked parked;
    read_queue(lock_bucket(site), parked, site);
    Parked left;
    for (std::size_t i = 0; i < parked.count; ++i) {
        const ThreadId tid = parked.tids[i];
        if (count != 0 && park_queue->word_of[tid].get(site) == place_of(&word)) {
            --count;
            // release: what the waker did is seen.
            words_of(tid).granted.store(1, {release, site.file, site.line});
        } else {
            left.add(parked.tids[i]);
        }
    }
    unlock_bucket(write_queue(left, site), site);
}

void preempt_off() {
    if (self_thread != nullptr) {
        ++self_thread->preempt_off;
    }
}
void preempt_on(Site site) {
    if (self_thread != nullptr && --self_thread->preempt_off < 0) {
        core->engine().fail(Failure::unbalanced, "thread " + std::to_string(self_thread->tid) +
                                                     " turns preemption on at " + short_name(site) +
                                                     ", which is not off");
    }
}

}  // namespace lockbench::explore
