// SPDX-License-Identifier: MIT
// A root folder with the files a test wants in proc and sys; gone with the object.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace lockbench::testing {

class FakeTree {
  public:
    FakeTree() {
        std::string name = (std::filesystem::temp_directory_path() / "lockbench-tree-XXXXXX").string();
        root_ = mkdtemp(name.data());
    }
    FakeTree(const FakeTree&) = delete;
    FakeTree& operator=(const FakeTree&) = delete;
    ~FakeTree() {
        std::error_code ignored;
        std::filesystem::remove_all(root_, ignored);
    }

    // `relative` has no leading slash. Folders are made as needed.
    FakeTree& put(const std::filesystem::path& relative, const std::string& text) {
        std::filesystem::create_directories((root_ / relative).parent_path());
        std::ofstream(root_ / relative, std::ios::binary) << text;
        return *this;
    }
    FakeTree& remove(const std::filesystem::path& relative) {
        std::filesystem::remove_all(root_ / relative);
        return *this;
    }
    [[nodiscard]] const std::filesystem::path& root() const { return root_; }

  private:
    std::filesystem::path root_;
};

}  // namespace lockbench::testing
