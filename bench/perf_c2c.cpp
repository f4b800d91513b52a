// SPDX-License-Identifier: MIT
#include "bench/perf_c2c.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "bench/child.hpp"
#include "bench/errors.hpp"
#include "bench/host_files.hpp"
#include "bench/host_setup.hpp"
#include "bench/record.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

constexpr int kNotFound = 127;  // as a shell says it
constexpr const char* kWithout = "Leave the flag out: everything else is measured without it.";

std::string read_text(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Runs a command with its standard output in `output` and its standard error in `errors`. Returns its exit status, or
// 128 and the signal.
int run_program(const std::vector<std::string>& words, const std::filesystem::path& output,
                const std::filesystem::path& errors, const std::atomic<bool>& interrupted) {
    const pid_t pid = fork();
    if (pid < 0) {
        throw HostError(fmt::format("cannot start a process for {}.", words.front()));
    }
    if (pid == 0) {
        const auto redirect = [](int to, const char* path, int flags) {
            const int fd = open(path, flags, 0644);
            return fd >= 0 && dup2(fd, to) >= 0;
        };
        std::vector<char*> argv;
        argv.reserve(words.size() + 1);
        for (const std::string& word : words) {
            argv.push_back(const_cast<char*>(word.c_str()));
        }
        argv.push_back(nullptr);
        if (redirect(STDIN_FILENO, "/dev/null", O_RDONLY) &&
            redirect(STDOUT_FILENO, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC) &&
            redirect(STDERR_FILENO, errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC)) {
            execvp(argv.front(), argv.data());
        }
        _exit(errno == ENOENT ? kNotFound : kNotFound - 1);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        if (interrupted) {
            kill(pid, SIGINT);  // Ctrl-C reaches the whole process group; SIGTERM to the parent does not
        }
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Gone with the object.
class ScratchFolder {
  public:
    ScratchFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "lockbench-perf-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) {
            throw HostError(
                fmt::format("cannot make a folder in {}.", std::filesystem::temp_directory_path().string()));
        }
        path_ = name;
    }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    ~ScratchFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

// perf's last words, which name the cause.
std::string last_line(const std::filesystem::path& path) {
    std::string text = trimmed(read_text(path));
    const std::size_t end = text.rfind('\n');
    return trimmed(end == std::string::npos ? text : text.substr(end + 1));
}

// Why `words` failed.
std::string failure(int status, const std::filesystem::path& errors) {
    const std::string words = last_line(errors);
    return words.empty() ? fmt::format("perf ended with status {}", status) : words;
}

// What tells one cell from another, for people who look for its report.
json label_of(const PlannedCell& cell) {
    return {{"cell", cell.id},
            {"lock", cell.lock->info.name},
            {"workload", cell.workload->info->name},
            {"params", params_to_json(*cell.workload->info, cell.params)},
            {"placement", cell.placement},
            {"lock_home", cell.lock_home},
            {"threads", cell.threads}};
}

// Records and reports one cell; returns why it failed, nothing when it did not. The report comes whole or not at all.
std::string sample_cell(const PerfC2c& perf, const std::filesystem::path& folder, const RunFiles& files,
                        std::size_t cell, const std::atomic<bool>& interrupted) {
    const ScratchFolder scratch;
    const std::filesystem::path data = folder / fmt::format("{}.data", cell);
    std::vector<std::string> record = perf.record;
    // perf runs us again, so the link itself would be perf's.
    record.insert(record.end(), {"-o", data.string(), "--", std::filesystem::read_symlink("/proc/self/exe").string(),
                                 "c2c-window", files.dir().string(), std::to_string(cell)});
    int status = run_program(record, scratch.path() / "out", scratch.path() / "errors", interrupted);
    if (status != 0) {
        return failure(status, scratch.path() / "errors");
    }
    const std::filesystem::path report = scratch.path() / "report";
    status = run_program({"perf", "c2c", "report", "--stdio", "-i", data.string()}, report, scratch.path() / "errors",
                         interrupted);
    if (status != 0) {
        return failure(status, scratch.path() / "errors");
    }
    if (trimmed(read_text(report)).empty()) {
        return "perf c2c report shows nothing: no sample was taken";
    }
    const std::filesystem::path target = folder / fmt::format("{}.txt", cell);
    const std::filesystem::path beside = target.string() + ".part";
    std::error_code failed;
    std::filesystem::copy_file(report, beside, std::filesystem::copy_options::overwrite_existing, failed);
    if (!failed) {
        std::filesystem::rename(beside, target, failed);
    }
    return failed ? fmt::format("cannot keep its report: {}", failed.message()) : "";
}

}  // namespace

PerfC2c find_perf_c2c() {
    const ScratchFolder scratch;
    const std::atomic<bool> never{false};
    PerfC2c found;
    // IBS of older kernels samples CPUs and not tasks: then the whole machine is sampled.
    const std::vector<std::vector<std::string>> ways = {{"perf", "c2c", "record"}, {"perf", "c2c", "record", "-a"}};
    for (const std::vector<std::string>& way : ways) {
        std::vector<std::string> words = way;
        words.insert(words.end(), {"-o", (scratch.path() / "data").string(), "--", "true"});
        const int status = run_program(words, scratch.path() / "out", scratch.path() / "errors", never);
        if (status == 0) {
            found.record = way;
            found.missing.clear();
            return found;
        }
        if (status == kNotFound) {
            found.missing = "perf is not installed (on Debian: apt-get install linux-perf)";
            return found;
        }
        if (found.missing.empty()) {
            found.missing = fmt::format(
                "perf c2c cannot sample on this host ({}): it needs Intel PEBS or AMD IBS, which virtual machines "
                "seldom have, and permission",
                failure(status, scratch.path() / "errors"));
        }
    }
    return found;
}

void require_perf_c2c() {
    const PerfC2c perf = find_perf_c2c();
    if (perf.record.empty()) {
        throw HostError(fmt::format("--perf-c2c: {}. {}", perf.missing, kWithout));
    }
}

int sample_cells(const RunFiles& files, const RunPlan& plan, const std::atomic<bool>& interrupted) {
    const std::filesystem::path folder = files.dir() / "c2c";
    const PerfC2c perf = find_perf_c2c();
    if (perf.record.empty()) {
        fmt::print(stderr, "lockbench: --perf-c2c: {}. What was measured stays.\n", perf.missing);
        return kExitHost;
    }
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    if (failed) {
        throw HostError(fmt::format("Cannot make {}: {}.", folder.string(), failed.message()));
    }
    json index = json::array();
    int code = kExitDone;
    for (const PlannedCell& cell : plan.cells) {
        // The second half of a pair and the untimed pass are the same cell once more.
        if (cell.untimed || cell.aa == "b" || interrupted) {
            continue;
        }
        const std::string name = fmt::format("{}.txt", cell.id);
        std::string error;
        if (!std::filesystem::exists(folder / name)) {
            error = sample_cell(perf, folder, files, cell.id, interrupted);
        }
        if (interrupted) {
            break;
        }
        json entry = label_of(cell);
        entry["report"] = error.empty() ? json(name) : json(nullptr);
        entry["error"] = error.empty() ? json(nullptr) : json(error);
        index.push_back(entry);
        if (!error.empty()) {
            fmt::print(stderr, "lockbench: perf c2c of {} {} {} threads: {}\n", cell.workload->info->name,
                       cell.lock->info.name, cell.threads, error);
            code = kExitHost;
        }
    }
    std::ofstream file(folder / "index.json");
    file << index.dump(1) << '\n' << std::flush;
    if (!file) {
        throw HostError(fmt::format("Cannot write {}: {}.", (folder / "index.json").string(), std::strerror(errno)));
    }
    fmt::print("perf c2c: reports in {}\n", folder.string());
    return interrupted ? kExitInterrupted : code;
}

int run_c2c_window(const std::filesystem::path& dir, std::size_t cell) {
    const RunFiles files(dir);
    files.require();
    install_host();
    const RunPlan plan = plan_from_json(files.read_run().at("plan"));
    WindowRequest request = window_request(plan, plan.cells.at(cell), plan.seed);
    // All samples are of the window but for building and checking its state; timing of waits would be in them too.
    request.warmup_ns = 0;
    request.sample_every = 0;
    const WindowResult result = plan.cells.at(cell).workload->run(request);
    if (result.stuck) {
        std::_Exit(kExitFailed);
    }
    return result.verdict.passed() ? kExitDone : kExitFailed;
}

}  // namespace lockbench
