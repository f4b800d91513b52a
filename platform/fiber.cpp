// SPDX-License-Identifier: MIT
#include "platform/fiber.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <boost/context/detail/fcontext.hpp>
#include <vector>

#include "platform/check.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define LOCKBENCH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LOCKBENCH_ASAN 1
#endif
#endif

#ifdef LOCKBENCH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace lockbench {
namespace {

namespace context = boost::context::detail;

// Free stacks; never given back to the system, so the pool is as large as the widest world was.
std::vector<std::byte*>& free_stacks() {
    static std::vector<std::byte*> stacks;
    return stacks;
}

std::byte* take_stack() {
    auto& stacks = free_stacks();
    if (!stacks.empty()) {
        std::byte* stack = stacks.back();
        stacks.pop_back();
        return stack;
    }
    // One page of this machine: 64 KiB on some AArch64 kernels, and less could not be protected by itself.
    static const auto guard = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* base = mmap(nullptr, Fiber::kStackBytes + guard, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check(base != MAP_FAILED, "no memory for a fiber's stack");
    check(mprotect(base, guard, PROT_NONE) == 0, "no guard page for a fiber's stack");
    return static_cast<std::byte*>(base) + guard;
}

#ifdef LOCKBENCH_ASAN
void before_switch(void** fake_stack, const void* low, std::size_t bytes) {
    __sanitizer_start_switch_fiber(fake_stack, low, bytes);
}
void after_switch(void* fake_stack, const void** low, std::size_t* bytes) {
    __sanitizer_finish_switch_fiber(fake_stack, low, bytes);
}
// An abandoned fiber leaves its frames' red zones behind.
void clean_stack(std::byte* stack) { ASAN_UNPOISON_MEMORY_REGION(stack, Fiber::kStackBytes); }
#else
void before_switch(void**, const void*, std::size_t) {}
void after_switch(void*, const void**, std::size_t*) {}
void clean_stack(std::byte*) {}
#endif

}  // namespace

// What a jump carries: who left, for whom.
struct Fiber::Entry {
    Fiber* from;
    Fiber* to;

    // First frame of every fiber.
    static void run(context::transfer_t transfer) {
        auto* entry = static_cast<Entry*>(transfer.data);
        Fiber* self = entry->to;
        arrive(transfer, nullptr);
        self->body_();
        check(false, "a fiber's body returned");
    }
    // Stores where the fiber that left can be resumed, and tells the sanitizer that the switch is over.
    static void arrive(context::transfer_t transfer, void* fake_stack) {
        Fiber* from = static_cast<Entry*>(transfer.data)->from;
        const void* low = nullptr;
        std::size_t bytes = 0;
        after_switch(fake_stack, &low, &bytes);
        if (from->stack_ == nullptr) {  // the host: nobody else knows where its stack lies
            from->bounds_low_ = low;
            from->bounds_bytes_ = bytes;
        }
        from->context_ = transfer.fctx;
    }
};

void Fiber::start(void (*body)()) {
    if (stack_ == nullptr) {
        stack_ = take_stack();
    }
    clean_stack(stack_);
    bounds_low_ = stack_;
    bounds_bytes_ = kStackBytes;
    fake_stack_ = nullptr;
    body_ = body;
    context_ = context::make_fcontext(stack_ + kStackBytes, kStackBytes, &Entry::run);
}

void Fiber::switch_to(Fiber& to) {
    Entry entry{this, &to};
    before_switch(&fake_stack_, to.bounds_low_, to.bounds_bytes_);
    const context::transfer_t back = context::jump_fcontext(to.context_, &entry);
    Entry::arrive(back, fake_stack_);
}

void Fiber::leave_to(Fiber& to) {
    Entry entry{this, &to};
    before_switch(nullptr, to.bounds_low_, to.bounds_bytes_);
    context::jump_fcontext(to.context_, &entry);
    __builtin_unreachable();
}

void Fiber::drop() {
    if (stack_ != nullptr) {
        clean_stack(stack_);
        free_stacks().push_back(stack_);
        stack_ = nullptr;
    }
}

}  // namespace lockbench
