// SPDX-License-Identifier: MIT
// Topologies for tests: what a synthetic description cannot say is written into its XML.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <regex>
#include <string>
#include <vector>

#include "bench/topology.hpp"

namespace lockbench::test {

inline std::string replaced(std::string text, const std::string& what, const std::string& by) {
    const std::size_t at = text.find(what);
    return at == std::string::npos ? text : text.replace(at, what.size(), by);
}

// Values in an element whose length must be told.
inline std::string number_element(const std::string& tag, const std::vector<std::uint64_t>& numbers) {
    std::string body;
    for (const std::uint64_t number : numbers) {
        body += std::to_string(number) + ' ';
    }
    return "<" + tag + " length=\"" + std::to_string(body.size()) + "\">" + body + "</" + tag + ">";
}

// Adds the firmware's distance matrix between the nodes `ids` (row-major), as the kernel's shows in hwloc.
inline std::string with_distances(const std::string& xml, const std::vector<std::uint64_t>& ids,
                                  const std::vector<std::uint64_t>& values) {
    const std::string element = "<distances2 type=\"NUMANode\" nbobjs=\"" + std::to_string(ids.size()) +
                                "\" kind=\"5\" name=\"NUMALatency\" indexing=\"os\">" + number_element("indexes", ids) +
                                number_element("u64values", values) + "</distances2>";
    return replaced(xml, "</topology>", element + "\n</topology>");
}

// Adds a node without CPUs to a machine whose nodes are 0 .. id-1.
inline std::string with_bare_node(std::string xml, unsigned id, std::uint64_t memory_bytes) {
    const auto mask = [](unsigned nodes) {
        constexpr char kDigits[] = "0123456789abcdef";
        const unsigned bits = (1U << nodes) - 1;
        return std::string("0x000000") + kDigits[bits >> 4U] + kDigits[bits & 15U];
    };
    const std::size_t line = xml.find("<object type=\"Machine\"");
    const std::size_t end = xml.find('\n', line);
    std::string machine = xml.substr(line, end - line);
    for (const char* name : {" nodeset=\"", "complete_nodeset=\"", "allowed_nodeset=\""}) {
        machine = replaced(machine, name + mask(id), name + mask(id + 1));
    }
    xml.replace(line, end - line, machine);
    const std::string own = "0x000000" + std::string(id < 4 ? "0" : "1") + (id < 4 ? std::to_string(1U << id) : "0");
    const std::string node = "<object type=\"NUMANode\" os_index=\"" + std::to_string(id) +
                             "\" cpuset=\"0x0\" complete_cpuset=\"0x0\" nodeset=\"" + own + "\" complete_nodeset=\"" +
                             own + "\" gp_index=\"1000\" local_memory=\"" + std::to_string(memory_bytes) + "\"/>\n    ";
    return replaced(xml, "<object type=\"Package\"", node + "<object type=\"Package\"");
}

// Takes CPUs offline, on a machine of at most 32: they stay in the complete sets alone and have no PU object.
inline std::string with_offline(std::string xml, const std::vector<CpuId>& cpus) {
    std::uint32_t gone = 0;
    for (const CpuId cpu : cpus) {
        gone |= 1U << static_cast<unsigned>(cpu);
        xml = std::regex_replace(
            xml, std::regex("\\n *<object type=\"PU\" os_index=\"" + std::to_string(cpu) + "\".*/>"), "");
    }
    const std::regex set("([ _])cpuset=\"0x([0-9a-f]{8})\"");
    std::string out;
    std::smatch found;
    while (std::regex_search(xml, found, set)) {
        const bool complete = found[1] == "_" && found.prefix().str().ends_with("complete");
        const auto mask = static_cast<std::uint32_t>(std::stoul(found[2], nullptr, 16));
        char text[sizeof "0x00000000"];
        std::snprintf(text, sizeof text, "0x%08x", complete ? mask : mask & ~gone);
        out += found.prefix().str() + found[1].str() + "cpuset=\"" + text + "\"";
        xml = found.suffix();
    }
    return out + xml;
}

inline Topology from_text(const std::string& xml, const LoadOptions& options = {}) {
    return load_xml_text(xml, "test", options);
}

}  // namespace lockbench::test
