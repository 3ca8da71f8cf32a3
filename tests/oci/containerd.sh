#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# containerd with doppel-oci under its runc shim. $1: the runtime.
set -u
oci=$1
skip() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" -eq 0 ] || skip "needs root"
for p in containerd ctr umoci skopeo busybox; do command -v $p >/dev/null || skip "needs $p"; done
w=$(mktemp -d)
bad=0
daemon=
trap 'c task kill -s 9 t2 >/dev/null 2>&1; sleep 0.5; c task delete -f t2 >/dev/null 2>&1; [ -z "$daemon" ] || { kill $daemon; wait $daemon; }; rm -rf "$w"' EXIT
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
for a in sh sleep id; do ln -s busybox b/rootfs/bin/$a; done
umoci repack --image lay:1 b >/dev/null 2>&1
echo '{"default":[{"type":"insecureAcceptAnything"}]}' > policy.json
skopeo copy --policy policy.json oci:lay:1 oci-archive:bb.tar:localhost/bb:1 >/dev/null 2>&1
for i in 1 2 3 4 5 6 7 8 9 10; do [ -S c.sock ] && break; sleep 0.5; done
c image import bb.tar >/dev/null 2>&1 || skip "containerd does not start here: $(tail -n 1 daemon.log)"
out=$(c run --rm --runc-binary "$oci" localhost/bb:1 t1 /bin/sh -c 'echo hi; exit 7'); rc=$?
expect "run" "hi 7" "$out $rc"
c run -d --runc-binary "$oci" localhost/bb:1 t2 /bin/sleep 100; expect "run -d" 0 $?
expect "exec" 0 "$(c task exec --exec-id e1 t2 /bin/id -u)"
c task pause t2; expect "pause" 0 $?
c task resume t2; expect "resume" 0 $?
c task ps t2 >/dev/null; expect "ps" 0 $?
c task kill -s 9 t2; expect "kill" 0 $?
exit $bad
