// SPDX-License-Identifier: MIT
#include "bench/run_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "bench/errors.hpp"
#include "bench/run_schema.hpp"

namespace lockbench {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

[[noreturn]] void host_error(const std::string& message) { throw HostError(message); }
[[noreturn]] void usage_error(const std::string& message) { throw UsageError(message); }

[[noreturn]] void refuse_to_overwrite(const fs::path& dir) {
    usage_error(fmt::format(
        "--out: {} exists and is not empty; a run is never overwritten. Name another folder, or go on with an "
        "interrupted run by --resume={}.",
        dir.string(), dir.string()));
}

// Nothing is in it but what a run leaves that was killed before it wrote run.json: a file without a window.
bool is_free(const fs::path& dir) {
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(dir, error)) {
        const fs::path name = entry.path().filename();
        const bool begun = name == "run.json.new" || (name == "windows.jsonl" && entry.file_size(error) == 0);
        if (!begun) {
            return false;
        }
    }
    return !error;
}

std::string read_text(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        usage_error(fmt::format("cannot read {}: {}.", path.string(), std::strerror(errno)));
    }
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

// By zlib, which knows a file that ends too early.
std::string read_gzip(const fs::path& path) {
    const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), &gzclose);
    if (file == nullptr) {
        usage_error(fmt::format("cannot read {}: {}.", path.string(), std::strerror(errno)));
    }
    std::string text;
    std::array<char, 1U << 16> buffer{};
    int got = 0;
    while ((got = gzread(file.get(), buffer.data(), static_cast<unsigned>(buffer.size()))) > 0) {
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    int code = Z_OK;
    const char* const problem = gzerror(file.get(), &code);
    if (got < 0 || code != Z_OK) {
        usage_error(fmt::format("cannot read {}.", problem));  // zlib names the file
    }
    return text;
}

}  // namespace

bool RunFiles::create() const {
    std::error_code error;
    if (fs::exists(dir_, error)) {
        if (!fs::is_directory(dir_, error)) {
            usage_error(fmt::format("--out: {} exists and is not a folder.", dir_.string()));
        }
        if (!is_free(dir_)) {
            refuse_to_overwrite(dir_);
        }
    }
    const bool made = fs::create_directories(dir_, error);
    if (error) {
        host_error(fmt::format("--out: cannot make {}: {}.", dir_.string(), error.message()));
    }
    if (access(dir_.c_str(), W_OK | X_OK) != 0) {
        host_error(fmt::format("--out: cannot write into {}: {}.", dir_.string(), std::strerror(errno)));
    }
    return made;
}

void RunFiles::remove_begun(bool made) const {
    std::error_code ignored;
    for (const fs::path& path : {run_json(), topology_xml(), windows_jsonl()}) {
        fs::remove(path, ignored);
    }
    if (made) {
        fs::remove(dir_, ignored);
    }
}

RunLock::RunLock(const fs::path& path) : fd_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
    if (fd_ < 0) {
        host_error(fmt::format("cannot write {}: {}.", path.string(), std::strerror(errno)));
    }
    while (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
        const int cause = errno;
        if (cause == EINTR) {
            continue;
        }
        close(fd_);
        if (cause == EWOULDBLOCK) {
            usage_error(fmt::format(
                "another lockbench process adds windows to {}; wait for its end, or end it, and go on with --resume.",
                path.string()));
        }
        host_error(fmt::format("cannot lock {}: {}.", path.string(), std::strerror(cause)));
    }
}

RunLock::~RunLock() { close(fd_); }

void RunFiles::require_new() const {
    std::error_code error;
    if (fs::exists(run_json(), error)) {
        refuse_to_overwrite(dir_);
    }
}

void RunFiles::require() const {
    std::error_code error;
    if (!fs::exists(run_json(), error)) {
        usage_error(fmt::format("{} is not the folder of a run: it has no run.json.", dir_.string()));
    }
}

