// SPDX-License-Identifier: MIT
// file_mkclean: processes that share mapped files are forked, write to them and exit, while dirty pages are written
// back and files are truncated. The lock under test is that of each file's tree of VMAs, i_mmap.
//
// Origin: page_mkclean, truncate_pagecache, dup_mmap and unlink_file_vma, Linux 3.12: one lock a file, so that of a
//   library or of a database's shared segment is the hot one. A mutex then (3.0 to 3.18), a semaphore whose walks share
//   since 3.19 (c8c06efa8b55, 3dec0ba0be6a).
// Each forking thread has a process of its own, forked from the first one, and children of that; file_vmas VMAs lie
// over `files` files in turn, so each file's tree has file_vmas / files members a process. A fork and an exit take one
// write section a VMA. A page that is written back takes one section, with a visit to every process; a truncation two,
// and more where faults come between.
#pragma once

#include "workloads/fork_server.hpp"
#include "workloads/writeback.hpp"

namespace lockbench {

namespace detail {
constexpr auto file_params() {
    using enum RmapParam;
    auto params =
        select_params({form, file_vmas, pages, children, touch, write_permille, process_ns, write_hold_ns, read_hold_ns,
                       batch, tlb, ipi_ns, running, swap_ns, files, truncate, fork_share, writeback_share});
    own_param(params, form).help =
        "Whose sections: 3.12's, where all exclude one another as under its mutex, or today's, where walks share.";
    own_param(params, file_vmas).default_value = 4;
    own_param(params, file_vmas).min = 1;
    own_param(params, file_vmas).help =
        "VMAs of each process, over the files in turn; a library of four segments has four (estimate).";
    own_param(params, pages).default_value = 32;
    own_param(params, pages).help = "Pages of each file, all of which each VMA maps (estimate).";
    own_param(params, touch).default_value = 100;
    own_param(params, touch).help =
        "Share of the pages of its VMAs that a child, and its parent before each fork, uses (estimate).";
    own_param(params, write_permille).help = "Share of those uses that are stores (estimate).";
    own_param(params, batch).help = "Pages that one turn of writeback looks at.";
    own_param(params, swap_ns).help =
        "Time to write a page out, under the page lock; some us to a fast disk's queue (estimate).";
    return params;
}
inline constexpr auto kFileParams = file_params();
constexpr auto file_ops() {
    auto ops = select_ops({RmapOp::page_written, RmapOp::fork, RmapOp::exit, RmapOp::fault, RmapOp::store,
                           RmapOp::entry_cleaned, RmapOp::page_clean, RmapOp::truncation, RmapOp::page_truncated,
                           RmapOp::tlb_flush});
    ops[1].headline = true;
    return ops;
}
inline constexpr auto kFileOps = file_ops();
inline constexpr std::array<std::string_view, 2> kFileRoles = {"fork", "writeback"};
inline constexpr std::array<std::size_t, 2> kFileShares = {kFileParams.size() - 2, kFileParams.size() - 1};
inline constexpr WorkloadInfo kFileInfo = {
    .name = "file_mkclean",
    .summary = "Writeback and truncation walk all mappings of shared files while processes fork, write and exit.",
    .origin = "Linux 3.12 mm/rmap.c page_mkclean, mm/truncate.c truncate_pagecache, kernel/fork.c dup_mmap",
    .params = kFileParams,
    .roles = kFileRoles,
    .share_param = kFileShares,
    .ops = kFileOps,
    .sites = kFileSiteNames,
};
}  // namespace detail

template <Platform P, class L, class E = FileEnv<P, L>, class Q = FaithfulFiles>
class FileMkclean {
  public:
    static const WorkloadInfo& info() { return detail::kFileInfo; }

    explicit FileMkclean(const TrialSetup& setup)
        : config_(rmap_config(info(), setup.params)),
          shares_{setup.params[detail::kFileShares[0]], setup.params[detail::kFileShares[1]]},
          world_(config_, setup.homes),
          ctx_(P::self(), setup.seed, 0, stats_, nullptr),
          host_(ctx_, config_),
          parent_(make_mm(world_.memory)) {
        build();
    }
    FileMkclean(const FileMkclean&) = delete;
    FileMkclean& operator=(const FileMkclean&) = delete;

