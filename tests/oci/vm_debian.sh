#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside a Debian with systemd, booted in a machine of our own. $1: the runtime, $2: doppel, $3: its
# agent, $4: what runs inside. $DOPPEL_DEBIAN is another image than tools/make-image's own: for
# vm_criu.sh one made with `tools/make-image --include criu -o FILE`.
set -u
oci=$1 doppel=$2 agent=$3 inside=$4
skip() { echo "skipped: $*"; exit 77; }
top=$(cd "$(dirname "$0")/../.." && pwd)
cache=${DOPPEL_CACHE:-$top/cache}
kernel=$cache/amd64/vmlinuz
PATH=$PATH:/usr/sbin:/sbin
[ -f "$kernel" ] || skip "no kernel in $cache/amd64: run tools/fetch-kernel"
[ -x "$agent" ] || skip "the guest agent is not built"
busybox=$(command -v busybox) || skip "needs busybox (busybox-static)"
command -v mke2fs >/dev/null || skip "needs mke2fs (e2fsprogs)"
debian=${DOPPEL_DEBIAN:-$("$top/tools/make-image" 2>/dev/null)}
[ -f "$debian" ] || skip "no image of Debian, and none can be made"
w=$(mktemp -d)
trap 'rm -rf "$w"' EXIT
trap 'exit 1' HUP INT TERM
cp --sparse=always "$debian" "$w/debian" || exit 1
# What the service manager runs first is a disk that holds a script; it mounts the other disk.
{
    echo "mount -o ro /dev/vdc /mnt; sh /mnt/test.sh >/dev/ttyS0 2>&1 </dev/null; exit 0"
    head -c 4000 /dev/zero | tr '\0' '\n'
} | head -c 4096 > "$w/script"
mkdir -p "$w/d/lib" "$w/d/mod"
for m in libcrc32c nfnetlink nf_tables netlink_diag af_packet_diag unix_diag inet_diag tcp_diag udp_diag raw_diag; do
    find "$cache/amd64/lib/modules" -name $m.ko -exec cp {} "$w/d/mod/" \;
done
cp "$oci" "$doppel" "$busybox" "$w/d/"
cp "$inside" "$w/d/test.sh"
strip "$w/d/doppel-oci" "$w/d/doppel" 2>/dev/null
ldd "$doppel" | awk '$3 ~ /^\// && !/\/libc\.so/ { print $3 }' | while read -r l; do cp -L "$l" "$w/d/lib/"; done
mke2fs -q -t ext4 -d "$w/d" "$w/disk" 48M || exit 1
"$top/tools/make-initramfs" --agent "$agent" -o "$w/initramfs" >/dev/null || exit 1
timeout -s KILL 850 "$doppel" run --quiet --engine translate --kernel "$kernel" --no-reboot \
    --initrd "$w/initramfs" --memory 1G --disk "$w/debian" --disk "$w/script" --disk "$w/disk" \
    --append 'root=/dev/vda console=ttyS0 loglevel=3 systemd.show_status=0 systemd.run="/bin/sh /dev/vdb" systemd.run_success_action=poweroff systemd.run_failure_action=poweroff' \
    </dev/null > "$w/out" 2>&1
tr -d '\r' < "$w/out" | grep -E 'ok: |OK' || tail -n 30 "$w/out"
! grep -q '^skipped: ' "$w/out" || exit 77
[ "$(grep -c '^ALL OK' "$w/out")" -eq "$(grep -c 'echo "ALL OK' "$inside")" ] && ! grep -q '^NOT OK' "$w/out"
