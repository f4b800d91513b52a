// SPDX-License-Identifier: MIT
#include "bench/block_process.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "bench/errors.hpp"

namespace lockbench {

BlockProcess::BlockProcess(const std::filesystem::path& dir, std::uint32_t block) {
    int ends[2];
    if (pipe(ends) != 0) {
        throw HostError(std::string("cannot make a pipe: ") + std::strerror(errno) + ".");
    }
    const std::string dir_text = dir.string();
    const std::string block_text = std::to_string(block);
    pid_ = fork();
    if (pid_ < 0) {
        throw HostError(std::string("cannot start a process: ") + std::strerror(errno) + ".");
    }
    if (pid_ == 0) {
        close(ends[0]);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[1]);
        execl("/proc/self/exe", "lockbench", "child", dir_text.c_str(), block_text.c_str(),
              static_cast<char*>(nullptr));
        std::fprintf(stderr, "lockbench: cannot start its own program again (/proc/self/exe): %s. Is /proc mounted?\n",
                     std::strerror(errno));
        _exit(kExitHost);
    }
    close(ends[1]);
    pipe_ = ends[0];
}

BlockProcess::~BlockProcess() {
    if (pid_ > 0) {
        kill_child();
        waitpid(pid_, nullptr, 0);
    }
    if (pipe_ >= 0) {
        close(pipe_);
    }
}

void BlockProcess::kill_child() { kill(pid_, SIGKILL); }

std::optional<std::string> BlockProcess::read_line(std::chrono::nanoseconds limit,
                                                   const std::atomic<bool>& interrupted) {
    constexpr auto kGrace = std::chrono::seconds(25);  // for an interrupted child to end its window
    auto deadline = std::chrono::steady_clock::now() + limit;
    bool told = false;
    for (;;) {
        if (const std::size_t end = buffer_.find('\n'); end != std::string::npos) {
            std::string line = buffer_.substr(0, end);
            buffer_.erase(0, end + 1);
            return line;
        }
        if (interrupted && !told) {
            // Ctrl-C reaches the whole process group; SIGTERM to the parent does not.
            kill(pid_, SIGINT);
            deadline = std::chrono::steady_clock::now() + kGrace;
            told = true;
        }
        if (std::chrono::steady_clock::now() >= deadline) {
            timed_out_ = !told;
            kill_child();
            return std::nullopt;
        }
        pollfd ready{pipe_, POLLIN, 0};
        if (poll(&ready, 1, 100) <= 0) {
            continue;
        }
        char text[4096];
        const ssize_t got = read(pipe_, text, sizeof text);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return std::nullopt;
        }
        if (got > 0) {
            buffer_.append(text, static_cast<std::size_t>(got));
        }
    }
}

ChildEnd BlockProcess::wait(const std::atomic<bool>& interrupted) {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        if (interrupted) {
            kill(pid_, SIGINT);
        }
    }
    pid_ = -1;
    if (timed_out_) {
        return {128 + SIGKILL, "was silent for too long and was killed: a thread is stuck"};
    }
    if (WIFSIGNALED(status)) {
        const int number = WTERMSIG(status);
        return {128 + number, fmt::format("was killed by signal {} ({})", number, strsignal(number))};
    }
    return {WEXITSTATUS(status), fmt::format("ended with code {}", WEXITSTATUS(status))};
}

}  // namespace lockbench
