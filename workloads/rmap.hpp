// SPDX-License-Identifier: MIT
// The objects of the reverse map as Linux 3.12 has them: address spaces, VMAs, anon_vmas, the chains between them,
// pages and page-table entries. All of it is shared and goes through the Platform.
//
// Origin: include/linux/rmap.h, include/linux/mm_types.h and mm/rmap.c of Linux 3.12.
// Differs: a VMA's page table is its own, or that of the VMAs that it was one with: two levels (table, chunks of 16
//   entries) and one split PTE lock, where the kernel's page-table page of 512 entries serves all neighbours. No
//   look-up by address: users hold the VMA they touch. A page's data is one word, `stamp`, which names what belongs
//   there. Swap entries are objects that hold the data; there is no swap cache, so a page that came back from swap is
//   not shared with others that wait for it.
//
// Which lock protects what, outer locks first (the order of mm/rmap.c):
//   mmap_sem         list of VMAs, their flags; readers fault, writers fork
//   page lock        a page may not change its anon_vma nor be reclaimed by two
//   i_mmap mutex     a file's tree of VMAs
//   anon_vma lock    of the ROOT anon_vma, the lock under test: trees of all anon_vmas below that root, VMA bounds
//   page_table_lock, PTE lock      page-table entries and the count of mappings
//   lru lock         lists of pages
#pragma once

#include <cstddef>
#include <cstdint>

#include "locks/guard.hpp"
#include "locks/mutex_3_10.hpp"
#include "locks/rwsem_3_10.hpp"
#include "workloads/interval_tree.hpp"
#include "workloads/page_lock.hpp"
#include "workloads/pte.hpp"
#include "workloads/pte_lock.hpp"

namespace lockbench {

template <class E>
struct Vma;
template <class E>
struct Mm;

// What a device that shares page tables adds to the objects and paths of the model: here nothing, as nobody but CPUs
// maps pages. workloads/device.hpp has the other one.
struct NoSecondMmu {
    template <class E>
    struct InMm {};
    template <class E>
    struct InPage {};
    template <class E>
    struct InSlot {};
    // Around a change of all entries of a VMA.
    template <class E>
    struct RangeCall {
        template <class TaskOf>
        RangeCall(TaskOf&, Vma<E>&) {}
    };
    // A page gets the data of another page or of a slot.
    template <class From, class To>
    static void carry(const From&, To&) {}
    // May a slot's data be read? If not, the caller waits.
    template <class Slot>
    static constexpr bool is_filled(const Slot&) {
        return true;
    }
    template <class Slot>
    static void wait_filled(Slot&) {}
    // The begin and the end of an address space's end.
    template <class TaskOf, class E>
    static void leave_mm(TaskOf&, Mm<E>&) {}
    template <class MemoryOf, class E>
    static void put_mm(MemoryOf& memory, Mm<E>* mm) {
        memory.mms.destroy(mm);
    }
};

// The platform, the locks that are not under test, and the devices.
template <Platform Plat, class MmapSemOf = Rwsem310<Plat>, class FileMutexOf = Mutex310<Plat>,
          class SecondOf = NoSecondMmu>
struct RmapEnv {
    using P = Plat;
    using Second = SecondOf;
    using MmapSem = MmapSemOf;
    using FileMutex = FileMutexOf;
    template <class T>
    using Atomic = typename P::template Atomic<T>;
    template <class T>
    using Plain = typename P::template Plain<T>;
};

// A value that only holders of the lock named beside it change, read by one of them; or one that cannot change any
// more.
template <class A>
auto read_locked(const A& atomic) {
    return atomic.load(relaxed);  // relaxed: the lock orders it
}
// A value that may change at once: whoever acts on it asks again under a lock, or it is a mere hint.
template <class A>
auto read_hint(const A& atomic) {
    return atomic.load(relaxed);  // relaxed: nothing is concluded from it but where to look
}

// The anon_vma without the type of its lock, for objects that only point at it.
struct AnonVmaTag;

// One for each pair (VMA, anon_vma): the VMA lies in that anon_vma's tree. 64 bytes, as in the kernel.
template <class E>
struct Avc {
    typename E::template Plain<Vma<E>*> vma;
    typename E::template Plain<AnonVmaTag*> anon_vma;
    typename E::template Plain<Avc*> newer;  // of the same VMA; the chain belongs to the VMA's owner (mmap_sem)
    typename E::template Plain<Avc*> older;
    IntervalLinks<typename E::P, Avc> tree;
};

// Data on swap; one count for each page-table entry that names it and one for the reclaimer that makes it.
template <class E>
struct alignas(16) SwapSlot {
    explicit SwapSlot(std::uint64_t data) : count(1), stamp(data) {}