    class Thread {
      public:
        Thread(FileMkclean& files, Ctx<P>& ctx, RoleId with_role)
            : role(with_role), task(ctx, files.config_), inode_token(ctx) {
            if (role != kWriteback) {
                source = fork_files(files.world_, task, *files.parent_);
            }
        }
        RoleId role;
        Task<E> task;
        typename Mutex310<P>::Token inode_token;
        Mm<E>* source = nullptr;
        Mm<E>* oldest = nullptr;
        Mm<E>* youngest = nullptr;
        std::uint32_t children = 0;
        std::uint64_t cursor = 0;  // over the pages of all files
    };

    void step(Thread& thread) {
        const RoleId role = thread.role == kEveryRole ? draw_role(thread.task.ctx.random, shares_) : thread.role;
        if (role != kWriteback) {
            fork_one(thread);
        } else if (thread.task.ctx.random.chance(config_.truncate_permille)) {
            CachedFile<E>& file = *world_.caches[thread.task.ctx.random.below(config_.files)];
            truncate_file<E, Q>(world_, thread.task, thread.inode_token, file, config_.pages / 2);
        } else {
            write_batch(thread);
        }
    }
    void finish(Thread& thread) {
        while (thread.children != 0) {
            end_oldest(thread);
        }
        if (thread.source != nullptr) {
            exit_files(world_, thread.task, thread.source);
        }
    }

    // Nothing that was written is lost, nothing that nobody needs is left. Ends the trial.
    void verify(Verdict& verdict) {
        verdict.expect_equal(world_.memory.mms.live(), 1, "address spaces alive");
        verdict.expect_equal(world_.memory.vmas.live(), config_.file_vmas, "VMAs alive");
        for (std::uint32_t number = 0; number < config_.files; ++number) {
            check_tree(*world_.caches[number]->mapping, number, verdict);
        }
        if (!verdict.passed()) {
            return;  // what is ruined cannot be taken apart
        }
        exit_files(world_, host_, parent_);
        for (CachedFile<E>* file : world_.caches) {
            check_pages(*file, verdict);
        }
        verdict.expect_equal(world_.memory.pages.live(), 0, "pages left over");
        verdict.expect_equal(world_.memory.tables.live(), 0, "page tables left over");
        verdict.expect_equal(world_.memory.chunks.live(), 0, "chunks of page tables left over");
        verdict.expect_equal(world_.memory.vmas.live(), 0, "VMAs left over");
        verdict.expect_equal(world_.memory.mms.live(), 0, "address spaces left over");
        for (CachedFile<E>* file : world_.caches) {
            for (CacheSlot<E>* slot : file->slots) {
                world_.slots.destroy(slot);
            }
            world_.files.destroy(file->mapping);
            world_.cached_files.destroy(file);
        }
    }
    template <class F>
    void for_each_home(F&& f) const {
        const auto data = [&f](void* base, std::size_t bytes) { f(HomeKind::data, base, bytes); };
        world_.files.for_each_chunk([&f](void* base, std::size_t bytes) { f(HomeKind::lock, base, bytes); });
        world_.memory.for_each_chunk(data);
        world_.slots.for_each_chunk(data);
        world_.cached_files.for_each_chunk(data);
    }

  private:
    static constexpr RoleId kWriteback = 1;
    static constexpr std::uint64_t kGap = 16;  // pages between VMAs

    void build() {
        for (std::uint32_t number = 0; number < config_.files; ++number) {
            CachedFile<E>* const file =
                world_.cached_files.make(world_.files.make(number), std::uint64_t{config_.pages});
            for (std::uint32_t page = 0; page < config_.pages; ++page) {
                file->slots.push_back(world_.slots.make());
            }
            world_.caches.push_back(file);
        }
        std::uint64_t start = kGap;
        for (std::uint32_t i = 0; i < config_.file_vmas; ++i, start += config_.pages + kGap) {
            File<E>* const file = world_.caches[i % config_.files]->mapping;
            const VmaShape<E> shape{.start = start,
                                    .end = start + config_.pages,
                                    .limit = config_.pages,
                                    .number = i,
                                    .kind = VmaKind::file,
                                    .file = file};
            Vma<E>* const vma = world_.memory.vmas.make(parent_, shape);
            FileTree<E>::insert(file->tree, vma);
            append_vma(*parent_, vma);
        }
    }

