// SPDX-License-Identifier: MIT
// CPU and memory limits of the control group, version 1 or 2. A limit holds for all groups below it, so the tightest
// one up to the root of the mount counts.
#include <algorithm>
#include <string>
#include <vector>

#include "bench/environment_parts.hpp"

namespace lockbench {

namespace {

// Where a hierarchy shows this process's group: folders from the group itself up to the mount point, relative to the
// root of HostFiles.
using GroupPath = std::vector<std::filesystem::path>;

// mountinfo writes a blank as \040, and so on.
std::string unescaped(const std::string& text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size()) {
            plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

bool lists(const std::string& comma_separated, const std::string& word) {
    return ("," + comma_separated + ",").find("," + word + ",") != std::string::npos;
}

struct Mount {
    std::string root;   // the group that is mounted
    std::string point;  // where
};

// The mount of version 2 (empty controller) or of a version 1 controller.
std::optional<Mount> mount_of(const HostFiles& files, const std::string& controller) {
    for (const std::string& line : files.lines("proc/self/mountinfo")) {
        const std::vector<std::string> words = words_of(line);
        const auto dash = std::find(words.begin(), words.end(), "-");
        if (words.size() < 5 || words.end() - dash < 4) {
            continue;
        }
        const std::string& type = *(dash + 1);
        if (controller.empty() ? type == "cgroup2" : type == "cgroup" && lists(*(dash + 3), controller)) {
            return Mount{unescaped(words[3]), unescaped(words[4])};
        }
    }
    return std::nullopt;
}

// The path of this process's group in one hierarchy, as /proc/self/cgroup tells: "4:cpu,cpuacct:/path", version 2
// "0::/path".
std::optional<std::string> own_group(const HostFiles& files, const std::string& controller) {
    for (const std::string& line : files.lines("proc/self/cgroup")) {
        const std::size_t first = line.find(':');
        const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
        if (second == std::string::npos) {
            continue;
        }
        const std::string controllers = line.substr(first + 1, second - first - 1);
        if (controller.empty() ? controllers.empty() : lists(controllers, controller)) {
            return line.substr(second + 1);
        }
    }
    return std::nullopt;
}

GroupPath group_path(const HostFiles& files, const std::string& controller) {
    const auto mount = mount_of(files, controller);
    const auto group = own_group(files, controller);
    if (!mount || !group) {
        return {};
    }
    const std::filesystem::path top = std::filesystem::path(mount->point).relative_path();
    std::string below = *group;
    if (mount->root != "/" && (below + "/").starts_with(mount->root + "/")) {
        below = below.substr(mount->root.size());
    }
    std::filesystem::path at = top / std::filesystem::path(below).relative_path();
    // In a container the path may be the host's, which is not mounted here: the mount point then is the group.
    if (!files.exists(at)) {
        at = top;
    }
    at = at.lexically_normal();
    if (!at.has_filename()) {
        at = at.parent_path();
    }
    GroupPath folders;
    for (; at != top.lexically_normal(); at = at.parent_path()) {
        folders.push_back(at);
    }
    folders.push_back(top);
    return folders;
}

struct CpuMax {
    std::int64_t quota_us, period_us;
};

std::optional<CpuMax> cpu_max_at(const HostFiles& files, const std::filesystem::path& folder, bool second_version) {
    std::optional<std::int64_t> quota;
    std::optional<std::int64_t> period;
    if (second_version) {
        const std::vector<std::string> words = words_of(files.line(folder / "cpu.max").value_or(""));
        if (words.size() == 2) {
            quota = number_of(words[0]);  // "max" is no number and no limit
            period = number_of(words[1]);
        }
    } else {
        quota = files.number(folder / "cpu.cfs_quota_us");
        period = files.number(folder / "cpu.cfs_period_us");
    }
    if (!quota || !period || *quota <= 0 || *period <= 0) {
        return std::nullopt;
    }
    return CpuMax{*quota, *period};
}

bool tighter(const CpuMax& a, const CpuMax& b) { return a.quota_us * b.period_us < b.quota_us * a.period_us; }

nlohmann::json tightest_cpu_max(const HostFiles& files) {
    std::optional<CpuMax> tightest;
    for (const bool second : {false, true}) {
        for (const std::filesystem::path& folder : group_path(files, second ? "" : "cpu")) {
            const auto here = cpu_max_at(files, folder, second);
            if (here && (!tightest || tighter(*here, *tightest))) {
                tightest = here;
            }
        }
    }
    return tightest ? nlohmann::json{tightest->quota_us, tightest->period_us} : nlohmann::json();
}

nlohmann::json cpuset_of(const HostFiles& files) {
    for (const auto& [controller, file] :
         {std::pair("cpuset", "cpuset.effective_cpus"), {"", "cpuset.cpus.effective"}}) {
        for (const std::filesystem::path& folder : group_path(files, controller)) {
            if (const auto list = files.line(folder / file)) {
                return *list;
            }
        }
    }
    return {};
}

nlohmann::json tightest_memory(const HostFiles& files) {
    // Version 1 says "no limit" with the largest multiple of a page below 2^63; all above 2^62 bytes is no limit.
    constexpr std::int64_t kNoLimit = std::int64_t{1} << 62U;
    std::optional<std::int64_t> tightest;
    for (const auto& [controller, file] : {std::pair("memory", "memory.limit_in_bytes"), {"", "memory.max"}}) {
        for (const std::filesystem::path& folder : group_path(files, controller)) {
            const auto here = files.number(folder / file);
            if (here && *here < kNoLimit && (!tightest || *here < *tightest)) {
                tightest = here;
            }
        }
    }
    return or_null(tightest);
}

std::optional<std::int64_t> stat_value(const HostFiles& files, const std::filesystem::path& file,
                                       const std::string& name) {
    for (const std::string& line : files.lines(file)) {
        const std::vector<std::string> words = words_of(line);
        if (words.size() == 2 && words[0] == name) {
            return number_of(words[1]);
        }
    }
    return std::nullopt;
}

}  // namespace

nlohmann::json cgroup_facts(const HostFiles& files) {
    const bool first = mount_of(files, "cpu").has_value();
    nlohmann::json version;
    if (first) {
        version = 1;
    } else if (mount_of(files, "")) {
        version = 2;
    }
    return {{"version", version},
            {"cpu_max", tightest_cpu_max(files)},
            {"cpuset", cpuset_of(files)},
            {"memory_max_bytes", tightest_memory(files)},
            {"throttled_us", nullptr}};
}

std::optional<std::int64_t> cgroup_throttled_us(const HostFiles& files) {
    constexpr std::int64_t kNsPerUs = 1000;
    std::optional<std::int64_t> most;
    const auto take = [&most](std::optional<std::int64_t> here) {
        if (here && (!most || *here > *most)) {
            most = here;
        }
    };
    for (const std::filesystem::path& folder : group_path(files, "cpu")) {
        const auto ns = stat_value(files, folder / "cpu.stat", "throttled_time");
        take(ns ? std::optional(*ns / kNsPerUs) : std::nullopt);
    }
    for (const std::filesystem::path& folder : group_path(files, "")) {
        take(stat_value(files, folder / "cpu.stat", "throttled_usec"));
    }
    return most;
}

}  // namespace lockbench