    [[nodiscard]] std::uint64_t entry() const { return reinterpret_cast<std::uintptr_t>(this) | Pte::kSwap; }
    static SwapSlot* of(std::uint64_t pte) {
        return reinterpret_cast<SwapSlot*>(static_cast<std::uintptr_t>(pte & ~Pte::kBits));
    }

    typename E::template Atomic<std::int32_t> count;
    typename E::template Plain<std::uint64_t> stamp;
    typename E::Second::template InSlot<E> second;
};

// Flags of a page beside its lock (page_lock.hpp).
inline constexpr std::uint32_t kPageLru = 4;       // on one of the lists; under the lru lock
inline constexpr std::uint32_t kPageActive = 8;    // belongs to the active list
inline constexpr std::uint32_t kPageDirty = 32;    // of a file: not written back yet
inline constexpr std::uint32_t kPageRotated = 16;  // the last walk was given up; of who has isolated the page

// Low bit of Page::mapping: it points at an anon_vma. Files' pages are not modelled.
inline constexpr std::uint64_t kMappingAnon = 1;

// As large as the kernel's struct page.
template <class E>
struct alignas(64) Page {
    Page(std::uint64_t at, std::uint64_t data)
        : flags(0), count(1), mapcount(0), mapping(0), index(at), stamp(data), newer(nullptr), older(nullptr) {}

    typename E::template Atomic<std::uint32_t> flags;
    typename E::template Atomic<std::int32_t> count;     // references; each mapping holds one
    typename E::template Atomic<std::int32_t> mapcount;  // page-table entries that map it; changed under a PTE lock
    typename E::template Atomic<std::uint64_t>
        mapping;  // anon_vma | kMappingAnon; stays behind when the last mapping goes
    typename E::template Plain<std::uint64_t> index;  // offset in the VMA's linear space, in pages
    typename E::template Plain<std::uint64_t> stamp;  // its data; never changes while it is mapped
    typename E::template Plain<Page*> newer;          // LRU neighbours, under the lru lock
    typename E::template Plain<Page*> older;
    typename E::Second::template InPage<E> second;
};

inline constexpr std::size_t kPtesInChunk = 16;
inline constexpr std::size_t kChunksInTable = 32;
inline constexpr std::size_t kMaxPagesPerVma = kPtesInChunk * kChunksInTable;

template <class E>
struct PteChunk {
    PteChunk() {
        for (auto& entry : pte) {
            entry.init(0);
        }
    }
    typename E::template Atomic<std::uint64_t> pte[kPtesInChunk];
};

// Of one VMA, or of several that lie side by side: those that were one, until they were split.
template <class E>
struct PteTable {
    PteTable() : users(1) {}

    PteLock<typename E::P> lock;
    typename E::template Plain<std::uint32_t> users;                 // VMAs; under mmap_sem for write
    typename E::template Plain<PteChunk<E>*> chunk[kChunksInTable];  // set before the table is published

    typename E::template Atomic<std::uint64_t>& pte(std::size_t page) {
        return chunk[page / kPtesInChunk].get()->pte[page % kPtesInChunk];
    }
};

// A mapped file: its tree of VMAs and the mutex over it.
template <class E>
struct File {
    explicit File(std::uint32_t which) : tree(nullptr), number(which), next(nullptr) {}

