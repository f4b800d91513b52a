# SPDX-License-Identifier: MIT
# The targets: one interface library a layer (platform <- locks <- workloads <- bench), the tools, and one helper for
# tests.

include(lockbench_precompiled)

add_library(lockbench_flags INTERFACE)
target_compile_options(lockbench_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion $<$<BOOL:${LOCKBENCH_WERROR}>:-Werror>)
# GCC 12 warns that TSan cannot see fences; the platform replaces each by a read-modify-write there.
if(LOCKBENCH_SANITIZE)
    target_compile_options(lockbench_flags INTERFACE -fsanitize=${LOCKBENCH_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(lockbench_flags INTERFACE -fsanitize=${LOCKBENCH_SANITIZE})
    # GCC's documentation warns that instrumented code makes this one cry wolf; it does, in <regex>.
    target_compile_options(lockbench_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()
target_include_directories(lockbench_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(lockbench_flags INTERFACE LOCKBENCH_VERSION="${PROJECT_VERSION}")

# What the tool runs on, and apart from it the platforms on fibers (cooperative, explorer), the users of Boost.Context.
file(GLOB platform_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/platform/*.cpp)
file(GLOB coop_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/platform/coop_*.cpp
    ${PROJECT_SOURCE_DIR}/platform/fiber.cpp ${PROJECT_SOURCE_DIR}/platform/explore/*.cpp
    ${PROJECT_SOURCE_DIR}/platform/sim/*.cpp)
list(REMOVE_ITEM platform_sources ${coop_sources})
add_library(lockbench_platform STATIC ${platform_sources})
target_link_libraries(lockbench_platform PUBLIC lockbench_flags Threads::Threads)
if(LOCKBENCH_COOP)
    find_package(Boost 1.74 REQUIRED COMPONENTS context)
    add_library(lockbench_coop STATIC ${coop_sources})
    target_link_libraries(lockbench_coop PUBLIC lockbench_platform Boost::context)
endif()

add_library(lockbench_locks INTERFACE)
target_link_libraries(lockbench_locks INTERFACE lockbench_platform)

add_library(lockbench_workloads INTERFACE)
target_link_libraries(lockbench_workloads INTERFACE lockbench_locks)

if(LOCKBENCH_BENCH)
    find_package(benchmark 1.7 CONFIG REQUIRED)
    find_package(CLI11 CONFIG REQUIRED)
    find_package(fmt CONFIG REQUIRED)
    find_package(nlohmann_json CONFIG REQUIRED)
    pkg_check_modules(hwloc REQUIRED IMPORTED_TARGET hwloc)
    pkg_check_modules(numa REQUIRED IMPORTED_TARGET numa)
    pkg_check_modules(papi IMPORTED_TARGET papi)
    find_package(ZLIB REQUIRED)
    file(GLOB bench_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*.cpp)
    list(REMOVE_ITEM bench_sources ${PROJECT_SOURCE_DIR}/bench/main.cpp)
    list(FILTER bench_sources EXCLUDE REGEX "/(cells|lockcheck|locksim)_[a-z_]*\\.cpp$")
    # What everything in bench/ is compiled with; the library and the slices of the registry share it without depending
    # on each other.
    add_library(lockbench_bench_usage INTERFACE)
    target_link_libraries(lockbench_bench_usage INTERFACE lockbench_workloads benchmark::benchmark CLI11::CLI11 fmt::fmt
        nlohmann_json::nlohmann_json PkgConfig::hwloc PkgConfig::numa ZLIB::ZLIB)
    if(papi_FOUND)
        target_link_libraries(lockbench_bench_usage INTERFACE PkgConfig::papi)
        target_compile_definitions(lockbench_bench_usage INTERFACE LOCKBENCH_HAVE_PAPI=1)
    endif()
    add_library(lockbench_bench STATIC ${bench_sources})
    target_link_libraries(lockbench_bench PUBLIC lockbench_bench_usage)
    lockbench_precompiled_set(lockbench_bench_headers lockbench_bench_usage
        <algorithm> <array> <functional> <map> <memory> <optional> <string> <vector> <fmt/format.h> <nlohmann/json.hpp>)
    lockbench_reuse_precompiled(lockbench_bench lockbench_bench_headers)
    include(build_info)
    include(lockbench_tool)
    if(LOCKBENCH_COOP)
        include(lockcheck_tool)
        include(locksim_tool)
    endif()
endif()

if(LOCKBENCH_TESTS)
    enable_testing()
    if(CMAKE_CROSSCOMPILING)
        # Debian's GoogleTest library is the host's; its sources are there too.
        set(LOCKBENCH_GTEST_SOURCE /usr/src/googletest/googletest CACHE PATH "Where GoogleTest's sources are")
        add_subdirectory(${LOCKBENCH_GTEST_SOURCE} ${PROJECT_BINARY_DIR}/googletest EXCLUDE_FROM_ALL SYSTEM)
        # The framework's own speed is nobody's concern, and this halves the cost of building it.
        target_compile_options(gtest PRIVATE -O0)
    else()
        find_package(GTest REQUIRED)
    endif()
    include(lockbench_tests)
endif()
