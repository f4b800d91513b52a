// SPDX-License-Identifier: MIT
// Each operation of the seam as a function of its own, under the name by which tests/platform/codegen_test.py expects
// its instructions. Where an outcome decides, failure calls failed(), so that what returns without a call succeeded.
#include "tests/platform/codegen/probe.hpp"

using lockbench::Field;
using lockbench::Native;
using lockbench::Order;
using lockbench::SubWord;
using lockbench::probe::failed;
using Word = Native::Atomic<std::uint32_t>;
using Wide = Native::Atomic<std::int64_t>;
using Low8 = Field<0, 8>;
using Second8 = Field<8, 8>;
using High16 = Field<16, 16>;

namespace {

void expect(bool succeeded) {
    if (!succeeded) [[unlikely]] {
        failed();
    }
}

}  // namespace

extern "C" {

std::uint32_t load_relaxed(Word& w) { return w.load(Order::relaxed); }
std::uint32_t load_acquire(Word& w) { return w.load(Order::acquire); }
std::uint32_t load_seq_cst(Word& w) { return w.load(Order::seq_cst); }
void store_relaxed(Word& w) { w.store(1, Order::relaxed); }
void store_release(Word& w) { w.store(1, Order::release); }
void store_seq_cst(Word& w) { w.store(1, Order::seq_cst); }
void init(Word& w) { w.init(1); }
std::uint32_t exchange(Word& w) { return w.exchange(1, Order::acq_rel); }
void compare_exchange(Word& w) {
    std::uint32_t expected = 0;
    expect(w.compare_exchange(expected, 1, Order::acquire, Order::relaxed));
}
void try_cas_acquire(Word& w) { expect(w.try_cas(0, 1, Order::acquire)); }
void try_cas_release(Wide& w) { expect(w.try_cas(1, 0, Order::release)); }
std::uint32_t fetch_add(Word& w) { return w.fetch_add(0x10000, Order::acquire); }
std::int64_t fetch_sub(Wide& w) { return w.fetch_sub(1, Order::release); }
void add(Word& w) { w.add(1, Order::acquire); }
void sub(Wide& w) { w.sub(1, Order::release); }
void or_word(Word& w) { w.or_(0x100, Order::relaxed); }
void and_word(Word& w) { w.and_(0xff, Order::release); }
std::uint32_t fetch_and(Word& w) { return w.fetch_and(0xff, Order::acquire); }
void add_fetch_test_sign(Wide& w) {
    expect(!w.add_fetch_test(
        1, [](std::int64_t now) { return now < 0; }, Order::acquire));
}
void add_fetch_test_zero(Word& w) {
    expect(w.add_fetch_test(
        ~0U, [](std::uint32_t now) { return now == 0; }, Order::acquire));
}
void test_and_set_bit(Word& w) { expect(!w.test_and_set_bit(8, Order::acquire)); }

std::uint8_t mixed_load(Word& w) { return w.field<Second8, SubWord::mixed>().load(Order::acquire); }
void mixed_put(Word& w) { w.field<Low8, SubWord::mixed>().put(0xff, 0, Order::release); }
void mixed_try_cas(Word& w) { expect(w.field<Low8, SubWord::mixed>().try_cas(0, 1, Order::relaxed)); }
std::uint16_t mixed_exchange(Word& w) { return w.field<High16, SubWord::mixed>().exchange(4, Order::acq_rel); }
std::uint8_t portable_load(Word& w) { return w.field<Second8, SubWord::portable>().load(Order::acquire); }
void portable_put(Word& w) { w.field<Low8, SubWord::portable>().put(0xff, 0, Order::release); }
void portable_try_cas(Word& w) { expect(w.field<Low8, SubWord::portable>().try_cas(0, 1, Order::relaxed)); }
std::uint16_t portable_exchange(Word& w) { return w.field<High16, SubWord::portable>().exchange(4, Order::acq_rel); }

void await(Word& w) {
    w.await([](std::uint32_t now) { return now == 0; }, Order::acquire);
}
void await_until(Word& w, Native::Budget& budget) {
    expect(w.await_until([](std::uint32_t now) { return now == 0; }, Order::acquire, budget) == 0);
}

void fence_seq_cst() { Native::fence(Order::seq_cst); }
void fence_acquire() { Native::fence(Order::acquire); }
void fence_after_rmw() { Native::fence_after_rmw(); }
void fence_light() { Native::fence_light(); }
void preempt_off_and_on() {
    Native::preempt_off();
    Native::preempt_on();
}
void mark(Word& w) { Native::mark(lockbench::Mark::acquired, &w, lockbench::Mode::write); }

}  // extern "C"
