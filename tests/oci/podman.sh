#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# podman with doppel-oci as its runtime. $1: the runtime.
set -u
oci=$1
skip() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" -eq 0 ] || skip "needs root"
for p in podman conmon busybox; do command -v $p >/dev/null || skip "needs $p"; done
w=$(mktemp -d)
bad=0
# Raising limits is not permitted everywhere: today's are the container's.
hard=$(ulimit -Hn)
cat > "$w/containers.conf" <<END
[containers]
default_ulimits = ["nofile=$hard:$hard","nproc=32768:32768"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
END
# Paths on the command line: conmon's clean-up gets the flags but not the environment.
pod() {
    CONTAINERS_CONF="$w/containers.conf" timeout 60 podman --root "$w/root" --runroot "$w/run" \
        --tmpdir "$w/tmp" --storage-driver "$driver" --cgroup-manager cgroupfs --runtime "$oci" "$@"
}
driver=overlay
trap 'pod rm -fa -t 0 >/dev/null 2>&1; umount "$w/root/overlay" 2>/dev/null; rm -rf "$w"' EXIT
expect() {
    if [ "$2" = "$3" ]; then echo "ok: $1"; else echo "NOT OK: $1: wanted '$2', got '$3'"; bad=1; fi
}
mkdir -p "$w/rootfs/bin" "$w/rootfs/etc"
cp "$(command -v busybox)" "$w/rootfs/bin/"
for a in sh sleep id cat true; do ln -s busybox "$w/rootfs/bin/$a"; done
echo root:x:0:0:root:/root:/bin/sh > "$w/rootfs/etc/passwd"
tar -C "$w/rootfs" -cf "$w/rootfs.tar" .
pod import "$w/rootfs.tar" localhost/bb:1 >/dev/null 2>&1 || {
    driver=vfs
    pod import "$w/rootfs.tar" localhost/bb:1 >/dev/null || skip "podman cannot store images here"
}
image=localhost/bb:1
out=$(pod run --rm --network none $image /bin/sh -c 'echo hi; exit 7'); rc=$?
expect "run" "hi 7" "$out $rc"
expect "--user" 12 "$(pod run --rm --network none --user 12 $image /bin/id -u)"
expect "--read-only" 1 "$(pod run --rm --network none --read-only $image /bin/sh -c ': >/x' 2>&1 | grep -c Read-only)"
expect "--network host" ok "$(pod run --rm --network host $image /bin/sh -c 'echo ok')"
pod run --rm --network none $image /none >/dev/null 2>&1; expect "a missing program" 127 $?
id=$(pod run -d --network none --memory 64m --pids-limit 50 --name c1 $image /bin/sleep 100)
expect "run -d" 64 "$(printf %s "$id" | wc -c)"
expect "exec" 0 "$(pod exec c1 /bin/id -u)"
pod exec c1 /bin/sh -c 'exit 5'; expect "exec's status" 5 $?
pod pause c1 >/dev/null; expect "pause" paused "$(pod inspect -f '{{.State.Status}}' c1)"
pod unpause c1 >/dev/null; expect "unpause" running "$(pod inspect -f '{{.State.Status}}' c1)"
pod stop -t 0 c1 >/dev/null; expect "stop" exited "$(pod inspect -f '{{.State.Status}}' c1)"
pod rm c1 >/dev/null; expect "rm" 0 $?
exit $bad
