// SPDX-License-Identifier: MIT
// Reading one field of a machine's file, or of a published table: present, of its type, in its range, with its source.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "platform/sim/machine.hpp"

namespace lockbench {

// An object of the file and where it stands in it.
class MachineNode {
  public:
    MachineNode(const nlohmann::json& value, std::string file, std::string path)
        : value_(value), file_(std::move(file)), path_(std::move(path)) {}

    [[noreturn]] void fail(const std::string& what) const;  // UsageError
    // The object has these fields and no others; those in `optional` may be missing.
    void require(std::initializer_list<std::string_view> fields,
                 std::initializer_list<std::string_view> optional = {}) const;
    [[nodiscard]] MachineNode at(std::string_view field) const;
    [[nodiscard]] bool has(std::string_view field) const { return value_.contains(field); }
    [[nodiscard]] const nlohmann::json& json() const { return value_; }

    [[nodiscard]] std::string text() const;
    // Checks the source beside a value: {"value": .., "source": .., "note": ..} and nothing else but `more`.
    void require_source(std::initializer_list<std::string_view> more) const;
    [[nodiscard]] double number(std::string_view field, double least, double most) const;
    // A list of `count` whole numbers from 0 to `most`.
    void require_numbers(std::size_t count, double most) const;
    // Each entry of a list.
    template <class F>
    void for_each(F&& f) const {
        if (!value_.is_array() || value_.empty()) {
            fail("is not a list with entries");
        }
        for (std::size_t i = 0; i < value_.size(); ++i) {
            f(MachineNode(value_[i], file_, path_ + "[" + std::to_string(i) + "]"));
        }
    }
    // {"value": N, "source": .., "note": ..} in ns, as ps.
    [[nodiscard]] sim::Time time(double most_ns) const;
    [[nodiscard]] std::uint32_t count(std::uint32_t least, std::uint32_t most) const;
    [[nodiscard]] std::string word(std::initializer_list<std::string_view> words) const;
    [[nodiscard]] bool flag() const;
    // One cost a distance, in "unit" (ns or cycles of `clock_ghz`); a class that the machine does not have is left out.
    [[nodiscard]] sim::HopCosts costs(double clock_ghz, const std::vector<sim::Hop>& hops) const;

  private:
    const nlohmann::json& value_;
    std::string file_;
    std::string path_;
};

}  // namespace lockbench