    void fork_one(Thread& thread) {
        if (config_.process_ns != 0) {
            P::compute(config_.process_ns);
        }
        work(thread, *thread.source);
        Mm<E>* const child = fork_files(world_, thread.task, *thread.source);
        if (thread.children++ == 0) {
            thread.oldest = child;
        } else {
            thread.youngest->younger.set(child);
        }
        thread.youngest = child;
        work(thread, *child);
        if (thread.children > config_.children) {
            end_oldest(thread);
        }
    }
    void end_oldest(Thread& thread) {
        Mm<E>* const child = thread.oldest;
        thread.oldest = child->younger.get();
        --thread.children;
        exit_files(world_, thread.task, child);
        thread.task.count(RmapOp::exit);
    }

    // A process loads from and stores to some pages of its files.
    void work(Thread& thread, Mm<E>& mm) {
        RandomStream& random = thread.task.ctx.random;
        for (Vma<E>* vma = mm.first.get(); vma != nullptr; vma = vma->next.get()) {
            for (std::uint32_t page = 0; page < config_.pages; ++page) {
                if (random.chance(config_.touch_permille)) {
                    const StoreMode mode = random.chance(config_.write_permille) ? StoreMode::store : StoreMode::load;
                    use_file_page<E, Q>(world_, thread.task, *vma, page, mode);
                }
            }
        }
    }

    void write_batch(Thread& thread) {
        for (std::uint32_t i = 0; i < config_.batch; ++i, ++thread.cursor) {
            const std::uint64_t page = thread.cursor % config_.pages;
            CachedFile<E>& file = *world_.caches[thread.cursor / config_.pages % config_.files];
            write_back<E, Q>(world_, thread.task, file, page);
        }
    }

    void check_tree(const File<E>& file, std::uint32_t number, Verdict& verdict) const {
        const std::string name = "file " + std::to_string(number);
        std::size_t members = 0;
        const auto limit = static_cast<std::size_t>(config_.file_vmas);
        const char* const fault = FileTree<E>::fault_of(file.tree, limit, members);
        verdict.expect(fault == nullptr, name + ": " + (fault == nullptr ? "" : fault));
        std::size_t mapped = 0;
        for (const Vma<E>* vma = parent_->first.peek(); vma != nullptr; vma = vma->next.peek()) {
            mapped += vma->file.peek() == &file ? 1 : 0;
        }
        verdict.expect_equal(static_cast<std::int64_t>(members), static_cast<std::int64_t>(mapped),
                             name + ": I1: VMAs in its tree");
        verdict.expect(file.i_mmap_mutex.is_constructed(), name + ": its lock is not as it was made");
    }

    // When nobody maps them any more. Gives the cache's references up.
    void check_pages(CachedFile<E>& file, Verdict& verdict) {
        for (CacheSlot<E>* slot : file.slots) {
            Page<E>* const page = slot->page.get();
            const bool dirty = page != nullptr && (page->flags.peek() & kPageDirty) != 0;
            verdict.expect(dirty || slot->data.peek() == slot->disk.peek(), "a store to a clean page is lost");
            verdict.expect_equal(slot->writable.peek(), 0, "entries with the right to write, when none is left");
            if (page != nullptr) {
                verdict.expect_equal(page->mapcount.peek(), 0, "mappings of a page, when none is left");
                verdict.expect_equal(page->count.peek(), 1, "references of a page that only the cache has");
                put_page(world_.memory, host_, page);
            }
        }
    }

    RmapConfig config_;
    std::array<std::int64_t, 2> shares_;
    FileWorld<E> world_;
    ThreadStats stats_;
    Ctx<P> ctx_;
    Task<E> host_;
    Mm<E>* parent_;
};

}  // namespace lockbench
