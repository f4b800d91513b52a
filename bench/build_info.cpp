// SPDX-License-Identifier: MIT
#include "bench/build_info.hpp"

#include <elf.h>
#include <fmt/format.h>
#include <gnu/libc-version.h>

#include <build_info_commit.hpp>
#include <build_info_configured.hpp>
#include <cstring>

#include "bench/host_files.hpp"

namespace lockbench {

namespace {

#ifdef NDEBUG
constexpr bool kAssertions = false;
#else
constexpr bool kAssertions = true;
#endif
#ifdef __OPTIMIZE__
constexpr bool kOptimised = true;
#else
constexpr bool kOptimised = false;
#endif

std::string compiler_name() {
    const std::string_view id = configured::kCompilerId;
    const std::string name = id == "GNU" ? "gcc" : id == "Clang" ? "clang" : std::string(id);
    return name + "-" + configured::kCompilerVersion;
}

nlohmann::json text_or_null(const char* text) { return *text == '\0' ? nlohmann::json() : nlohmann::json(text); }

// Reads a T at `offset`, or nothing past the end. A copy, as a file's bytes are aligned by chance.
template <class T>
std::optional<T> read_at(std::string_view bytes, std::uint64_t offset) {
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) {
        return std::nullopt;
    }
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
}

constexpr std::uint64_t padded(std::uint64_t size) { return (size + 3) & ~std::uint64_t{3}; }

// The build id among the notes of one segment.
std::string build_id_in(std::string_view notes) {
    std::uint64_t at = 0;
    while (const auto note = read_at<Elf64_Nhdr>(notes, at)) {
        const std::uint64_t name = at + sizeof(Elf64_Nhdr);
        const std::uint64_t value = name + padded(note->n_namesz);
        if (value > notes.size() || notes.size() - value < note->n_descsz) {
            break;
        }
        if (note->n_type == NT_GNU_BUILD_ID && notes.substr(name, note->n_namesz) == std::string_view("GNU\0", 4)) {
            std::string hex;
            for (const char byte : notes.substr(value, note->n_descsz)) {
                hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
            }
            return hex;
        }
        at = value + padded(note->n_descsz);
    }
    return {};
}

std::string build_id_of(std::string_view file) {
    const auto header = read_at<Elf64_Ehdr>(file, 0);
    if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64) {
        return {};
    }
    for (unsigned i = 0; i < header->e_phnum; ++i) {
        const auto segment = read_at<Elf64_Phdr>(file, header->e_phoff + std::uint64_t{i} * header->e_phentsize);
        if (!segment || segment->p_type != PT_NOTE || segment->p_offset > file.size()) {
            continue;
        }
        if (std::string id = build_id_in(file.substr(segment->p_offset, segment->p_filesz)); !id.empty()) {
            return id;
        }
    }
    return {};
}

}  // namespace

nlohmann::json build_facts() {
    nlohmann::json facts;
    facts["tool_version"] = configured::kProjectVersion;
    facts["compiler"] = compiler_name();
    facts["flags"] = configured::kFlags;
    facts["build"] = {{"compiler", compiler_name()},    {"preset", configured::kPreset},
                      {"type", configured::kBuildType}, {"optimised", kOptimised},
                      {"assertions", kAssertions},      {"sanitizers", configured::kSanitizers}};
    facts["libraries"] = {{"benchmark", text_or_null(configured::kBenchmark)},
                          {"boost", text_or_null(configured::kBoost)},
                          {"fmt", text_or_null(configured::kFmt)},
                          {"hwloc", text_or_null(configured::kHwloc)},
                          {"nlohmann_json", text_or_null(configured::kNlohmannJson)},
                          {"numa", text_or_null(configured::kNuma)},
                          {"papi", text_or_null(configured::kPapi)},
                          {"libstdcxx", std::to_string(_GLIBCXX_RELEASE)},
                          {"glibc", gnu_get_libc_version()}};
    facts["commit"] = text_or_null(configured::kCommit);
    facts["dirty"] = configured::kDirty < 0 ? nlohmann::json() : nlohmann::json(configured::kDirty == 1);
    return facts;
}

std::string build_name() { return compiler_name() + "/" + configured::kPreset; }

std::optional<std::string> binary_id(const std::filesystem::path& executable) {
    const auto file = HostFiles("/").text(executable.relative_path());
    if (!file) {
        return std::nullopt;
    }
    const std::string id = build_id_of(*file);
    return id.empty() ? fmt::format("fnv1a64:{:016x}", fnv1a64(*file)) : "build-id:" + id;
}

std::uint64_t fnv1a64(std::string_view bytes) {
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (const char byte : bytes) {
        hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3ULL;
    }
    return hash;
}

}  // namespace lockbench
