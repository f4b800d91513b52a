// SPDX-License-Identifier: MIT
// Waiting and the scheduler: waiting loops that sleep on their lines, sleeping and waking, run queues and quanta; and
// the report of who waits for whom.
#include <algorithm>

#include "platform/sim/engine.hpp"

namespace lockbench::sim {

void Engine::watch_line(Thread& me, const void* address) {
    check(me.wait_count < Thread::kMaxWaits, "an await looks at more lines than the simulated machine watches");
    Waiter& waiter = me.waits[me.wait_count++];
    const std::size_t number = line_of(address);
    Line& line = lines_[number];
    waiter.thread = &me;
    waiter.line = static_cast<std::uint32_t>(number);
    waiter.previous = nullptr;
    waiter.next = line.waiters;
    if (line.waiters != nullptr) {
        line.waiters->previous = &waiter;
    }
    line.waiters = &waiter;
    waiter.listed = true;
}

void Engine::end_wait(Thread& me) {
    for (std::size_t i = 0; i < me.wait_count; ++i) {
        Waiter& waiter = me.waits[i];
        (waiter.previous == nullptr ? lines_[waiter.line].waiters : waiter.previous->next) = waiter.next;
        if (waiter.next != nullptr) {
            waiter.next->previous = waiter.previous;
        }
        waiter.listed = false;
    }
    me.wait_count = 0;
    me.await.active = false;
    ++me.stamp;
}

// Sleeps on the lines of me.await until looking at it gives a result.
int Engine::wait(Thread& me) {
    me.await.active = true;
    me.await.result = me.await.look(me.await.frame);
    if (me.await.result != kStillWaiting) {
        end_wait(me);
        return me.await.result;
    }
    const bool stale = std::any_of(me.waits.begin(), me.waits.begin() + static_cast<std::ptrdiff_t>(me.wait_count),
                                   [&](const Waiter& waiter) { return !holds(waiter.line, me.core); });
    if (stale) {
        me.polling = true;
        push(me.now + machine_.poll, EventKind::poll, me.tid, me.stamp);
    }
    block(me);
    return me.await.result;
}

void Engine::wake_waiters(Line& line, Time at, std::uint16_t except_core) {
    for (Waiter* waiter = line.waiters; waiter != nullptr; waiter = waiter->next) {
        Thread& thread = *waiter->thread;
        if (thread.core != except_core && !thread.polling && thread.state == ThreadState::running) {
            thread.polling = true;
            // Where in its loop the waiter is when its copy goes.
            const Time phase = thread.random.below(static_cast<std::uint32_t>(machine_.poll) + 1);
            push(at + phase, EventKind::poll, thread.tid, thread.stamp);
        }
    }
}

// Asks the await for a result; with one, the thread runs.
Thread* Engine::look(Thread& thread) {
    if (!thread.await.active || thread.state != ThreadState::running || thread.own.active) {
        return nullptr;  // off its CPU or with a request under way it looks later
    }
    const int result = thread.await.look(thread.await.frame);
    if (result == kStillWaiting) {
        return nullptr;
    }
    thread.await.result = result;
    end_wait(thread);
    thread.polling = false;
    thread.now = std::max(thread.now, now_);
    return &thread;
}

// One turn of a waiting loop: fetches what it looks at and does not hold, then looks.
Thread* Engine::poll(Thread& thread) {
    if (!thread.await.active || thread.own.active) {
        return nullptr;
    }
    for (std::size_t i = 0; i < thread.wait_count; ++i) {
        const std::uint32_t line = thread.waits[i].line;
        if (!holds(line, thread.core)) {
            thread.polling = true;
            issue(thread.own, thread, line, Access::read, arena_ + std::size_t{line} * kCacheLine, thread.at, now_);
            thread.own.poll = true;
            return nullptr;
        }
    }
    return look(thread);
}

Thread* Engine::timer_over(Thread& thread) {
    if (thread.state == ThreadState::sleeping || thread.state == ThreadState::parked) {
        woken_by(thread, Wake::expired);
        return nullptr;
    }
    if (thread.await.active && thread.own.active) {
        push(now_ + machine_.poll, EventKind::timer, thread.tid, thread.stamp);  // when the poll under way is back
        return nullptr;
    }
    return look(thread);
}

Thread* Engine::on_cpu(Thread& thread) {
    thread.now = std::max(thread.now, now_);
    if (!thread.await.active) {
        return &thread;
    }
    return poll(thread);  // it was taken off its CPU in a waiting loop
}

void Engine::switch_out(Thread& me, ThreadState state) {
    me.state = state;
    for (const Thread::Watcher& watcher : me.watchers) {
        push(me.now + machine_.poll, EventKind::check, watcher.tid, watcher.stamp);
    }
    me.watchers.clear();
    dispatch(me.cpu, std::max(now_, me.now));
}

void Engine::arm_quantum(Processor& processor, CpuId cpu, Time at) {
    if (!processor.quantum_armed) {
        processor.quantum_armed = true;
        note_timer(machine_.quantum);
        push(std::max(at, processor.slice_began + machine_.quantum), EventKind::quantum,
             static_cast<std::uint32_t>(cpu));
    }
}

void Engine::dispatch(CpuId cpu, Time at) {
    Processor& processor = this->processor(cpu);
    processor.need_resched = false;
    processor.current = nullptr;
    if (processor.ready.empty()) {
        return;
    }
    Thread& next = *processor.ready.front();
    processor.ready.pop_front();
    processor.current = &next;
    processor.slice_began = at + machine_.context_switch;
    next.state = ThreadState::running;
    push(processor.slice_began, EventKind::resume, next.tid);
    if (!processor.ready.empty()) {
        arm_quantum(processor, cpu, at);
    }
}

void Engine::make_ready(Thread& thread, Time at) {
    Processor& processor = this->processor(thread.cpu);
    if (processor.current == nullptr) {
        processor.current = &thread;
        thread.state = ThreadState::running;
        processor.slice_began = at + machine_.wake_latency + machine_.context_switch;
        push(processor.slice_began, EventKind::resume, thread.tid);
        return;
    }
    thread.state = ThreadState::ready;
    processor.ready.push_back(&thread);
    arm_quantum(processor, thread.cpu, at);
}

void Engine::preempt(Thread& me) {
    drain(me);
    ++me.preemptions;
    Processor& processor = this->processor(me.cpu);
    if (processor.ready.empty()) {
        processor.need_resched = false;
        return;
    }
    processor.ready.push_back(&me);
    switch_out(me, ThreadState::ready);
    block(me);
}

Thread* Engine::quantum_over(CpuId cpu) {
    Processor& processor = this->processor(cpu);
    processor.quantum_armed = false;
    if (processor.ready.empty() || processor.current == nullptr) {
        return nullptr;
    }
    if (now_ < processor.slice_began + machine_.quantum) {
        arm_quantum(processor, cpu, now_);  // for a slice that has ended by itself
        return nullptr;
    }
    processor.need_resched = true;
    Thread& thread = *processor.current;
    if (!thread.await.active) {
        return nullptr;  // it sees to it at its next operation
    }
    if (Thread* over = look(thread); over != nullptr || thread.preempt_off != 0) {
        return over;
    }
    ++thread.preemptions;
    thread.now = now_;
    processor.ready.push_back(&thread);
    switch_out(thread, ThreadState::ready);
    return nullptr;
}

void Engine::woken_by(Thread& thread, Wake result) {
    if (thread.state == ThreadState::parked) {
        parked_.erase(std::find(parked_.begin(), parked_.end(), thread.tid));
    }
    thread.wake_result = result;
    thread.woken = true;
    ++thread.stamp;
    make_ready(thread, clock());
}

Wake Engine::sleep(Thread& me, Time deadline, bool killable, Site site) {
    check(me.preempt_off == 0, "a thread sleeps with preemption off", site.file, site.line);
    drain(me);
    sync(me);
    if (!me.woken && !(killable && me.cancelled)) {
        begin_wait(me);
        if (deadline != 0) {
            set_timer(me, std::max(deadline, me.now));
        }
        me.at = site;
        ++me.switches;
        switch_out(me, ThreadState::sleeping);
        block(me);
    } else {
        me.wake_result = Wake::woken;
    }
    me.woken = true;
    return killable && me.cancelled ? Wake::cancelled : me.wake_result;
}

void Engine::wake(Thread& me, Thread& target) {
    drain(me);  // waking is a full barrier
    sync(me);
    target.woken = true;
    if (target.state == ThreadState::sleeping) {
        me.now += machine_.wake;
        sync(me);
        if (target.state == ThreadState::sleeping) {
            woken_by(target, Wake::woken);
        }
    }
    point(me);
}

void Engine::cancel(Thread& me, Thread& target) {
    target.cancelled = true;
    push(me.now + machine_.poll, EventKind::check, target.tid, target.stamp);
    wake(me, target);
}

Wake Engine::park(Thread& me, const void* word, Time deadline, Site site) {
    check(me.preempt_off == 0, "a thread parks with preemption off", site.file, site.line);
    begin_wait(me);
    if (deadline != 0) {
        set_timer(me, std::max(deadline, me.now));
    }
    me.parked_on = word;
    me.at = site;
    parked_.push_back(me.tid);
    ++me.switches;
    switch_out(me, ThreadState::parked);
    block(me);
    return me.wake_result;
}

void Engine::unpark(Thread& me, const void* word, std::uint32_t count) {
    drain(me);
    me.now += machine_.syscall;
    sync(me);
    for (; count > 0; --count) {
        const auto found = std::find_if(parked_.begin(), parked_.end(),
                                        [&](ThreadId tid) { return threads_[tid]->parked_on == word; });
        if (found == parked_.end()) {
            break;
        }
        woken_by(*threads_[*found], Wake::woken);
        me.now += machine_.wake;
    }
    point(me);
}

void Engine::yield(Thread& me) {
    drain(me);
    me.now += machine_.syscall;
    sync(me);
    Processor& processor = this->processor(me.cpu);
    if (processor.ready.empty()) {
        return;
    }
    ++me.switches;
    processor.ready.push_back(&me);
    switch_out(me, ThreadState::ready);
    block(me);
}

void Engine::preempt_on(Thread& me) {
    check(me.preempt_off > 0, "preempt_on without preempt_off");
    if (--me.preempt_off == 0 && processor(me.cpu).need_resched) {
        limit_ = 0;
        point_slow(me);
    }
}

std::string Engine::name_of(const void* address) const {
    const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(address) - arena_);
    if (offset >= used_) {
        return "an object outside the simulated memory";
    }
    const Region& region = regions_[region_of_page_[offset / kPage]];
    const Kind& kind = map_.kinds()[region.kind];
    const std::size_t within = offset - region.begin;
    return kind.name + " " + std::to_string(within / kind.stride) + " +" + std::to_string(within % kind.stride);
}

