// SPDX-License-Identifier: MIT
// hwloc's objects turned into a Topology. What differs between machines and releases of hwloc is met here and nowhere
// else.
#include <hwloc.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>

#include "bench/cpu_list.hpp"
#include "bench/errors.hpp"
#include "bench/pin.hpp"
#include "bench/topology.hpp"

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

// Dense numbers for hwloc objects in the order in which they are met. A null object stands for "none here".
class Numbers {
  public:
    int of(const void* object) { return known_.emplace(object, static_cast<int>(known_.size())).first->second; }

  private:
    std::map<const void*, int> known_;
};

class Reader {
  public:
    explicit Reader(hwloc_topology_t topology) : topology_(topology) {}

    Topology read() {
        read_nodes();
        read_cpus();
        read_offline();
        read_distances();
        out_.is_this_system = hwloc_topology_is_thissystem(topology_) != 0;
        export_text();
        return std::move(out_);
    }

  private:
    static hwloc_obj_t ancestor(hwloc_obj_t pu, hwloc_obj_type_t type) {
        hwloc_obj_t object = pu->parent;
        while (object != nullptr && object->type != type) {
            object = object->parent;
        }
        return object;
    }

    // The outermost cache that holds data: an L3 as a rule, an L2 where that is the last one.
    static hwloc_obj_t last_cache(hwloc_obj_t pu) {
        hwloc_obj_t last = nullptr;
        for (hwloc_obj_t object = pu->parent; object != nullptr; object = object->parent) {
            if (hwloc_obj_type_is_dcache(object->type) != 0) {
                last = object;
            }
        }
        return last;
    }

    // The first node on the way up. A node without CPUs hangs at the machine's root, where only a CPU that has no
    // nearer one comes to it. Memory-side caches, which would stand between, are not kept in the topology by default.
    static hwloc_obj_t local_node(hwloc_obj_t pu) {
        for (hwloc_obj_t object = pu->parent; object != nullptr; object = object->parent) {
            for (hwloc_obj_t child = object->memory_first_child; child != nullptr; child = child->next_sibling) {
                if (child->type == HWLOC_OBJ_NUMANODE) {
                    return child;
                }
            }
        }
        return nullptr;
    }

    // A core; where the description has none, the CPUs that share a first-level cache; else the CPU alone.
    hwloc_obj_t core_of(hwloc_obj_t pu) {
        if (hwloc_obj_t core = ancestor(pu, HWLOC_OBJ_CORE)) {
            return core;
        }
        if (hwloc_obj_t cache = ancestor(pu, HWLOC_OBJ_L1CACHE)) {
            note("no Core objects: CPUs under one first-level cache count as a core");
            return cache;
        }
        note("no Core objects: each CPU counts as a core");
        return pu;
    }

    hwloc_obj_t package_of(hwloc_obj_t pu, hwloc_obj_t node) {
        if (hwloc_obj_t package = ancestor(pu, HWLOC_OBJ_PACKAGE)) {
            return package;
        }
        note("no Package objects: each NUMA node counts as a package");
        return node;
    }

    hwloc_obj_t llc_of(hwloc_obj_t pu, hwloc_obj_t package) {
        hwloc_obj_t cache = last_cache(pu);
        if (cache == nullptr) {
            note("no caches: each package counts as a last-level cache");
            return package;
        }
        if (cache->type == HWLOC_OBJ_L1CACHE || cache->type == HWLOC_OBJ_L2CACHE) {
            const bool elsewhere = hwloc_get_nbobjs_by_type(topology_, HWLOC_OBJ_L3CACHE) != 0;
            note(std::string(elsewhere ? "some CPUs have no L3 cache: their last cache is "
                                       : "no L3 cache: the last cache is ") +
                 (cache->type == HWLOC_OBJ_L1CACHE ? "the L1" : "an L2"));
        }
        return cache;
    }

