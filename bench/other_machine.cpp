// SPDX-License-Identifier: MIT
#include "bench/other_machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "bench/errors.hpp"

namespace lockbench {
namespace {

constexpr std::size_t kMostCpus = 8192;         // of a Linux kernel (CONFIG_NR_CPUS on x86-64)
constexpr std::size_t kMostBytes = 64U << 20U;  // a file of 8192 CPUs takes about 10 MiB
constexpr const char* kTooLarge = "--topology: {} has more than {} CPUs, the most that Linux runs on.";
constexpr const char* kStandardInput = "-";

// What a stream has, up to one byte more than is allowed: a device has no end.
std::string read_some(std::istream& stream) {
    std::string text(kMostBytes + 1, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(stream.gcount()));
    return text;
}

std::string read_file(const std::string& path) {
    if (path == kStandardInput) {
        return read_some(std::cin);
    }
    if (std::filesystem::is_directory(path)) {
        throw UsageError(fmt::format("--topology: {} is a folder; an XML file in it is wanted.", path));
    }
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::string text = file.is_open() ? read_some(file) : "";
    if (!file.is_open() || file.bad()) {
        const char* why = std::strerror(errno == 0 ? EIO : errno);
        throw UsageError(fmt::format("--topology: cannot read {}: {}.", path, why));
    }
    return text;
}

std::size_t count_words(const std::string& text, const std::string& word) {
    std::size_t count = 0;
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
        ++count;
    }
    return count;
}

Topology load_file(const std::string& path, const LoadOptions& options) {
    const std::string text = read_file(path);
    if (text.size() > kMostBytes) {
        throw UsageError(fmt::format("--topology: {} is longer than {} MiB; no topology is.", path, kMostBytes >> 20U));
    }
    if (count_words(text, "\"PU\"") > kMostCpus) {
        throw UsageError(fmt::format(fmt::runtime(kTooLarge), path, kMostCpus));
    }
    return load_xml_text(text, path == kStandardInput ? "standard input" : path, options);
}

// CPUs of a description: the product of its numbers, up to one more than is allowed. What is in brackets are
// attributes and memory. hwloc itself would build millions of objects before it says no.
std::size_t cpus_of(const std::string& description) {
    std::string plain;
    int open = 0;
    for (const char c : description) {
        open += c == '(' || c == '[' ? 1 : c == ')' || c == ']' ? -1 : 0;
        plain += open == 0 && c != ')' && c != ']' ? c : ' ';
    }
    std::size_t product = 1;
    std::istringstream words(plain);
    for (std::string word; words >> word;) {
        const std::size_t colon = word.find(':');
        const char* begin = word.data() + (colon == std::string::npos ? 0 : colon + 1);
        std::size_t number = 1;
        const auto [end, error] = std::from_chars(begin, word.data() + word.size(), number);
        number = error == std::errc::result_out_of_range ? kMostCpus + 1 : std::max<std::size_t>(number, 1);
        product = number > (kMostCpus + 1) / product ? kMostCpus + 1 : number * product;
    }
    return product;
}

bool looks_like_a_file(const std::string& text) {
    return text == kStandardInput || text.find('/') != std::string::npos || text.ends_with(".xml");
}

Topology load_description(const std::string& text, const LoadOptions& options) {
    if (cpus_of(text) > kMostCpus) {
        throw UsageError(fmt::format(fmt::runtime(kTooLarge), "the description", kMostCpus));
    }
    try {
        return load_synthetic(text, options);
    } catch (const HostError& error) {
        throw UsageError(
            fmt::format("--topology: there is no file '{}', and as a description: {} For example "
                        "'pack:2 [numa] l3:4 core:8 pu:2'.",
                        text, error.what()));
    }
}

CpuId parse_cpu(const std::string& option, const std::string& whole, std::string_view text) {
    CpuId cpu = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cpu);
    if (error != std::errc{} || end != text.data() + text.size() || cpu < 0 ||
        static_cast<std::size_t>(cpu) >= kMostCpus) {
        throw UsageError(
            fmt::format("{}: '{}' is no list of CPUs from 0 to {}, for example 0-3,8.", option, whole, kMostCpus - 1));
    }
    return cpu;
}

}  // namespace

std::vector<CpuId> parse_cpus(const std::string& option, const std::string& text) {
    std::vector<CpuId> cpus;
    std::istringstream parts(text + (text.ends_with(',') ? "," : ""));
    for (std::string part; std::getline(parts, part, ',');) {
        const std::size_t slash = part.find('/');
        const std::string range = part.substr(0, slash);
        const std::size_t dash = range.find('-');
        const CpuId first = parse_cpu(option, text, range.substr(0, dash));
        const CpuId last = dash == std::string::npos ? first : parse_cpu(option, text, range.substr(dash + 1));
        const CpuId step = slash == std::string::npos ? 1 : parse_cpu(option, text, part.substr(slash + 1));
        if (last < first || step == 0) {
            throw UsageError(fmt::format("{}: the range {} in '{}' holds no CPU.", option, part, text));
        }
        for (CpuId cpu = first; cpu <= last; cpu += step) {
            cpus.push_back(cpu);
        }
    }
    return cpus;
}

Topology load_other_machine(const std::string& text, const std::string& cpus) {
    LoadOptions options;
    if (!cpus.empty()) {
        options.mask = parse_cpus("--cpus", cpus);
    }
    const bool is_file = looks_like_a_file(text) || std::filesystem::exists(text);
    Topology machine = is_file ? load_file(text, options) : load_description(text, options);
    for (const CpuId cpu : options.mask.value_or(std::vector<CpuId>{})) {
        if (machine.find(cpu) == nullptr) {
            throw UsageError(fmt::format("--cpus: the topology has no CPU {}.", cpu));
        }
    }
    // hwloc believes HWLOC_THISSYSTEM=1; whoever asks for another machine means another.
    machine.is_this_system = false;
    return machine;
}

}  // namespace lockbench
