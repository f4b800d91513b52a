// SPDX-License-Identifier: MIT
// The locks that the native tests go through, as GoogleTest wants them: every lock there is natively, without the
// controls, which do not exclude and have tests of their own.
#pragma once

#include "locks/native_only.hpp"
#include "locks/registry.hpp"
#include "platform/native.hpp"
#include "tests/support/types_of.hpp"

namespace lockbench::test {

using NativeLocks = TestedOf<ConcatT<AllLocks<Native>, LibraryLocks<Native>>>;

}  // namespace lockbench::test
