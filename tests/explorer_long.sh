#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The explorer's long pass, after a release build: its ctest entries with LOCKBENCH_LONG=1, each row of docs/checked.md,
# each fault of docs/mutations.md. Keeps its result in results/explorer-long.txt.
set -uo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.." || exit 3

if [[ $# -gt 0 ]]; then
    echo "usage: tests/explorer_long.sh (after cmake --build build/release); half an hour of two CPUs, or more"
    [[ $1 == -h || $1 == --help ]] && exit 0
    exit 2
fi
python=${PYTHON:-/usr/bin/python3}
export LOCKBENCH_LONG=1 LOCKBENCH_BUILD_DIR=${LOCKBENCH_BUILD_DIR:-$PWD/build/release}
if [[ ! -x $LOCKBENCH_BUILD_DIR/lockcheck ]]; then
    echo "tests/explorer_long.sh: $LOCKBENCH_BUILD_DIR has no lockcheck" >&2
    exit 3
fi
commit=$(git rev-parse HEAD 2>/dev/null || echo unknown)
[[ -z $(git status --porcelain --untracked-files=no 2>/dev/null) ]] || commit+=-dirty
record=$(mktemp)
trap 'rm -f "$record"' EXIT
{
    echo "tests/explorer_long.sh, $(date -u '+%Y-%m-%d %H:%M') UTC"
    echo "commit $commit"
    echo "machine $(uname -m), $(nproc) CPUs, Linux $(uname -r)"
} >"$record"

status=0
# Runs one part and keeps what it said last.
part() {
    local name=$1 began=$SECONDS said
    shift
    echo "== $name"
    if said=$("$@" 2>&1 | tee -a /dev/stderr | tail -n 3 | tr -s '\n' ' '); then
        echo "$name: passed, $((SECONDS - began)) s: $said" >>"$record"
    else
        status=1
        echo "$name: FAILED, $((SECONDS - began)) s: $said" >>"$record"
    fi
    cp "$record" results/explorer-long.txt  # what has ended is kept, whatever happens to the rest
}
part "ctest" ctest --test-dir "$LOCKBENCH_BUILD_DIR" --timeout 7200 \
    -R '^(platform/(graph|states|random)|locks/(explore|mutants)|workloads/random)'
part "docs/checked.md" "$python" tests/run_unittest.py tests/bench/checked_page_test.py /dev/null
part "docs/mutations.md" "$python" tests/run_unittest.py tests/bench/mutations_page_test.py /dev/null
cat results/explorer-long.txt
exit $status
