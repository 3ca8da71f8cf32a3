#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside a machine of our own what this host cannot show: control groups of version 2 alone, with
# every controller, and the rights of a whole machine. $1: the runtime, $2: doppel, $3: its agent,
# $4: what runs inside; then, if given, words for the kernel and a file to have beside it.
set -u
oci=$1 doppel=$2 agent=$3 inside=$4 words=${5:-} file=${6:-}
skip() { echo "skipped: $*"; exit 77; }
top=$(cd "$(dirname "$0")/../.." && pwd)
cache=${DOPPEL_CACHE:-$top/cache}
kernel=$cache/amd64/vmlinuz
[ -f "$kernel" ] || skip "no kernel in $cache/amd64: run tools/fetch-kernel"
[ -x "$agent" ] || skip "the guest agent is not built"
busybox=$(command -v busybox) || skip "needs busybox (busybox-static)"
w=$(mktemp -d)
trap 'rm -rf "$w"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$w/oci/b/rootfs/bin"
cp "$oci" "$w/oci/doppel-oci"
! ldd "$oci" 2>/dev/null | grep -q "=>" || skip "the runtime is no static program here"
cp "$busybox" "$w/oci/b/rootfs/bin/busybox"
cp "$inside" "$w/oci/inside.sh"
[ -z "$file" ] || cp "$file" "$w/oci/"
"$top/tools/make-initramfs" --agent "$agent" -o "$w/initramfs" >/dev/null || exit 1
(cd "$w" && find oci | busybox cpio -o -H newc) >> "$w/initramfs" 2>/dev/null
truncate -s 1M "$w/disk"
timeout -s KILL 280 "$doppel" run --quiet --engine translate --kernel "$kernel" \
    --initrd "$w/initramfs" --memory 768M --disk "$w/disk" --append "cgroup_no_v1=all $words" \
    -- sh /oci/inside.sh > "$w/out" 2>&1
status=$?
cat "$w/out"
grep -q '^ALL OK' "$w/out" || status=1
exit $status