    void read_nodes() {
        const hwloc_const_nodeset_t allowed = hwloc_topology_get_allowed_nodeset(topology_);
        hwloc_obj_t object = nullptr;
        while ((object = hwloc_get_next_obj_by_type(topology_, HWLOC_OBJ_NUMANODE, object)) != nullptr) {
            NumaNode node;
            node.os_index = static_cast<NodeId>(object->os_index);
            node.memory_bytes = object->attr->numanode.local_memory;
            node.allowed = hwloc_bitmap_isset(allowed, object->os_index) != 0;
            out_.nodes.push_back(std::move(node));
        }
    }

    void read_cpus() {
        const hwloc_const_cpuset_t allowed = hwloc_topology_get_allowed_cpuset(topology_);
        Numbers packages;
        Numbers llcs;
        Numbers cores;
        std::map<int, int> met_in_core;
        hwloc_obj_t pu = nullptr;
        while ((pu = hwloc_get_next_obj_by_type(topology_, HWLOC_OBJ_PU, pu)) != nullptr) {
            Cpu cpu;
            cpu.os_index = static_cast<CpuId>(pu->os_index);
            hwloc_obj_t node = local_node(pu);
            if (node == nullptr) {
                node = hwloc_get_obj_by_type(topology_, HWLOC_OBJ_NUMANODE, 0);
                note("CPU " + std::to_string(cpu.os_index) + " is on no NUMA node: it counts with node " +
                     std::to_string(node->os_index));
            }
            hwloc_obj_t package = package_of(pu, node);
            cpu.node = static_cast<NodeId>(node->os_index);
            cpu.package = packages.of(package);
            hwloc_obj_t last = llc_of(pu, package);
            cpu.llc = llcs.of(last);
            if (static_cast<std::size_t>(cpu.llc) == out_.last_caches.size()) {
                out_.last_caches.push_back(facts_of(last));
            }
            cpu.core = cores.of(core_of(pu));
            // Not hwloc's sibling_rank: where threads have caches of their own, those stand between and every rank
            // would be 0.
            cpu.smt_rank = met_in_core[cpu.core]++;
            cpu.allowed = hwloc_bitmap_isset(allowed, pu->os_index) != 0;
            out_.nodes[node->logical_index].cpus.push_back(cpu.os_index);
            out_.cpus.push_back(cpu);
        }
    }

    // Of a package that stands for a cache there are none.
    static LastCache facts_of(hwloc_obj_t object) {
        if (object == nullptr || hwloc_obj_type_is_dcache(object->type) == 0) {
            return {};
        }
        return {static_cast<int>(object->attr->cache.depth), object->attr->cache.size};
    }

    void read_offline() {
        const hwloc_const_bitmap_t all = hwloc_topology_get_complete_cpuset(topology_);
        const hwloc_const_bitmap_t online = hwloc_topology_get_topology_cpuset(topology_);
        // A set without an end, which a file can hold, names no CPUs.
        for (int cpu = hwloc_bitmap_last(all) < 0 ? -1 : hwloc_bitmap_first(all); cpu >= 0;
             cpu = hwloc_bitmap_next(all, cpu)) {
            if (hwloc_bitmap_isset(online, static_cast<unsigned>(cpu)) == 0) {
                out_.offline.push_back(static_cast<CpuId>(cpu));
            }
        }
    }

    void read_distances() {
        hwloc_distances_s* matrix = nullptr;
        unsigned count = 1;
        if (hwloc_distances_get_by_name(topology_, "NUMALatency", &count, &matrix, 0) != 0 || count == 0) {
            // Files of older releases carry the matrix without its name.
            count = 1;
            if (hwloc_distances_get_by_type(topology_, HWLOC_OBJ_NUMANODE, &count, &matrix,
                                            HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) != 0 ||
                count == 0) {
                return;
            }
        }
        const std::size_t nodes = out_.nodes.size();
        out_.node_distances.assign(nodes, std::vector<std::uint64_t>(nodes, 0));
        for (unsigned i = 0; i < matrix->nbobjs; ++i) {
            for (unsigned j = 0; j < matrix->nbobjs; ++j) {
                // Nodes that the process may not use can be missing from the matrix.
                if (matrix->objs[i] != nullptr && matrix->objs[j] != nullptr) {
                    out_.node_distances[matrix->objs[i]->logical_index][matrix->objs[j]->logical_index] =
                        matrix->values[i * matrix->nbobjs + j];
                }
            }
        }
        hwloc_distances_release(topology_, matrix);
    }

