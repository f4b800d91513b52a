// SPDX-License-Identifier: MIT
// Which table a CPU's numbers stand for, after the kernel's own list of its event files and Arm's part numbers.
#include <algorithm>
#include <array>

#include "bench/counters_engines.hpp"
#include "bench/host_files.hpp"

namespace lockbench {

namespace {

struct Models {
    std::string_view pmu;
    std::int64_t family;
    std::int64_t first;  // models first to last
    std::int64_t last;
    std::int64_t first_stepping = 0;
};

constexpr std::array kIntel = {
    Models{"wsm_dp", 6, 0x2c, 0x2c}, Models{"wsm_dp", 6, 0x2f, 0x2f}, Models{"snb", 6, 0x2a, 0x2a},
    Models{"snb_ep", 6, 0x2d, 0x2d}, Models{"ivb", 6, 0x3a, 0x3a},    Models{"ivb_ep", 6, 0x3e, 0x3e},
    Models{"hsw", 6, 0x3c, 0x3c},    Models{"hsw", 6, 0x45, 0x46},    Models{"hsw_ep", 6, 0x3f, 0x3f},
    Models{"bdw", 6, 0x3d, 0x3d},    Models{"bdw", 6, 0x47, 0x47},    Models{"bdw_ep", 6, 0x4f, 0x4f},
    Models{"skl", 6, 0x4e, 0x4e},    Models{"skl", 6, 0x5e, 0x5e},    Models{"clx", 6, 0x55, 0x55, 5},
    Models{"skx", 6, 0x55, 0x55},    Models{"icl", 6, 0x7d, 0x7e},    Models{"icx", 6, 0x6a, 0x6a},
    Models{"icx", 6, 0x6c, 0x6c},    Models{"spr", 6, 0x8f, 0x8f},    Models{"emr", 6, 0xcf, 0xcf},
    Models{"gnr", 6, 0xad, 0xae},
};

constexpr std::array kAmd = {
    Models{"amd64_fam17h_zen1", 23, 0x00, 0x2f}, Models{"amd64_fam17h_zen2", 23, 0x30, 0xff},
    Models{"amd64_fam19h_zen3", 25, 0x00, 0x0f}, Models{"amd64_fam19h_zen3", 25, 0x20, 0x5f},
    Models{"amd64_fam19h_zen4", 25, 0x10, 0x1f}, Models{"amd64_fam19h_zen4", 25, 0x60, 0xff},
    Models{"amd64_fam1ah_zen5", 26, 0x00, 0xff},
};

struct ArmPart {
    std::string_view part;
    std::string_view pmu;
};
constexpr std::array kArm = {ArmPart{"0xd0c", "arm_n1"}, ArmPart{"0xd49", "arm_n2"}, ArmPart{"0xd40", "arm_v1"},
                             ArmPart{"0xd4f", "arm_v2"}};

// The value of the first line of a field; all CPUs of a machine that has a table are alike.
std::string field(const std::vector<std::string>& lines, std::string_view name) {
    for (const std::string& line : lines) {
        const std::size_t colon = line.find(':');
        if (colon != std::string::npos && trimmed(line.substr(0, colon)) == name) {
            return trimmed(line.substr(colon + 1));
        }
    }
    return {};
}

}  // namespace

std::string pmu_of_cpu(const std::filesystem::path& root) {
    const std::vector<std::string> lines = HostFiles(root).lines("proc/cpuinfo");
    if (field(lines, "CPU implementer") == "0x41") {
        const std::string part = field(lines, "CPU part");
        const auto* found =
            std::find_if(kArm.begin(), kArm.end(), [&](const ArmPart& arm) { return arm.part == part; });
        return found == kArm.end() ? std::string() : std::string(found->pmu);
    }
    const auto family = number_of(field(lines, "cpu family"));
    const auto model = number_of(field(lines, "model"));
    const auto stepping = number_of(field(lines, "stepping"));
    const std::string vendor = field(lines, "vendor_id");
    const auto among = [&](const auto& models) {
        for (const Models& one : models) {
            if (family == one.family && model && *model >= one.first && *model <= one.last &&
                stepping.value_or(0) >= one.first_stepping) {
                return std::string(one.pmu);
            }
        }
        return std::string();
    };
    return vendor == "GenuineIntel" ? among(kIntel) : vendor == "AuthenticAMD" ? among(kAmd) : std::string();
}

}  // namespace lockbench
