// SPDX-License-Identifier: MIT
// What travels: counts of transfers by what was asked, what was found and how far away, in all and by the place in an
// object that was touched.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "platform/sim/machine.hpp"
#include "platform/site.hpp"

namespace lockbench::sim {

struct Traffic {
    // Transfers of lines between caches, and from memory, by what the home found.
    std::array<std::array<std::array<std::uint64_t, kHopCount>, kFoundCount>, kAccessCount> moves{};
    std::uint64_t invalidated = 0;  // copies that writes took from others
    Time waited = 0;                // from the request to the data, summed up

    [[nodiscard]] std::uint64_t total() const;
    [[nodiscard]] std::uint64_t total(Access access) const;
    void add(Access access, Found found, Hop hop) {
        ++moves[static_cast<std::size_t>(access)][static_cast<std::size_t>(found)][static_cast<std::size_t>(hop)];
    }
};

// A place in a kind of object: all locks of one type count together.
struct Place {
    std::uint32_t kind;    // number in kinds()
    std::uint32_t offset;  // bytes from the object's start
    Site site;             // who first missed there
    Traffic traffic;
};

// A kind of object that lies in the simulated memory.
struct Kind {
    std::string name;                     // the C++ type, without its platform
    std::size_t stride;                   // bytes from one object to the next
    std::vector<std::uint32_t> place_at;  // by offset / 4: number of the place plus one, 0: none yet
};

class LineMap {
  public:
    // `name`: __PRETTY_FUNCTION__ of a function template over the type.
    std::uint32_t add_kind(const char* name, std::size_t stride);
    Place& at(std::uint32_t kind, std::size_t offset, Site site) {
        std::uint32_t& number = kinds_[kind].place_at[offset / 4];
        if (number == 0) [[unlikely]] {
            places_.push_back({kind, static_cast<std::uint32_t>(offset / 4 * 4), site, {}});
            number = static_cast<std::uint32_t>(places_.size());
        }
        return places_[number - 1];
    }
    [[nodiscard]] const std::vector<Kind>& kinds() const { return kinds_; }
    [[nodiscard]] const std::vector<Place>& places() const { return places_; }
    void clear();

  private:
    std::vector<Kind> kinds_;
    std::vector<Place> places_;
};

}  // namespace lockbench::sim
