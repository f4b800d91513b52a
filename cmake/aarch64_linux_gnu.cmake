# SPDX-License-Identifier: MIT
# Toolchain file: builds for AArch64 Linux with Debian's cross compiler (g++-aarch64-linux-gnu), or with Clang and that
# compiler's libraries, and runs what was built under qemu's user mode (qemu-user). Nothing is taken from a foreign
# architecture's packages: the native tests need GoogleTest, which is built from the sources that Debian ships, and
# nothing else.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(lockbench_sysroot /usr/aarch64-linux-gnu)

if(NOT CMAKE_CXX_COMPILER)
    set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
    set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
endif()
# For Clang, which is every target's compiler; GCC does not look at it.
set(CMAKE_C_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_CXX_COMPILER_TARGET aarch64-linux-gnu)

# qemu looks for the dynamic loader and the libraries below this folder.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L ${lockbench_sysroot})

# Programs of the build come from the host, headers and libraries only from the target's tree.
set(CMAKE_FIND_ROOT_PATH ${lockbench_sysroot})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