std::string Engine::describe(const Thread& thread) const {
    std::string text = "thread " + std::to_string(thread.tid) + " on CPU " + std::to_string(thread.cpu);
    switch (thread.state) {
        case ThreadState::running:
            text +=
                thread.await.active
                    ? " waits for " + name_of(arena_ + std::size_t{thread.waits[0].line} * kCacheLine) + " to change"
                    : " runs";
            break;
        case ThreadState::ready:
            text += " waits for its CPU";
            break;
        case ThreadState::sleeping:
            text += " sleeps";
            break;
        case ThreadState::parked:
            text += " is parked on " + name_of(thread.parked_on);
            break;
        case ThreadState::done:
            return text + " has ended";
    }
    if (thread.at.file != nullptr) {
        text += " at " + std::string(thread.at.file) + ":" + std::to_string(thread.at.line);
    }
    if (thread.wanted != nullptr) {
        text += "; it wants " + name_of(thread.wanted);
        for (const auto& other : threads_) {
            if (std::find(other->held.begin(), other->held.end(), thread.wanted) != other->held.end()) {
                text += ", held by thread " + std::to_string(other->tid);
            }
        }
    }
    return text;
}

std::string Engine::report() const {
    std::string text = std::string(end_ == RunEnd::deadlock ? "nobody can go on" : "the virtual time is over") +
                       " at " + std::to_string(now_ / kPerNs) + " ns";
    for (const auto& thread : threads_) {
        if (thread->state != ThreadState::done) {
            text += "\n  " + describe(*thread);
        }
    }
    return text;
}

}  // namespace lockbench::sim
