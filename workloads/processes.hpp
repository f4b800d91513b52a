// SPDX-License-Identifier: MIT
// Processes over the reverse map: the shared parent, a thread's own ancestors, its children, and their lives. What the
// presets have in common.
//
// The first process (parent) has anon_vmas VMAs, all touched; fresh_vmas that nobody has touched, in pairs that lie
// side by side and may share an anon_vma; and file_vmas of one file each. With generations = 1 all threads fork from
// it, one at a time (mmap_sem for write), as a prefork server. With more, each thread first forks ancestors of its own
// and then forks from the youngest, as the users of AIM7 or a shell do: only root locks and files are shared then.
#pragma once

#include "workloads/adjust.hpp"
#include "workloads/rmap_verify.hpp"
#include "workloads/shrink.hpp"

namespace lockbench {

// The shared side of a trial. Built and verified by the thread that owns the trial.
template <class E, class L, class Q = FaithfulRmap>
class ProcessTrial {
  public:
    using P = typename E::P;

    ProcessTrial(const RmapConfig& config, const TrialSetup& setup)
        : rmap_(config, setup.homes),
          without_failures_(config),
          ctx_(P::self(), setup.seed, 0, stats_, nullptr),
          host_(ctx_, without_failures_),
          parent_(make_mm(rmap_.memory)) {
        without_failures_.nowait_fail = 0;
        without_failures_.alloc_fail = 0;
        build_parent();
    }
    ProcessTrial(const ProcessTrial&) = delete;
    ProcessTrial& operator=(const ProcessTrial&) = delete;

    Rmap<E, L, Q>& rmap() { return rmap_; }
    const RmapConfig& config() const { return rmap_.memory.config; }
    Mm<E>& parent() { return *parent_; }
    RmapThread<E, L>& host() { return host_; }

    // Checks all invariants, then ends the parent and looks for what is left over. Ends the trial.
    void verify(Verdict& verdict) {
        flush_added(rmap_.memory, host_.task);
        RmapVerifier<E, L, Q>(rmap_, *parent_, verdict).run();
        if (!verdict.passed()) {
            return;  // what is ruined cannot be taken apart
        }
        exit_mm(rmap_, host_, parent_);
        while (File<E>* const file = rmap_.memory.first_file.get()) {
            rmap_.memory.first_file.set(file->next.get());
            rmap_.memory.files.destroy(file);
        }
        verify_empty(rmap_, verdict);
    }

    template <class F>
    void for_each_home(F&& f) const {
        rmap_.anon_vmas.for_each_chunk([&f](void* base, std::size_t bytes) { f(HomeKind::lock, base, bytes); });
        rmap_.memory.for_each_chunk([&f](void* base, std::size_t bytes) { f(HomeKind::data, base, bytes); });
    }

  private:
    static constexpr std::uint64_t kFirstPage = 0x400;  // where the first VMA lies, in pages: 4 MiB
    static constexpr std::uint64_t kGap = 16;           // pages between VMAs that are not neighbours

    void add_vma(VmaShape<E> shape) {
        shape.number = next_number_++;
        Vma<E>* const vma = rmap_.memory.vmas.make(parent_, shape);
        change_file_tree(host_.task, *vma, true);
        append_vma(*parent_, vma);
        end_ = shape.end;
    }

    void build_parent() {
        const RmapConfig& settings = config();
        for (std::uint32_t i = 0; i < settings.anon_vmas; ++i) {
            // The first one is the heap and the last one the stack: they have room to grow.
            const std::uint64_t above = i == 0 ? settings.brk_pages : 0;
            const std::uint64_t below = i + 1 == settings.anon_vmas ? settings.grow_pages : 0;
            const std::uint64_t start = end_ + kGap + below;
            const std::uint64_t end = start + settings.pages;
            add_vma({.start = start, .end = end, .pgoff = start, .origin = start - below, .limit = end + above});
            end_ += above;
        }
        for (std::uint32_t i = 0; i < settings.fresh_vmas; ++i) {
            const std::uint64_t start = end_ + (i % 2 == 0 ? kGap : 0);
            const std::uint64_t end = start + settings.pages;
            add_vma({.start = start, .end = end, .pgoff = start, .origin = start, .limit = end, .protection = i % 2});
        }
        for (std::uint32_t i = 0; i < settings.file_vmas; ++i) {
            File<E>* const file = rmap_.memory.files.make(i);
            file->next.set(rmap_.memory.first_file.get());
            rmap_.memory.first_file.set(file);
            const std::uint64_t start = end_ + kGap;
            const std::uint64_t end = start + settings.pages;
            add_vma({.start = start, .end = end, .limit = settings.pages, .kind = VmaKind::file, .file = file});
        }
        std::uint32_t left = settings.anon_vmas;
        for (Vma<E>* vma = parent_->first.get(); vma != nullptr && left > 0; vma = vma->next.get(), --left) {
            for (std::uint64_t page = 0; page < settings.pages; ++page) {
                touch_page(rmap_, host_, *vma, vma->pgoff.get() + page);
            }
        }
        flush_added(rmap_.memory, host_.task);
    }

