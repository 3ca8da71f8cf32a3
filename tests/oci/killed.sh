#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The runtime killed at any instant of create and run: state answers, delete --force cleans up, and
# nothing is left. Two runtimes racing for one id: one of them wins. $1: the runtime.
set -u
oci=$1
skip() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" -eq 0 ] || skip "needs root"
busybox=$(command -v busybox) || skip "needs busybox (busybox-static)"
unshare -mpiun true 2>/dev/null || skip "the kernel allows no namespaces"
dir=$(mktemp -d)
id=doppel-killed-$$
run() { timeout 60 "$oci" --root "$dir/state" "$@"; }
trap 'run delete --force $id; rm -rf "$dir"' EXIT
mkdir -p "$dir/rootfs/bin"
cp "$busybox" "$dir/rootfs/bin/sleep"
cd "$dir" || exit 1
run spec
sed -i 's|"terminal": true|"terminal": false|; s|"sh"|"sleep", "1000"|' config.json
run create $id || skip "this host cannot run containers"
run delete --force $id
bad=0
for step in $(seq 0 40); do
    "$oci" --root "$dir/state" run -d $id 2>/dev/null &
    pid=$!
    sleep "$(awk "BEGIN { print $step * 0.0007 }")"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    run state $id >/dev/null 2>&1
    run delete --force $id || { echo "NOT OK: step $step: delete --force failed"; bad=1; }
    left=$(run list -q; find /sys/fs/cgroup -maxdepth 4 -name "*$id" 2>/dev/null)
    [ -z "$left" ] || { echo "NOT OK: step $step: left: $left"; bad=1; }
done
pgrep -f "state run -d $id\$" >/dev/null && { echo "NOT OK: processes are left"; bad=1; }
for round in 1 2 3 4 5; do
    run create $id 2>/dev/null & a=$!
    run create $id 2>/dev/null & b=$!
    wins=0
    wait $a && wins=$((wins + 1))
    wait $b && wins=$((wins + 1))
    [ $wins -eq 1 ] || { echo "NOT OK: $wins of two racing runtimes won"; bad=1; }
    run delete --force $id
done
[ $bad -ne 0 ] || echo "ok: killed at 41 instants, 5 races"
exit $bad