    typename E::FileMutex i_mmap_mutex;
    LastWriter<typename E::P> last_writer;  // of the mutex, where it is the lock under test
    typename E::template Plain<Vma<E>*> tree;
    typename E::template Plain<std::uint32_t> number;
    typename E::template Plain<File*> next;  // all files, for the end of the trial
};

enum class VmaKind : std::uint32_t { anon, file };

// What a VMA is made from, in pages: a fork copies it.
template <class E>
struct VmaShape {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    std::uint64_t pgoff = 0;
    std::uint64_t origin = 0;
    std::uint64_t limit = 0;
    std::uint32_t number = 0;
    VmaKind kind = VmaKind::anon;
    std::uint32_t protection = 0;
    File<E>* file = nullptr;
};

// Bounds change under the root's write lock; the rest is fixed when the VMA becomes reachable, or belongs to its owner.
template <class E>
struct Vma {
    explicit Vma(Mm<E>* owner, const VmaShape<E>& shape)
        : start(shape.start),
          end(shape.end),
          pgoff(shape.pgoff),
          origin(shape.origin),
          limit(shape.limit),
          mm(owner),
          next(nullptr),
          prev(nullptr),
          anon_vma(nullptr),
          newest(nullptr),
          oldest(nullptr),
          table(nullptr),
          file(shape.file),
          number(shape.number),
          kind(shape.kind),
          protection(shape.protection) {}

    [[nodiscard]] std::uint64_t pages() const {
        const std::uint64_t first = start.get();
        return end.get() - first;
    }
    // Places in the page table: of its first page, and behind its last.
    [[nodiscard]] std::size_t first_slot() const { return slot(pgoff.get()); }
    [[nodiscard]] std::size_t end_slot() const { return first_slot() + static_cast<std::size_t>(pages()); }
    // Place of a page in the page table, by its index.
    [[nodiscard]] std::size_t slot(std::uint64_t index) const { return static_cast<std::size_t>(index - origin.get()); }
    [[nodiscard]] VmaShape<E> shape() const {
        VmaShape<E> copy;
        copy.start = start.get();
        copy.end = end.get();
        copy.pgoff = pgoff.get();
        copy.origin = origin.get();
        copy.limit = limit.get();
        copy.number = number.get();
        copy.kind = kind.get();
        copy.protection = protection.get();
        copy.file = file.get();
        return copy;
    }

    typename E::template Plain<std::uint64_t> start;   // in pages
    typename E::template Plain<std::uint64_t> end;     // not included
    typename E::template Plain<std::uint64_t> pgoff;   // index of the first page
    typename E::template Plain<std::uint64_t> origin;  // index of the page table's first entry: room to grow downwards
    typename E::template Plain<std::uint64_t> limit;   // index behind its last entry: room to grow upwards
    typename E::template Plain<Mm<E>*> mm;
    typename E::template Plain<Vma*> next;  // in the order of addresses
    typename E::template Plain<Vma*> prev;
    typename E::template Atomic<AnonVmaTag*> anon_vma;  // where its new pages go; null until the first fault
    typename E::template Plain<Avc<E>*> newest;         // chain of its AVCs
    typename E::template Plain<Avc<E>*> oldest;
    typename E::template Atomic<PteTable<E>*> table;  // null until the first fault or the copy by a fork
    typename E::template Plain<File<E>*> file;
    typename E::template Plain<std::uint32_t> number;  // place in its mm
    typename E::template Plain<VmaKind> kind;
    typename E::template Plain<std::uint32_t> protection;  // may differ between VMAs that share an anon_vma
    IntervalLinks<typename E::P, Vma> i_mmap;
};

template <class E>
struct Mm {
    explicit Mm(std::uint64_t which) : first(nullptr), last(nullptr), id(which), younger(nullptr) {}

