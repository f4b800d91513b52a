// SPDX-License-Identifier: MIT
// All states that were found, each once. A state is a row of numbers: the threads' local states, their store buffers,
// then the values of all places, 0 being what a place had first. So the rows of states that were found before a place
// was known are right as they are: they end in zeros.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace lockbench::explore {

using StateId = std::uint32_t;
inline constexpr StateId kNoState = ~StateId{0};

class StateTable {
  public:
    explicit StateTable(std::size_t width) : width_(width), index_(kFirstIndex, kNoState) {}

    [[nodiscard]] std::size_t size() const { return hashes_.size(); }
    [[nodiscard]] std::size_t width() const { return width_; }
    [[nodiscard]] const std::uint32_t* row(StateId id) const { return rows_.data() + std::size_t{id} * width_; }
    // Rows get longer when places are found.
    void widen(std::size_t width);
    // The state of this row, and whether it is new.
    std::pair<StateId, bool> add(const std::uint32_t* row);

  private:
    static constexpr std::size_t kFirstIndex = 1U << 12U;

    [[nodiscard]] std::uint32_t hash(const std::uint32_t* row) const;
    void grow_index();

    std::size_t width_;
    std::vector<std::uint32_t> rows_;
    std::vector<std::uint32_t> hashes_;
    std::vector<StateId> index_;  // open addressing, at most half full
};

}  // namespace lockbench::explore