    Rmap<E, L, Q> rmap_;
    RmapConfig without_failures_;  // the host's own work always succeeds
    ThreadStats stats_;
    Ctx<P> ctx_;
    RmapThread<E, L> host_;
    Mm<E>* parent_;
    std::uint32_t next_number_ = 0;
    std::uint64_t end_ = kFirstPage;
};

// Goes round the pages of a process's touched anonymous VMAs.
template <class E>
class PageCursor {
  public:
    PageCursor(Mm<E>& mm, std::uint32_t vmas, std::uint32_t pages, std::uint32_t begin)
        : mm_(&mm), vmas_(vmas), pages_(pages), vma_(mm.first.get()) {
        for (std::uint32_t i = 0; i < begin % (vmas * pages); ++i) {
            advance();
        }
    }
    [[nodiscard]] Vma<E>& vma() const { return *vma_; }
    [[nodiscard]] std::uint64_t index() const { return vma_->pgoff.get() + page_; }
    void advance() {
        if (++page_ == pages_) {
            page_ = 0;
            vma_ = ++at_ == vmas_ ? mm_->first.get() : vma_->next.get();
            at_ = at_ == vmas_ ? 0 : at_;
        }
    }

  private:
    Mm<E>* mm_;
    std::uint32_t vmas_;
    std::uint32_t pages_;
    Vma<E>* vma_;
    std::uint32_t at_ = 0;
    std::uint64_t page_ = 0;
};

// One thread's processes: its line of ancestors, the children that live, oldest first.
template <class E, class L, class Q = FaithfulRmap>
class Family {
  public:
    using P = typename E::P;

    Family(ProcessTrial<E, L, Q>& trial, Ctx<P>& ctx)
        : trial_(trial), thread_(ctx, trial.config()), source_(make_line()), cursor_(make_cursor(*source_)) {}
    Family(const Family&) = delete;
    Family& operator=(const Family&) = delete;

    RmapThread<E, L>& thread() { return thread_; }
    PageCursor<E> make_cursor(Mm<E>& mm) {
        const RmapConfig& config = trial_.config();
        return PageCursor<E>(mm, config.anon_vmas, config.pages, thread_.task.ctx.random.below(kMaxPagesPerVma));
    }

    // Forks as many children as live at a time.
    void fork_children() {
        while (children_ < trial_.config().children) {
            fork_idle();
        }
    }

    // One turn of a server: make room, fork, let the child live on.
    void fork_step() {
        const RmapConfig& config = trial_.config();
        if (config.succeed_permille != 0 && thread_.task.ctx.random.chance(config.succeed_permille)) {
            succeed();
            return;
        }
        if (children_ != 0 && children_ >= config.children) {
            end_oldest();
        }
        if (fork_one() && children_ > config.children) {
            end_oldest();  // children = 0: none outlives its turn
        }
    }

    // Writes what the process works on, forks, lets the child work. False: no memory.
    bool fork_one() {
        Mm<E>* const child = fork_source();
        if (child == nullptr) {
            return false;
        }
        push(child);
        work(*child);
        return true;
    }

    // Forks a child that has nothing to do yet. Null: no memory.
    Mm<E>* fork_idle() {
        Mm<E>* const child = fork_mm(trial_.rmap(), thread_, *source_);
        if (child != nullptr) {
            push(child);
        }
        return child;
    }
    // The process that this thread forks from exits, and its parent forks another. It is one of this thread's own.
    void renew_source() {
        check(line_ != nullptr, "the first process is not this thread's alone");
        Mm<E>* const old = line_;
        line_ = old->younger.get();
        Mm<E>& parent = line_ == nullptr ? trial_.parent() : *line_;
        exit_mm(trial_.rmap(), thread_, old);
        thread_.task.count(RmapOp::exit);
        do {
            source_ = fork_mm(trial_.rmap(), thread_, parent);
        } while (source_ == nullptr);  // bounded: an allocation succeeds in the end
        source_->younger.set(line_);
        line_ = source_;
    }

    [[nodiscard]] std::uint32_t children() const { return children_; }
    // The process that this thread forks from.
    [[nodiscard]] Mm<E>& source() { return *source_; }
    void end_oldest() {
        Mm<E>* const child = oldest_;
        oldest_ = child->younger.get();
        --children_;
        exit_mm(trial_.rmap(), thread_, child);
        thread_.task.count(RmapOp::exit);
    }

    // Ends all that this thread has made.
    void finish() {
        while (children_ != 0) {
            end_oldest();
        }
        while (line_ != nullptr) {
            Mm<E>* const mm = line_;
            line_ = mm->younger.get();
            exit_mm(trial_.rmap(), thread_, mm);
        }
        flush_added(trial_.rmap().memory, thread_.task);
    }

