// SPDX-License-Identifier: MIT
// One fault at one place of a lock's source, made while it runs: an order weaker than the source says, a fence or a
// wake-up left out, a sleep prepared too late, a read-modify-write in two steps. No source is changed, and no engine
// knows.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "platform/explore/core.hpp"

namespace lockbench::explore {

// What the source does at one place, as far as it can be made wrong.
enum class Act : std::uint8_t { load, store, rmw, fence, wake, prepare };

// What the thread is at, as its marks tell: a wake-up stands in one line and is called from many.
enum class InCall : std::uint8_t { elsewhere, lock, lock_shared, unlock, unlock_shared, downgrade };

struct Operation {
    Act act = Act::load;
    InCall phase = InCall::elsewhere;  // of a wake-up
    Order order = Order::relaxed;
    Order failure = Order::relaxed;  // rmw that may not write, where that is not `order`
    Site site;
};

bool same_place(const Operation& a, const Operation& b);

enum class Fault : std::uint8_t {
    order,    // `weaker` instead of the operation's
    failure,  // the same of a read-modify-write that does not write
    left_out,
    late,   // sleep_prepare() takes place in sleep(), behind the look that should come after it
    halved  // a read-modify-write as a load and a store
};

struct Mutation {
    Operation at;
    Fault fault = Fault::order;
    Order weaker = Order::relaxed;
};

// "rmw acq_rel -> acquire"
std::string describe(const Mutation& mutation);
// All that can be made wrong there.
std::vector<Mutation> mutations_of(const Operation& operation);

// While one lives, what the program asks goes through it.
class Mutator {
  public:
    Mutator();  // notes what is done, and changes nothing
    explicit Mutator(const Mutation& mutation);
    ~Mutator();
    Mutator(const Mutator&) = delete;
    Mutator& operator=(const Mutator&) = delete;

    // In the order of the source.
    [[nodiscard]] std::vector<Operation> noted() const;

    std::uint64_t perform(const Request& request);
    // What the platform does by itself: false where it is to be left out.
    bool does(Act act, Site site);
    [[nodiscard]] bool arms_late(ThreadId tid) const { return late_[tid]; }
    // What the running thread has asked since.
    void count_from_here();
    [[nodiscard]] std::uint64_t counted() const;
    void mark(Mark mark, Mode mode, bool downgrade);

  private:
    void note(const Operation& operation);
    [[nodiscard]] bool hits(const Operation& operation) const;
    static std::uint64_t halved(const Request& request);

    bool notes_;
    Mutation mutation_;
    std::vector<Operation> noted_;
    std::array<bool, kMaxFibers> late_{};
    std::array<std::uint64_t, kMaxFibers> asked_{};
    std::array<InCall, kMaxFibers> phase_{};
};
inline Mutator* mutator = nullptr;

}  // namespace lockbench::explore
