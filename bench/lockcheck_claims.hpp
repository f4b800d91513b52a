// SPDX-License-Identifier: MIT
// What a lock says of its order, held against what engine S found in the long run.
#pragma once

#include <algorithm>
#include <string>

#include "bench/lockcheck_client.hpp"
#include "locks/lock.hpp"
#include "platform/explore/verdict.hpp"

namespace lockbench {

// Whether a lock that is fair in this way may let a thread wait for ever. A preference says who is passed, not that the
// others never are.
constexpr bool may_starve(Fairness fairness) {
    return fairness != Fairness::fifo && fairness != Fairness::fifo_after_claim;
}

// A verdict that breaks a claim becomes a failure. First come, first served: by each other thread once at most, if it
// was there before.
inline void judge_claims(const LockInfo& info, explore::Verdict& verdict) {
    for (const explore::Waits& waits : verdict.waits) {
        if (!verdict.passed()) {
            return;
        }
        const std::string claim = ", which its " + std::string(to_string(info.fairness)) + " rules out";
        if (waits.may_starve && !may_starve(info.fairness)) {
            verdict.failure = explore::Failure::claim;
            verdict.message = explore::waits_for_ever(waits.mode) + claim;
            verdict.trace = waits.trace;
            verdict.replay = waits.replay;
        } else if (info.fairness == Fairness::fifo && std::max(waits.passed_by_readers, waits.passed_by_writers) > 1) {
            verdict.failure = explore::Failure::claim;
            verdict.message = "one thread passes another that polls more than once" + claim;
        }
    }
}

// Memory that ends with the last unlock is more than some locks claim to stand. They are told so beside the failure.
inline void judge_end(const LockInfo& info, const Client& client, explore::Verdict& verdict) {
    if (verdict.failure == explore::Failure::use_after_free && !info.free_after_unlock &&
        client.roles.find('f') != std::string::npos) {
        verdict.message += "; it does not claim to be free of this";
    }
}

}  // namespace lockbench
