// SPDX-License-Identifier: MIT
#include "platform/coop_wait.hpp"

#include <utility>

namespace lockbench::coop {
namespace {

// What an iteration of a waiting loop takes, in virtual ns: so that deadlines come while others spin.
constexpr Nanoseconds kYieldNs = 50;
constexpr Nanoseconds kRelaxNs = 5;

// The calling thread, or a failed check: the host is alone and would wait for ever.
Thread& waiting_thread() {
    check(self_thread != nullptr, "outside a run nobody can end this wait");
    return *self_thread;
}

void require_may_sleep(Thread& me, Site site) {
    me.last_site = site;
    if (me.preempt_off == 0 && me.read_sections == 0) {
        return;
    }
    engine->message() = "thread " + std::to_string(me.tid) + " sleeps at " + Engine::name_of(site) +
                        (me.preempt_off != 0 ? " with preemption off (count " + std::to_string(me.preempt_off) + ")"
                                             : std::string(" inside a ReadSection"));
    engine->fail(CoopFailure::sleeping_in_atomic);
}

// Off the CPU until the filled-in block ends; the injection that ended it, if one did.
std::uint8_t leave_cpu(Thread& me, Block block) {
    me.block = block;
    engine->set_off_cpu(me, true);
    engine->block(me);
    engine->set_off_cpu(me, false);
    return std::exchange(me.injected, std::uint8_t{0});
}

}  // namespace

bool Deadline::fired() const {
    if (at == 0 || holds()) {
        return at != 0;
    }
    Thread* me = self_thread;
    if (me == nullptr) {
        return false;
    }
    if (engine->forced_or_chance(*me, Inject::expiry)) {
        engine->advance_to(at);
        return true;
    }
    if (me->retry_depth != 0) {
        me->polled.deadline = me->polled.deadline == 0 ? at : std::min(me->polled.deadline, at);
    }
    return false;
}

bool NotRunning::fired() const {
    check(tid == kNoThread || tid < engine->thread_count(), "no such thread in this world");
    Thread* me = self_thread;
    if (holds()) {
        return true;
    }
    if (me == nullptr) {
        return false;
    }
    if (engine->forced_or_chance(*me, Inject::not_running)) {
        return true;
    }
    me->polled.watched |= 1U << tid;
    me->polled.may |= kMay;
    return false;
}

bool ShouldYield::fired() const {
    if (self_thread == nullptr) {
        return false;
    }
    self_thread->polled.may |= kMay;
    return engine->forced_or_chance(*self_thread, Inject::should_yield);
}

bool Cancelled::fired() const {
    if (owner != nullptr) {
        owner->polled.cancelled = true;
    }
    return holds();
}

bool Budget::fired() {
    if (polls == 0 || --polls == 0) {
        return true;
    }
    if (self_thread == nullptr) {
        return false;
    }
    self_thread->polled.may |= kMay;
    return engine->forced_or_chance(*self_thread, Inject::budget);
}

Retry::Retry() {
    if (Thread* me = self_thread; me != nullptr) {
        outer_begin_ = me->retry_begin;
        outer_ = me->polled;
        ++me->retry_depth;
        me->retry_begin = me->seen_count;
        me->polled = Polled{};
    }
}

Retry::~Retry() {
    if (Thread* me = self_thread; me != nullptr) {
        me->retry_begin = outer_begin_;
        if (--me->retry_depth == 0) {
            me->seen_count = 0;
            me->seen_overflow = false;
        }
        // What the inner loop asked, the outer one's iteration asked too.
        me->polled.may |= outer_.may;
        me->polled.watched |= outer_.watched;
        me->polled.cancelled = me->polled.cancelled || outer_.cancelled;
        if (outer_.deadline != 0) {
            me->polled.deadline =
                me->polled.deadline == 0 ? outer_.deadline : std::min(me->polled.deadline, outer_.deadline);
        }
    }
}

void Retry::again(Site site) {
    Thread& me = waiting_thread();
    me.last_site = site;
    if (me.seen_overflow) {
        engine->yield_point(me, kYieldNs, false);
    } else {
        me.block.kind = BlockKind::retry;
        me.block.may = me.polled.may;
        me.block.watched = me.polled.watched;
        me.block.deadline = me.polled.deadline;
        me.block.site = site;
        for (std::uint32_t i = me.retry_begin; i < me.seen_count; ++i) {
            engine->wait_on(me, engine->loc(me.seen[i].loc));
        }
        engine->note(Op::retry, kNone, site, 0, 0);
        engine->block(me);
        me.forced |= std::exchange(me.injected, std::uint8_t{0});
    }
    me.seen_count = me.retry_begin;
    me.seen_overflow = false;
    me.polled = Polled{};
}

void effect_loop_again(Site site) {
    Thread& me = waiting_thread();
    me.last_site = site;
    engine->note(Op::yield, kNone, site, 0, 0);
    engine->yield_point(me, kYieldNs, false);
}

void sleep_prepare(Site site) {
    Thread& me = waiting_thread();
    me.last_site = site;
    engine->point(me);
    engine->note(Op::sleep_prepare, kNone, site, 0, 0);
    me.woken = false;
    me.clock.join(me.woken_by);  // a read-modify-write of the word that wakers write
}

Wake sleep(Deadline deadline, bool killable, Site site) {
    Thread& me = waiting_thread();
    require_may_sleep(me, site);
    engine->point(me);
    engine->note(Op::sleep, kNone, site, 0, 0);
    if (killable && me.cancelled) {
        return Wake::cancelled;
    }
    if (!me.woken) {
        Block block;
        block.kind = killable ? BlockKind::sleep_killable : BlockKind::sleep;
        block.may = bit_of(Inject::spurious);
        block.deadline = deadline.at;
        block.site = site;
        leave_cpu(me, block);
    }
    const bool was_woken = std::exchange(me.woken, true);
    if (was_woken) {
        me.clock.join(me.woken_by);
    }
    if (killable && me.cancelled) {
        return Wake::cancelled;
    }
    return !was_woken && deadline.holds() ? Wake::expired : Wake::woken;
}

void sleep_until(Deadline deadline, Site site) {
    Thread& me = waiting_thread();
    require_may_sleep(me, site);
    engine->point(me);
    engine->note(Op::sleep, kNone, site, 0, 0);
    Block block;
    block.kind = BlockKind::sleep_until;
    block.deadline = deadline.at;
    block.site = site;
    leave_cpu(me, block);
}

void wake(ThreadId tid, Site site) {
    check(tid < engine->thread_count(), "no such thread in this world");
    if (Thread* me = self_thread; me != nullptr) {
        me->last_site = site;
        engine->point(*me);
        Engine::release_into(*me, engine->thread(tid).woken_by);
    }
    engine->note(Op::wake, kNone, site, tid, 1);
    engine->wake(engine->thread(tid));
}

void cancel(ThreadId tid, Site site) {
    check(tid < engine->thread_count(), "no such thread in this world");
    if (Thread* me = self_thread; me != nullptr) {
        me->last_site = site;
        engine->point(*me);
        Engine::release_into(*me, engine->thread(tid).woken_by);
    }
    engine->note(Op::cancel, kNone, site, tid, 1);
    engine->cancel(engine->thread(tid));
}

void clear_cancel() {
    if (self_thread != nullptr) {
        self_thread->cancelled = false;
    }
}

Wake park(const void* word, bool as_expected, Deadline deadline, Site site) {
    Thread& me = waiting_thread();
    require_may_sleep(me, site);
    if (!as_expected) {
        return Wake::woken;
    }
    Block block;
    block.kind = BlockKind::park;
    block.may = bit_of(Inject::spurious);
    block.deadline = deadline.at;
    block.address = word;
    block.site = site;
    engine->enqueue_parked(me, word);
    leave_cpu(me, block);
    engine->leave_park_queue(me);
    return !me.unparked && deadline.holds() ? Wake::expired : Wake::woken;
}

// Like futex(2) it looks at the address and never at the memory: a word that is gone is no error.
void unpark(const void* word, std::uint32_t count, Site site) {
    if (Thread* me = self_thread; me != nullptr) {
        me->last_site = site;
        engine->point(*me);
    }
    engine->note(Op::unpark, kNone, site, count, 1);
    engine->unpark(word, count);
}

void yield(Site site) {
    if (Thread* me = self_thread; me != nullptr) {
        me->last_site = site;
        engine->note(Op::yield, kNone, site, 0, 0);
        engine->yield_point(*me, kYieldNs, true);
    }
}

void relax(Site site) {
    if (Thread* me = self_thread; me != nullptr) {
        me->last_site = site;
        engine->yield_point(*me, kRelaxNs, false);
    }
}

void compute(Nanoseconds ns, Site site) {
    if (Thread* me = self_thread; me != nullptr) {
        me->last_site = site;
        engine->pass_time(ns);
        engine->point(*me);
        engine->note(Op::compute, kNone, site, ns, 1);
    }
}

void preempt_on(Site site) {
    if (Thread* me = self_thread; me != nullptr && --me->preempt_off < 0) {
        engine->message() = "thread " + std::to_string(me->tid) + " turns preemption on at " + Engine::name_of(site) +
                            " without having turned it off";
        engine->fail(CoopFailure::unbalanced);
    }
}

void fence(At at) {
    if (Thread* me = self_thread; me != nullptr) {
        me->last_site = at.site;
        engine->point(*me);
        engine->fence(*me, at);
    }
}

}  // namespace lockbench::coop
