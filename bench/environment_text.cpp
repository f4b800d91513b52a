// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "bench/environment.hpp"
#include "bench/host_files.hpp"

namespace lockbench {

namespace {

constexpr std::size_t kCommitDigits = 16;  // run.json has all of them; here a line fits a screen

// A value for people; "?" is what this host does not tell.
std::string shown(const nlohmann::json& object, std::string_view field) {
    const auto found = object.is_object() ? object.find(std::string(field)) : object.end();
    if (!object.is_object() || found == object.end() || found->is_null()) {
        return "?";
    }
    return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string gib(const nlohmann::json& object, std::string_view field) {
    constexpr double kGib = 1024.0 * 1024.0 * 1024.0;
    const auto found = object.is_object() ? object.find(std::string(field)) : object.end();
    if (!object.is_object() || found == object.end() || !found->is_number()) {
        return "?";
    }
    return fmt::format("{:.1f} GiB", found->get<double>() / kGib);
}

// Words of `text` in lines of at most `width` columns; lines after the first are indented.
std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
    std::string out;
    std::size_t column = 0;
    for (const std::string& word : words_of(text)) {
        if (column > 0 && column + 1 + word.size() > width) {
            out += '\n';
            out.append(indent, ' ');
            column = indent;
        } else if (column > 0) {
            out += ' ';
            ++column;
        }
        out += word;
        column += word.size();
    }
    out += '\n';
    return out;
}

}  // namespace

std::string environment_text(const nlohmann::json& host, const std::vector<HostWarning>& warnings) {
    const nlohmann::json none = nlohmann::json::object();
    const nlohmann::json& cpu = host.contains("cpu") ? host["cpu"] : none;
    const nlohmann::json& memory = host.contains("memory") ? host["memory"] : none;
    const nlohmann::json& build = host.contains("build") ? host["build"] : none;
    const bool dirty = host.value("dirty", nlohmann::json()) == true;
    std::string text = "host\n";
    text +=
        fmt::format("  CPU         {} (family {}, model {}, stepping {}, microcode {})\n", shown(cpu, "model"),
                    shown(cpu, "family"), shown(cpu, "model_number"), shown(cpu, "stepping"), shown(host, "microcode"));
    text +=
        fmt::format("  CPUs        {} online of {}, {} cores, {} sockets, {} nodes, {} last-level caches; may use {}\n",
                    shown(cpu, "cpus"), shown(cpu, "present_cpus"), shown(cpu, "cores"), shown(cpu, "sockets"),
                    shown(cpu, "nodes"), shown(cpu, "llcs"), shown(cpu, "allowed_cpus"));
    text += fmt::format("  hypervisor  {}\n",
                        cpu.value("virtual", nlohmann::json()).is_null() ? "none seen" : shown(cpu, "virtual"));
    text += fmt::format("  memory      {}, swap {}\n", gib(memory, "total_bytes"), gib(memory, "swap_bytes"));
    text += fmt::format("  kernel      {}\n", shown(host, "kernel"));
    text += fmt::format("  settings    governor {}, turbo {}, SMT {}, NUMA balancing {}, THP {}, clock source {}\n",
                        shown(host, "governor"), shown(host, "turbo"), shown(host, "smt"),
                        shown(host, "numa_balancing"), shown(host, "thp"), shown(host, "clocksource"));
    text += fmt::format("  build       {}, preset {}, commit {}{}\n", shown(host, "compiler"), shown(build, "preset"),
                        shown(host, "commit").substr(0, kCommitDigits), dirty ? " with changes" : "");
    if (warnings.empty()) {
        return text + "\nwarnings: none; nothing here is known to spoil a measurement\n";
    }
    text += fmt::format("\nwarnings: {}\n", warnings.size());
    constexpr std::size_t kIndent = 4;
    constexpr std::size_t kWidth = 100;
    for (const HostWarning& warning : warnings) {
        text += "  " + warning.code + "\n    " + wrapped(warning.text, kIndent, kWidth - kIndent);
    }
    return text;
}

}  // namespace lockbench
