// SPDX-License-Identifier: MIT
// Interval tree: a red-black tree ordered by the start of each interval, every node carrying the greatest end below it.
//
// Origin: Cormen, Leiserson, Rivest, Stein, Introduction to Algorithms, chapters 13 and 14.3; the layout and the
//   guarantees of Linux 3.7 to 6.x lib/interval_tree and mm/interval_tree.c: equal starts keep the order of insertion.
//   That order carries meaning: a walk sees a process before its children, so a page-table entry that a fork copies in
//   the middle of the walk is found in the child or is still in the parent.
// Differs: one insertion walk, no insertion "directly after" a given node: file mappings use the ordinary one, which
//   puts a child after its parent too.
//
//   up_    63                            1   0
//         +----------------------------------+---+
//         |        parent's address          | b |     b: 1 black, 0 red; items are aligned to 2 bytes at least
//         +----------------------------------+---+
// I1  In-order: starts do not decrease; among equal starts, earlier insertions first.
// I2  The root is black, no red node has a red child, every way from the root to a gap passes as many black nodes.
// I3  most(n) = max(last(n), most(left), most(right)).
// All of it is protected by the lock of the tree's owner: writers hold it for write, walkers for read.
#pragma once

#include <cstddef>
#include <cstdint>

#include "platform/check.hpp"
#include "platform/platform.hpp"

namespace lockbench {

// The part of an item that the tree needs, 32 bytes as in the kernel: three words of red-black links and the subtree's
// greatest end.
template <Platform P, class Item>
struct IntervalLinks {
    typename P::template Plain<std::uintptr_t> up;
    typename P::template Plain<Item*> right;
    typename P::template Plain<Item*> left;
    typename P::template Plain<std::uint64_t> most;
};

// Traits of an item: links(Item&) -> IntervalLinks&, start(const Item&) and last(const Item&) -> both ends, included.
template <Platform P, class Item, class Traits>
class IntervalTree {
  public:
    using Root = typename P::template Plain<Item*>;

    static void insert(Root& root, Item* item) {
        const std::uint64_t start = Traits::start(*item);
        const std::uint64_t last = Traits::last(*item);
        Item* parent = nullptr;
        bool to_left = false;
        for (Item* at = root.get(); at != nullptr;) {
            parent = at;
            if (most(at) < last) {
                set_most(at, last);
            }
            to_left = start < Traits::start(*at);
            at = to_left ? left(at) : right(at);
        }
        set_up(item, parent, false);
        set_left(item, nullptr);
        set_right(item, nullptr);
        set_most(item, last);
        if (parent == nullptr) {
            root.set(item);
        } else if (to_left) {
            set_left(parent, item);
        } else {
            set_right(parent, item);
        }
        repair_insert(root, item);
    }

    static void remove(Root& root, Item* item) {
        Item* hole = nullptr;         // what takes the removed place; may be nothing
        Item* hole_parent = nullptr;  // its parent, known even when it is nothing
        bool lost_black = is_black(item);
        if (left(item) == nullptr || right(item) == nullptr) {
            hole = left(item) == nullptr ? right(item) : left(item);
            hole_parent = parent_of(item);
            replace(root, item, hole);
            refresh_up(hole_parent, nullptr);
        } else {
            Item* next = right(item);
            while (left(next) != nullptr) {
                next = left(next);
            }
            lost_black = is_black(next);
            hole = right(next);
            if (parent_of(next) == item) {
                hole_parent = next;
            } else {
                hole_parent = parent_of(next);
                replace(root, next, hole);
                set_right(next, right(item));
                set_parent(right(item), next);
            }
            replace(root, item, next);
            set_left(next, left(item));
            set_parent(left(item), next);
            const bool black = is_black(item);
            set_black(next, black);
            refresh_up(hole_parent, next);
        }
        if (lost_black) {
            repair_remove(root, hole, hole_parent);
        }
    }

    // The first item in order that meets [start, last], or null.
    static Item* first(const Root& root, std::uint64_t start, std::uint64_t last) {
        Item* const top = root.get();
        return top == nullptr || most(top) < start ? nullptr : search(top, start, last);
    }

