// SPDX-License-Identifier: MIT
// Counting through perf_event_open itself. Exact by default: all events are one pinned group, which counts the whole
// window or, where it does not fit beside what else counts on the CPU, visibly nothing. Taking turns: each event is a
// group of its own that the kernel rotates, and its value is scaled by the part of the time it had a counter.
#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "bench/counters_engines.hpp"

namespace lockbench {

namespace {

static_assert(static_cast<int>(EventType::hardware) == PERF_TYPE_HARDWARE);
static_assert(static_cast<int>(EventType::software) == PERF_TYPE_SOFTWARE);
static_assert(static_cast<int>(EventType::hw_cache) == PERF_TYPE_HW_CACHE);
static_assert(static_cast<int>(EventType::raw) == PERF_TYPE_RAW);

EventError not_opened(int number) {
    EventError error;
    error.detail = fmt::format("perf_event_open: {}", std::strerror(number));
    switch (number) {
        case ENOENT:
        case ENODEV:
        case EOPNOTSUPP:
            error.refusal = Refusal::no_event;
            break;
        case EPERM:
        case EACCES:
            error.refusal = Refusal::permission;
            break;
        case ENOSYS:
            error.refusal = Refusal::no_syscall;
            break;
        case EINVAL:
            error.refusal = Refusal::invalid;
            break;
        case EBUSY:
            error.refusal = Refusal::conflict;
            break;
        default:
            error.refusal = Refusal::other;
    }
    return error;
}

// A group that is scheduled again because of another one is without its counters for some hundred ns: less than any
// figure of a window can show.
constexpr double kSlack = 1e-4;

// One reading of a group of up to kMost events, as the kernel lays it out.
constexpr std::size_t kMost = 32;
struct GroupReading {
    std::uint64_t events = 0;
    std::uint64_t enabled_ns = 0;
    std::uint64_t running_ns = 0;
    std::array<std::uint64_t, kMost> values{};
};

class KernelSet final : public EventSet {
  public:
    explicit KernelSet(const EngineOptions& options) : options_(options) {}
    ~KernelSet() override {
        for (const int fd : fds_) {
            close(fd);
        }
    }

    std::optional<EventError> add(const CounterSpec& spec) override {
        const bool alone = options_.multiplex || fds_.empty();
        perf_event_attr attr{};
        attr.size = sizeof attr;
        attr.type = static_cast<std::uint32_t>(spec.code.type);
        attr.config = spec.code.config;
        attr.config1 = spec.code.config1;
        attr.read_format = PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
        attr.disabled = alone ? 1 : 0;  // members follow their leader
        attr.pinned = alone && !options_.multiplex ? 1 : 0;
        // The kernel's own events are about the kernel: without it switches would silently read 0.
        attr.exclude_kernel = spec.code.type == EventType::software || options_.kernel_too ? 0 : 1;
        attr.exclude_hv = 1;
        if (!options_.multiplex && fds_.size() == kMost) {
            return EventError{Refusal::invalid, fmt::format("a group holds {} events", kMost)};
        }
        const long fd = syscall(SYS_perf_event_open, &attr, 0L, -1L, alone ? -1L : static_cast<long>(fds_.front()),
                                static_cast<unsigned long>(PERF_FLAG_FD_CLOEXEC));
        if (fd < 0) {
            return not_opened(errno);
        }
        fds_.push_back(static_cast<int>(fd));
        return std::nullopt;
    }

    std::optional<EventError> start() override {
        // Resetting a count does not reset its times, so those from before are taken off. Read before they start, as
        // the reading would be counted; a group that was in error cannot be read and keeps what it had.
        readings_.resize(leaders());
        now_.assign(leaders(), {});  // here and not in stop(), which runs inside the window
        static_cast<void>(read_all(readings_));
        for (const unsigned long request : {PERF_EVENT_IOC_RESET, PERF_EVENT_IOC_ENABLE}) {
            if (auto error = tell(request)) {
                return error;
            }
        }
        return std::nullopt;
    }

    std::optional<EventError> stop(std::vector<EventCount>& counts) override {
        auto error = tell(PERF_EVENT_IOC_DISABLE);
        if (!error) {
            error = read_all(now_);
        }
        counts.clear();
        for (std::size_t i = 0; i < now_.size() && !error; ++i) {
            const auto enabled = static_cast<double>(now_[i].enabled_ns - readings_[i].enabled_ns);
            const auto running = static_cast<double>(now_[i].running_ns - readings_[i].running_ns);
            const double share = enabled - running <= kSlack * enabled ? 1 : running / enabled;
            for (std::uint64_t event = 0; event < now_[i].events; ++event) {
                const auto value = static_cast<double>(now_[i].values.at(event));
                counts.push_back({share == 1   ? static_cast<std::int64_t>(now_[i].values.at(event))
                                  : share == 0 ? 0
                                               : static_cast<std::int64_t>(value / share),
                                  share});
            }
            if (share < 1 && !options_.multiplex) {
                error = EventError{Refusal::start, "it had a counter for a part of the window only"};
            }
        }
        return error;
    }

  private:
    [[nodiscard]] std::size_t leaders() const { return options_.multiplex || fds_.empty() ? fds_.size() : 1; }

    std::optional<EventError> tell(unsigned long request) {
        for (std::size_t i = 0; i < leaders(); ++i) {
            if (ioctl(fds_[i], request, PERF_IOC_FLAG_GROUP) != 0) {
                return EventError{Refusal::start, fmt::format("ioctl: {}", std::strerror(errno))};
            }
        }
        return std::nullopt;
    }

    std::optional<EventError> read_all(std::vector<GroupReading>& readings) {
        for (std::size_t i = 0; i < readings.size(); ++i) {
            const ssize_t got = read(fds_[i], &readings[i], sizeof readings[i]);
            if (got == 0) {
                // A pinned group that does not fit is in error, and reads as an end of file.
                return EventError{Refusal::start, "no counter was free beside what else counts"};
            }
            if (got < 0) {
                return EventError{Refusal::start, fmt::format("read: {}", std::strerror(errno))};
            }
        }
        return std::nullopt;
    }

    EngineOptions options_;
    std::vector<int> fds_;
    std::vector<GroupReading> readings_;  // before the window
    std::vector<GroupReading> now_;
};

}  // namespace

std::unique_ptr<EventSet> make_kernel_set(const EngineOptions& options) { return std::make_unique<KernelSet>(options); }

}  // namespace lockbench