void RunFiles::write_whole(const fs::path& path, const std::string& text) const {
    const fs::path temporary = path.string() + ".new";
    const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        host_error(fmt::format("cannot write {}: {}.", temporary.string(), std::strerror(errno)));
    }
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t wrote = write(fd, text.data() + done, text.size() - done);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote < 0) {
            const int cause = errno;
            close(fd);
            unlink(temporary.c_str());
            host_error(fmt::format("cannot write {}: {}. What was there before is kept.", path.string(),
                                   std::strerror(cause)));
        }
        done += static_cast<std::size_t>(wrote);
    }
    close(fd);
    if (rename(temporary.c_str(), path.c_str()) != 0) {
        host_error(fmt::format("cannot write {}: {}.", path.string(), std::strerror(errno)));
    }
}

void RunFiles::write_run(const json& run) const { write_whole(run_json(), run.dump(1) + "\n"); }
void RunFiles::write_benchmark(const json& benchmark) const { write_whole(benchmark_json(), benchmark.dump(1) + "\n"); }

json RunFiles::read_run() const {
    const std::string text = read_text(run_json());
    json run;
    try {
        run = json::parse(text);
    } catch (const json::parse_error& error) {
        usage_error(fmt::format("{} is not valid JSON from its byte {} on.", run_json().string(), error.byte));
    }
    check_run(run, run_json().string());
    return run;
}

bool RunFiles::is_recorded() const {
    std::error_code error;
    return !fs::exists(windows_jsonl(), error) && fs::exists(windows_gz(), error);
}

std::vector<json> RunFiles::read_windows(bool* torn) const {
    if (torn != nullptr) {
        *torn = false;
    }
    std::vector<json> windows;
    std::error_code error;
    const fs::path path = is_recorded() ? windows_gz() : windows_jsonl();
    if (!fs::exists(path, error)) {
        return windows;
    }
    const std::string text = path == windows_gz() ? read_gzip(path) : read_text(path);
    std::size_t begin = 0;
    std::map<std::uint64_t, std::size_t> line_of_order;
    for (std::size_t line = 1; begin < text.size(); ++line) {
        const std::size_t end = text.find('\n', begin);
        if (end == std::string::npos) {
            if (torn != nullptr) {
                *torn = true;
            }
            break;
        }
        try {
            windows.push_back(json::parse(text.substr(begin, end - begin)));
        } catch (const json::parse_error&) {
            usage_error(fmt::format("{}: line {} is not valid JSON; the file was changed by something else.",
                                    path.string(), line));
        }
        check_window(windows.back(), fmt::format("{}: line {}", path.string(), line));
        const json order = windows.back().value("order", json());
        if (order.is_number_unsigned()) {
            const auto [first, fresh] = line_of_order.emplace(order.get<std::uint64_t>(), line);
            if (!fresh) {
                usage_error(fmt::format(
                    "{}: line {} holds window {} of the run, as line {} does; two processes added to it, so delete one "
                    "of the lines.",
                    path.string(), line, first->first, first->second));
            }
        }
        begin = end + 1;
    }
    return windows;
}

void RunFiles::mend_windows() const {
    std::error_code error;
    if (!fs::exists(windows_jsonl(), error)) {
        return;
    }
    const std::string text = read_text(windows_jsonl());
    const std::size_t last = text.rfind('\n');
    const std::size_t whole = last == std::string::npos ? 0 : last + 1;
    if (whole != text.size() && truncate(windows_jsonl().c_str(), static_cast<off_t>(whole)) != 0) {
        host_error(fmt::format("cannot mend {}: {}.", windows_jsonl().string(), std::strerror(errno)));
    }
}

WindowWriter::WindowWriter(const fs::path& path)
    : path_(path.string()), fd_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
    if (fd_ < 0) {
        host_error(fmt::format("cannot write {}: {}.", path_, std::strerror(errno)));
    }
}

WindowWriter::~WindowWriter() { close(fd_); }

void WindowWriter::append(const json& window) {
    const std::string line = window.dump() + "\n";
    struct stat before {};
    fstat(fd_, &before);
    std::size_t done = 0;
    while (done < line.size()) {
        const ssize_t wrote = write(fd_, line.data() + done, line.size() - done);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            const int cause = errno;
            // A part of a line must not stay: the next append would glue another one to it.
            static_cast<void>(ftruncate(fd_, before.st_size) == 0);
            host_error(fmt::format(
                "cannot write {}: {}. The windows measured before are kept; make room and go on with --resume.", path_,
                std::strerror(cause)));
        }
        done += static_cast<std::size_t>(wrote);
    }
}

}  // namespace lockbench
