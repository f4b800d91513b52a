// SPDX-License-Identifier: MIT
#include "bench/other_machine.hpp"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "bench/errors.hpp"
#include "bench/limits.hpp"
#include "bench/topology_guard.hpp"

namespace lockbench {
namespace {

constexpr const char* kStandardInput = "-";

// What standard input has, up to one byte more than is allowed: it may have no end.
std::string read_standard_input() {
    std::string text(kMostXmlBytes + 1, '\0');
    std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(std::cin.gcount()));
    if (text.size() > kMostXmlBytes) {
        throw UsageError(
            fmt::format("--topology: standard input is longer than {} MiB; no topology is.", kMostXmlBytes >> 20U));
    }
    return text;
}

// What cannot be read is wrong usage; what hwloc refuses of its content is the file's fault and keeps its own error.
std::string read_file(const std::string& path) {
    try {
        return read_xml_file(path);
    } catch (const HostError& error) {
        throw UsageError(fmt::format("--topology: {}", error.what()));
    }
}

Topology load_file(const std::string& path, const LoadOptions& options) {
    return path == kStandardInput ? load_xml_text(read_standard_input(), "standard input", options)
                                  : load_xml_text(read_file(path), path, options);
}

bool looks_like_a_file(const std::string& text) {
    return text == kStandardInput || text.find('/') != std::string::npos || text.ends_with(".xml");
}

Topology load_description(const std::string& text, const LoadOptions& options) {
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
        static_cast<unsigned>(cpu) >= kMostCpuNumber) {
        throw UsageError(fmt::format("{}: '{}' is no list of CPUs from 0 to {}, for example 0-3,8.", option, whole,
                                     kMostCpuNumber - 1));
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
    const bool is_file = looks_like_a_file(text) || std::filesystem::exists(text);
    const std::vector<CpuId> usable = cpus.empty() ? std::vector<CpuId>{} : parse_cpus("--cpus", cpus);
    Topology machine = is_file ? load_file(text, {}) : load_description(text, {});
    for (const CpuId cpu : usable) {
        if (machine.find(cpu) == nullptr) {
            throw UsageError(fmt::format("--cpus: the topology has no CPU {}.", cpu));
        }
    }
    if (!usable.empty()) {
        const std::string source = machine.source;
        machine = load_xml_text(machine.xml, source, {.mask = usable});
        machine.source = source;
    }
    // hwloc believes HWLOC_THISSYSTEM=1; whoever asks for another machine means another.
    machine.is_this_system = false;
    return machine;
}

}  // namespace lockbench
