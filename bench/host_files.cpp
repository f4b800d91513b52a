// SPDX-License-Identifier: MIT
#include "bench/host_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <string_view>
#include <system_error>

namespace lockbench {

namespace {

constexpr std::string_view kBlanks = " \t\r\n";

}  // namespace

std::string trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) {
        return {};
    }
    return std::string(text.substr(first, text.find_last_not_of(kBlanks) - first + 1));
}

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    std::size_t at = text.find_first_not_of(kBlanks);
    while (at != std::string_view::npos) {
        const std::size_t end = std::min(text.find_first_of(kBlanks, at), text.size());
        words.emplace_back(text.substr(at, end - at));
        at = text.find_first_not_of(kBlanks, end);
    }
    return words;
}

std::optional<std::int64_t> number_of(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

std::optional<std::int64_t> cpus_in_list(std::string_view list) {
    std::int64_t count = 0;
    std::size_t at = 0;
    while (at < list.size()) {
        const std::size_t end = std::min(list.find(',', at), list.size());
        const std::string_view part = list.substr(at, end - at);
        const std::size_t dash = part.find('-');
        const auto first = number_of(part.substr(0, std::min(dash, part.size())));
        const auto last = dash == std::string_view::npos ? first : number_of(part.substr(dash + 1));
        if (!first || !last || *last < *first) {
            return std::nullopt;
        }
        count += *last - *first + 1;
        at = end + 1;
    }
    return count;
}

bool HostFiles::exists(const std::filesystem::path& relative) const {
    std::error_code ignored;
    return std::filesystem::exists(at(relative), ignored);
}

// Plain reads: files of sysfs may refuse a read that their mode allows (EINVAL, ENODEV), which a stream buffer turns
// into an exception.
std::optional<std::string> HostFiles::text(const std::filesystem::path& relative) const {
    const int fd = open(at(relative).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return std::nullopt;
    }
    std::string all;
    std::string chunk(65536, '\0');
    ssize_t got = 0;
    while ((got = read(fd, chunk.data(), chunk.size())) > 0) {
        all.append(chunk.data(), static_cast<std::size_t>(got));
    }
    close(fd);
    return got < 0 ? std::nullopt : std::optional(all);
}

std::optional<std::string> HostFiles::line(const std::filesystem::path& relative) const {
    const auto all = text(relative);
    if (!all) {
        return std::nullopt;
    }
    std::string inner = trimmed(*all);
    if (inner.empty()) {
        return std::nullopt;
    }
    return inner;
}

std::optional<std::int64_t> HostFiles::number(const std::filesystem::path& relative) const {
    const auto all = text(relative);
    if (!all) {
        return std::nullopt;
    }
    const std::vector<std::string> words = words_of(*all);
    return words.empty() ? std::nullopt : number_of(words.front());
}

std::vector<std::string> HostFiles::lines(const std::filesystem::path& relative) const {
    std::vector<std::string> all;
    std::istringstream stream(text(relative).value_or(""));
    for (std::string one; std::getline(stream, one);) {
        all.push_back(one);
    }
    return all;
}

std::vector<std::string> HostFiles::names_in(const std::filesystem::path& relative) const {
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator entry(at(relative), error);
    while (!error && entry != std::filesystem::directory_iterator()) {
        names.push_back(entry->path().filename().string());
        entry.increment(error);
    }
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace lockbench
