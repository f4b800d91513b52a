// SPDX-License-Identifier: MIT
#include "platform/explore/mutation.hpp"

#include <algorithm>
#include <cstring>

#include "platform/check.hpp"
#include "platform/explore/wait.hpp"

namespace lockbench::explore {
namespace {

constexpr const char* kActs[] = {"load", "store", "rmw", "fence", "wake", "sleep_prepare"};
constexpr const char* kPhases[] = {"",           " in lock",          " in lock_shared",
                                   " in unlock", " in unlock_shared", " in downgrade"};
constexpr const char* kOrders[] = {"relaxed", "acquire", "release", "acq_rel", "seq_cst"};

const char* name(Order order) { return kOrders[static_cast<std::size_t>(order)]; }

// The orders just below, of an access that reads, writes, or does both.
std::vector<Order> weaker_than(Order order, bool reads, bool writes) {
    switch (order) {
        case Order::seq_cst:
            return {reads && writes ? Order::acq_rel : reads ? Order::acquire : Order::release};
        case Order::acq_rel:
            return {Order::acquire, Order::release};
        case Order::acquire:
        case Order::release:
            return {Order::relaxed};
        default:
            return {};
    }
}

// False: not an access that can be made wrong.
bool classify(const Request& request, Operation& operation) {
    switch (request.kind) {
        case Kind::load:
        case Kind::await:
        case Kind::select:  // an await that a stop ends
            operation.act = Act::load;
            break;
        case Kind::store:
            operation.act = Act::store;
            break;
        case Kind::rmw:
            operation.act = Act::rmw;
            break;
        case Kind::fence:
            operation.act = Act::fence;
            break;
        default:
            return false;
    }
    operation.order = request.order;
    operation.failure = request.failure;
    operation.site = request.site;
    return operation.act == Act::fence || !is_kernel_word(request.place);
}

}  // namespace

bool same_place(const Operation& a, const Operation& b) {
    return a.site.line == b.site.line && a.act == b.act && a.order == b.order && a.phase == b.phase &&
           std::strcmp(a.site.file, b.site.file) == 0;
}

std::string describe(const Mutation& mutation) {
    const std::string act = kActs[static_cast<std::size_t>(mutation.at.act)];
    const std::string order = std::string(" ") + name(mutation.at.order);
    switch (mutation.fault) {
        case Fault::order:
            return act + order + " -> " + name(mutation.weaker);
        case Fault::failure:
            return act + " that fails, " + name(mutation.at.failure) + " -> " + name(mutation.weaker);
        case Fault::left_out:
            return act +
                   (mutation.at.act == Act::fence ? order : kPhases[static_cast<std::size_t>(mutation.at.phase)]) +
                   " left out";
        case Fault::late:
            return act + " behind the re-check";
        default:
            return act + order + " -> load, store";
    }
}

std::vector<Mutation> mutations_of(const Operation& operation) {
    std::vector<Mutation> all;
    const Act act = operation.act;
    const bool reads = act != Act::store;
    const bool writes = act != Act::load;
    // What the platform does by itself has no order of the lock's.
    const bool ordered = act != Act::wake && act != Act::prepare;
    for (const Order weaker : ordered ? weaker_than(operation.order, reads, writes) : std::vector<Order>()) {
        all.push_back({operation, Fault::order, weaker});
    }
    if (act == Act::rmw) {
        if (operation.failure != operation.order) {
            for (const Order weaker : weaker_than(operation.failure, true, false)) {
                all.push_back({operation, Fault::failure, weaker});
            }
        }
        all.push_back({operation, Fault::halved, operation.order});
    }
    if (act == Act::fence || act == Act::wake) {
        all.push_back({operation, Fault::left_out, operation.order});
    }
    if (act == Act::prepare) {
        all.push_back({operation, Fault::late, operation.order});
    }
    return all;
}

Mutator::Mutator() : notes_(true) {
    check(mutator == nullptr, "one mutation at a time");
    mutator = this;
}
Mutator::Mutator(const Mutation& mutation) : notes_(false), mutation_(mutation) {
    check(mutator == nullptr, "one mutation at a time");
    mutator = this;
}
Mutator::~Mutator() { mutator = nullptr; }

std::vector<Operation> Mutator::noted() const {
    std::vector<Operation> sorted = noted_;
    std::sort(sorted.begin(), sorted.end(), [](const Operation& a, const Operation& b) {
        const int files = std::strcmp(a.site.file, b.site.file);
        return files != 0                   ? files < 0
               : a.site.line != b.site.line ? a.site.line < b.site.line
               : a.act != b.act             ? a.act < b.act
               : a.phase != b.phase         ? a.phase < b.phase
                                            : a.order < b.order;
    });
    return sorted;
}

void Mutator::note(const Operation& operation) {
    const auto known = [&operation](const Operation& other) { return same_place(operation, other); };
    if (std::none_of(noted_.begin(), noted_.end(), known)) {
        noted_.push_back(operation);
    }
}

bool Mutator::hits(const Operation& operation) const { return !notes_ && same_place(operation, mutation_.at); }

bool Mutator::does(Act act, Site site) {
    const InCall phase = act == Act::wake ? phase_[self_thread->tid] : InCall::elsewhere;
    const Operation operation{act, phase, Order::seq_cst, Order::seq_cst, site};
    if (notes_) {
        note(operation);
    }
    const bool hit = hits(operation);
    if (act == Act::prepare) {
        late_[self_thread->tid] = hit;
    }
    return !hit;
}

void Mutator::count_from_here() { asked_[self_thread->tid] = 0; }
std::uint64_t Mutator::counted() const { return asked_[self_thread->tid]; }

void Mutator::mark(Mark mark, Mode mode, bool downgrade) {
    const bool read = mode == Mode::read;
    InCall& phase = phase_[self_thread->tid];
    if (mark == Mark::doorway) {
        phase = read ? InCall::lock_shared : InCall::lock;
    } else if (mark == Mark::released) {
        phase = read ? InCall::unlock_shared : InCall::unlock;
    } else {
        phase = downgrade ? InCall::downgrade : InCall::elsewhere;
    }
}

std::uint64_t Mutator::perform(const Request& request) {
    Engine& engine = core->engine();
    Operation operation;
    ++asked_[self_thread->tid];
    if (!classify(request, operation)) {
        return engine.perform(*self_thread, request);
    }
    if (notes_) {
        note(operation);
    }
    if (!hits(operation)) {
        return engine.perform(*self_thread, request);
    }
    if (mutation_.fault == Fault::left_out) {
        return 0;
    }
    if (mutation_.fault == Fault::halved) {
        return halved(request);
    }
    Request weaker = request;
    if (mutation_.fault == Fault::failure) {
        weaker.failure = mutation_.weaker;
    } else {
        weaker.failure = request.failure == request.order ? mutation_.weaker : request.failure;
        weaker.order = mutation_.weaker;
    }
    return engine.perform(*self_thread, weaker);
}

std::uint64_t Mutator::halved(const Request& request) {
    const bool acquiring = request.order != Order::relaxed && request.order != Order::release;
    const bool releasing = request.order != Order::relaxed && request.order != Order::acquire;
    Request read = request;
    read.kind = Kind::load;
    read.order = acquiring ? Order::acquire : Order::relaxed;
    read.update = nullptr;
    const std::uint64_t old = core->engine().perform(*self_thread, read);
    Request write = read;
    write.kind = Kind::store;
    write.order = releasing ? Order::release : Order::relaxed;
    if (request.update(request.frame, old, write.operand)) {
        core->engine().perform(*self_thread, write);
    }
    return old;
}

}  // namespace lockbench::explore
