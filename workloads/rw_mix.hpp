// SPDX-License-Identifier: MIT
// rw_mix: the plain microbenchmark. Each turn takes the lock for read or for write, works for a while, leaves, thinks.
//
// Origin: microbenchmark.
// The lock lies on a line of its own at the lock's home. What it protects is `lines` cache lines at the data's home,
// each with a pair of counters: a writer adds one to both of every pair, a reader sees that the pairs are even and all
// alike. The last writer's number lies in the first of these lines, which every section touches first.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "workloads/workload.hpp"

namespace lockbench {

namespace detail {
enum class RwParam : std::size_t { read, read_hold, write_hold, think, lines, share };
inline constexpr std::array<ParamInfo, 6> kRwParams = {{
    {"read_permille", "permille", 900, 0, 1000,
     "Share of turns that read; 900 is a common case of reader-writer locks."},
    {"read_hold_ns", "ns", 100, 0, 1'000'000, "Work inside a read section besides the protected lines (estimate)."},
    {"write_hold_ns", "ns", 100, 0, 1'000'000, "Work inside a write section besides the protected lines (estimate)."},
    {"think_ns", "ns", 500, 0, 10'000'000, "Work between two sections (estimate)."},
    {"lines", "lines", 1, 1, 64, "Protected cache lines, all read or written in each section."},
    {"mix_share", "1", 1, 1, 1000, "Weight of the only role."},
}};
inline constexpr std::array<std::string_view, 1> kRwRoles = {"mix"};
inline constexpr std::array<std::size_t, 1> kRwShares = {static_cast<std::size_t>(RwParam::share)};
inline constexpr std::array<OpInfo, 2> kRwOps = {{{"read", "sections", true}, {"write", "sections", true}}};
inline constexpr std::array<std::string_view, 2> kRwSites = {"read", "write"};
inline constexpr WorkloadInfo kRwInfo = {
    .name = "rw_mix",
    .summary = "Readers and writers of a few cache lines, with given shares, hold and think times.",
    .origin = "microbenchmark",
    .params = kRwParams,
    .roles = kRwRoles,
    .share_param = kRwShares,
    .ops = kRwOps,
    .sites = kRwSites,
    .quick = true,
};
}  // namespace detail

template <Platform P, class L>
class RwMix {
  public:
    static const WorkloadInfo& info() { return detail::kRwInfo; }

    explicit RwMix(const TrialSetup& setup)
        : read_permille_(static_cast<std::uint32_t>(value(setup, detail::RwParam::read))),
          read_hold_ns_(static_cast<Nanoseconds>(value(setup, detail::RwParam::read_hold))),
          write_hold_ns_(static_cast<Nanoseconds>(value(setup, detail::RwParam::write_hold))),
          think_ns_(static_cast<Nanoseconds>(value(setup, detail::RwParam::think))),
          lines_(static_cast<std::size_t>(value(setup, detail::RwParam::lines))),
          locks_(setup.homes.lock, Layout::padded),
          datas_(setup.homes.data, Layout::padded),
          lock_(locks_.make()),
          data_(datas_.make()),
          total_writes_(0) {}
    ~RwMix() {
        datas_.destroy(data_);
        locks_.destroy(lock_);
    }
    RwMix(const RwMix&) = delete;
    RwMix& operator=(const RwMix&) = delete;

    class Thread {
      public:
        Thread(RwMix&, Ctx<P>& context, RoleId) : ctx(context), token(context) {}
        Ctx<P>& ctx;
        typename L::Token token;
        std::uint64_t writes = 0;
    };

