#!/bin/sh
# SPDX-License-Identifier: MIT
# The first process of the guest: takes the steps of the machine named by guest= on the kernel's command line, sends
# what they left in /out through the second serial line, and switches the machine off. Runs under busybox.

# said WHAT: tells the console, with the seconds since the machine was switched on.
said() {
    read -r uptime _ </proc/uptime
    echo "guest: $1 at $uptime s"
}

# step NAME COMMAND..: keeps output and status. The console sees it begin and end, so that a hang names its step.
step() {
    name=$1
    shift
    said "$name begins"
    "$@" >"/out/$name.txt" 2>"/out/$name.err"
    echo $? >"/out/$name.status"
    said "$name ended"
}

# measure NAME MS FLAG..: windows of four threads, into /out/NAME. A lock that yields, as some placements put several
# threads on a CPU.
measure() {
    run=$1
    window=$2
    shift 2
    step "$run" lockbench run "--out=/out/$run" --locks=rwsem.yield --threads=4 "--window-ms=$window" --warmup-ms=1 \
        --repetitions=1 --seed=1 --no-aa --no-uncontended --no-untimed "$@"
}

# windows NAME N: waits until the run has N windows on disk, for two minutes at most.
windows() {
    tries=0
    while [ "$({ wc -l <"/out/$1/windows.jsonl"; } 2>/dev/null || echo 0)" -lt "$2" ] && [ $tries -lt 1200 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
}

# All placements for readers and writers. Small, as building a state is what takes a translated CPU most of its time.
by_role() {
    measure placements 5 '--placements=*' --lock-home=local,remote --workloads=reclaim_scan \
        --param reclaim_scan.anon_vmas=2 --param reclaim_scan.fresh_vmas=0 --param reclaim_scan.file_vmas=0 \
        --param reclaim_scan.pages_per_vma=2 --param reclaim_scan.children=2
}

tests() {
    for program in /bin/bench_*_test; do
        name=${program#/bin/bench_}
        step "$name" "$program" "--gtest_output=json:/out/$name.json" --gtest_color=no
    done
}

# In a group of its own: what `measure` starts there sees those CPUs and nodes alone. Arguments: CPUs, nodes, command.
within() {
    echo "$1" >/cgroup/part/cpuset.cpus
    echo "$2" >/cgroup/part/cpuset.mems
    shift 2
    (
        sh -c 'echo $PPID' >/cgroup/part/cgroup.procs
        "$@"
    )
}

four_nodes() {
    step machine lockbench machine
    step machine_json lockbench machine --json
    tests
    by_role
    measure homes 5 --placements=one_per_node --workloads=rw_mix "--lock-home=$(cat /homes)"
    step absent_node lockbench run --out=/out/absent --locks=rwsem --workloads=rw_mix --lock-home=node:7

    within 2-5 1-2 measure cpuset 5 '--placements=*' --lock-home=local,remote --workloads=rw_mix
    within 2-5 1-2 step cpuset_json lockbench machine --json
    within 2-5 1-2 step outside lockbench run --out=/out/none --locks=rwsem --workloads=rw_mix --lock-home=node:3

    # The group loses node 3 while memory lies there: the kernel moves the pages, and refuses the next binding.
    within 0-7 0-3 measure taken 300 --placements=compact --workloads=rw_mix \
        --lock-home=node:3,data=node:3,lock=node:3,qnodes=node:3,last,data=last &
    windows taken 1
    echo 0 >/cgroup/part/cpuset.mems
    said "node 3 is taken"
    wait

    # A CPU goes away under a thread that is pinned to it.
    measure offline 300 --placements=one_per_node --lock-home=local,remote,first,last,node:1,node:2 \
        --workloads=rw_mix &
    windows offline 1
    echo 0 >/sys/devices/system/cpu/cpu2/online
    said "CPU 2 is offline"
    wait
}

odd_nodes() {
    step machine_json lockbench machine --json
    tests
    by_role
    step no_memory lockbench run --out=/out/none --locks=rwsem --workloads=rw_mix --lock-home=node:1
    # The first thread of a core goes: its second one counts as first.
    echo 0 >/sys/devices/system/cpu/cpu2/online
    step offline_json lockbench machine --json
    measure offline 5 --placements=smt_last --workloads=rw_mix
}

/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup /cgroup
echo +cpuset >/cgroup/cgroup.subtree_control
mkdir /cgroup/part
uname -r >/out/kernel
machine=$(sed 's/.*guest=\([a-z_]*\).*/\1/' /proc/cmdline)
"$machine"
stty -F /dev/ttyS1 raw -echo
tar -c -C /out . | gzip >/dev/ttyS1
echo "guest: all steps done"
poweroff -f
