# SPDX-License-Identifier: MIT
# The lockcheck tool: the registry of locks on the Explore platform, compiled in slices, under one main. It needs none
# of the libraries that measuring needs.

set(LOCKCHECK_SLICES 4)
add_library(lockcheck_cells STATIC ${PROJECT_SOURCE_DIR}/bench/lockcheck_cells.cpp)
math(EXPR last_slice "${LOCKCHECK_SLICES} - 1")
foreach(slice RANGE ${last_slice})
    add_library(lockcheck_cells_${slice} OBJECT ${PROJECT_SOURCE_DIR}/bench/lockcheck_slice.cpp)
    target_compile_definitions(lockcheck_cells_${slice} PRIVATE LOCKBENCH_SLICE=${slice}
        LOCKBENCH_SLICES=${LOCKCHECK_SLICES})
    target_link_libraries(lockcheck_cells_${slice} PRIVATE lockbench_locks lockbench_coop)
    target_sources(lockcheck_cells PRIVATE $<TARGET_OBJECTS:lockcheck_cells_${slice}>)
endforeach()
target_compile_definitions(lockcheck_cells PRIVATE LOCKBENCH_SLICES=${LOCKCHECK_SLICES})
target_link_libraries(lockcheck_cells PUBLIC lockbench_locks lockbench_coop fmt::fmt)

add_executable(lockcheck ${PROJECT_SOURCE_DIR}/bench/lockcheck_main.cpp
    ${PROJECT_SOURCE_DIR}/bench/lockcheck_mutate.cpp)
target_link_libraries(lockcheck PRIVATE lockcheck_cells CLI11::CLI11 fmt::fmt nlohmann_json::nlohmann_json)
set_target_properties(lockcheck PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