    void step(Thread& thread) {
        if (thread.ctx.random.chance(read_permille_)) {
            read(thread);
        } else {
            write(thread);
        }
        pass(think_ns_);
    }
    void finish(Thread& thread) {
        total_writes_.add(thread.writes, relaxed);  // relaxed: summed up after all threads have ended
        thread.writes = 0;
    }
    void verify(Verdict& verdict) {
        const auto writes = static_cast<std::int64_t>(total_writes_.peek());
        for (std::size_t i = 0; i < lines_; ++i) {
            const std::string line = "line " + std::to_string(i);
            verdict.expect_equal(static_cast<std::int64_t>(data_->lines[i].first.peek()), writes,
                                 line + ": first counter against all writes");
            verdict.expect_equal(static_cast<std::int64_t>(data_->lines[i].second.peek()), writes,
                                 line + ": second counter against all writes");
        }
        verdict.expect_equal(static_cast<std::int64_t>(torn_.peek()), 0, "read sections that saw a write half done");
        verdict.expect(lock_->is_constructed(), "the lock is not as it was made");
    }
    template <class F>
    void for_each_home(F&& f) const {
        locks_.for_each_chunk([&f](void* base, std::size_t bytes) { f(HomeKind::lock, base, bytes); });
        datas_.for_each_chunk([&f](void* base, std::size_t bytes) { f(HomeKind::data, base, bytes); });
    }

  private:
    enum class Site : std::uint32_t { read, write };
    static constexpr std::size_t kMaxLines = 64;

    struct alignas(kCacheLine) Line {
        Line() : first(0), second(0) {}
        LastWriter<P> last_writer;  // that of line 0 is in use
        typename P::template Plain<std::uint64_t> first;
        typename P::template Plain<std::uint64_t> second;
    };
    struct Data {
        Line lines[kMaxLines];
    };

    static std::int64_t value(const TrialSetup& setup, detail::RwParam param) {
        return setup.params[static_cast<std::size_t>(param)];
    }
    static void pass(Nanoseconds ns) {
        if (ns != 0) {
            P::compute(ns);
        }
    }

    void read(Thread& thread) {
        bool whole = true;
        {
            const Guard<P, L, Site::read, Mode::read> guard(thread.ctx, *lock_, thread.token,
                                                            data_->lines[0].last_writer);
            const std::uint64_t writes = data_->lines[0].first.get();
            pass(read_hold_ns_);
            // Backwards, against the writer's order, so that a write in the middle shows.
            for (std::size_t i = lines_; i-- > 0;) {
                const std::uint64_t second = data_->lines[i].second.get();
                const std::uint64_t first = data_->lines[i].first.get();
                whole = whole && first == second && first == writes;
            }
        }
        if (!whole) [[unlikely]] {
            torn_.add(1, relaxed);  // relaxed: summed up after all threads have ended
        }
        thread.ctx.count_op(static_cast<std::size_t>(Site::read));
    }

    void write(Thread& thread) {
        {
            const Guard<P, L, Site::write, Mode::write> guard(thread.ctx, *lock_, thread.token,
                                                              data_->lines[0].last_writer);
            for (std::size_t i = 0; i < lines_; ++i) {
                const std::uint64_t first = data_->lines[i].first.get();
                data_->lines[i].first.set(first + 1);
            }
            pass(write_hold_ns_);
            for (std::size_t i = 0; i < lines_; ++i) {
                const std::uint64_t second = data_->lines[i].second.get();
                data_->lines[i].second.set(second + 1);
            }
        }
        ++thread.writes;
        thread.ctx.count_op(static_cast<std::size_t>(Site::write));
    }

    // Read by all, written by none; the counters below are written outside the window or never.
    const std::uint32_t read_permille_;
    const Nanoseconds read_hold_ns_;
    const Nanoseconds write_hold_ns_;
    const Nanoseconds think_ns_;
    const std::size_t lines_;
    typename P::template Slab<L> locks_;
    typename P::template Slab<Data> datas_;
    L* lock_;
    Data* data_;
    alignas(kCacheLine) typename P::template Atomic<std::uint64_t> total_writes_;
    typename P::template Atomic<std::uint64_t> torn_{0};
};

}  // namespace lockbench
