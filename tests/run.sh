#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# All tests: installs what is missing, then goes through the stages of tests/stages.py.
set -euo pipefail

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Debian's own interpreter: the first python3 of the PATH may be one without the packages.
python=${PYTHON:-/usr/bin/python3}

for argument in "$@"; do
    if [[ $argument == -h || $argument == --help ]]; then
        cat <<'TEXT'
usage: tests/run.sh [--fast | --long] [arguments of ctest]

Installs missing Debian packages, then runs, and goes on after a failure:
  style       house rules, clang-format, shellcheck, flake8
  release     builds the release preset, all its ctest entries, with machines of several nodes under QEMU
              (docs/guest.md), and the Python tests
  clang-tidy  every translation unit
  asan-ubsan  builds and tests under the address and undefined-behaviour sanitizers, for a sample of the locks
              (--long: for all, and the tests of what single locks do step by step)
  tsan        builds and runs the native tests under the thread sanitizer, for a sample of the locks (--long: for all)
  clang       builds some tests with Clang and runs them (--long: the whole product and all tests)
  aarch64     builds the native tests for AArch64 with LSE and with exclusive loads and stores, for some locks (--long:
              for all), checks the instructions, runs them under qemu's user mode

  --fast      without clang-tidy, the sanitizers, clang and aarch64
  --long      with soaks of hours (LOCKBENCH_LONG=1); keeps its result in results/long-<date>.txt
  arguments   for example `-R rmap`: only the matching ctest entries of the release build

The last line is 'N passed, N failed, N skipped': cases of GoogleTest and unittest, and checks of style and of builds.
Logs and reports are in build/tests.

environment: PYTHON (default /usr/bin/python3), LOCKBENCH_JOBS (processes at a time),
LOCKBENCH_NO_INSTALL=1 (install nothing), LOCKBENCH_GUEST_KERNEL (a kernel image for the machines of tests/guest, which
else is Debian's, fetched once into build/guest)
exit status: 0 all passed, 1 something failed, 2 wrong usage, 3 packages are missing, 130 interrupted
TEXT
        exit 0
    fi
done

"$root/bench/install.sh" test
exec "$python" "$root/tests/stages.py" "$@"
