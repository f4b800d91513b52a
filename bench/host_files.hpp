// SPDX-License-Identifier: MIT
// Small files of proc and sys, read under a root that tests replace. What is absent or unreadable is nothing, never an
// empty value.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockbench {

class HostFiles {
  public:
    explicit HostFiles(std::filesystem::path root) : root_(std::move(root)) {}

    // `relative` has no leading slash.
    [[nodiscard]] std::filesystem::path at(const std::filesystem::path& relative) const { return root_ / relative; }
    [[nodiscard]] bool exists(const std::filesystem::path& relative) const;
    [[nodiscard]] std::optional<std::string> text(const std::filesystem::path& relative) const;
    // The whole file without blanks at its ends; nothing if that is empty.
    [[nodiscard]] std::optional<std::string> line(const std::filesystem::path& relative) const;
    // The first word as a decimal number.
    [[nodiscard]] std::optional<std::int64_t> number(const std::filesystem::path& relative) const;
    [[nodiscard]] std::vector<std::string> lines(const std::filesystem::path& relative) const;
    // Names in a folder, sorted.
    [[nodiscard]] std::vector<std::string> names_in(const std::filesystem::path& relative) const;

  private:
    std::filesystem::path root_;
};

// Blanks and line ends taken off both ends.
[[nodiscard]] std::string trimmed(std::string_view text);
// Words separated by blanks, tabs or line ends.
[[nodiscard]] std::vector<std::string> words_of(std::string_view text);
// A decimal number that fills all of `text`, or nothing.
[[nodiscard]] std::optional<std::int64_t> number_of(std::string_view text);
// "0-3,8" -> 5. Nothing if it is not such a list.
[[nodiscard]] std::optional<std::int64_t> cpus_in_list(std::string_view list);

}  // namespace lockbench
