# SPDX-License-Identifier: MIT
# Which atomic instructions an AArch64 build uses. Left alone, GCC and Clang call a helper for each atomic operation
# that looks for LSE at run time ("outline atomics"); the kernel patches its code at boot instead and runs the
# instruction in line. A lock measured through such calls would be measured with its calls, so a build chooses. The
# choice goes into CMAKE_CXX_FLAGS, which every result records.

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    # A build for this machine asks this machine; a cross build that does not say gets what any AArch64 runs.
    set(lockbench_atomics_here llsc)
    if(NOT CMAKE_CROSSCOMPILING AND EXISTS /proc/cpuinfo)
        file(STRINGS /proc/cpuinfo lockbench_cpu_features REGEX "^Features.* atomics( |$)" LIMIT_COUNT 1)
        if(lockbench_cpu_features)
            set(lockbench_atomics_here lse)
        endif()
    endif()
    set(LOCKBENCH_ATOMICS ${lockbench_atomics_here} CACHE STRING
        "AArch64: lse (instructions of Armv8.1), llsc (load/store-exclusive loops) or outline (chosen at run time)")
    set_property(CACHE LOCKBENCH_ATOMICS PROPERTY STRINGS lse llsc outline)
    if(LOCKBENCH_ATOMICS STREQUAL "lse")
        string(APPEND CMAKE_CXX_FLAGS " -march=armv8.1-a")
    elseif(LOCKBENCH_ATOMICS STREQUAL "llsc")
        string(APPEND CMAKE_CXX_FLAGS " -march=armv8-a -mno-outline-atomics")
    elseif(NOT LOCKBENCH_ATOMICS STREQUAL "outline")
        message(FATAL_ERROR "LOCKBENCH_ATOMICS is lse, llsc or outline, not '${LOCKBENCH_ATOMICS}'")
    endif()
endif()
