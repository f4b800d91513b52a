// SPDX-License-Identifier: MIT
#include "bench/build_info.hpp"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "tests/bench/fake_tree.hpp"

namespace lockbench {
namespace {

using testing::FakeTree;

std::string contents(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

int shell(const std::string& command) {
    return std::system((command + " >/dev/null 2>&1").c_str());
}  // NOLINT(cert-env33-c)

TEST(BuildFacts, NameCompilerFlagsPresetAndLibraries) {
    const nlohmann::json facts = build_facts();
    EXPECT_TRUE(facts["compiler"].get<std::string>().starts_with("gcc-") ||
                facts["compiler"].get<std::string>().starts_with("clang-"))
        << facts["compiler"];
    EXPECT_NE(facts["flags"].get<std::string>().find("-std=c++20"), std::string::npos);
    EXPECT_EQ(build_name(), facts["compiler"].get<std::string>() + "/" + facts["build"]["preset"].get<std::string>());
    for (const char* library : {"benchmark", "fmt", "hwloc", "nlohmann_json", "numa", "glibc", "libstdcxx"}) {
        EXPECT_TRUE(facts["libraries"][library].is_string()) << library;
    }
    EXPECT_TRUE(facts["build"]["optimised"].is_boolean());
    EXPECT_TRUE(facts["commit"].is_null() == facts["dirty"].is_null());
    if (facts["commit"].is_string()) {
        EXPECT_EQ(facts["commit"].get<std::string>().size(), 40U);
    }
#ifdef NDEBUG
    EXPECT_EQ(facts["build"]["assertions"], false);
#else
    EXPECT_EQ(facts["build"]["assertions"], true);
#endif
}

TEST(BinaryId, OfThisTestIsItsBuildIdAndSurvivesACopy) {
    const auto own = binary_id();
    ASSERT_TRUE(own);
    FakeTree tree;
    const std::string program = contents("/proc/self/exe");
    tree.put("copy", program);
    EXPECT_EQ(binary_id(tree.root() / "copy"), own);
    if (own->starts_with("build-id:")) {
        EXPECT_GE(own->size(), 9U + 16U);
        const std::string hex = own->substr(9);
        EXPECT_EQ(hex.find_first_not_of("0123456789abcdef"), std::string::npos) << hex;
    }
}

template <class T>
std::string bytes_of(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

// The smallest program a linker could have stamped: a header, one segment of notes, a foreign note before the build id.
std::string stamped_program(std::uint32_t type) {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 1;
    const std::string foreign = bytes_of(Elf64_Nhdr{4, 4, type}) + std::string("XYZ\0abcd", 8);
    const std::string notes = foreign + bytes_of(Elf64_Nhdr{4, 3, type}) + std::string("GNU\0\x01\x02\xff\0", 8);
    Elf64_Phdr segment{};
    segment.p_type = PT_NOTE;
    segment.p_offset = sizeof header + sizeof segment;
    segment.p_filesz = notes.size();
    return bytes_of(header) + bytes_of(segment) + notes;
}

TEST(BinaryId, IsFoundAmongTheNotes) {
    FakeTree tree;
    tree.put("stamped", stamped_program(NT_GNU_BUILD_ID)).put("other", stamped_program(NT_GNU_ABI_TAG));
    EXPECT_EQ(binary_id(tree.root() / "stamped"), "build-id:0102ff");
    EXPECT_TRUE(binary_id(tree.root() / "other")->starts_with("fnv1a64:")) << "another kind of note";
}

TEST(BinaryId, WithoutABuildIdAHashOfTheFileStandsIn) {
    FakeTree tree;
    tree.put("script", "#!/bin/sh\n").put("other", "#!/bin/sh\n\n").put("empty", "");
    EXPECT_EQ(binary_id(tree.root() / "script")->substr(0, 8), "fnv1a64:");
    EXPECT_NE(binary_id(tree.root() / "script"), binary_id(tree.root() / "other"));
    EXPECT_EQ(binary_id(tree.root() / "empty"), "fnv1a64:cbf29ce484222325");
    EXPECT_FALSE(binary_id(tree.root() / "none"));
}

// A torn or hostile file must not be read past its end.
TEST(BinaryId, ACutOffProgramIsHashedNotMisread) {
    const std::string program = contents("/proc/self/exe");
    FakeTree tree;
    for (const std::size_t size :
         {std::size_t{4}, std::size_t{16}, std::size_t{63}, std::size_t{64}, std::size_t{200}}) {
        tree.put("cut", program.substr(0, size));
        EXPECT_TRUE(binary_id(tree.root() / "cut")->starts_with("fnv1a64:")) << size;
    }
    std::string wild = program.substr(0, 4096);
    for (std::size_t i = 64; i < wild.size(); ++i) {
        wild[i] = static_cast<char>(i * 37);  // program headers that point anywhere
    }
    tree.put("wild", wild);
    EXPECT_TRUE(binary_id(tree.root() / "wild"));
}

TEST(Fnv, KnownValues) {
    EXPECT_EQ(fnv1a64(""), 0xcbf29ce484222325ULL);
    EXPECT_EQ(fnv1a64("a"), 0xaf63dc4c8601ec8cULL);
    EXPECT_EQ(fnv1a64("foobar"), 0x85944171f73967e8ULL);
}

class RecordCommit : public ::testing::Test {
  protected:
    void SetUp() override {
        if (shell("git --version") != 0 || shell("cmake --version") != 0) {
            GTEST_SKIP() << "needs git and cmake";
        }
        tree_.put("bench/a.cpp", "int a;\n").put("results/README.md", "x\n");
    }
    [[nodiscard]] bool git(const std::string& arguments) const {
        return shell("cd " + tree_.root().string() + " && git -c user.name=t -c user.email=t@example.org " +
                     arguments) == 0;
    }
    std::string record() {
        EXPECT_EQ(shell("cmake -DSOURCE=" + tree_.root().string() + " -DOUTPUT=" + header() + " -P " +
                        LOCKBENCH_SOURCE_DIR "/cmake/record_commit.cmake"),
                  0);
        return contents(header());
    }
    [[nodiscard]] std::string header() const { return (out_.root() / "commit.hpp").string(); }
    static bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

    FakeTree tree_;
    FakeTree out_;
};

TEST_F(RecordCommit, OutsideGitNothingIsKnown) {
    const std::string text = record();
    EXPECT_TRUE(says(text, "kCommit = \"\"")) << text;
    EXPECT_TRUE(says(text, "kDirty = -1")) << text;
}

TEST_F(RecordCommit, CleanDirtyAndUntracked) {
    ASSERT_TRUE(git("init -q") && git("add -A") && git("commit -q -m one"));
    std::string text = record();
    EXPECT_FALSE(says(text, "kCommit = \"\"")) << text;
    EXPECT_TRUE(says(text, "kDirty = 0")) << text;
    const auto written = std::filesystem::last_write_time(header());
    EXPECT_EQ(record(), text);
    EXPECT_EQ(std::filesystem::last_write_time(header()), written) << "or every build would compile and link anew";

    tree_.put("results/new/run.json", "{}");
    EXPECT_TRUE(says(record(), "kDirty = 0")) << "a recorded run is no change of the source";
    tree_.put("bench/b.cpp", "int b;\n");
    EXPECT_TRUE(says(record(), "kDirty = 1")) << "a new source is found by folder, so it is in the build";
    tree_.remove("bench/b.cpp").put("bench/a.cpp", "int a2;\n");
    EXPECT_TRUE(says(record(), "kDirty = 1"));
    ASSERT_TRUE(git("commit -q -a -m two"));
    const std::string second = record();
    EXPECT_TRUE(says(second, "kDirty = 0"));
    EXPECT_NE(second, text) << "another commit";
}

TEST_F(RecordCommit, AFolderInsideAnotherCloneHasNoCommitOfItsOwn) {
    ASSERT_TRUE(git("init -q") && git("add -A") && git("commit -q -m one"));
    EXPECT_EQ(shell("cmake -DSOURCE=" + tree_.root().string() + "/bench -DOUTPUT=" + header() + " -P " +
                    LOCKBENCH_SOURCE_DIR "/cmake/record_commit.cmake"),
              0);
    EXPECT_TRUE(says(contents(header()), "kDirty = -1"));
}

}  // namespace
}  // namespace lockbench
