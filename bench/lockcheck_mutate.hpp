// SPDX-License-Identifier: MIT
// lockcheck mutate: what the clients say of a lock with one fault at one place.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/lockcheck_cells.hpp"
#include "platform/explore/mutation.hpp"

namespace lockbench {

struct MutationResult {
    explore::Mutation mutation;
    std::string client;  // that kills it, or the last that reaches it
    bool drawn = false;  // that client was engine r's
    explore::Verdict verdict;
    bool exhaustive = false;  // a survivor: all clients that reach it were explored to the end
    bool cut = false;
};

struct MutatedLock {
    std::string broken;  // why the lock was not mutated: a client breaks it as it is
    std::vector<MutationResult> results;
    std::size_t places = 0;
};

// The clients that a lock is mutated under if none are named, small ones first.
std::vector<Client> mutation_clients(const LockInfo& info);

// Larger ones, of which engine r draws executions where the small ones say nothing.
std::vector<Client> drawn_clients(const LockInfo& info);

// Each mutation is explored under the clients that reach its place until one fails, then under those that are drawn.
// `each` is told as it goes.
MutatedLock mutate(const LockChecker& checker, const std::vector<Client>& clients, const std::vector<Client>& drawn,
                   const explore::Options& options, const std::function<void(const MutationResult&)>& each);

struct MutateRequest {
    std::vector<const LockChecker*> locks;
    std::vector<std::string> clients;  // empty: mutation_clients and drawn_clients
    explore::Options options;
    bool json = false;
};
// Prints a line a mutation, or an array of objects. The exit code.
int mutate_command(const MutateRequest& request);

}  // namespace lockbench