    // The next one after `item`, which meets [start, last].
    static Item* next(Item* item, std::uint64_t start, std::uint64_t last) {
        for (;;) {
            Item* const below = right(item);
            if (below != nullptr && most(below) >= start) {
                return search(below, start, last);
            }
            Item* came_from = nullptr;
            do {
                came_from = item;
                item = parent_of(item);
                if (item == nullptr) {
                    return nullptr;
                }
            } while (came_from == right(item));
            if (Traits::start(*item) > last) {
                return nullptr;
            }
            if (Traits::last(*item) >= start) {
                return item;
            }
        }
    }

    // For verification when no thread runs: null, or what is wrong. Never follows more than `limit` nodes, so that a
    // ruined tree is reported and not walked for ever. `count` receives the number of nodes.
    static const char* fault_of(const Root& root, std::size_t limit, std::size_t& count) {
        count = 0;
        Audit audit{limit, 0, nullptr, nullptr};
        Item* const top = root.peek();
        if (top != nullptr && (top_word(top) & kBlack) == 0) {
            return "the root is red";
        }
        audit_subtree(top, nullptr, 0, audit);
        count = audit.nodes;
        return audit.fault;
    }

  private:
    static constexpr std::uintptr_t kBlack = 1;
    static constexpr int kDepthLimit = 128;  // twice the bits of a count: no red-black tree is deeper

    struct Audit {
        std::size_t limit;
        std::size_t nodes;
        const Item* before;
        const char* fault;
    };

    static std::uint64_t most(Item* item) { return Traits::links(*item).most.get(); }
    static Item* left(Item* item) { return Traits::links(*item).left.get(); }
    static Item* right(Item* item) { return Traits::links(*item).right.get(); }
    static Item* parent_of(Item* item) {
        const std::uintptr_t up = Traits::links(*item).up.get();
        return reinterpret_cast<Item*>(up & ~kBlack);
    }
    static bool is_black(Item* item) { return item == nullptr || (Traits::links(*item).up.get() & kBlack) != 0; }

    static void set_most(Item* item, std::uint64_t value) { Traits::links(*item).most.set(value); }
    static void set_left(Item* item, Item* child) { Traits::links(*item).left.set(child); }
    static void set_right(Item* item, Item* child) { Traits::links(*item).right.set(child); }
    static void set_up(Item* item, Item* parent, bool black) {
        Traits::links(*item).up.set(reinterpret_cast<std::uintptr_t>(parent) | (black ? kBlack : 0));
    }
    static void set_parent(Item* item, Item* parent) {
        const bool black = is_black(item);
        set_up(item, parent, black);
    }
    static void set_black(Item* item, bool black) {
        Item* const parent = parent_of(item);
        set_up(item, parent, black);
    }

    // Puts `to`, which may be nothing, where `from` hangs.
    static void replace(Root& root, Item* from, Item* to) {
        Item* const parent = parent_of(from);
        if (parent == nullptr) {
            root.set(to);
        } else if (left(parent) == from) {
            set_left(parent, to);
        } else {
            check(right(parent) == from, "interval tree: a node hangs below its parent");
            set_right(parent, to);
        }
        if (to != nullptr) {
            set_parent(to, parent);
        }
    }

    static bool refresh(Item* item) {
        std::uint64_t value = Traits::last(*item);
        if (Item* const l = left(item); l != nullptr && most(l) > value) {
            value = most(l);
        }
        if (Item* const r = right(item); r != nullptr && most(r) > value) {
            value = most(r);
        }
        if (value == most(item)) {
            return false;
        }
        set_most(item, value);
        return true;
    }

    // Refreshes `item` and those above it: all of them up to `through`, then as long as anything changes.
    static void refresh_up(Item* item, Item* through) {
        bool forced = through != nullptr;
        while (item != nullptr && (refresh(item) || forced)) {
            forced = forced && item != through;
            item = parent_of(item);
        }
    }

    // Turns the edge between `top` and its child on the other side of `leftwards`: the child comes up.
    static void rotate(Root& root, Item* top, bool leftwards) {
        Item* const riser = leftwards ? right(top) : left(top);
        Item* const moved = leftwards ? left(riser) : right(riser);
        set_most(riser, most(top));
        replace(root, top, riser);
        if (leftwards) {
            set_right(top, moved);
            set_left(riser, top);
        } else {
            set_left(top, moved);
            set_right(riser, top);
        }
        if (moved != nullptr) {
            set_parent(moved, top);
        }
        set_parent(top, riser);
        refresh(top);
    }

