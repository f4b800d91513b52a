# SPDX-License-Identifier: MIT
# The lockbench tool: the product of the two registries, compiled in slices, under one main.

set(LOCKBENCH_SLICES 8 CACHE STRING "Object files over which the registered locks are spread")
add_library(lockbench_cells STATIC ${PROJECT_SOURCE_DIR}/bench/cells_index.cpp)
target_compile_definitions(lockbench_cells PRIVATE LOCKBENCH_SLICES=${LOCKBENCH_SLICES})
target_link_libraries(lockbench_cells PUBLIC lockbench_bench_usage)
math(EXPR last_slice "${LOCKBENCH_SLICES} - 1")
foreach(slice RANGE ${last_slice})
    add_library(lockbench_cells_${slice} OBJECT ${PROJECT_SOURCE_DIR}/bench/cells_slice.cpp)
    target_compile_definitions(lockbench_cells_${slice} PRIVATE LOCKBENCH_SLICE=${slice}
        LOCKBENCH_SLICES=${LOCKBENCH_SLICES})
    # Where a function or a loop happens to begin within a cache line is worth a few cycles, and is no property of a
    # lock.
    target_compile_options(lockbench_cells_${slice} PRIVATE -falign-functions=64 -falign-loops=64)
    target_link_libraries(lockbench_cells_${slice} PRIVATE lockbench_bench_usage)
    target_sources(lockbench_cells PRIVATE $<TARGET_OBJECTS:lockbench_cells_${slice}>)
endforeach()

# The index of locks is asked by plans and lists, and it in turn runs trials: the two libraries know each other.
target_link_libraries(lockbench_bench PUBLIC lockbench_cells)
target_link_libraries(lockbench_cells PUBLIC lockbench_bench)
# GoogleTest stands between the two on a test's link line and can pull members of the library late, by the string
# functions that both carry: once more round.
set_target_properties(lockbench_bench PROPERTIES LINK_INTERFACE_MULTIPLICITY 3)

add_executable(lockbench ${PROJECT_SOURCE_DIR}/bench/main.cpp)
target_link_libraries(lockbench PRIVATE lockbench_bench)
set_target_properties(lockbench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
