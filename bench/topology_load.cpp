// SPDX-License-Identifier: MIT
// Where a topology comes from: this system, a description, a file; and what of it this process may use.
#include <hwloc.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "bench/cpu_list.hpp"
#include "bench/errors.hpp"
#include "bench/pin.hpp"
#include "bench/topology.hpp"
#include "bench/topology_guard.hpp"
#include "bench/topology_reader.hpp"

namespace lockbench {
namespace {

struct DestroyTopology {
    void operator()(hwloc_topology* topology) const { hwloc_topology_destroy(topology); }
};
using Handle = std::unique_ptr<hwloc_topology, DestroyTopology>;

Handle new_topology() {
    hwloc_topology_t topology = nullptr;
    if (hwloc_topology_init(&topology) != 0) {
        throw HostError("hwloc cannot make a topology: " + std::string(std::strerror(errno)) + ".");
    }
    Handle handle(topology);
    // CPUs outside the cpuset stay in the picture, marked as not allowed: without them neighbours would seem farther
    // apart than they are.
    hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    return handle;
}

void apply_mask(Topology& topology, const LoadOptions& options) {
    std::vector<CpuId> mask;
    if (options.mask) {
        mask = *options.mask;
    } else if (topology.is_this_system) {
        mask = affinity_of_self();
    } else {
        return;
    }
    std::vector<CpuId> hidden;
    for (Cpu& cpu : topology.cpus) {
        const bool in_mask = std::find(mask.begin(), mask.end(), cpu.os_index) != mask.end();
        if (cpu.allowed && !in_mask) {
            hidden.push_back(cpu.os_index);
        }
        cpu.allowed = cpu.allowed && in_mask;
    }
    if (!hidden.empty()) {
        std::sort(hidden.begin(), hidden.end());
        topology.notes.push_back("the affinity mask hides CPUs " + format_numbers(hidden));
    }
}

Topology finish(const Handle& handle, const std::string& source, const LoadOptions& options) {
    require_sound(handle.get(), source);
    Topology topology = read_topology(handle.get());
    topology.source = source;
    std::vector<CpuId> outside;
    for (const Cpu& cpu : topology.cpus) {
        if (!cpu.allowed) {
            outside.push_back(cpu.os_index);
        }
    }
    if (!outside.empty()) {
        std::sort(outside.begin(), outside.end());
        topology.notes.push_back("the cpuset hides CPUs " + format_numbers(outside));
    }
    apply_mask(topology, options);
    if (topology.usable().empty()) {
        throw HostError("No CPU of the topology (" + source +
                        ") may be used: " + (topology.notes.empty() ? "it has none" : topology.notes.back()) + ".");
    }
    return topology;
}

// hwloc says EINVAL to every fault in a file; the version is the one that a user can do something about.
std::string version_of(const std::string& text) {
    const std::size_t tag = text.find("<topology");
    const std::size_t end = text.find('>', tag);
    if (tag == std::string::npos || end == std::string::npos) {
        return "";
    }
    const std::string head = text.substr(tag, end - tag);
    const std::size_t at = head.find("version=\"");
    if (at == std::string::npos) {
        return "";
    }
    const std::size_t begin = at + std::strlen("version=\"");
    return head.substr(begin, head.find('"', begin) - begin);
}

// What hwloc takes for this system, which its environment variables may have replaced.
Handle open_system(const std::string& source) {
    Handle handle = new_topology();
    if (hwloc_topology_load(handle.get()) != 0) {
        throw HostError("hwloc cannot read the topology (" + source + "): " + std::string(std::strerror(errno)) + ".");
    }
    return handle;
}

// `open` makes a loaded topology or throws; it is called in a child first.
template <typename Open>
Topology load_foreign(Open open, const std::string& source, const LoadOptions& options) {
    try_in_child(source, [&] {
        const Handle handle = open();
        static_cast<void>(finish(handle, source, options));
        let_hwloc_check(handle.get());
    });
    return finish(open(), source, options);
}

// `name`: what errors call it.
Topology load_xml(const std::string& text, const std::string& name, const std::string& source,
                  const LoadOptions& options) {
    const std::string version = version_of(text);
    int major_version = 0;
    std::from_chars(version.data(), version.data() + version.size(), major_version);
    if (major_version > 2) {
        throw HostError(name + ": the topology is in XML version " + version + ", this build's hwloc (" +
                        HWLOC_VERSION + ") reads up to version 2. Export it with an hwloc of that version.");
    }
    const auto open = [&] {
        Handle handle = new_topology();
        if (hwloc_topology_set_xmlbuffer(handle.get(), text.c_str(), static_cast<int>(text.size()) + 1) != 0 ||
            hwloc_topology_load(handle.get()) != 0) {
            throw HostError(
                name + ": no topology in hwloc's XML format, or a broken one" +
                (version.empty() ? " (there is no <topology version=...>)." : " (it says version " + version + ")."));
        }
        return handle;
    };
    return load_foreign(open, source, options);
}

}  // namespace

std::vector<std::string> replacing_variables() {
    std::vector<std::string> set;
    for (const char* name : {"HWLOC_XMLFILE", "HWLOC_SYNTHETIC", "HWLOC_FSROOT", "HWLOC_CPUID_PATH", "HWLOC_COMPONENTS",
                             "HWLOC_THISSYSTEM"}) {
        if (const char* value = std::getenv(name); value != nullptr && *value != '\0') {
            set.emplace_back(name);
        }
    }
    return set;
}

Topology load_this_system(const LoadOptions& options) {
    const std::vector<std::string> replacing = replacing_variables();
    if (replacing.empty()) {
        return finish(open_system("this system"), "this system", options);
    }
    const char* xml = std::getenv("HWLOC_XMLFILE");
    if (xml != nullptr && *xml != '\0') {
        return load_xml(read_xml_file(xml), xml, "XML by HWLOC_XMLFILE: " + std::string(xml), options);
    }
    const char* synthetic = std::getenv("HWLOC_SYNTHETIC");
    std::string source = "by hwloc's environment variables";
    if (synthetic != nullptr && *synthetic != '\0') {
        source = "synthetic by HWLOC_SYNTHETIC: " + std::string(synthetic);
        require_few_cpus(synthetic, source);
    }
    return load_foreign([&] { return open_system(source); }, source, options);
}

Topology load_own_system(const LoadOptions& options) {
    std::vector<std::pair<std::string, std::string>> kept;
    for (const std::string& name : replacing_variables()) {
        kept.emplace_back(name, std::getenv(name.c_str()));
        unsetenv(name.c_str());
    }
    Topology own = load_this_system(options);
    for (const auto& [name, value] : kept) {
        setenv(name.c_str(), value.c_str(), 1);
    }
    return own;
}

Topology load_synthetic(const std::string& description, const LoadOptions& options) {
    require_few_cpus(description, "synthetic: " + description);
    const auto open = [&] {
        Handle handle = new_topology();
        if (hwloc_topology_set_synthetic(handle.get(), description.c_str()) != 0 ||
            hwloc_topology_load(handle.get()) != 0) {
            throw HostError("hwloc does not understand the synthetic topology '" + description +
                            "'. Set HWLOC_SYNTHETIC_VERBOSE=1 to see where.");
        }
        return handle;
    };
    return load_foreign(open, "synthetic: " + description, options);
}

Topology load_xml_text(const std::string& text, const std::string& source, const LoadOptions& options) {
    return load_xml(text, source, "XML: " + source, options);
}

}  // namespace lockbench
