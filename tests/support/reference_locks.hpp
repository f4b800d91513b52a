// SPDX-License-Identifier: MIT
// Four small locks whose execution counts are known from GenMC v0.10.3 (sc and rc11 alike): the explorer has to count
// the same. They are kept as they are; a change of theirs is a change of the counts.
#pragma once

#include <cstdint>

#include "platform/platform.hpp"

namespace lockbench::test {

// Tickets of two bits, the upper ones of a byte, come round where sections have no end.
template <Platform P, class Word = std::uint32_t, Word kOne = 1>
class ReferenceTicket {
  public:
    ReferenceTicket() : next_(0), owner_(0) {}
    void lock() {
        const Word mine = next_.fetch_add(kOne, relaxed);
        owner_.await([mine](Word owner) { return owner == mine; }, acquire);
    }
    void unlock() {
        const Word owner = owner_.load(relaxed);
        owner_.store(static_cast<Word>(owner + kOne), release);
    }

  private:
    typename P::template Atomic<Word> next_;
    typename P::template Atomic<Word> owner_;
};
template <Platform P>
using ShortTicket = ReferenceTicket<P, std::uint8_t, 64>;

template <Platform P>
class ReferenceTtas {
  public:
    ReferenceTtas() : word_(0) {}
    void lock() {
        for (typename P::Retry loop;; loop.again()) {
            word_.await([](std::uint32_t word) { return word == 0; }, relaxed);
            if (word_.try_cas(0, 1, acquire)) {
                return;
            }
        }
    }
    void unlock() { word_.store(0, release); }

  private:
    typename P::template Atomic<std::uint32_t> word_;
};

template <Platform P>
class ReferenceMcs {
  public:
    struct Node {
        typename P::template Atomic<Node*> next;
        typename P::template Atomic<std::uint32_t> locked;
        Node() : next(nullptr), locked(0) {}
    };
    ReferenceMcs() : tail_(nullptr) {}
    void lock(Node& node) {
        node.next.store(nullptr, relaxed);
        node.locked.store(0, relaxed);
        Node* const prev = tail_.exchange(&node, acq_rel);
        if (prev != nullptr) {
            prev->next.store(&node, release);
            node.locked.await([](std::uint32_t locked) { return locked != 0; }, acquire);
        }
    }
    void unlock(Node& node) {
        Node* next = node.next.load(acquire);
        if (next == nullptr) {
            if (tail_.try_cas(&node, nullptr, release)) {
                return;
            }
            next = node.next.await_value([](Node* linked) { return linked != nullptr; }, acquire);
        }
        next->locked.store(1, release);
    }

  private:
    typename P::template Atomic<Node*> tail_;
};

template <Platform P, class Wait = ReferenceTicket<P>>
class ReferenceQrw {
  public:
    ReferenceQrw() : cnts_(0) {}
    void read_lock() {
        if (cnts_.add_fetch_test(
                kReader, [](std::uint32_t word) { return (word & kWriterMask) == 0; }, acquire)) {
            return;
        }
        cnts_.sub(kReader, relaxed);
        wait_.lock();
        cnts_.add(kReader, relaxed);
        cnts_.await([](std::uint32_t word) { return (word & kLocked) == 0; }, acquire);
        wait_.unlock();
    }
    void read_unlock() { cnts_.sub(kReader, release); }
    void write_lock() {
        if (cnts_.try_cas(0, kLocked, acquire)) {
            return;
        }
        wait_.lock();
        if (!(cnts_.load(relaxed) == 0 && cnts_.try_cas(0, kLocked, acquire))) {
            cnts_.or_(kWaiting, relaxed);
            for (typename P::Retry loop;; loop.again()) {
                cnts_.await([](std::uint32_t word) { return word == kWaiting; }, relaxed);
                if (cnts_.try_cas(kWaiting, kLocked, acquire)) {
                    break;
                }
            }
        }
        wait_.unlock();
    }
    void write_unlock() { cnts_.template field<Field<0, 8>, SubWord::portable>().put(kLocked, 0, release); }

  private:
    static constexpr std::uint32_t kLocked = 0xff;
    static constexpr std::uint32_t kWaiting = 0x100;
    static constexpr std::uint32_t kWriterMask = 0x1ff;
    static constexpr std::uint32_t kReader = 0x200;

    typename P::template Atomic<std::uint32_t> cnts_;
    Wait wait_;
};

}  // namespace lockbench::test
