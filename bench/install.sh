#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs the Debian packages that are missing. bench/run.sh and tests/run.sh call it first.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bench/install.sh [--list] run|test

  run     what bench/run.sh needs: compiler, CMake, libraries, and Python's plotting packages
  test    the same and what tests/run.sh needs on top: style checks, Clang, AArch64
  --list  print the packages of the set, one a line, and stop

Missing packages are installed with apt-get: directly as root, else through sudo where it asks for no password. Without
either, the one command to run is printed. LOCKBENCH_NO_INSTALL=1 skips the check: for machines that have the tools and
libraries from elsewhere.

exit status: 0 nothing is missing any more, 2 wrong usage, 3 packages are missing and could not be installed
TEXT
}

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The release preset also configures the tests, so GoogleTest belongs to the first set.
run_packages=(
    cmake ninja-build g++ pkg-config
    libboost-dev libboost-context-dev libgtest-dev libbenchmark-dev libcli11-dev libfmt-dev nlohmann-json3-dev
    libhwloc-dev libnuma-dev libpapi-dev zlib1g-dev
    python3 python3-matplotlib python3-numpy
)
# Every result names the commit it was measured at; an unpacked archive has none to name.
[[ ! -e $root/.git ]] || run_packages+=(git)
# The second compiler and the other architecture: the stages clang and aarch64, and tests/platform/codegen_test.py.
test_packages=(
    "${run_packages[@]}"
    clang-format clang-tidy flake8 shellcheck
    clang g++-aarch64-linux-gnu binutils-aarch64-linux-gnu googletest qemu-user
)
# Machines with several NUMA nodes, for tests/guest: on x86-64 alone, as their programs are those built here.
[[ $HOSTTYPE != x86_64 ]] || test_packages+=(qemu-system-x86 busybox-static cpio)

say() { printf 'install: %s\n' "$*"; }
complain() { printf 'install: %s\n' "$*" >&2; }

# Prints those of its arguments that dpkg does not hold as installed.
missing_of() {
    local held package
    # dpkg-query fails when it does not know a name; what it does know it prints all the same.
    held=$(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
    for package in "$@"; do
        grep --quiet --line-regexp --fixed-strings "installed $package" <<<"$held" || printf '%s\n' "$package"
    done
}

# Runs apt-get with its chatter in the log.
apt_quietly() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get --quiet "$@" >>"$log" 2>&1 </dev/null
}

list_only=no
set_name=""
for argument in "$@"; do
    case $argument in
        -h | --help) usage && exit 0 ;;
        --list) list_only=yes ;;
        run | test)
            if [[ -n $set_name ]]; then
                complain "one set at a time: '$set_name' or '$argument'"
                exit 2
            fi
            set_name=$argument
            ;;
        *)
            complain "unknown argument '$argument'; allowed are --list and one of run, test"
            exit 2
            ;;
    esac
done
case $set_name in
    run) packages=("${run_packages[@]}") ;;
    test) packages=("${test_packages[@]}") ;;
    *)
        usage >&2
        exit 2
        ;;
esac

if [[ $list_only == yes ]]; then
    printf '%s\n' "${packages[@]}"
    exit 0
fi
if [[ ${LOCKBENCH_NO_INSTALL:-0} == 1 ]]; then
    exit 0
fi
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    complain "this machine has no apt-get. Install the counterparts of these Debian 12 packages, then set"
    complain "LOCKBENCH_NO_INSTALL=1: ${packages[*]}"
    exit 3
fi

mapfile -t missing < <(missing_of "${packages[@]}")
if ((${#missing[@]} == 0)); then
    exit 0
fi

say "${#missing[@]} of ${#packages[@]} Debian packages are missing: ${missing[*]}"
as_root=()
if [[ $(id -u) != 0 ]]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root=(sudo -n)
    else
        complain "installing needs root, and sudo is absent or asks for a password. Run this, then start again:"
        printf 'sudo apt-get update && sudo apt-get install --no-install-recommends -y %s\n' "${missing[*]}" >&2
        exit 3
    fi
fi

log=$root/build/install.log
mkdir -p "$root/build"
: >"$log"
say "apt-get update"
# One unreachable third-party source makes the update fail, though Debian's own lists are there: the install decides.
apt_quietly update || complain "apt-get update reported errors (see $log); going on with the package lists there are"
say "apt-get install (some minutes on a fresh machine; its output goes to $log)"
if ! apt_quietly install --no-install-recommends --yes "${missing[@]}"; then
    complain "apt-get install failed; the end of $log:"
    tail -n 20 "$log" >&2
    exit 3
fi

mapfile -t missing < <(missing_of "${packages[@]}")
if ((${#missing[@]} != 0)); then
    complain "still missing after the installation: ${missing[*]}"
    exit 3
fi
say "done"
