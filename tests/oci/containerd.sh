#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# containerd with doppel-oci under its runc shim. $1: the runtime.
set -u
oci=$1
skip() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" -eq 0 ] || skip "needs root"
for p in containerd ctr umoci skopeo busybox script; do command -v $p >/dev/null || skip "needs $p"; done
w=$(mktemp -d)
bad=0
daemon=
trap 'for t in t2 t4; do c task delete -f $t; c container delete $t; done >/dev/null 2>&1; [ -z "$daemon" ] || { kill $daemon; wait $daemon; }; rm -rf "$w"' EXIT
c() { timeout 60 ctr -a "$w/c.sock" "$@"; }
expect() {
    if [ "$2" = "$3" ]; then echo "ok: $1"; else echo "NOT OK: $1: wanted '$2', got '$3'"; bad=1; fi
}
cd "$w" || exit 1
cat > config.toml <<END
version = 2
root = "$w/lib"
state = "$w/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$w/c.sock"
[ttrpc]
address = "$w/t.sock"
END
containerd -c config.toml >daemon.log 2>&1 &
daemon=$!
umoci init --layout lay >/dev/null && umoci new --image lay:1 >/dev/null &&
    umoci unpack --image lay:1 b >/dev/null 2>&1 || skip "umoci cannot make an image"
mkdir -p b/rootfs/bin
cp "$(command -v busybox)" b/rootfs/bin/
for a in sh sleep id cat readlink; do ln -s busybox b/rootfs/bin/$a; done
umoci repack --image lay:1 b >/dev/null 2>&1
echo '{"default":[{"type":"insecureAcceptAnything"}]}' > policy.json
skopeo copy --policy policy.json oci:lay:1 oci-archive:bb.tar:localhost/bb:1 >/dev/null 2>&1
for _ in $(seq 120); do c version >/dev/null 2>&1 && break; kill -0 $daemon 2>/dev/null || break; sleep 0.5; done
c image import bb.tar >/dev/null 2>&1 || skip "containerd does not start here: $(tail -n 1 daemon.log)"
out=$(c run --rm --runc-binary "$oci" localhost/bb:1 t1 /bin/sh -c 'echo hi; exit 7'); rc=$?
expect "run" "hi 7" "$out $rc"
c run -d --runc-binary "$oci" localhost/bb:1 t2 /bin/sleep 100; expect "run -d" 0 $?
expect "exec" 0 "$(c task exec --exec-id e1 t2 /bin/id -u)"
c task exec --exec-id e2 t2 /bin/sh -c 'exit 4'; expect "exec's status" 4 $?
status() { c task ls | awk '$1 == "t2" { print $3 }'; }
c task pause t2; expect "pause" "0 PAUSED" "$? $(status)"
c task resume t2; expect "resume" "0 RUNNING" "$? $(status)"
expect "ps" 1 "$(c task ps t2 | grep -c '^[0-9]')"
expect "metrics" 1 "$(c task metrics t2 | grep -c '^pids.current  *1 *$')"
out=$(script -qec "timeout --foreground 60 ctr -a $w/c.sock run --rm -t --runc-binary $oci \
    localhost/bb:1 t3 /bin/sh -c 'exec 0<&1; readlink /proc/self/fd/1'" /dev/null </dev/null | tr -d '\r' | sed 's/^^@//')
expect "run -t" /dev/pts/0 "$out"
c run -d --memory-limit 33554432 --runc-binary "$oci" localhost/bb:1 t4 /bin/sleep 100
expect "--memory-limit" 33554432 "$(cat /sys/fs/cgroup/memory/default/t4/memory.limit_in_bytes 2>/dev/null ||
    cat /sys/fs/cgroup/default/t4/memory.max)"
c run --rm --runc-binary "$oci" localhost/bb:1 t5 /none >/dev/null 2>err; expect "a missing program" "1 1" "$? $(grep -c 'no such file\|No such file' err)"
c task kill -s 9 t2; expect "kill" 0 $?
for _ in $(seq 600); do [ "$(status)" = RUNNING ] || break; sleep 0.1; done
expect "killed" STOPPED "$(status)"
c task delete t2 >/dev/null 2>err; expect "delete" 0 $?
c task delete -f t4 >/dev/null 2>&1
expect "no groups are left" "" "$(find /sys/fs/cgroup -path '*/default/t[1-5]' 2>/dev/null)"
expect "no mounts are left" "" "$(grep -F "$w" /proc/mounts)"
exit $bad
