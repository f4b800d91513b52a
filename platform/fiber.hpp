// SPDX-License-Identifier: MIT
// Fibers of the platforms that schedule threads themselves: a thin shell over Boost.Context's jump, which switches in
// some 10 ns.
//
// Stacks come from a pool that lives as long as the process, so starting a fiber costs no system call. A fiber may be
// abandoned in the middle of its body: its frames are not unwound, so bodies keep nothing on their stacks that owns
// heap memory.
#pragma once

#include <cstddef>

namespace lockbench {

class Fiber {
  public:
    // Bytes of one stack; the page below it is not mapped, so an overflow is a fault and not a silent overwrite. Pages
    // are committed when touched.
    static constexpr std::size_t kStackBytes = 256UL * 1024;

    // The host's own stack, until start() gives the fiber one.
    Fiber() = default;
    ~Fiber() { drop(); }
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    // Prepares a fiber that runs body() when it is first switched to. body must not return: it leaves by leave_to.
    void start(void (*body)());
    // Leaves this fiber, which is the running one, for `to`; returns when somebody switches back.
    void switch_to(Fiber& to);
    // Leaves for good.
    [[noreturn]] void leave_to(Fiber& to);
    // Gives the stack back. The fiber is not running.
    void drop();

  private:
    struct Entry;

    void* context_ = nullptr;
    void (*body_)() = nullptr;
    std::byte* stack_ = nullptr;
    // What AddressSanitizer wants to know at each switch.
    void* fake_stack_ = nullptr;
    const void* bounds_low_ = nullptr;
    std::size_t bounds_bytes_ = 0;
};

}  // namespace lockbench
