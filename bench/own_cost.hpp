// SPDX-License-Identifier: MIT
// What the harness itself adds to an operation.
#pragma once

namespace lockbench {

struct OwnCost {
    double cost_ns = 0;         // bookkeeping of one operation: marks, counts, sampling, hand-off, clock of the window
    double spread_ns = 0;       // half the range of the middle half of the repetitions
    double bare_ns = 0;         // the same loop without it
    double clock_ns = 0;        // one reading of the clock that times waits
    unsigned sample_every = 0;  // one acquisition in so many is timed
    unsigned repetitions = 0;
};

// One thread on the CPU it runs on, the null lock, thread-private data, sampling on, against the same loop without
// bookkeeping. Takes about a tenth of a second. The caller pins the thread and has begun no trial.
OwnCost measure_own_cost(unsigned sample_every);

}  // namespace lockbench
