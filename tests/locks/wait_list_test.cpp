// SPDX-License-Identifier: MIT
// The list of waiters against a deque that does the same.
#include "locks/wait_list.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>

#include "platform/native.hpp"

namespace lockbench {
namespace {

static_assert(sizeof(WaitList<Native>) == 16, "a list_head");
static_assert(sizeof(Waiter<Native>) == 32, "a struct rwsem_waiter");

class WaitListTest : public ::testing::Test {
  protected:
    // Links forwards and backwards.
    void expect_same() {
        ASSERT_EQ(list_.empty(), model_.empty());
        Waiter<Native>* waiter = list_.front();
        Waiter<Native>* before = nullptr;
        for (Waiter<Native>* expected : model_) {
            ASSERT_EQ(waiter, expected);
            ASSERT_EQ(waiter->prev.get(), before);
            before = waiter;
            waiter = waiter->next.get();
        }
        ASSERT_EQ(waiter, nullptr);
        ASSERT_EQ(list_.is_constructed(), model_.empty());
        if (!model_.empty()) {
            ASSERT_EQ(list_.singular(), model_.size() == 1);
        }
    }

    WaitList<Native> list_;
    std::deque<Waiter<Native>*> model_;
    std::array<Waiter<Native>, 8> waiters_;
};

TEST_F(WaitListTest, EndsLikeADequeAfterAnyMixOfOperations) {
    RandomStream random(1);
    for (int step = 0; step < 20'000; ++step) {
        const std::uint32_t draw = random.below(8);
        Waiter<Native>& waiter = waiters_[random.below(8)];
        const auto at = std::find(model_.begin(), model_.end(), &waiter);
        if (at == model_.end()) {
            list_.push_back(waiter);
            model_.push_back(&waiter);
        } else if (draw < 6) {
            list_.remove(waiter);
            model_.erase(at);
        } else if (draw == 6) {  // drops all before this one
            list_.start_at(&waiter);
            model_.erase(model_.begin(), at);
        } else {
            list_.start_at(nullptr);
            model_.clear();
        }
        ASSERT_NO_FATAL_FAILURE(expect_same()) << "step " << step;
    }
}

}  // namespace
}  // namespace lockbench
