#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The main job: installs what is missing, builds, measures this machine for some three minutes, and plots what it saw.
set -euo pipefail

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Debian's own interpreter: the first python3 of the PATH may be one without matplotlib.
python=${PYTHON:-/usr/bin/python3}
build=$root/build/release

usage() {
    cat <<'TEXT'
usage: bench/run.sh [flags of `lockbench run`]

Compares the locks of the anon_vma debate on this machine: installs missing Debian packages, builds the release preset,
runs `lockbench run --quick`, then plot.py, which prints the table, the verdict and where the plots and the report are.

Flags are passed on and win over the quick plan, for example:
  --locks='rwsem_*,qrwlock'   --threads=1,2,4   --repetitions=20   --full   --resume=DIR
  --out=DIR                   default: out/<date and time in UTC> in the project's folder
`build/release/lockbench run --help` lists them all once it is built.

environment: PYTHON (interpreter for plot.py, default /usr/bin/python3), LOCKBENCH_NO_INSTALL=1 (install nothing)
exit status: 0 done, 1 a check or trial failed, 2 wrong usage, 3 the host lacks what was asked, 130 interrupted
(then what was measured so far stays and is plotted)
TEXT
}

say() { printf 'run: %s\n' "$*"; }

# Says what failed and leaves, with 130 where the reason is Ctrl-C.
give_up() {
    local status=$1
    shift
    [[ $interrupted == no ]] || status=130
    printf 'run: %s\n' "$*" >&2
    exit "$status"
}

# Ctrl-C reaches every process of the terminal: the tool stops by itself and keeps its windows, and they are plotted.
interrupted=no
trap 'interrupted=yes' INT

out=""
plan=(--quick)
expect_out=no
for argument in "$@"; do
    if [[ $expect_out == yes ]]; then
        out=$argument
        expect_out=no
        continue
    fi
    case $argument in
        -h | --help) usage && exit 0 ;;
        --out=* | --resume=*) out=${argument#*=} ;;
        --out | --resume) expect_out=yes ;;
    esac
    case $argument in
        # A full run has its own plan, and a resumed one has it in DIR/run.json.
        --full | --resume | --resume=*) plan=() ;;
        --quick) plan=() ;;
    esac
done
flags=("${plan[@]}" "$@")
if [[ -z $out ]]; then
    out=$root/out/$(date -u +%Y-%m-%dT%H%M%SZ)
    flags+=("--out=$out")
fi

"$root/bench/install.sh" run || give_up $? "packages are missing"

log=$root/build/configure.log
mkdir -p "$root/build"
say "configure (release preset)"
if ! cmake -S "$root" --preset release >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    give_up 1 "cmake failed; all it said is in $log"
fi
say "build (the first time takes some minutes)"
cmake --build "$build" --target lockbench --parallel "$(nproc)" || give_up 1 "the build failed"

say "measure"
status=0
"$build/lockbench" run "${flags[@]}" || status=$?
[[ $interrupted == no ]] || status=130

if [[ ! -s $out/windows.jsonl ]]; then
    ((status != 0)) || give_up 1 "lockbench left no windows in $out"
    give_up "$status" "nothing was measured, so there is nothing to plot"
fi
if ((status == 130)); then
    say "interrupted: the plots show the windows measured so far; \`bench/run.sh --resume=$out\` measures the rest"
elif ((status == 2 || status == 3)); then
    # The folder may hold another run's windows: these are not what was asked for.
    exit "$status"
elif ((status != 0)); then
    say "lockbench ended with status $status; the plots show the windows it kept"
fi

trap - INT
say "plot"
plot_status=0
"$python" "$root/plot.py" "$out" || plot_status=$?
((status != 0)) || status=$plot_status
exit "$status"
