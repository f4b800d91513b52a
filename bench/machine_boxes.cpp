// SPDX-License-Identifier: MIT
#include "bench/machine_boxes.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockbench {
namespace {

constexpr std::size_t kFrame = 4;  // columns: "| " and " |"
const std::string kCellGap = "   ";

// How a drawing treats what is not a box.
struct Style {
    bool cores = false;  // each core as "[0 8]", else ranges
    bool lines = false;  // a group of groups as a line with those, else with its CPUs alone
};

std::size_t width_of(const Lines& lines) {
    std::size_t most = 0;
    for (const std::string& line : lines) {
        most = std::max(most, line.size());
    }
    return most;
}

std::string padded(std::string text, std::size_t columns) {
    text.resize(std::max(columns, text.size()), ' ');
    return text;
}

// In pieces of at most `columns`, behind a comma or a blank where there is one.
Lines broken(std::string text, std::size_t columns) {
    Lines pieces;
    while (text.size() > columns) {
        std::size_t at = text.find_last_of(", ", columns - 1);
        at = at == std::string::npos || at == 0 ? columns : at + 1;
        pieces.push_back(text.substr(0, at));
        text.erase(0, at);
    }
    pieces.push_back(text);
    return pieces;
}

// "[0 8]", "[0 (8)]" with the second thread hidden, "(0 8)" with both.
std::string core_text(const Group& core) {
    const bool hidden = std::none_of(core.cpus.begin(), core.cpus.end(), [](const Cpu* cpu) { return cpu->allowed; });
    std::string text;
    for (const Cpu* cpu : core.cpus) {
        const std::string number = std::to_string(cpu->os_index);
        text += (text.empty() ? "" : " ") + (cpu->allowed || hidden ? number : "(" + number + ")");
    }
    return hidden ? "(" + text + ")" : "[" + text + "]";
}

// "8 cores: 0-7,128-135".
std::string cores_text(const Group& group) {
    return fmt::format("{} core{}: {}", group.parts.size(), group.parts.size() == 1 ? "" : "s", cpus_text(group.cpus));
}

std::string cell_text(const Group& group) { return fmt::format("{}: {}", group.name, cpus_text(group.cpus)); }

// A group of groups on a line of its own, and more lines, indented, if need be.
Lines group_lines(const Group& group, std::size_t columns) {
    std::vector<std::string> cells;
    for (const Group& part : group.parts) {
        cells.push_back(part.is_core() ? core_text(part) : cell_text(part));
    }
    const std::string head = group.name + " | ";
    Lines lines = flow(cells, columns > head.size() ? columns - head.size() : columns, kCellGap);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        lines[i].insert(0, i == 0 ? head : std::string(head.size(), ' '));
    }
    return lines;
}

Lines inside(const Group& group, const Style& style, std::size_t boxes, std::size_t columns);

Lines box(const Group& group, const Style& style, std::size_t boxes, std::size_t columns) {
    const Lines body = inside(group, style, boxes, columns - kFrame);
    const std::size_t width = std::max(width_of(body), group.name.size() + 2);
    Lines lines = {fmt::format("+- {} {}+", group.name, std::string(width - group.name.size() - 1, '-'))};
    for (const std::string& line : body) {
        lines.push_back("| " + padded(line, width) + " |");
    }
    lines.push_back("+" + std::string(width + 2, '-') + "+");
    return lines;
}

// How many of the boxes from `first` on fit side by side.
std::size_t that_fit(const std::vector<Lines>& boxes, std::size_t first, std::size_t columns) {
    std::size_t count = 1;
    std::size_t width = boxes[first].front().size();
    while (first + count < boxes.size() && width + 1 + boxes[first + count].front().size() <= columns) {
        width += 1 + boxes[first + count].front().size();
        ++count;
    }
    return count;
}

std::size_t rows_of(const std::vector<Lines>& boxes, std::size_t columns) {
    std::size_t rows = 0;
    for (std::size_t first = 0; first < boxes.size(); first += that_fit(boxes, first, columns)) {
        ++rows;
    }
    return rows;
}

