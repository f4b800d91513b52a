// SPDX-License-Identifier: MIT
#include "bench/topology_guard.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <set>
#include <sstream>

#include "bench/errors.hpp"
#include "bench/host_files.hpp"
#include "bench/limits.hpp"

namespace lockbench {
namespace {

constexpr rlim_t kChildBytes = rlim_t{1} << 30U;
constexpr rlim_t kChildCpuSeconds = 5;
// For a child that waits for something instead of computing; far above what a loaded machine needs.
constexpr auto kChildPatience = std::chrono::seconds(120);
constexpr int kChildRefused = 1;  // its exit code when it wrote why

void limit(int what, rlim_t value) {
    rlimit now{};
    if (getrlimit(what, &now) == 0) {
        now.rlim_cur = now.rlim_max == RLIM_INFINITY ? value : std::min(value, now.rlim_max);
        setrlimit(what, &now);
    }
}

// What is mapped already counts too: a sanitizer's shadow alone is terabytes.
void limit_memory() {
    const auto pages = HostFiles("/").number("proc/self/statm");
    if (pages) {
        limit(RLIMIT_AS, static_cast<rlim_t>(*pages) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + kChildBytes);
    }
}

[[noreturn]] void run_child(int report_to, const std::function<void()>& load) {
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, kChildCpuSeconds);
    limit_memory();
    std::string why;
    try {
        load();
        _exit(0);
    } catch (const std::bad_alloc&) {
        why = "it takes more than 1 GiB of memory.";
    } catch (const std::exception& error) {
        why = error.what();
    }
    const bool told = write(report_to, why.data(), why.size()) == static_cast<ssize_t>(why.size());
    _exit(told ? kChildRefused : kExitHost);
}

// Reads all that the child writes. False: it had not ended when the time was up.
bool read_report(int from, std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + kChildPatience;
    char chunk[4096];
    while (std::chrono::steady_clock::now() < deadline) {
        pollfd ready{from, POLLIN, 0};
        if (poll(&ready, 1, 100) <= 0) {
            continue;
        }
        const ssize_t got = read(from, chunk, sizeof chunk);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return true;
        }
        text.append(chunk, got > 0 ? static_cast<std::size_t>(got) : 0);
    }
    return false;
}

std::string death_of(int status) {
    if (!WIFSIGNALED(status)) {
        return fmt::format("reading it ends with code {}", WEXITSTATUS(status));
    }
    const int number = WTERMSIG(status);
    if (number == SIGXCPU || number == SIGKILL) {
        return fmt::format("reading it takes more than {} s of CPU time", kChildCpuSeconds);
    }
    return number == SIGABRT ? std::string("its objects contradict one another")
                             : fmt::format("reading it kills hwloc by signal {} ({})", number, strsignal(number));
}

}  // namespace

std::string read_xml_file(const std::string& path) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    // A pipe or a device might never end.
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
        throw HostError("Cannot read the topology " + path + ": it is no regular file.");
    }
    const std::uintmax_t bytes = std::filesystem::file_size(path, error);
    if (!error && bytes > kMostXmlBytes) {
        throw HostError(fmt::format("Cannot read the topology {}: {} MiB; no topology needs more than {} MiB.", path,
                                    bytes >> 20U, kMostXmlBytes >> 20U));
    }
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    if (!file || !file.is_open()) {
        throw HostError("Cannot read the topology " + path + ": " + std::strerror(errno == 0 ? EIO : errno) + ".");
    }
    return text.str();
}

void try_in_child(const std::string& source, const std::function<void()>& load) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        throw HostError(std::string("cannot make a pipe: ") + std::strerror(errno) + ".");
    }
    const pid_t child = fork();
    if (child < 0) {
        const int why = errno;
        close(ends[0]);
        close(ends[1]);
        throw HostError(std::string("cannot start a process: ") + std::strerror(why) + ".");
    }
    if (child == 0) {
        close(ends[0]);
        run_child(ends[1], load);
    }
    close(ends[1]);
    std::string report;
    if (!read_report(ends[0], report)) {
        kill(child, SIGKILL);
    }
    close(ends[0]);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == kChildRefused) {
        throw HostError(report);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        throw HostError(fmt::format("{}: no topology that can be used: {}. It is broken, hostile or too large.", source,
                                    death_of(status)));
    }
}

void require_few_cpus(const std::string& description, const std::string& source) {
    std::uint64_t cpus = 1;
    int inside = 0;  // attributes in parentheses, and memory in brackets, multiply nothing
    bool in_word = false;
    for (std::size_t at = 0; at < description.size(); ++at) {
        const char here = description[at];
        inside += (here == '(' || here == '[' ? 1 : 0) - (here == ')' || here == ']' ? 1 : 0);
        const bool digit = here >= '0' && here <= '9';
        // A level is "4" or "core:4"; the digit of "l3:4" before the colon is part of its name.
        if (inside == 0 && digit && !in_word && (at == 0 || description[at - 1] == ' ' || description[at - 1] == ':')) {
            std::uint64_t count = 0;
            const auto [end, error] =
                std::from_chars(description.data() + at, description.data() + description.size(), count);
            cpus *= error == std::errc::result_out_of_range ? kMostCpuNumber + 1
                                                            : std::clamp<std::uint64_t>(count, 1, kMostCpuNumber + 1);
        }
        in_word = digit;
        if (cpus > kMostCpuNumber) {
            throw HostError(
                fmt::format("{}: no topology that can be used: it has more than {} CPUs.", source, kMostCpuNumber));
        }
    }
}

void require_sound(hwloc_topology_t topology, const std::string& source) {
    const auto refuse = [&](const std::string& why) {
        throw HostError(fmt::format("{}: no topology that can be used: {}.", source, why));
    };
    // hwloc answers -1 where CPUs lie within one another.
    if (hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU) < 1) {
        refuse("it has no CPUs, or CPUs within CPUs");
    }
    const std::pair<hwloc_obj_type_t, const char*> kinds[] = {{HWLOC_OBJ_PU, "CPU"}, {HWLOC_OBJ_NUMANODE, "NUMA node"}};
    for (const auto& [type, name] : kinds) {
        const unsigned end = type == HWLOC_OBJ_PU ? kMostCpuNumber : kMostNodeNumber;
        std::set<unsigned> seen;
        hwloc_obj_t object = nullptr;
        while ((object = hwloc_get_next_obj_by_type(topology, type, object)) != nullptr) {
            const unsigned number = object->os_index;
            if (number >= end) {
                refuse(fmt::format("{} {} is beyond {}, the last that is supported", name, static_cast<int>(number),
                                   end - 1));
            }
            if (type == HWLOC_OBJ_NUMANODE && object->attr->numanode.local_memory > kMostNodeBytes) {
                refuse(fmt::format("NUMA node {} has more memory than there is", number));
            }
            if (!seen.insert(number).second) {
                refuse(fmt::format("{} {} is there twice", name, number));
            }
            const hwloc_const_bitmap_t own = type == HWLOC_OBJ_PU ? object->cpuset : object->nodeset;
            if (own == nullptr || hwloc_bitmap_weight(own) != 1 || hwloc_bitmap_isset(own, number) == 0) {
                refuse(fmt::format("the set of {} {} is not that number", name, number));
            }
        }
        if (seen.empty()) {
            refuse(fmt::format("it has no {}", name));
        }
    }
}

void let_hwloc_check(hwloc_topology_t topology) {
    // What fails there is a C assertion of hwloc's, in words for nobody else.
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere >= 0) {
        dup2(nowhere, STDERR_FILENO);
    }
    hwloc_topology_check(topology);
}

}  // namespace lockbench
