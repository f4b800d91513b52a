// SPDX-License-Identifier: MIT
#include "bench/locksim_workers.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "bench/errors.hpp"
#include "bench/locksim_report.hpp"
#include "bench/locksim_trial.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

std::atomic<bool> interrupted{false};
void on_interrupt(int) { interrupted.store(true); }

// One process that simulates every jobs-th window and tells each on a line of its own.
class Worker {
  public:
    Worker(const SimPlan& plan, const SimMachine& machine, std::uint32_t number) {
        int ends[2];
        if (pipe(ends) != 0) {
            throw HostError("cannot make a pipe for a simulating process.");
        }
        std::fflush(nullptr);
        pid_ = fork();
        if (pid_ < 0) {
            throw HostError("cannot start a simulating process.");
        }
        if (pid_ == 0) {
            close(ends[0]);
            signal(SIGINT, SIG_IGN);  // the parent says when to stop
            work(plan, machine, number, ends[1]);
            std::_Exit(kExitDone);
        }
        close(ends[1]);
        pipe_ = ends[0];
    }
    ~Worker() {
        if (pid_ > 0) {
            kill(pid_, SIGKILL);
            static_cast<void>(reap());
        }
        close(pipe_);
    }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    [[nodiscard]] int descriptor() const { return pipe_; }
    // Reads what there is; false at the end. Whole lines go to `take`.
    template <class Take>
    bool read_some(Take take) {
        char text[65536];
        const ssize_t got = read(pipe_, text, sizeof text);
        if (got <= 0) {
            return false;
        }
        rest_.append(text, static_cast<std::size_t>(got));
        for (std::size_t end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n')) {
            take(rest_.substr(0, end));
            rest_.erase(0, end + 1);
        }
        return true;
    }
    [[nodiscard]] int reap() {
        int status = 0;
        waitpid(pid_, &status, 0);
        pid_ = -1;
        return status;
    }

  private:
    static void work(const SimPlan& plan, const SimMachine& machine, std::uint32_t number, int pipe) {
        for (std::size_t window = number; window < plan.windows(); window += plan.jobs) {
            const WindowRequest request = request_of(plan, window);
            const SimWindow result = run_sim_window(machine, *plan.cell_of(window).workload, request);
            const json line = {
                {"order", window},
                {"window", sim_window_to_json(plan, machine, window, request, result).dump()},
                {"map",
                 plan.line_map && window % plan.seeds == 0 ? line_map_to_json(plan, window, result) : json(nullptr)},
                {"host_s", result.findings.host_s}};
            const std::string text = line.dump() + "\n";
            for (std::size_t done = 0; done < text.size();) {
                const ssize_t wrote = write(pipe, text.data() + done, text.size() - done);
                if (wrote <= 0) {
                    std::_Exit(kExitFailed);
                }
                done += static_cast<std::size_t>(wrote);
            }
        }
    }

    pid_t pid_ = -1;
    int pipe_ = -1;
    std::string rest_;
};

}  // namespace

bool simulate(const SimPlan& plan, const SimMachine& machine, const TakeWindow& take) {
    std::vector<std::unique_ptr<Worker>> workers;
    for (std::uint32_t number = 0; number < plan.jobs && number < plan.windows(); ++number) {
        workers.push_back(std::make_unique<Worker>(plan, machine, number));
    }
    bool alive = true;
    while (!workers.empty() && !interrupted) {
        std::vector<pollfd> ready;
        ready.reserve(workers.size());
        for (const auto& worker : workers) {
            ready.push_back({worker->descriptor(), POLLIN, 0});
        }
        if (poll(ready.data(), ready.size(), 200) <= 0) {
            continue;
        }
        for (std::size_t i = workers.size(); i-- > 0;) {
            if (ready[i].revents != 0 &&
                !workers[i]->read_some([&](const std::string& line) { take(json::parse(line)); })) {
                alive = workers[i]->reap() == 0 && alive;
                workers.erase(workers.begin() + static_cast<std::ptrdiff_t>(i));
            }
        }
    }
    return alive;
}

void watch_interrupts() {
    struct sigaction action {};
    action.sa_handler = &on_interrupt;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

bool is_interrupted() { return interrupted.load(); }

}  // namespace lockbench
