// SPDX-License-Identifier: MIT
#include "platform/sim/traffic.hpp"

#include "platform/sim/engine.hpp"

namespace lockbench::sim {
namespace {

// The type out of "... [with T = X; ...]" (GCC) or "... [T = X, ...]" (clang), without namespaces of this project and
// without the platform that is the same for all.
std::string type_name(const std::string& pretty) {
    const std::size_t begin = pretty.find("Object = ");
    if (begin == std::string::npos) {
        return pretty;
    }
    std::string name = pretty.substr(begin + 9);
    int depth = 0;
    for (std::size_t i = 0; i < name.size(); ++i) {
        depth += name[i] == '<' ? 1 : name[i] == '>' ? -1 : 0;
        if (depth == 0 && (name[i] == ';' || name[i] == ']' || name[i] == ',')) {
            name.resize(i);
            break;
        }
    }
    for (const std::string cut : {"lockbench::", "sim::", "<Sim>", "Sim, "}) {
        for (std::size_t at = name.find(cut); at != std::string::npos; at = name.find(cut)) {
            name.erase(at, cut.size());
        }
    }
    return name;
}

}  // namespace

std::uint64_t Traffic::total(Access access) const {
    std::uint64_t sum = 0;
    for (const HopCosts& row : moves[static_cast<std::size_t>(access)]) {
        for (const std::uint64_t count : row) {
            sum += count;
        }
    }
    return sum;
}

std::uint64_t Traffic::total() const { return total(Access::read) + total(Access::write); }

std::uint32_t LineMap::add_kind(const char* name, std::size_t stride) {
    const std::string type = type_name(name);
    for (std::size_t i = 0; i < kinds_.size(); ++i) {
        if (kinds_[i].name == type && kinds_[i].stride == stride) {
            return static_cast<std::uint32_t>(i);
        }
    }
    kinds_.push_back({type, stride, std::vector<std::uint32_t>(stride / 4 + 1, 0)});
    return static_cast<std::uint32_t>(kinds_.size() - 1);
}

void LineMap::clear() {
    kinds_.clear();
    places_.clear();
}

void Engine::count(const Request& request, Found found, Hop hop, Time until, std::uint32_t copies) {
    if (now_ < count_from_ || now_ >= count_to_) {
        return;
    }
    const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(request.address) - arena_);
    const Region& region = regions_[region_of_page_[offset / kPage]];
    const std::size_t stride = map_.kinds()[region.kind].stride;
    Traffic& there = map_.at(region.kind, (offset - region.begin) % stride, request.site).traffic;
    for (Traffic* traffic : {&traffic_, &there}) {
        traffic->add(request.access, found, hop);
        traffic->invalidated += request.access == Access::write ? copies : 0;
        traffic->waited += until - request.issued;
    }
}

}  // namespace lockbench::sim
