# SPDX-License-Identifier: MIT
# Every tests/<folder>/<name>_test.cpp is one executable and one ctest entry "<folder>/<name>", labelled with its folder
# and, where the name ends in _native_test or _coop_test, with the platform it runs on. Tests in tests/bench link the
# bench layer. Without the cooperative platform there are the native tests only: others may use it.

file(GLOB support_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/support/*.cpp)
if(support_sources)
    add_library(lockbench_test_support STATIC ${support_sources})
    target_link_libraries(lockbench_test_support PUBLIC lockbench_workloads GTest::gtest)
endif()

set(LOCKBENCH_TEST_TIMEOUT 600 CACHE STRING "Seconds that one test executable may take; soaks need more")

set(LOCKBENCH_TEST_EVERY 1 CACHE STRING "The tests that go through all locks take one in so many; 1: all")
# tests/bench/every_cell_test.py and cli_locksim_test.py run all of these as the tools have them.
set(LOCKBENCH_WORKLOAD_TEST_EVERY 4 CACHE STRING "The same, of the tests of workloads")

set(test_headers <gtest/gtest.h> <algorithm> <array> <functional> <map> <memory> <optional> <set> <string> <vector>)
# A precompiled header serves one level of optimisation: the plain ones are for what is compiled without.
lockbench_precompiled_set(lockbench_test_headers "lockbench_workloads;GTest::gtest" ${test_headers})
lockbench_precompiled_set(lockbench_plain_test_headers "lockbench_workloads;GTest::gtest" ${test_headers})
set(plain $<$<CONFIG:Release>:-O0$<SEMICOLON>-g0>)
set(plain_headers lockbench_plain_test_headers)
if(LOCKBENCH_BENCH)
    lockbench_precompiled_set(lockbench_plain_bench_test_headers "lockbench_bench_usage;GTest::gtest" ${test_headers}
        <fmt/format.h> <nlohmann/json.hpp>)
    list(APPEND plain_headers lockbench_plain_bench_test_headers)
endif()
foreach(headers IN LISTS plain_headers)
    if(TARGET ${headers})
        target_compile_options(${headers} PRIVATE ${plain})
    endif()
endforeach()

# Checks of the checks, and what takes the sanitizers' builds longest beside what they look at anyway.
set(unsanitized locks/canary workloads/rmap_bugs_coop workloads/numa_migration_coop workloads/vma_adjust_coop
    workloads/file_mkclean_coop workloads/pageable_bugs_coop workloads/registry)

function(lockbench_add_test source)
    get_filename_component(name ${source} NAME_WE)
    get_filename_component(folder ${source} DIRECTORY)
    get_filename_component(folder ${folder} NAME)
    string(REGEX REPLACE "_test$" "" short ${name})
    set(target ${folder}_${name})
    add_executable(${target} ${source})
    target_link_libraries(${target} PRIVATE lockbench_workloads GTest::gtest_main)
    if(TARGET lockbench_test_support)
        target_link_libraries(${target} PRIVATE lockbench_test_support)
    endif()
    set(every ${LOCKBENCH_TEST_EVERY})
    if(target MATCHES "^workloads_.*_(native|coop)_test$" AND every LESS LOCKBENCH_WORKLOAD_TEST_EVERY)
        set(every ${LOCKBENCH_WORKLOAD_TEST_EVERY})
    endif()
    if(NOT every EQUAL 1)
        target_compile_definitions(${target} PRIVATE LOCKBENCH_TEST_EVERY=${every})
    endif()
    if(LOCKBENCH_COOP AND NOT short MATCHES "_native$")
        target_link_libraries(${target} PRIVATE lockbench_coop)
    endif()
    if(folder STREQUAL "bench")
        target_link_libraries(${target} PRIVATE lockbench_bench)
    endif()
    if(short MATCHES "_native$|^(graph|explore|states|random|mutat|mutant|sim)")
        # What runs locks on CPUs is compiled as the tool is, and so is what searches.
        if(LOCKBENCH_SANITIZE)
            target_compile_options(${target} PRIVATE -O1)
        elseif(NOT folder STREQUAL "bench")
            lockbench_reuse_precompiled(${target} lockbench_test_headers)
        endif()
    else()
        # Here it is the compiler that takes long.
        target_compile_options(${target} PRIVATE ${plain})
        if(folder STREQUAL "bench")
            lockbench_reuse_precompiled(${target} lockbench_plain_bench_test_headers)
        else()
            lockbench_reuse_precompiled(${target} lockbench_plain_test_headers)
        endif()
    endif()
    add_test(NAME ${folder}/${short} COMMAND ${target})
    set(labels ${folder})
    if((folder STREQUAL "locks" AND short MATCHES "_coop$" AND NOT short MATCHES "^contract") OR
       "${folder}/${short}" IN_LIST unsanitized)
        # What one lock does step by step, and the list above: left out of the sanitizers' stage unless --long asks for
        # all.
        list(APPEND labels unsanitized)
    endif()
    if(short MATCHES "_native$")
        list(APPEND labels native)
    elseif(short MATCHES "_coop$")
        list(APPEND labels coop)
    endif()
    set_tests_properties(${folder}/${short} PROPERTIES LABELS "${labels}" TIMEOUT ${LOCKBENCH_TEST_TIMEOUT})
    if(CMAKE_CROSSCOMPILING)
        set_tests_properties(${folder}/${short} PROPERTIES ENVIRONMENT LOCKBENCH_EMULATED=1)
    endif()
    if("native" IN_LIST labels)
        # Native tests use every CPU: two at once would convoy and say nothing.
        set_tests_properties(${folder}/${short} PROPERTIES RUN_SERIAL ON)
    endif()
endfunction()

set(test_folders platform locks workloads)
if(LOCKBENCH_BENCH)
    list(APPEND test_folders bench)
endif()
foreach(folder IN LISTS test_folders)
    file(GLOB test_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/*_test.cpp)
    if(NOT LOCKBENCH_COOP)
        list(FILTER test_sources INCLUDE REGEX "_native_test\\.cpp$")
    endif()
    if(LOCKBENCH_SANITIZE)
        # The explorer leaves fibers without unwinding them and keeps its own account of lifetimes and races.
        list(FILTER test_sources EXCLUDE REGEX "/((graph|states|random)_[a-z_]+|explore|mutants)_test\\.cpp$")
    endif()
    foreach(source IN LISTS test_sources)
        lockbench_add_test(${source})
    endforeach()
endforeach()
if(LOCKBENCH_BENCH)
    # Preloaded by tests of the whole tool.
    add_library(fake_pmu MODULE ${PROJECT_SOURCE_DIR}/tests/bench/fake_pmu.cpp)
    target_link_libraries(fake_pmu PRIVATE lockbench_flags ${CMAKE_DL_LIBS})
endif()
# The one test that looks at the tree: elsewhere the two paths would only keep a compiler cache from serving two clones.
if(TARGET bench_build_info_test)
    target_compile_definitions(bench_build_info_test PRIVATE LOCKBENCH_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
        LOCKBENCH_BINARY_DIR="${PROJECT_BINARY_DIR}")
endif()
# A build with LSE atomics says on a CPU before Armv8.1 what it lacks, and ends with status 3.
if(CMAKE_CROSSCOMPILING AND LOCKBENCH_ATOMICS STREQUAL "lse")
    list(JOIN CMAKE_CROSSCOMPILING_EMULATOR " " emulator)
    add_test(NAME platform/older_cpu COMMAND sh -c "${emulator} -cpu cortex-a53 $0 >log 2>&1; test $? -eq 3 && \
grep -q 'LSE atomics, which this CPU lacks' log" $<TARGET_FILE:platform_native_native_test>)
endif()

# No test but a program for results/explore-speed.md.
if(LOCKBENCH_COOP AND NOT LOCKBENCH_SANITIZE)
    add_executable(explore_speed ${PROJECT_SOURCE_DIR}/tests/platform/explore_speed.cpp)
    target_link_libraries(explore_speed PRIVATE lockbench_coop)
endif()

# The one test in Python that is a ctest entry: it boots machines, and so must not run beside native tests, which
# RUN_SERIAL sees to, nor a second time among the Python tests (tests/stages.py leaves its folder out).
if(LOCKBENCH_BENCH)
    find_program(LOCKBENCH_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH DOC "Debian's own interpreter")
    if(NOT LOCKBENCH_PYTHON)
        find_program(LOCKBENCH_PYTHON python3 REQUIRED)
    endif()
    add_test(NAME guest/placements
        COMMAND ${LOCKBENCH_PYTHON} tests/run_unittest.py tests/guest/placements_test.py
        WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(guest/placements PROPERTIES LABELS guest RUN_SERIAL ON TIMEOUT 1200
        ENVIRONMENT LOCKBENCH_BUILD_DIR=${PROJECT_BINARY_DIR} SKIP_REGULAR_EXPRESSION "skipped 'no guest: ")
endif()
