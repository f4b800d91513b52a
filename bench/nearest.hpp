// SPDX-License-Identifier: MIT
// The nearest match for a mistyped name, for every "unknown X" message of the tools.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lockbench {

// Edits (insert, delete, replace, swap of two neighbours) that turn `from` into `to`, letter case ignored: the optimal
// string alignment distance.
inline std::size_t edit_distance(std::string_view from, std::string_view to) {
    const auto letter = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
    std::vector<std::size_t> before_last(to.size() + 1);
    std::vector<std::size_t> last(to.size() + 1);
    std::vector<std::size_t> row(to.size() + 1);
    for (std::size_t j = 0; j <= to.size(); ++j) {
        last[j] = j;
    }
    for (std::size_t i = 1; i <= from.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= to.size(); ++j) {
            const bool equal = letter(from[i - 1]) == letter(to[j - 1]);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (equal ? 0U : 1U)});
            const bool swapped =
                i > 1 && j > 1 && letter(from[i - 1]) == letter(to[j - 2]) && letter(from[i - 2]) == letter(to[j - 1]);
            if (swapped) {
                row[j] = std::min(row[j], before_last[j - 2] + 1);
            }
        }
        before_last = last;
        last = row;
    }
    return last[to.size()];
}

// The candidate with the fewest edits, the first of equals; empty when there is no candidate. A candidate that starts
// with the whole of `name` wins over an equally distant one, as a name cut short is the commonest slip.
template <typename Names>
std::string nearest(std::string_view name, const Names& candidates) {
    std::string best;
    std::size_t best_score = static_cast<std::size_t>(-1);
    for (const auto& candidate : candidates) {
        const std::string_view text{candidate};
        const bool continues = !name.empty() && text.substr(0, name.size()) == name;
        const std::size_t score = 2 * edit_distance(name, text) + (continues ? 0 : 1);
        if (score < best_score) {
            best_score = score;
            best = text;
        }
    }
    return best;
}

// "; the nearest is X" for the end of a sentence: a candidate that `name` begins, else the nearest one, but nothing
// where more than a third of the longer word would have to change. Dashes in front of options do not count.
template <typename Names>
std::string hint(std::string_view name, const Names& candidates) {
    const auto bare = [](std::string_view word) {
        const std::size_t begin = word.find_first_not_of('-');
        return begin == std::string_view::npos ? std::string_view{} : word.substr(begin);
    };
    const std::string_view from = bare(name);
    std::vector<std::string> near;
    for (const auto& candidate : candidates) {
        const std::string_view to = bare(candidate);
        const bool continues = from.size() >= 2 && to.substr(0, from.size()) == from;
        if (continues) {
            return "; the nearest is " + std::string(candidate);
        }
        if (3 * edit_distance(from, to) <= std::max(from.size(), to.size())) {
            near.emplace_back(candidate);
        }
    }
    return near.empty() ? "" : "; the nearest is " + nearest(name, near);
}

}  // namespace lockbench
