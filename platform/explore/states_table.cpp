// SPDX-License-Identifier: MIT
#include "platform/explore/states_table.hpp"

namespace lockbench::explore {

// A sum over what is not 0, so that a longer row of the same state has the same hash.
std::uint32_t StateTable::hash(const std::uint32_t* row) const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < width_; ++i) {
        if (row[i] != 0) {
            // The finaliser of MurmurHash3, shortened.
            std::uint64_t mixed = (std::uint64_t{i + 1} << 32U | row[i]) * 0xff51afd7ed558ccdU;
            mixed ^= mixed >> 32U;
            sum += mixed * 0xc4ceb9fe1a85ec53U;
        }
    }
    return static_cast<std::uint32_t>(sum >> 32U);
}

void StateTable::widen(std::size_t width) {
    if (width <= width_) {
        return;
    }
    const std::size_t old = width_;
    std::vector<std::uint32_t> rows(size() * width, 0);
    for (std::size_t i = 0; i < size(); ++i) {
        std::memcpy(rows.data() + i * width, rows_.data() + i * old, old * sizeof(std::uint32_t));
    }
    rows_ = std::move(rows);
    width_ = width;
}

void StateTable::grow_index() {
    index_.assign(index_.size() * 2, kNoState);
    const std::size_t mask = index_.size() - 1;
    for (StateId id = 0; id < size(); ++id) {
        std::size_t at = hashes_[id] & mask;
        while (index_[at] != kNoState) {
            at = (at + 1) & mask;
        }
        index_[at] = id;
    }
}

std::pair<StateId, bool> StateTable::add(const std::uint32_t* row) {
    if (2 * size() >= index_.size()) {
        grow_index();
    }
    const std::size_t mask = index_.size() - 1;
    const std::uint32_t hash = this->hash(row);
    std::size_t at = hash & mask;
    for (; index_[at] != kNoState; at = (at + 1) & mask) {
        const StateId id = index_[at];
        if (hashes_[id] == hash && std::memcmp(this->row(id), row, width_ * sizeof *row) == 0) {
            return {id, false};
        }
    }
    const auto id = static_cast<StateId>(size());
    index_[at] = id;
    hashes_.push_back(hash);
    rows_.insert(rows_.end(), row, row + width_);
    return {id, true};
}

}  // namespace lockbench::explore
