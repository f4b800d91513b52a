// SPDX-License-Identifier: MIT
// The table of sections: how often each kernel operation takes the root lock, where, and in which form; each operation
// is run once by one thread and counted.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

#include "locks/registry.hpp"
#include "tests/workloads/native_trial.hpp"
#include "workloads/registry.hpp"

namespace lockbench {
namespace {

using L = Rwsem310<Native>;
using E = RmapEnv<Native>;
using Trial = ProcessTrial<E, L>;
constexpr std::uint32_t kVmas = 3;
constexpr std::uint32_t kPages = 200;  // four chunks of mremap and a bit, if it is a part of 150

// Sections by site, as text: "clone 1 w, adjust 1 w".
using Sections = std::map<std::string, std::uint64_t>;

RmapConfig config_of(RmapForm form) {
    RmapConfig config = rmap_config(detail::kAdjustInfo, default_params(detail::kAdjustInfo));
    config.form = form;
    config.fork_reuse = form == RmapForm::today;
    config.anon_vmas = kVmas;
    config.fresh_vmas = 0;
    config.pages = kPages;
    config.grow_pages = 4;
    return config;
}

// A child of the first process, and what an operation on it takes.
class Child {
  public:
    explicit Child(RmapForm form)
        : trial_(config_of(form), {}), ctx_(0, 1, 0, stats_, nullptr), thread(ctx_, trial_.config()) {
        mm = fork_mm(trial_.rmap(), thread, trial_.parent());
    }
    ~Child() {
        if (mm != nullptr) {
            exit_mm(trial_.rmap(), thread, mm);
        }
        flush_added(trial_.rmap().memory, thread.task);
        Verdict verdict;
        trial_.verify(verdict);
        EXPECT_TRUE(verdict.passed()) << verdict.failures.front();
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    Rmap<E, L>& rmap() { return trial_.rmap(); }
    Vma<E>& vma() { return *mm->first.get(); }
    void write(Vma<E>& what) {
        for (std::uint64_t page = 0; page < what.pages(); ++page) {
            touch_page(rmap(), thread, what, what.pgoff.get() + page);
        }
    }
    Sections count(const std::function<void()>& operation) {
        const ThreadStats before = stats_;
        operation();
        Sections sections;
        for (std::size_t site = 0; site < kRmapSiteNames.size(); ++site) {
            for (const Mode mode : {Mode::read, Mode::write}) {
                const auto which = static_cast<std::size_t>(mode);
                const std::uint64_t taken = stats_.sites[site][which] - before.sites[site][which];
                if (taken != 0) {
                    sections[std::string(kRmapSiteNames[site]) + (mode == Mode::read ? " r" : " w")] = taken;
                }
            }
        }
        return sections;
    }

  private:
    Trial trial_;
    ThreadStats stats_;
    Ctx<Native> ctx_;

  public:
    RmapThread<E, L> thread;
    Mm<E>* mm = nullptr;
};

class RmapSections : public testing::TestWithParam<RmapForm> {
  protected:
    RmapSections() { native::World::get().begin_trial({kAnyNode, kAnyNode}, 1); }
    ~RmapSections() override { native::World::get().end_trial(); }
};
INSTANTIATE_TEST_SUITE_P(Forms, RmapSections, testing::Values(RmapForm::linux_3_12, RmapForm::today));

TEST_P(RmapSections, ForkAndExit) {
    const native::ThreadScope scope(0);
    Child child(GetParam());
    Mm<E>* grandchild = nullptr;
    EXPECT_EQ(child.count([&] { grandchild = fork_mm(child.rmap(), child.thread, *child.mm); }),
              (Sections{{"clone w", kVmas}, {"fork_own w", kVmas}}));
    EXPECT_EQ(child.count([&] { exit_mm(child.rmap(), child.thread, grandchild); }), (Sections{{"unlink w", kVmas}}));
}

// Of the third generation, when the second has gone: today's fork adopts its anon_vmas and needs one section a VMA.
TEST_P(RmapSections, ForkBelowAProcessThatIsGone) {
    const native::ThreadScope scope(0);
    Child child(GetParam());
    Mm<E>* const second = fork_mm(child.rmap(), child.thread, *child.mm);
    exit_mm(child.rmap(), child.thread, child.mm);
    child.mm = second;
    Mm<E>* third = nullptr;
    const Sections sections = child.count([&] { third = fork_mm(child.rmap(), child.thread, *second); });
    EXPECT_EQ(sections, GetParam() == RmapForm::today ? (Sections{{"clone w", kVmas}})
                                                      : (Sections{{"clone w", kVmas}, {"fork_own w", kVmas}}));
    EXPECT_EQ(child.count([&] { exit_mm(child.rmap(), child.thread, third); }), (Sections{{"unlink w", kVmas}}));
}

TEST_P(RmapSections, SplitBoundaryAndMerge) {
    const native::ThreadScope scope(0);
    Child child(GetParam());
    Vma<E>& tail = child.vma();
    Vma<E>* head = nullptr;
    EXPECT_EQ(child.count([&] { head = split_vma(child.rmap(), child.thread, tail, 50); }),
              (Sections{{"adjust w", 1}, {"clone w", 1}}));
    ASSERT_TRUE(mergeable(*head, tail));
    check_process(child.thread, *child.mm);
    EXPECT_EQ(child.count([&] { move_boundary(child.rmap(), child.thread, *head, tail, head->start.get() + 7); }),
              (Sections{{"adjust w", 1}}));
    EXPECT_EQ(head->pages(), 7U);
    EXPECT_EQ(tail.pages(), kPages - 7);
    check_process(child.thread, *child.mm);
    // Changed rights take no root lock.
    EXPECT_EQ(child.count([&] { protect_pages(child.thread.task, tail); }), Sections{});
    EXPECT_EQ(child.count([&] { merge_vmas(child.rmap(), child.thread, *head, tail); }),
              (Sections{{"adjust w", 1}, {"unlink w", 1}}));
    EXPECT_EQ(head->pages(), kPages);
    check_process(child.thread, *child.mm);
}

// A move takes no root lock for its entries; back, where walks would meet the new place first, one a chunk of 64.
TEST_P(RmapSections, MoveAwayAndBack) {
    const native::ThreadScope scope(0);
    Child child(GetParam());
    Vma<E>& tail = child.vma();
    child.write(tail);
    Vma<E>* const head = split_vma(child.rmap(), child.thread, tail, 50);
    Vma<E>* away = nullptr;
    EXPECT_EQ(child.count([&] { away = move_vma_away(child.rmap(), child.thread, tail); }),
              (Sections{{"clone w", 1}, {"unlink w", 1}}));
    EXPECT_EQ(away->pages(), 150U);
    EXPECT_NE(table_of(*away), table_of(*head));
    check_process(child.thread, *child.mm);
    EXPECT_EQ(child.count([&] { move_vma_back(child.rmap(), child.thread, *head, *away); }),
              (Sections{{"adjust w", 1}, {"move_entries w", 3}, {"unlink w", 1}}));
    EXPECT_EQ(head->pages(), kPages);
    check_process(child.thread, *child.mm);
}

// What is mapped anew in a forked process gets a root of its own with its first page.
TEST_P(RmapSections, Replace) {
    const native::ThreadScope scope(0);
    Child child(GetParam());
    Vma<E>& tail = child.vma();
    Vma<E>* head = split_vma(child.rmap(), child.thread, tail, 50);
    EXPECT_EQ(child.count([&] {
        head = replace_head(child.rmap(), child.thread, *head, tail);
        child.write(*head);
    }),
              (Sections{{"prepare w", 1}, {"unlink w", 1}}));
    EXPECT_FALSE(mergeable(*head, tail));
    check_process(child.thread, *child.mm);
}

TEST_P(RmapSections, Growth) {
    const native::ThreadScope scope(0);
    Child child(GetParam());
    Vma<E>& stack = *child.mm->last.get();
    EXPECT_EQ(child.count([&] { EXPECT_TRUE(expand_stack(child.rmap(), child.thread, stack, 4)); }),
              (Sections{{"expand w", 1}}));
    EXPECT_FALSE(expand_stack(child.rmap(), child.thread, stack, 1));  // no room
}

TEST_P(RmapSections, MigratedPage) {
    const native::ThreadScope scope(0);
    Child child(GetParam());
    child.write(child.vma());
    flush_added(child.rmap().memory, child.thread.task);
    EXPECT_EQ(child.count([&] { fault_misplaced(child.rmap(), child.thread, child.vma(), child.vma().pgoff.get()); }),
              (Sections{{"migrate r", 1}, {"restore r", 1}}));
}

// A fork copies split VMAs as they are: their copies share a page table too.
TEST_P(RmapSections, ForkOfSplitVmas) {
    const native::ThreadScope scope(0);
    Child child(GetParam());
    Vma<E>& tail = child.vma();
    child.write(tail);
    Vma<E>* const head = split_vma(child.rmap(), child.thread, tail, 50);
    Mm<E>* grandchild = nullptr;
    EXPECT_EQ(child.count([&] { grandchild = fork_mm(child.rmap(), child.thread, *child.mm); }),
              (Sections{{"clone w", kVmas + 1}, {"fork_own w", kVmas + 1}}));
    Vma<E>& copy = *grandchild->first.get();
    EXPECT_EQ(table_of(copy), table_of(*copy.next.get()));
    EXPECT_NE(table_of(copy), table_of(*head));
    EXPECT_FALSE(mergeable(copy, *copy.next.get()));  // each has an anon_vma of its own
    check_process(child.thread, *grandchild);
    EXPECT_EQ(child.count([&] { exit_mm(child.rmap(), child.thread, grandchild); }),
              (Sections{{"unlink w", kVmas + 1}}));
}

// Natively a turn is one change, and all kinds come up.
TEST(AdjustNative, EveryKindOfChange) {
    for (const std::int64_t form : {0, 1}) {
        using W = VmaAdjust<Native, L>;
        const ParamValues params = params_of<W>({{"form", form}, {"lifetime", 100}, {"replace_permille", 30}});
        const TrialCounts trial = run_native<W>(params, 2, 3000);
        ASSERT_TRUE(trial.verdict.passed()) << trial.failures();
        const auto op = [&trial](std::string_view name) { return trial.op(W::info(), name); };
        const auto site = [&trial](RmapSite which) { return trial.site(static_cast<std::size_t>(which), Mode::write); };
        for (const char* name : {"vma_split", "boundary_moved", "vma_merged", "vma_moved", "vma_moved_back",
                                 "vma_replaced", "stack_grown", "page_migrated"}) {
            EXPECT_GT(op(name), 0U) << name;
        }
        EXPECT_EQ(site(RmapSite::adjust),
                  op("vma_split") + op("boundary_moved") + op("vma_merged") + op("vma_moved_back"));
        EXPECT_EQ(site(RmapSite::move_entries), op("vma_moved_back"));  // 16 pages are less than a chunk
        EXPECT_GE(site(RmapSite::expand), op("stack_grown"));
        EXPECT_EQ(op("vma_changed"), op("vma_split") + op("boundary_moved") + op("vma_merged") + op("vma_moved") +
                                         op("vma_moved_back") + op("vma_replaced") + op("stack_grown"));
    }
}

}  // namespace
}  // namespace lockbench
