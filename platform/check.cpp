// SPDX-License-Identifier: MIT
#include "platform/check.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace lockbench {
namespace {
std::atomic<CheckHandler> installed_handler{nullptr};
}  // namespace

CheckHandler set_check_handler(CheckHandler handler) noexcept { return installed_handler.exchange(handler); }

void check_failed(const char* what, const char* file, int line) noexcept {
    if (CheckHandler handler = installed_handler.load(); handler != nullptr) {
        handler(what, file, line);
    }
    std::fprintf(stderr, "lockbench: check failed: %s (%s:%d)\n", what, file, line);
    std::abort();
}

}  // namespace lockbench