    void export_text() {
        char* buffer = nullptr;
        int length = 0;
        if (hwloc_topology_export_xmlbuffer(topology_, &buffer, &length, 0) != 0) {
            throw HostError("hwloc cannot export the topology: " + std::string(std::strerror(errno)) + ".");
        }
        out_.xml = buffer;
        hwloc_free_xmlbuffer(topology_, buffer);
    }

    void note(const std::string& text) {
        if (std::find(out_.notes.begin(), out_.notes.end(), text) == out_.notes.end()) {
            out_.notes.push_back(text);
        }
    }

    hwloc_topology_t topology_;
    Topology out_;
};

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
    Topology topology = Reader(handle.get()).read();
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

}  // namespace

Topology load_this_system(const LoadOptions& options) {
    const Handle handle = new_topology();
    if (hwloc_topology_load(handle.get()) != 0) {
        throw HostError("hwloc cannot read this system's topology: " + std::string(std::strerror(errno)) + ".");
    }
    const char* xml = std::getenv("HWLOC_XMLFILE");
    const char* synthetic = std::getenv("HWLOC_SYNTHETIC");
    std::string source = "this system";
    if (hwloc_topology_is_thissystem(handle.get()) == 0 || xml != nullptr || synthetic != nullptr) {
        source = xml != nullptr         ? "XML by HWLOC_XMLFILE: " + std::string(xml)
                 : synthetic != nullptr ? "synthetic by HWLOC_SYNTHETIC: " + std::string(synthetic)
                                        : "by hwloc's environment variables";
    }
    return finish(handle, source, options);
}

Topology load_synthetic(const std::string& description, const LoadOptions& options) {
    const Handle handle = new_topology();
    if (hwloc_topology_set_synthetic(handle.get(), description.c_str()) != 0 ||
        hwloc_topology_load(handle.get()) != 0) {
        throw HostError("hwloc does not understand the synthetic topology '" + description +
                        "'. Set HWLOC_SYNTHETIC_VERBOSE=1 to see where.");
    }
    return finish(handle, "synthetic: " + description, options);
}

Topology load_xml_text(const std::string& text, const std::string& source, const LoadOptions& options) {
    const std::string version = version_of(text);
    int major_version = 0;
    std::from_chars(version.data(), version.data() + version.size(), major_version);
    if (major_version > 2) {
        throw HostError(source + ": the topology is in XML version " + version + ", this build's hwloc (" +
                        HWLOC_VERSION + ") reads up to version 2. Export it with an hwloc of that version.");
    }
    const Handle handle = new_topology();
    if (hwloc_topology_set_xmlbuffer(handle.get(), text.c_str(), static_cast<int>(text.size()) + 1) != 0 ||
        hwloc_topology_load(handle.get()) != 0) {
        throw HostError(
            source + ": no topology in hwloc's XML format, or a broken one" +
            (version.empty() ? " (there is no <topology version=...>)." : " (it says version " + version + ")."));
    }
    return finish(handle, "XML: " + source, options);
}

Topology load_xml_file(const std::string& path, const LoadOptions& options) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    if (!file || !file.is_open()) {
        throw HostError("Cannot read the topology " + path + ": " + std::strerror(errno == 0 ? EIO : errno) + ".");
    }
    return load_xml_text(text.str(), path, options);
}

}  // namespace lockbench