  private:
    // Writes what the process works on and forks it. Null: no memory.
    Mm<E>* fork_source() {
        const RmapConfig& config = trial_.config();
        for (std::uint32_t i = 0; i < config.source_touch; ++i) {
            touch_page(trial_.rmap(), thread_, cursor_.vma(), cursor_.index());
            cursor_.advance();
        }
        if (config.process_ns != 0) {
            P::compute(config.process_ns);
        }
        return fork_mm(trial_.rmap(), thread_, *source_);
    }

    // A daemon forks itself anew: its child takes its place, and it exits, but for the first process, which all share.
    void succeed() {
        Mm<E>* const child = fork_source();
        if (child == nullptr) {
            return;
        }
        if (source_ != &trial_.parent()) {
            line_ = source_->younger.get();
            exit_mm(trial_.rmap(), thread_, source_);
            thread_.task.count(RmapOp::exit);
        }
        child->younger.set(line_);
        line_ = child;
        source_ = child;
        cursor_ = make_cursor(*source_);
    }

    // Forks the ancestors, youngest first in line_, and returns the process that this thread forks from.
    Mm<E>* make_line() {
        Mm<E>* source = &trial_.parent();
        for (std::uint32_t generation = 1; generation < trial_.config().generations;) {
            if (Mm<E>* const mm = fork_mm(trial_.rmap(), thread_, *source); mm != nullptr) {
                mm->younger.set(line_);
                line_ = mm;
                source = mm;
                ++generation;
            }
        }
        return source;
    }

    // The child writes some of its pages, grows its stack and its heap, touches VMAs of its own and maps others.
    void work(Mm<E>& child) {
        const RmapConfig& config = trial_.config();
        std::uint32_t number = 0;
        for (Vma<E>* vma = child.first.get(); vma != nullptr; vma = vma->next.get(), ++number) {
            if (number < config.anon_vmas) {
                work_on(*vma, number + 1 == config.anon_vmas ? config.grow_pages : 0);
            } else if (number < config.anon_vmas + config.fresh_vmas) {
                touch_page(trial_.rmap(), thread_, *vma, vma->pgoff.get());
            } else {
                break;
            }
        }
        work_on_heap(child);
        work_on_buffers(child);
    }
    // In two steps: the first maps a VMA behind the one that the fork has cloned, the second makes that longer.
    void work_on_heap(Mm<E>& child) {
        const std::uint32_t pages = trial_.config().brk_pages;
        for (const std::uint32_t step : {pages - pages / 2, pages / 2}) {
            Vma<E>* const grown = step == 0 ? nullptr : grow_heap(trial_.rmap(), thread_, *child.first.get(), step);
            if (grown == nullptr) {
                return;
            }
            thread_.task.count(RmapOp::brk);
            const std::uint64_t end = grown->pgoff.get() + grown->pages();
            for (std::uint32_t page = step; page > 0; --page) {
                touch_page(trial_.rmap(), thread_, *grown, end - page);
            }
        }
    }
    // Writes to the first page of each buffer, and to some of the others.
    void work_on_buffers(Mm<E>& child) {
        const RmapConfig& config = trial_.config();
        for (std::uint32_t i = 0; i < config.buffers; ++i) {
            Vma<E>& vma = *map_buffer(trial_.rmap().memory, thread_.task, child, config.pages);
            touch_page(trial_.rmap(), thread_, vma, vma.pgoff.get());
            work_on(vma, 0);
            unmap_buffer(trial_.rmap(), thread_, vma);
            thread_.task.count(RmapOp::unmap);
        }
    }
    void work_on(Vma<E>& vma, std::uint32_t grow) {
        const RmapConfig& config = trial_.config();
        const std::uint64_t first = vma.pgoff.get();
        for (std::uint32_t page = 0; page < config.pages; ++page) {
            if (thread_.task.ctx.random.chance(config.touch_permille)) {
                touch_page(trial_.rmap(), thread_, vma, first + page);
            }
        }
        if (grow != 0 && expand_stack(trial_.rmap(), thread_, vma, grow)) {
            for (std::uint32_t page = 1; page <= grow; ++page) {
                touch_page(trial_.rmap(), thread_, vma, first - page);
            }
        }
    }

    void push(Mm<E>* child) {
        if (children_++ == 0) {
            oldest_ = child;
        } else {
            youngest_->younger.set(child);
        }
        youngest_ = child;
    }

    ProcessTrial<E, L, Q>& trial_;
    RmapThread<E, L> thread_;
    Mm<E>* line_ = nullptr;
    Mm<E>* source_;
    PageCursor<E> cursor_;
    Mm<E>* oldest_ = nullptr;
    Mm<E>* youngest_ = nullptr;
    std::uint32_t children_ = 0;
};

}  // namespace lockbench