    static void repair_insert(Root& root, Item* item) {
        for (Item* parent = parent_of(item); !is_black(parent); parent = parent_of(item)) {
            Item* const grand = parent_of(parent);  // exists: a red node is not the root
            const bool on_left = left(grand) == parent;
            Item* const uncle = on_left ? right(grand) : left(grand);
            if (!is_black(uncle)) {
                set_black(parent, true);
                set_black(uncle, true);
                set_black(grand, false);
                item = grand;
                continue;
            }
            if (item == (on_left ? right(parent) : left(parent))) {
                rotate(root, parent, on_left);
                parent = item;
            }
            set_black(parent, true);
            set_black(grand, false);
            rotate(root, grand, !on_left);
            break;
        }
        Item* const top = root.get();
        if (!is_black(top)) {
            set_black(top, true);
        }
    }

    // `hole`, which may be nothing, is one black node short.
    static void repair_remove(Root& root, Item* hole, Item* parent) {
        while (parent != nullptr && is_black(hole)) {
            const bool on_left = left(parent) == hole;
            Item* sibling = on_left ? right(parent) : left(parent);
            if (!is_black(sibling)) {
                set_black(sibling, true);
                set_black(parent, false);
                rotate(root, parent, on_left);
                sibling = on_left ? right(parent) : left(parent);
            }
            Item* const near = on_left ? left(sibling) : right(sibling);
            Item* far = on_left ? right(sibling) : left(sibling);
            if (is_black(near) && is_black(far)) {
                set_black(sibling, false);
                hole = parent;
                parent = parent_of(hole);
                continue;
            }
            if (is_black(far)) {
                set_black(near, true);
                set_black(sibling, false);
                rotate(root, sibling, !on_left);
                far = sibling;
                sibling = near;
            }
            set_black(sibling, is_black(parent));
            set_black(parent, true);
            set_black(far, true);
            rotate(root, parent, on_left);
            return;
        }
        if (hole != nullptr) {
            set_black(hole, true);
        }
    }

    // The first in order that meets [start, last] below `item`, whose most is not below start.
    static Item* search(Item* item, std::uint64_t start, std::uint64_t last) {
        for (;;) {
            if (Item* const l = left(item); l != nullptr && most(l) >= start) {
                item = l;
                continue;
            }
            if (Traits::start(*item) > last) {
                return nullptr;
            }
            if (Traits::last(*item) >= start) {
                return item;
            }
            item = right(item);
            if (item == nullptr || most(item) < start) {
                return nullptr;
            }
        }
    }

    static std::uintptr_t top_word(Item* item) { return Traits::links(*item).up.peek(); }

    // Returns the number of black nodes on every way down.
    static int audit_subtree(Item* item, Item* parent, int depth, Audit& audit) {
        if (item == nullptr || audit.fault != nullptr) {
            return 0;
        }
        if (++audit.nodes > audit.limit || depth > kDepthLimit) {
            audit.fault = "more nodes than there are items: a cycle";
            return 0;
        }
        const auto& links = Traits::links(*item);
        const std::uintptr_t up = links.up.peek();
        const bool black = (up & kBlack) != 0;
        Item* const l = links.left.peek();
        Item* const r = links.right.peek();
        if (reinterpret_cast<Item*>(up & ~kBlack) != parent) {
            audit.fault = "a node does not know its parent";
            return 0;
        }
        if (!black && parent != nullptr && (top_word(parent) & kBlack) == 0) {
            audit.fault = "a red node has a red child";
            return 0;
        }
        const int below_left = audit_subtree(l, item, depth + 1, audit);
        if (audit.before != nullptr && Traits::start(*audit.before) > Traits::start(*item)) {
            audit.fault = audit.fault == nullptr ? "starts are out of order" : audit.fault;
        }
        audit.before = item;
        const int below_right = audit_subtree(r, item, depth + 1, audit);
        if (audit.fault != nullptr) {
            return 0;
        }
        if (below_left != below_right) {
            audit.fault = "two ways down pass different numbers of black nodes";
        }
        std::uint64_t greatest = Traits::last(*item);
        for (Item* child : {l, r}) {
            if (child != nullptr && Traits::links(*child).most.peek() > greatest) {
                greatest = Traits::links(*child).most.peek();
            }
        }
        if (links.most.peek() != greatest) {
            audit.fault = "a node's greatest end is wrong";
        }
        return below_left + (black ? 1 : 0);
    }
};

}  // namespace lockbench
