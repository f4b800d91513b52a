// SPDX-License-Identifier: MIT
// The folder of a run: run.json, windows.jsonl, benchmark.json. Whatever happens, what was measured before stays
// readable.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lockbench {

// Held by the one process that adds windows to a folder, for its whole life; the kernel drops it when that process
// dies.
class RunLock {
  public:
    explicit RunLock(const std::filesystem::path& path);  // throws UsageError where another process holds it
    ~RunLock();
    RunLock(const RunLock&) = delete;
    RunLock& operator=(const RunLock&) = delete;

  private:
    int fd_;
};

class RunFiles {
  public:
    explicit RunFiles(std::filesystem::path dir) : dir_(std::move(dir)) {}

    // Makes the folder; tells whether it was not there before. Throws UsageError when it exists and is not empty (a run
    // is never overwritten), HostError when it cannot be made or written.
    bool create() const;
    // With the lock held: throws UsageError when another process has begun a run here since create().
    void require_new() const;
    // Removes what a run left that could not begin, so that the folder is as free as before; and the folder, if `made`.
    void remove_begun(bool made) const;
    // Throws UsageError when this is not the folder of a run.
    void require() const;
    // On windows.jsonl, which is never replaced, only appended to; made where it is not there yet.
    [[nodiscard]] std::unique_ptr<RunLock> lock() const { return std::make_unique<RunLock>(windows_jsonl()); }

    [[nodiscard]] const std::filesystem::path& dir() const { return dir_; }
    [[nodiscard]] std::filesystem::path run_json() const { return dir_ / "run.json"; }
    [[nodiscard]] std::filesystem::path windows_jsonl() const { return dir_ / "windows.jsonl"; }
    // The same compressed, in its stead: a recorded run.
    [[nodiscard]] std::filesystem::path windows_gz() const { return dir_ / "windows.jsonl.gz"; }
    [[nodiscard]] bool is_recorded() const;
    [[nodiscard]] std::filesystem::path benchmark_json() const { return dir_ / "benchmark.json"; }
    [[nodiscard]] std::filesystem::path topology_xml() const { return dir_ / "topology.xml"; }

    // Written whole beside the old file and renamed, so that a full disk or a kill leaves the old one. Throws
    // HostError.
    void write_run(const nlohmann::json& run) const;
    void write_benchmark(const nlohmann::json& benchmark) const;
    [[nodiscard]] nlohmann::json read_run() const;

    // All whole lines of windows.jsonl, or of windows.jsonl.gz where the run is recorded. A torn last line (the process
    // was killed while it wrote) is skipped; `torn`, if given, tells. Any other broken line, and a second line of one
    // window, throws UsageError with its number.
    [[nodiscard]] std::vector<nlohmann::json> read_windows(bool* torn = nullptr) const;
    // Cuts a torn last line off, so that appending goes on with a whole line.
    void mend_windows() const;

  private:
    void write_whole(const std::filesystem::path& path, const std::string& text) const;
    std::filesystem::path dir_;
};

// Appends lines to windows.jsonl, each with one write(2): the line is there whole or, on a full disk, not at all.
class WindowWriter {
  public:
    explicit WindowWriter(const std::filesystem::path& path);  // throws HostError
    ~WindowWriter();
    WindowWriter(const WindowWriter&) = delete;
    WindowWriter& operator=(const WindowWriter&) = delete;

    void append(const nlohmann::json& window);  // throws HostError; what was there before stays

  private:
    std::string path_;
    int fd_;
};

}  // namespace lockbench
