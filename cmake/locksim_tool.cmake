# SPDX-License-Identifier: MIT
# The locksim tool: the product of the two registries on the simulated machine, compiled in slices, under one main; and
# the files of the machines, compiled in.

set(LOCKSIM_SLICES 8 CACHE STRING "Object files over which the registered locks are spread for locksim")
file(GLOB machine_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/platform/sim/machines/*.json)
set(machines "")
foreach(machine IN LISTS machine_files)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${machine})
    get_filename_component(name ${machine} NAME_WE)
    file(READ ${machine} text)
    string(APPEND machines "    {\"${name}\", R\"machine(${text})machine\"},\n")
endforeach()
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/locksim_machines.inc CONTENT "${machines}" @ONLY)

add_library(locksim_cells STATIC ${PROJECT_SOURCE_DIR}/bench/locksim_cells.cpp)
math(EXPR last_slice "${LOCKSIM_SLICES} - 1")
foreach(slice RANGE ${last_slice})
    add_library(locksim_cells_${slice} OBJECT ${PROJECT_SOURCE_DIR}/bench/locksim_slice.cpp)
    target_compile_definitions(locksim_cells_${slice} PRIVATE LOCKBENCH_SLICE=${slice}
        LOCKBENCH_SLICES=${LOCKSIM_SLICES})
    # What is simulated does not depend on it, and it halves the time of compiling the product.
    target_compile_options(locksim_cells_${slice} PRIVATE $<$<CONFIG:Release>:-O1$<SEMICOLON>-g0>)
    target_link_libraries(locksim_cells_${slice} PRIVATE lockbench_workloads lockbench_coop)
    target_sources(locksim_cells PRIVATE $<TARGET_OBJECTS:locksim_cells_${slice}>)
endforeach()
target_compile_definitions(locksim_cells PRIVATE LOCKBENCH_SLICES=${LOCKSIM_SLICES})
target_link_libraries(locksim_cells PUBLIC lockbench_workloads lockbench_coop)

add_library(locksim_parts STATIC ${PROJECT_SOURCE_DIR}/bench/locksim_machines.cpp
    ${PROJECT_SOURCE_DIR}/bench/locksim_machine.cpp ${PROJECT_SOURCE_DIR}/bench/locksim_machine_file.cpp
    ${PROJECT_SOURCE_DIR}/bench/locksim_trial.cpp ${PROJECT_SOURCE_DIR}/bench/locksim_plan.cpp
    ${PROJECT_SOURCE_DIR}/bench/locksim_report.cpp ${PROJECT_SOURCE_DIR}/bench/locksim_run.cpp
    ${PROJECT_SOURCE_DIR}/bench/locksim_calibrate.cpp)
target_include_directories(locksim_parts PRIVATE ${PROJECT_BINARY_DIR}/generated)
target_link_libraries(locksim_parts PUBLIC locksim_cells lockbench_bench)

add_executable(locksim ${PROJECT_SOURCE_DIR}/bench/locksim_main.cpp)
target_link_libraries(locksim PRIVATE locksim_parts)
set_target_properties(locksim PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
