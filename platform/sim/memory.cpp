// SPDX-License-Identifier: MIT
#include "platform/sim/memory.hpp"

#include <algorithm>

namespace lockbench::sim {

std::size_t add_per_thread_slot() {
    static std::size_t slots = 0;
    return slots++;
}

ObjectStore::ObjectStore(std::size_t bytes, std::size_t align, NodeId home, Layout layout, const char* type)
    : home_(home), magazines_(engine->thread_count() + 1) {
    const std::size_t unit = layout == Layout::padded ? std::max(kCacheLine, align) : std::max<std::size_t>(align, 8);
    stride_ = (bytes + unit - 1) / unit * unit;
    check(stride_ <= kChunk && align <= kPage, "an object fits into a chunk and is aligned to a page at most");
    kind_ = engine->add_kind(type, stride_);
}

void ObjectStore::charge() {
    if (self_thread != nullptr) {
        engine->spend(*self_thread, engine->machine().allocate);
    }
}

void ObjectStore::grow() {
    void* chunk = engine->allocate(kChunk, home_, kind_);
    chunks_.push_back(chunk);
    // Highest address first, so that objects are handed out in rising order, as from a fresh slab.
    for (std::size_t i = kChunk / stride_; i-- > 0;) {
        shared_.push_back((reinterpret_cast<std::uintptr_t>(chunk) + i * stride_) | kFresh);
    }
}

std::pair<void*, bool> ObjectStore::take() {
    charge();
    ++live_;
    std::vector<std::uintptr_t>& magazine = mine();
    if (magazine.empty()) {
        if (shared_.size() < kMagazine / 2) {
            grow();
        }
        const auto count = static_cast<std::ptrdiff_t>(std::min(kMagazine / 2, shared_.size()));
        magazine.assign(shared_.rbegin(), shared_.rbegin() + count);
        std::reverse(magazine.begin(), magazine.end());
        shared_.erase(shared_.end() - count, shared_.end());
    }
    const std::uintptr_t entry = magazine.back();
    magazine.pop_back();
    return {reinterpret_cast<void*>(entry & ~kFresh), (entry & kFresh) != 0};
}

void ObjectStore::give(void* object) {
    charge();
    --live_;
    std::vector<std::uintptr_t>& magazine = mine();
    if (magazine.size() == kMagazine) {
        if (self_thread != nullptr) {
            engine->drain(*self_thread);  // others may have the objects next: as natively, a mutex stands between
        }
        // The oldest half goes: the newest objects are the ones still in this CPU's cache.
        const auto half = magazine.begin() + kMagazine / 2;
        shared_.insert(shared_.end(), magazine.begin(), half);
        magazine.erase(magazine.begin(), half);
    }
    magazine.push_back(reinterpret_cast<std::uintptr_t>(object));
}

}  // namespace lockbench::sim
