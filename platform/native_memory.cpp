// SPDX-License-Identifier: MIT
#include "platform/native_memory.hpp"

#include <algorithm>

namespace lockbench::native {

ObjectStore::ObjectStore(std::size_t bytes, std::size_t align, NodeId home, Layout layout)
    : home_(home), threads_(World::get().thread_count()), magazines_(new Magazine[threads_ + 1]) {
    const std::size_t unit = layout == Layout::padded ? std::max(kCacheLine, align) : std::max<std::size_t>(align, 8);
    stride_ = (bytes + unit - 1) / unit * unit;
    check(stride_ <= kChunk, "an object fits into a chunk");
    check(align <= kPage, "objects are aligned to a page at most");
}

ObjectStore::~ObjectStore() {
    for (void* chunk : chunks_) {
        World::get().memory().release(chunk, kChunk);
    }
}

void ObjectStore::grow() {
    void* chunk = World::get().memory().alloc(kChunk, home_);
    chunks_.push_back(chunk);
    // Highest address first, so that objects are handed out in rising order, as from a fresh slab.
    for (std::size_t i = kChunk / stride_; i-- > 0;) {
        shared_.push_back((reinterpret_cast<std::uintptr_t>(chunk) + i * stride_) | kFresh);
    }
}

void ObjectStore::refill(Magazine& magazine) {
    const std::lock_guard hold(mutex_);
    if (shared_.size() < kMagazine / 2) {
        grow();
    }
    for (std::size_t i = std::min(kMagazine / 2, shared_.size()); i > 0; --i) {
        magazine.objects[i - 1] = shared_.back();
        shared_.pop_back();
        ++magazine.count;
    }
}

void ObjectStore::spill(Magazine& magazine) {
    const std::lock_guard hold(mutex_);
    // The oldest half goes: the newest objects are the ones still in this CPU's cache.
    const std::size_t half = kMagazine / 2;
    shared_.insert(shared_.end(), magazine.objects.begin(), magazine.objects.begin() + half);
    std::copy(magazine.objects.begin() + half, magazine.objects.end(), magazine.objects.begin());
    magazine.count -= half;
}

std::int64_t ObjectStore::live() const {
    std::int64_t live = 0;
    for (ThreadId tid = 0; tid <= threads_; ++tid) {
        live += magazines_[tid].taken - magazines_[tid].given;
    }
    return live;
}

}  // namespace lockbench::native
