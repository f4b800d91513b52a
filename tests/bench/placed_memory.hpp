// SPDX-License-Identifier: MIT
// A piece of memory that was asked for on a node, for as long as it is in scope.
#pragma once

#include <cstddef>

#include "bench/memory.hpp"

namespace lockbench::test {

class PlacedMemory {
  public:
    PlacedMemory(std::size_t bytes, NodeId node) : base_(memory::alloc(bytes, node)), bytes_(bytes), node_(node) {}
    ~PlacedMemory() { memory::release(base_, bytes_); }
    PlacedMemory(const PlacedMemory&) = delete;
    PlacedMemory& operator=(const PlacedMemory&) = delete;

    [[nodiscard]] void* base() const { return base_; }
    // Where its pages lie now.
    [[nodiscard]] HomeReport report() const {
        HomeReport report;
        report.asked = node_;
        count_pages(report.got, base_, bytes_);
        return report;
    }

  private:
    void* base_;
    std::size_t bytes_;
    NodeId node_;
};

}  // namespace lockbench::test
