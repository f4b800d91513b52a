# SPDX-License-Identifier: MIT
# cmake -DSOURCE=folder -DOUTPUT=header -P record_commit.cmake
# Writes the commit of SOURCE and whether what the tool is built from differs from it. Outside a git work tree both are
# unknown.

set(commit "")
set(dirty "-1")
find_program(git_program git)
if(git_program)
    # A checkout of another user, as in a container, is not trusted by git unless it is named.
    get_filename_component(SOURCE ${SOURCE} REALPATH)
    set(git ${git_program} -c safe.directory=${SOURCE} -C ${SOURCE})
    execute_process(COMMAND ${git} rev-parse --show-toplevel OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE
        RESULT_VARIABLE status ERROR_QUIET)
    # A folder unpacked somewhere inside another project's clone has no commit of its own.
    if(status EQUAL 0 AND top STREQUAL SOURCE)
        execute_process(COMMAND ${git} rev-parse HEAD OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE
            RESULT_VARIABLE status ERROR_QUIET)
        if(status EQUAL 0)
            # Untracked sources count: files are found by folder. Results and reports written into the clone do not.
            execute_process(COMMAND ${git} status --porcelain --
                CMakeLists.txt CMakePresets.json cmake platform locks workloads bench
                OUTPUT_VARIABLE changes RESULT_VARIABLE status ERROR_QUIET)
            if(status EQUAL 0)
                string(COMPARE NOTEQUAL "${changes}" "" changed)
                set(dirty "${changed}")
            endif()
        else()
            set(commit "")
        endif()
    endif()
endif()
if(NOT dirty STREQUAL "-1")
    if(dirty)
        set(dirty 1)
    else()
        set(dirty 0)
    endif()
endif()

set(text "// Written by cmake/record_commit.cmake at every build.
#pragma once

namespace lockbench::configured {

inline constexpr const char* kCommit = \"${commit}\";
inline constexpr int kDirty = ${dirty};  // 1 yes, 0 no, -1 unknown

}  // namespace lockbench::configured
")
set(old "")
if(EXISTS ${OUTPUT})
    file(READ ${OUTPUT} old)
endif()
if(NOT old STREQUAL text)
    file(WRITE ${OUTPUT} "${text}")
endif()
