// SPDX-License-Identifier: MIT
// The interval tree against a list: random operations, order of equal starts, and damage that its own check must see.
#include "workloads/interval_tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "platform/ctx.hpp"
#include "platform/native.hpp"

namespace lockbench {
namespace {

struct Item {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
    std::uint64_t born = 0;  // order of insertion
    IntervalLinks<Native, Item> links;
};

struct ItemTraits {
    static IntervalLinks<Native, Item>& links(Item& item) { return item.links; }
    static const IntervalLinks<Native, Item>& links(const Item& item) { return item.links; }
    static std::uint64_t start(const Item& item) { return item.first; }
    static std::uint64_t last(const Item& item) { return item.end; }
};
using Tree = IntervalTree<Native, Item, ItemTraits>;

std::vector<const Item*> by_tree(const Tree::Root& root, std::uint64_t start, std::uint64_t last) {
    std::vector<const Item*> found;
    for (Item* item = Tree::first(root, start, last); item != nullptr; item = Tree::next(item, start, last)) {
        found.push_back(item);
    }
    return found;
}

std::vector<const Item*> by_list(const std::vector<Item*>& items, std::uint64_t start, std::uint64_t last) {
    std::vector<const Item*> found;
    for (const Item* item : items) {
        if (item->first <= last && item->end >= start) {
            found.push_back(item);
        }
    }
    std::sort(found.begin(), found.end(), [](const Item* a, const Item* b) {
        return a->first != b->first ? a->first < b->first : a->born < b->born;
    });
    return found;
}

std::string fault(const Tree::Root& root, std::size_t expected) {
    std::size_t count = 0;
    const char* const what = Tree::fault_of(root, expected + 1, count);
    if (what != nullptr) {
        return what;
    }
    return count == expected ? "" : "counted " + std::to_string(count);
}

// Operations over `space` starts and lengths up to `longest`.
void run_random(std::uint64_t seed, std::uint32_t space, std::uint32_t longest, std::size_t most, int operations) {
    RandomStream random(seed);
    std::deque<Item> storage;
    std::vector<Item*> inside;
    std::vector<Item*> outside;
    Tree::Root root(nullptr);
    std::uint64_t clock = 0;
    for (int i = 0; i < operations; ++i) {
        if (inside.size() < most && (inside.empty() || random.chance(550))) {
            if (outside.empty()) {
                outside.push_back(&storage.emplace_back());
            }
            Item* const item = outside.back();
            outside.pop_back();
            item->first = random.below(space);
            item->end = item->first + random.below(longest);
            item->born = clock++;
            Tree::insert(root, item);
            inside.push_back(item);
        } else {
            const std::size_t at = random.below(static_cast<std::uint32_t>(inside.size()));
            Tree::remove(root, inside[at]);
            outside.push_back(inside[at]);
            inside[at] = inside.back();
            inside.pop_back();
        }
        ASSERT_EQ(fault(root, inside.size()), "") << "seed " << seed << ", operation " << i;
        const std::uint64_t start = random.below(space);
        const std::uint64_t last = start + random.below(longest);
        ASSERT_EQ(by_tree(root, start, last), by_list(inside, start, last)) << "seed " << seed << ", operation " << i;
    }
    ASSERT_EQ(by_tree(root, 0, UINT64_MAX), by_list(inside, 0, UINT64_MAX));
    while (!inside.empty()) {
        Tree::remove(root, inside.back());
        inside.pop_back();
        ASSERT_EQ(fault(root, inside.size()), "");
    }
    EXPECT_EQ(root.get(), nullptr);
}

TEST(IntervalTree, AgreesWithAList) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        run_random(seed, 1000, 100, 60, 1500);
        run_random(seed, 30, 10, 40, 1500);
    }
}

// What a fork makes: all starts alike.
TEST(IntervalTree, KeepsTheOrderOfEqualStarts) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        run_random(seed, 1, 4, 50, 1500);
    }
}

TEST(IntervalTree, StaysShallow) {
    std::deque<Item> items(4096);
    Tree::Root root(nullptr);
    for (std::size_t i = 0; i < items.size(); ++i) {
        items[i].first = items[i].end = i;
        Tree::insert(root, &items[i]);
    }
    // A red-black tree of n nodes is at most 2 log2(n+1) high.
    std::size_t deepest = 0;
    for (Item& item : items) {
        std::size_t depth = 0;
        for (std::uintptr_t up = item.links.up.get() & ~std::uintptr_t{1}; up != 0; ++depth) {
            up = reinterpret_cast<Item*>(up)->links.up.get() & ~std::uintptr_t{1};
        }
        deepest = std::max(deepest, depth);
    }
    EXPECT_LE(deepest, 24U);
    EXPECT_GE(deepest, 11U);
}

// Seven nodes in a known shape: 3 on top, black; leaves red or black by insertion.
class DamagedTree : public testing::Test {
  protected:
    DamagedTree() : root_(nullptr), items_(7) {
        for (std::size_t i = 0; i < items_.size(); ++i) {
            items_[i].first = 10 * i;
            items_[i].end = 10 * i + 5;
            Tree::insert(root_, &items_[i]);
        }
    }
    Item* top() { return root_.get(); }
    Tree::Root root_;
    std::deque<Item> items_;
};

TEST_F(DamagedTree, WholeOneHasNoFault) { EXPECT_EQ(fault(root_, 7), ""); }
TEST_F(DamagedTree, WrongMaximumIsSeen) {
    top()->links.most.set(1000);
    EXPECT_EQ(fault(root_, 7), "a node's greatest end is wrong");
}
TEST_F(DamagedTree, ChangedBoundsAreSeen) {
    items_[6].first = 0;
    EXPECT_EQ(fault(root_, 7), "starts are out of order");
}
TEST_F(DamagedTree, RedRootIsSeen) {
    top()->links.up.set(0);
    EXPECT_EQ(fault(root_, 7), "the root is red");
}
TEST_F(DamagedTree, WrongColourIsSeen) {
    Item* const child = top()->links.left.get();
    child->links.up.set(child->links.up.get() ^ 1U);
    EXPECT_NE(fault(root_, 7), "");
}
TEST_F(DamagedTree, TwoRedNodesAreSeen) {
    Item* red = nullptr;
    for (Item& item : items_) {
        red = (item.links.up.get() & 1U) == 0 ? &item : red;
    }
    ASSERT_NE(red, nullptr);
    auto* const parent = reinterpret_cast<Item*>(red->links.up.get());
    if (parent != top()) {
        parent->links.up.set(parent->links.up.get() & ~std::uintptr_t{1});
        EXPECT_EQ(fault(root_, 7), "a red node has a red child");
    }
}
TEST_F(DamagedTree, LostSubtreeIsSeen) {
    top()->links.left.set(nullptr);
    EXPECT_NE(fault(root_, 7), "");
}
TEST_F(DamagedTree, CycleIsSeenAndNotFollowed) {
    Item* leaf = top();
    while (leaf->links.right.get() != nullptr) {
        leaf = leaf->links.right.get();
    }
    leaf->links.right.set(top());
    EXPECT_NE(fault(root_, 7), "");
}
TEST_F(DamagedTree, StrangerAsParentIsSeen) {
    Item* const child = top()->links.left.get();
    child->links.up.set(reinterpret_cast<std::uintptr_t>(child) | 1U);
    EXPECT_EQ(fault(root_, 7), "a node does not know its parent");
}

}  // namespace
}  // namespace lockbench
