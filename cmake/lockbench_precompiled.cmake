# SPDX-License-Identifier: MIT
# Libraries' headers that most translation units include are parsed once a build: GoogleTest and the standard library in
# the tests, fmt and JSON on top in what stands on bench/. It saves some two seconds of each of a hundred compilations.
#
# Only libraries' headers, and nobody may lean on it: the tsan preset builds without, and clang-tidy looks at each file
# without (tests/lint_cpp.py), so a missing #include is found there.

option(LOCKBENCH_PRECOMPILE "Parse the libraries' headers once instead of in every file" ON)

# One set of headers as a target that others reuse; `usage` is what they are compiled with.
function(lockbench_precompiled_set name usage)
    if(NOT LOCKBENCH_PRECOMPILE)
        return()
    endif()
    set(source ${PROJECT_BINARY_DIR}/generated/${name}.cpp)
    if(NOT EXISTS ${source})
        file(WRITE ${source} "")
    endif()
    add_library(${name} OBJECT ${source})
    target_link_libraries(${name} PRIVATE ${usage})
    target_precompile_headers(${name} PRIVATE ${ARGN})
endfunction()

# What comes out of a precompiled header GCC no longer knows for a system header's, and GCC 12 cries wolf inside
# std::string and std::vector (its bug 105651). A library of its own, as these options have to come after -Wall.
add_library(lockbench_precompiled_warnings INTERFACE)
target_compile_options(lockbench_precompiled_warnings INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict$<SEMICOLON>-Wno-stringop-overread$<SEMICOLON>-Wno-array-bounds>)

function(lockbench_reuse_precompiled target name)
    if(TARGET ${name})
        target_precompile_headers(${target} REUSE_FROM ${name})
        target_link_libraries(${target} PRIVATE lockbench_precompiled_warnings)
    endif()
endfunction()
