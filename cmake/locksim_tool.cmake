# SPDX-License-Identifier: MIT
# The locksim tool: the product of the two registries on the simulated machine, compiled in slices, under one main; and
# the files of the machines and of the published tables,
# compiled in.

set(LOCKSIM_SLICES 8 CACHE STRING "Object files over which the registered locks are spread for locksim")
# Writes the files of a folder into an .inc of {"name", R"(text)"} rows.
function(locksim_compile_in folder inc)
    file(GLOB files CONFIGURE_DEPENDS ${folder}/*.json)
    set(rows "")
    foreach(file IN LISTS files)
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
        get_filename_component(name ${file} NAME_WE)
        file(READ ${file} text)
        string(APPEND rows "    {\"${name}\", R\"file(${text})file\"},\n")
    endforeach()
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/${inc} CONTENT "${rows}" @ONLY)
endfunction()
locksim_compile_in(${PROJECT_SOURCE_DIR}/platform/sim/machines locksim_machines.inc)
locksim_compile_in(${PROJECT_SOURCE_DIR}/results/published locksim_tables.inc)

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
    ${PROJECT_SOURCE_DIR}/bench/locksim_workers.cpp ${PROJECT_SOURCE_DIR}/bench/locksim_tables.cpp
    ${PROJECT_SOURCE_DIR}/bench/locksim_published.cpp ${PROJECT_SOURCE_DIR}/bench/locksim_shapes.cpp
    ${PROJECT_SOURCE_DIR}/bench/locksim_probe.cpp ${PROJECT_SOURCE_DIR}/bench/locksim_validate.cpp
    ${PROJECT_SOURCE_DIR}/bench/locksim_validate_text.cpp ${PROJECT_SOURCE_DIR}/bench/locksim_fit.cpp
    ${PROJECT_SOURCE_DIR}/bench/locksim_calibrate.cpp ${PROJECT_SOURCE_DIR}/bench/locksim_calibrate_text.cpp)
target_include_directories(locksim_parts PRIVATE ${PROJECT_BINARY_DIR}/generated)
target_link_libraries(locksim_parts PUBLIC locksim_cells lockbench_bench)

add_executable(locksim ${PROJECT_SOURCE_DIR}/bench/locksim_main.cpp)
target_link_libraries(locksim PRIVATE locksim_parts)
set_target_properties(locksim PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
