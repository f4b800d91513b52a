// SPDX-License-Identifier: MIT
#include "platform/coop_shadow.hpp"

#include <sys/mman.h>

#include <algorithm>

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
#endif

namespace lockbench::coop {
namespace {

void* reserve(std::size_t bytes) {
    void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check(base != MAP_FAILED, "no address space for a cooperative world");
    return base;
}

}  // namespace

Arena::Arena()
    : base_(reinterpret_cast<std::uintptr_t>(reserve(kBytes))),
      owners_(static_cast<std::uint32_t*>(reserve(kBytes / kGranule * sizeof(std::uint32_t)))) {}

void Arena::reset() {
    unpoison(base_, used_);
    used_ = 0;
}

void* Arena::take(std::size_t bytes, std::size_t align) {
    const std::size_t unit = std::max(align, kGranule);
    const std::size_t begin = (used_ + unit - 1) / unit * unit;
    const std::size_t end = begin + (bytes + kGranule - 1) / kGranule * kGranule;
    if (end > kBytes) {
        return nullptr;
    }
    used_ = end;
    return reinterpret_cast<void*>(base_ + begin);
}

void Arena::set_owner(std::uintptr_t base, std::size_t bytes, std::uint32_t object) {
    const std::size_t first = (base - base_) / kGranule;
    const std::size_t count = (bytes + kGranule - 1) / kGranule;
    std::fill_n(owners_ + first, count, object);
}

#ifdef LOCKBENCH_ASAN
void poison(std::uintptr_t base, std::size_t bytes) { ASAN_POISON_MEMORY_REGION(reinterpret_cast<void*>(base), bytes); }
void unpoison(std::uintptr_t base, std::size_t bytes) {
    ASAN_UNPOISON_MEMORY_REGION(reinterpret_cast<void*>(base), bytes);
}
#else
void poison(std::uintptr_t, std::size_t) {}
void unpoison(std::uintptr_t, std::size_t) {}
#endif

}  // namespace lockbench::coop
