// SPDX-License-Identifier: MIT
// What became of a historic fault, as one line of JSON, where LOCKBENCH_MUTANTS names a file: what docs/mutations.md is
// made of.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string_view>

namespace lockbench::test {

struct MutantRecord {
    std::string_view id;
    std::string_view mutant;
    std::string_view engine;
    std::string_view model;
    std::string_view client;
    std::string_view property;
    std::uint64_t executions;  // to the failure
    bool caught;
};

// The words of the tables contain nothing that JSON would have to escape.
inline void record_mutant(const MutantRecord& record) {
    const char* const path = std::getenv("LOCKBENCH_MUTANTS");
    if (path == nullptr) {
        return;
    }
    std::ofstream out(path, std::ios::app);
    out << R"({"id": ")" << record.id << R"(", "mutant": ")" << record.mutant << R"(", "engine": ")" << record.engine
        << R"(", "model": ")" << record.model << R"(", "client": ")" << record.client << R"(", "property": ")"
        << record.property << R"(", "executions": )" << record.executions << R"(, "caught": )"
        << (record.caught ? "true" : "false") << "}\n";
}

}  // namespace lockbench::test