    typename E::MmapSem mmap_sem;
    PteLock<typename E::P> page_table_lock;
    typename E::template Plain<Vma<E>*> first;
    typename E::template Plain<Vma<E>*> last;
    typename E::template Plain<std::uint64_t> id;
    typename E::template Plain<Mm*> younger;  // queue of one thread's children
    typename E::Second::template InMm<E> second;
};

template <class E>
struct AvcTraits {
    static IntervalLinks<typename E::P, Avc<E>>& links(Avc<E>& avc) { return avc.tree; }
    static const IntervalLinks<typename E::P, Avc<E>>& links(const Avc<E>& avc) { return avc.tree; }
    static std::uint64_t start(const Avc<E>& avc) { return avc.vma.get()->pgoff.get(); }
    static std::uint64_t last(const Avc<E>& avc) {
        const Vma<E>* const vma = avc.vma.get();
        const std::uint64_t first = vma->pgoff.get();
        return first + vma->pages() - 1;
    }
};
template <class E>
using AvcTree = IntervalTree<typename E::P, Avc<E>, AvcTraits<E>>;

template <class E>
struct FileVmaTraits {
    static IntervalLinks<typename E::P, Vma<E>>& links(Vma<E>& vma) { return vma.i_mmap; }
    static const IntervalLinks<typename E::P, Vma<E>>& links(const Vma<E>& vma) { return vma.i_mmap; }
    static std::uint64_t start(const Vma<E>& vma) { return vma.pgoff.get(); }
    static std::uint64_t last(const Vma<E>& vma) {
        const std::uint64_t first = vma.pgoff.get();
        return first + vma.pages() - 1;
    }
};
template <class E>
using FileTree = IntervalTree<typename E::P, Vma<E>, FileVmaTraits<E>>;

// What outlives an anon_vma and may be touched by a walker that comes late (inside a ReadSection): root, lock,
// reference count, in the kernel's order. The last writer fills the hole after the count, as it is written under this
// lock by everybody who takes it, a late walker on recycled memory included; on packed memory it shares the line of the
// tree's root, which every section touches.
template <class E, class L>
struct AnonVmaStable {
    AnonVmaStable() : root(nullptr), refcount(0) {}

    typename E::template Atomic<AnonVmaTag*> root;
    L lock;
    typename E::template Atomic<std::int32_t> refcount;  // 1 for the tree while it has members, 1 for each child, pins
    LastWriter<typename E::P> last_writer;
};

// What a fork asks to find an anon_vma that it may use again (3.19; counted apart since 6.0). All of it changes under
// the root's write lock.
template <class E>
struct AnonVmaUse {
    explicit AnonVmaUse(AnonVmaTag* self) : parent(self), children(0), active(0) {}

    typename E::template Plain<AnonVmaTag*> parent;      // a root is its own
    typename E::template Plain<std::uint32_t> children;  // anon_vmas whose parent this is and that have members
    typename E::template Plain<std::uint32_t> active;    // VMAs whose new pages go here
};

// `use` lies where SLUB keeps its link behind an object that late walkers may look at, so an anon_vma takes as much
// room as in 3.12. It is null unless forks reuse.
template <class E>
struct AnonVmaFresh {
    AnonVmaFresh() : tree(nullptr), use(nullptr) {}
    typename E::template Plain<Avc<E>*> tree;
    typename E::template Plain<AnonVmaUse<E>*> use;
};

template <class E, class L>
using AnonVmaPool = typename E::P::template Pool<AnonVmaStable<E, L>, AnonVmaFresh<E>>;
template <class E, class L>
using AnonVma = typename AnonVmaPool<E, L>::Object;

template <class E, class L>
AnonVma<E, L>* anon_vma_of(AnonVmaTag* tag) {
    return reinterpret_cast<AnonVma<E, L>*>(tag);
}
template <class Object>
AnonVmaTag* tag_of(Object* anon_vma) {
    return reinterpret_cast<AnonVmaTag*>(anon_vma);
}

// Sizes and offsets that the kernel's performance hangs on; the same on every platform.
template <class E, class L>
constexpr bool rmap_layout_holds() {
    static_assert(sizeof(Avc<E>) == 64, "anon_vma_chain is 64 bytes");
    static_assert(sizeof(Page<E>) == 64, "struct page is 64 bytes");
    static_assert(sizeof(IntervalLinks<typename E::P, Avc<E>>) == 32, "rb_node and subtree maximum");
    static_assert(offsetof(Avc<E>, anon_vma) == 8 && offsetof(Avc<E>, newer) == 16 && offsetof(Avc<E>, tree) == 32);
    static_assert(sizeof(PteChunk<E>) == 8 * kPtesInChunk);
    static_assert(sizeof(AnonVmaFresh<E>) == 16, "the root of a tree is one pointer, and so is SLUB's link");
    return true;
}

}  // namespace lockbench
