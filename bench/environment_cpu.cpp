// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bench/environment_parts.hpp"

namespace lockbench {

namespace {

// "key : value" lines of the first processor of cpuinfo.
std::map<std::string, std::string> first_processor(const HostFiles& files) {
    std::map<std::string, std::string> fields;
    for (const std::string& line : files.lines("proc/cpuinfo")) {
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos) {
            if (!fields.empty()) {
                break;
            }
            continue;
        }
        fields.emplace(trimmed(std::string_view(line).substr(0, colon)),
                       trimmed(std::string_view(line).substr(colon + 1)));
    }
    return fields;
}

std::optional<std::string> field_of(const std::map<std::string, std::string>& fields, const std::string& name) {
    const auto found = fields.find(name);
    return found == fields.end() || found->second.empty() ? std::nullopt : std::optional(found->second);
}

nlohmann::json number_or_null(const std::map<std::string, std::string>& fields, const std::string& name) {
    const auto text = field_of(fields, name);
    return text ? or_null(number_of(*text)) : nlohmann::json();
}

nlohmann::json decimal_or_null(const std::optional<std::string>& text) {
    if (!text) {
        return {};
    }
    const nlohmann::json parsed = nlohmann::json::parse(*text, nullptr, false);
    return parsed.is_number() ? parsed : nlohmann::json();
}

bool has_flag(const std::map<std::string, std::string>& fields, const std::string& flag) {
    const std::vector<std::string> flags = words_of(field_of(fields, "flags").value_or(""));
    return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

// The hypervisor's name by what it leaves in sysfs, "unnamed" where only the CPU tells that there is one.
std::optional<std::string> hypervisor(const HostFiles& files, const std::map<std::string, std::string>& fields) {
    if (auto type = files.line("sys/hypervisor/type")) {
        return type;
    }
    static const std::vector<std::pair<std::string, std::string>> known = {{"QEMU", "qemu"},
                                                                           {"KVM", "kvm"},
                                                                           {"VMware", "vmware"},
                                                                           {"VirtualBox", "virtualbox"},
                                                                           {"innotek", "virtualbox"},
                                                                           {"Xen", "xen"},
                                                                           {"Bochs", "bochs"},
                                                                           {"Parallels", "parallels"},
                                                                           {"Amazon EC2", "amazon"},
                                                                           {"Google", "google"},
                                                                           {"Firecracker", "firecracker"}};
    const bool flagged = has_flag(fields, "hypervisor");
    const std::string maker = files.line("sys/class/dmi/id/sys_vendor").value_or("") + " " +
                              files.line("sys/class/dmi/id/product_name").value_or("");
    for (const auto& [word, name] : known) {
        // Cloud firms name bare-metal machines too, so on x86 the CPU has to agree.
        if (maker.find(word) != std::string::npos && (flagged || field_of(fields, "flags") == std::nullopt)) {
            return name;
        }
    }
    if (maker.find("Microsoft") != std::string::npos && flagged) {
        return "hyperv";
    }
    if (files.exists("proc/device-tree/hypervisor/compatible")) {
        return "kvm";
    }
    if (!flagged) {
        return std::nullopt;
    }
    const std::string clocks =
        files.line("sys/devices/system/clocksource/clocksource0/available_clocksource").value_or("");
    for (const auto& [clock, name] :
         std::vector<std::pair<std::string, std::string>>{{"kvm-clock", "kvm"}, {"hyperv", "hyperv"}, {"xen", "xen"}}) {
        if (clocks.find(clock) != std::string::npos) {
            return name;
        }
    }
    return "unnamed";
}

struct Counts {
    std::set<std::string> packages, cores, caches;
};

// Packages, cores and last-level caches of the online CPUs.
Counts count_topology(const HostFiles& files) {
    Counts counts;
    for (const std::string& name : files.names_in("sys/devices/system/cpu")) {
        if (!name.starts_with("cpu") || !number_of(std::string_view(name).substr(3))) {
            continue;
        }
        const std::filesystem::path cpu = std::filesystem::path("sys/devices/system/cpu") / name;
        if (const auto package = files.line(cpu / "topology/physical_package_id")) {
            counts.packages.insert(*package);
            // Core numbers repeat in each package and die; the list of a core's CPUs does not.
            counts.cores.insert(files.line(cpu / "topology/core_cpus_list")
                                    .value_or(files.line(cpu / "topology/thread_siblings_list").value_or(name)));
        }
        std::int64_t highest = 0;
        std::string shared;
        for (const std::string& index : files.names_in(cpu / "cache")) {
            const auto level = files.number(cpu / "cache" / index / "level");
            if (level && *level > highest) {
                highest = *level;
                shared = files.line(cpu / "cache" / index / "shared_cpu_list").value_or(name);
            }
        }
        if (highest > 0) {
            counts.caches.insert(shared);
        }
    }
    return counts;
}

nlohmann::json size_or_null(const std::set<std::string>& set) {
    return set.empty() ? nlohmann::json() : nlohmann::json(set.size());
}

std::optional<std::int64_t> count_in(const HostFiles& files, const std::string& file) {
    const auto list = files.line(file);
    return list ? cpus_in_list(*list) : std::nullopt;
}

// "Cpus_allowed_list:  0-3" of this process.
std::optional<std::string> allowed_cpus(const HostFiles& files) {
    for (const std::string& line : files.lines("proc/self/status")) {
        if (line.starts_with("Cpus_allowed_list:")) {
            return trimmed(std::string_view(line).substr(line.find(':') + 1));
        }
    }
    return std::nullopt;
}

std::optional<std::string> model_of(const std::map<std::string, std::string>& fields) {
    if (auto name = field_of(fields, "model name")) {
        return name;
    }
    const auto part = field_of(fields, "CPU part");  // arm64 has numbers only
    return part ? std::optional(fmt::format("ARM part {}", *part)) : std::nullopt;
}

}  // namespace

nlohmann::json cpu_facts(const HostFiles& files) {
    const std::map<std::string, std::string> fields = first_processor(files);
    const Counts counts = count_topology(files);
    const auto vendor = field_of(fields, "vendor_id");
    nlohmann::json cpu;
    cpu["model"] = or_null(model_of(fields));
    cpu["vendor"] = or_null(vendor ? vendor : field_of(fields, "CPU implementer"));
    cpu["family"] = number_or_null(fields, "cpu family");
    cpu["model_number"] = number_or_null(fields, "model");
    cpu["stepping"] = number_or_null(fields, fields.contains("stepping") ? "stepping" : "CPU revision");
    cpu["sockets"] = size_or_null(counts.packages);
    cpu["cores"] = size_or_null(counts.cores);
    cpu["cpus"] = or_null(count_in(files, "sys/devices/system/cpu/online"));
    cpu["present_cpus"] = or_null(count_in(files, "sys/devices/system/cpu/present"));
    cpu["allowed_cpus"] = or_null(allowed_cpus(files));
    cpu["isolated_cpus"] = or_null(files.line("sys/devices/system/cpu/isolated"));
    cpu["nodes"] = or_null(count_in(files, "sys/devices/system/node/online"));
    cpu["llcs"] = size_or_null(counts.caches);
    cpu["virtual"] = or_null(hypervisor(files, fields));
    cpu["mhz"] = decimal_or_null(field_of(fields, "cpu MHz"));
    return cpu;
}

std::optional<std::string> microcode_of(const HostFiles& files) {
    const auto told = field_of(first_processor(files), "microcode");
    return told ? told : files.line("sys/devices/system/cpu/cpu0/microcode/version");
}

}  // namespace lockbench
