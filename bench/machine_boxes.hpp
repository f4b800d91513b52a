// SPDX-License-Identifier: MIT
// Nested boxes in plain text, as much detail as the space allows.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bench/machine_tree.hpp"

namespace lockbench {

using Lines = std::vector<std::string>;

// At most `columns` wide and `rows` high. As much as fits, of: each core with its CPUs in boxes; ranges of CPUs in
// boxes; the inner boxes as words; and last the outermost ones as words, the rest of them counted.
Lines draw_boxes(const Group& machine, std::size_t columns, std::size_t rows);

// Texts one after another, as many a line as fit, in columns of one width; a text that is too long is broken.
Lines flow(const std::vector<std::string>& texts, std::size_t columns, const std::string& gap);

}  // namespace lockbench
