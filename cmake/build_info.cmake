# SPDX-License-Identifier: MIT
# What a result records of its build: compiler, flags, preset and libraries at configure time, the commit at every
# build. Only bench/build_info.cpp includes the two headers made here, so a new commit compiles one file.

set(build_info_dir ${PROJECT_BINARY_DIR}/generated)
string(TOUPPER "${CMAKE_BUILD_TYPE}" build_info_type)
set(build_info_flags "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${build_info_type}} -std=c++${CMAKE_CXX_STANDARD}")
if(LOCKBENCH_SANITIZE)
    string(APPEND build_info_flags " -fsanitize=${LOCKBENCH_SANITIZE}")
endif()
string(STRIP "${build_info_flags}" build_info_flags)
configure_file(${CMAKE_CURRENT_LIST_DIR}/build_info_configured.hpp.in ${build_info_dir}/build_info_configured.hpp @ONLY)

# git is asked at every build; the header is written only when the answer changed.
add_custom_target(lockbench_commit
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_CURRENT_LIST_DIR}/.. -DOUTPUT=${build_info_dir}/build_info_commit.hpp
        -P ${CMAKE_CURRENT_LIST_DIR}/record_commit.cmake
    BYPRODUCTS ${build_info_dir}/build_info_commit.hpp
    VERBATIM)
add_dependencies(lockbench_bench lockbench_commit)
target_include_directories(lockbench_bench PRIVATE ${build_info_dir})
