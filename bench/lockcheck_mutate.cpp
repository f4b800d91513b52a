// SPDX-License-Identifier: MIT
#include "bench/lockcheck_mutate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/errors.hpp"

namespace lockbench {
namespace {

using explore::Mutation;
using explore::Mutator;
using explore::Operation;

// A client, and the places that it reaches.
struct Reach {
    const Client* client;
    std::vector<Operation> places;
};

bool reaches(const Reach& reach, const Operation& place) {
    return std::any_of(reach.places.begin(), reach.places.end(),
                       [&place](const Operation& other) { return explore::same_place(place, other); });
}

// Most mutations fail soon or never: a first round looks a little under each client, a second to the end.
constexpr std::uint64_t kFirstLook = 3000;

MutationResult judge(const LockChecker& checker, const Mutation& mutation, const std::vector<Reach>& reached,
                     const explore::Options& options) {
    MutationResult result;
    result.mutation = mutation;
    std::vector<const Client*> open;
    for (const Reach& reach : reached) {
        if (reaches(reach, mutation.at)) {
            open.push_back(reach.client);
        }
    }
    for (const bool first : {true, false}) {
        explore::Options bounded = options;
        bounded.max_executions = first && (options.max_executions == 0 || options.max_executions > kFirstLook)
                                     ? kFirstLook
                                     : options.max_executions;
        std::vector<const Client*> left;
        for (const Client* client : open) {
            const Mutator mutator(mutation);
            result.client = client->text;
            result.verdict = checker.check(*client, bounded);
            if (!result.verdict.passed()) {
                return result;
            }
            if (!result.verdict.exhaustive) {
                left.push_back(client);
            }
            result.cut = result.cut || result.verdict.counts.cut != 0;
        }
        open = left;
    }
    result.exhaustive = open.empty() && !result.cut;
    return result;
}

// As many executions of each client as take no longer than the small clients do.
constexpr std::uint64_t kDrawn = 3000;

explore::Options drawing(const explore::Options& options) {
    explore::Options random = options;
    random.engine = &explore::explore_random;
    random.max_executions = kDrawn;
    return random;
}

// What no small client shows.
void draw(const LockChecker& checker, const std::vector<Client>& drawn, const explore::Options& options,
          MutationResult& result) {
    for (const Client& client : drawn) {
        const Mutator mutator(result.mutation);
        explore::Verdict verdict = checker.check(client, drawing(options));
        if (!verdict.passed()) {
            result.client = client.text;
            result.drawn = true;
            result.verdict = std::move(verdict);
            return;
        }
    }
}

std::vector<Client> parse_clients(const std::vector<std::string>& texts, const explore::EngineKind& engine) {
    std::vector<Client> clients;
    clients.reserve(texts.size());
    for (const std::string& text : texts) {
        clients.push_back(parse_client(text, engine));
    }
    return clients;
}

const explore::EngineKind& engine_g() { return explore::engine_kinds().front(); }
const explore::EngineKind& engine_r() { return explore::engine_kinds().back(); }

}  // namespace

std::vector<Client> mutation_clients(const LockInfo& info) {
    const bool spin = info.kind == WaitKind::spin;
    std::vector<std::string> texts = {"1w1t", "2w"};
    const auto more = [&texts](bool wanted, std::initializer_list<const char*> clients) {
        if (wanted) {
            texts.insert(texts.end(), clients.begin(), clients.end());
        }
    };
    more(info.shared, {"1r1w"});
    more(info.irq_readers, {"1i1wx2"});
    more(info.downgrade, {"1r1d", "1w1d"});
    more(info.killable, {"1w1k"});
    more(spin, {"2wx2"});
    more(info.shared && spin, {"1r1wx2"});
    more(true, {"3w"});
    more(info.shared, {"2r1w", "1r2w"});
    more(spin && !info.shared, {"4w"});
    more(info.killable, {"2w1k"});
    more(info.is_locked, {"1w1o"});
    return parse_clients(texts, engine_g());
}

std::vector<Client> drawn_clients(const LockInfo& info) {
    std::vector<std::string> texts = {"4wx2", "6w"};
    if (info.shared) {
        texts.insert(texts.end(), {"2r2wx2", "4r2w"});
    }
    if (info.killable) {
        texts.emplace_back("2w2kx2");
    }
    if (info.downgrade) {
        texts.emplace_back("2r1w1dx2");
    }
    return parse_clients(texts, engine_r());
}

MutatedLock mutate(const LockChecker& checker, const std::vector<Client>& clients, const std::vector<Client>& drawn,
                   const explore::Options& options, const std::function<void(const MutationResult&)>& each) {
    MutatedLock result;
    for (const Client& client : drawn) {
        const explore::Verdict verdict = checker.check(client, drawing(options));
        if (!verdict.passed()) {
            result.broken = fmt::format("{}: {} ({})", to_string(verdict.failure), verdict.message, client.text);
            return result;
        }
    }
    std::vector<Reach> reached;
    std::vector<Operation> places;
    for (const Client& client : clients) {
        const Mutator notes;
        const explore::Verdict verdict = checker.check(client, options);
        if (!verdict.passed()) {
            result.broken = fmt::format("{}: {} ({})", to_string(verdict.failure), verdict.message, client.text);
            return result;
        }
        reached.push_back({&client, notes.noted()});
        for (const Operation& place : reached.back().places) {
            const auto known = [&place](const Operation& other) { return explore::same_place(place, other); };
            if (std::none_of(places.begin(), places.end(), known)) {
                places.push_back(place);
            }
        }
    }
    result.places = places.size();
    for (const Operation& place : places) {
        for (const Mutation& mutation : mutations_of(place)) {
            result.results.push_back(judge(checker, mutation, reached, options));
            if (result.results.back().verdict.passed()) {
                draw(checker, drawn, options, result.results.back());
            }
            each(result.results.back());
        }
    }
    return result;
}

namespace {

std::uint64_t executions(const explore::Verdict& verdict) {
    return verdict.counts.complete + verdict.counts.blocked + verdict.counts.cut;
}

void print(const MutationResult& each) {
    const std::string where = explore::short_name(each.mutation.at.site) + ": " + describe(each.mutation);
    if (each.verdict.passed()) {
        fmt::print("  {}: survived{} ({})\n", where, each.exhaustive ? "" : ", not exhaustive", each.client);
    } else {
        fmt::print("  {}: caught, {}, after {} executions ({}{})\n", where, to_string(each.verdict.failure),
                   executions(each.verdict), each.drawn ? "drawn, " : "", each.client);
    }
    std::fflush(stdout);
}

nlohmann::ordered_json to_json(const LockInfo& info, const MutationResult& each) {
    const bool caught = !each.verdict.passed();
    return {{"lock", info.name},
            {"file", each.mutation.at.site.file},
            {"line", each.mutation.at.site.line},
            {"site", explore::short_name(each.mutation.at.site)},
            {"change", describe(each.mutation)},
            {"client", each.client},
            {"drawn", each.drawn},
            {"caught", caught},
            {"failure", to_string(each.verdict.failure)},
            {"message", each.verdict.message},
            {"executions", caught ? executions(each.verdict) : 0},
            {"exhaustive", each.exhaustive}};
}

}  // namespace

int mutate_command(const MutateRequest& request) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    bool broken = false;
    for (const LockChecker* checker : request.locks) {
        std::vector<Client> clients =
            request.clients.empty() ? mutation_clients(checker->info) : parse_clients(request.clients, engine_g());
        const std::vector<Client> drawn =
            request.clients.empty() ? drawn_clients(checker->info) : std::vector<Client>();
        std::erase_if(clients, [&](const Client& client) { return !unfit(client, checker->info).empty(); });
        if (!request.json) {
            fmt::print("{}\n", checker->info.name);
        }
        std::size_t caught = 0;
        const MutatedLock found = mutate(*checker, clients, drawn, request.options, [&](const MutationResult& each) {
            caught += each.verdict.passed() ? 0 : 1;
            if (request.json) {
                all.push_back(to_json(checker->info, each));
            } else {
                print(each);
            }
        });
        broken = broken || !found.broken.empty();
        if (!found.broken.empty()) {
            fmt::print(request.json ? stderr : stdout, "  {}: not mutated, broken as it is: {}\n", checker->info.name,
                       found.broken);
        } else if (!request.json) {
            fmt::print("  {} places, {} mutations, {} caught, {} survived\n", found.places, found.results.size(),
                       caught, found.results.size() - caught);
        }
    }
    if (request.json) {
        fmt::print("{}\n", all.dump(2));
    }
    return broken ? kExitFailed : kExitDone;
}

}  // namespace lockbench
