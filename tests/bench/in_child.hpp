// SPDX-License-Identifier: MIT
// A piece of a test in a process of its own, for libraries that start once a process and for environment variables they
// read then.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace lockbench::testing {

// Runs `body` in a child and returns the JSON it makes.
inline nlohmann::json in_child(const std::function<nlohmann::json()>& body) {
    int pipe_ends[2];
    if (pipe(pipe_ends) != 0) {
        return "no pipe";
    }
    const pid_t child = fork();
    if (child == 0) {
        close(pipe_ends[0]);
        const std::string text = body().dump();
        const bool written = write(pipe_ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
        _exit(written ? 0 : 1);
    }
    close(pipe_ends[1]);
    std::string text;
    std::array<char, 4096> chunk{};
    ssize_t got = 0;
    while ((got = read(pipe_ends[0], chunk.data(), chunk.size())) > 0) {
        text.append(chunk.data(), static_cast<std::size_t>(got));
    }
    close(pipe_ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0) << text;
    return nlohmann::json::parse(text, nullptr, false);
}

}  // namespace lockbench::testing