// A box made larger: frames grow, what is in them stays.
Lines stretched(Lines box, std::size_t width, std::size_t height) {
    box.insert(box.end() - 1, height - box.size(), "|" + std::string(box.front().size() - 2, ' ') + "|");
    for (std::string& line : box) {
        const char fill = line.front() == '+' ? '-' : ' ';
        line.insert(line.size() - 1, width - line.size(), fill);
    }
    return box;
}

// Boxes side by side while they fit, in rows of one height; all as wide as the widest where that takes no more rows.
Lines beside(std::vector<Lines> boxes, std::size_t columns) {
    std::size_t widest = 0;
    for (const Lines& box : boxes) {
        widest = std::max(widest, box.front().size());
    }
    std::vector<Lines> even = boxes;
    for (Lines& box : even) {
        box = stretched(box, widest, box.size());
    }
    if (rows_of(even, columns) == rows_of(boxes, columns)) {
        boxes = std::move(even);
    }
    Lines all;
    for (std::size_t first = 0; first < boxes.size();) {
        const std::size_t count = that_fit(boxes, first, columns);
        std::size_t height = 0;
        for (std::size_t at = first; at < first + count; ++at) {
            height = std::max(height, boxes[at].size());
        }
        Lines row(height);
        for (std::size_t at = first; at < first + count; ++at) {
            const Lines one = stretched(boxes[at], boxes[at].front().size(), height);
            for (std::size_t i = 0; i < height; ++i) {
                row[i] += (at == first ? "" : " ") + one[i];
            }
        }
        all.insert(all.end(), row.begin(), row.end());
        first += count;
    }
    return all;
}

Lines inside(const Group& group, const Style& style, std::size_t boxes, std::size_t columns) {
    std::vector<std::string> cells;
    if (group.holds_cores()) {
        for (const Group& core : group.parts) {
            cells.push_back(core_text(core));
        }
        return style.cores ? flow(cells, columns, " ") : flow({cores_text(group)}, columns, " ");
    }
    if (boxes > 0) {
        std::vector<Lines> drawn;
        for (const Group& part : group.parts) {
            drawn.push_back(box(part, style, boxes - 1, columns));
        }
        return beside(drawn, columns);
    }
    Lines lines;
    for (const Group& part : group.parts) {
        if (style.lines && !part.holds_cores()) {
            const Lines more = group_lines(part, columns);
            lines.insert(lines.end(), more.begin(), more.end());
        } else {
            cells.push_back(cell_text(part));
        }
    }
    const Lines more = cells.empty() ? Lines{} : flow(cells, columns, kCellGap);
    lines.insert(lines.end(), more.begin(), more.end());
    return lines;
}

bool fits(const Lines& lines, std::size_t columns, std::size_t rows) {
    return lines.size() <= rows && width_of(lines) <= columns;
}

}  // namespace

Lines flow(const std::vector<std::string>& texts, std::size_t columns, const std::string& gap) {
    Lines pieces;
    for (const std::string& text : texts) {
        const Lines more = broken(text, columns);
        pieces.insert(pieces.end(), more.begin(), more.end());
    }
    const std::size_t width = pieces.size() > 1 ? width_of(pieces) : 0;
    Lines lines;
    for (const std::string& piece : pieces) {
        if (lines.empty() || lines.back().size() + gap.size() + width > columns) {
            lines.push_back(padded(piece, width));
        } else {
            lines.back() += gap + padded(piece, width);
        }
    }
    for (std::string& line : lines) {
        line.erase(line.find_last_not_of(' ') + 1);
    }
    return lines;
}

Lines draw_boxes(const Group& machine, std::size_t columns, std::size_t rows) {
    const std::size_t depth = machine.depth();
    Lines drawn = inside(machine, {true, false}, depth, columns);
    for (std::size_t boxes = depth + 1; boxes-- > 0 && !fits(drawn, columns, rows);) {
        for (const bool lines : {true, false}) {
            if (!fits(drawn, columns, rows)) {
                drawn = inside(machine, {false, lines}, boxes, columns);
            }
        }
    }
    if (drawn.size() > rows) {
        const std::size_t more = drawn.size() - rows + 1;
        drawn.resize(rows - 1);
        drawn.push_back(fmt::format("... {} more lines; --json has all", more));
    }
    return drawn;
}

}  // namespace lockbench
