// SPDX-License-Identifier: MIT
#pragma once

#include "platform/stats.hpp"

namespace lockbench {

// Takes off what was counted before, but for the histograms and extremes: plain counts that grow.
void subtract_counts(ThreadStats& stats, const ThreadStats& before);

}  // namespace lockbench
