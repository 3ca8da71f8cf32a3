#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside a Debian whose kernel and criu go together: a container that counts is written to files,
# deleted, brought back, and counts on.
set -u
export LD_LIBRARY_PATH=/mnt/lib PATH=/usr/sbin:/usr/bin:/sbin:/bin
bad=0
id=ck
expect() {
    if [ "$2" = "$3" ]; then echo "ok: criu: $1"; else echo "NOT OK: criu: $1: wanted '$2', got '$3'"; bad=1; fi
}
command -v criu >/dev/null || { echo "skipped: no criu in this image"; exit 77; }
for m in libcrc32c nfnetlink nf_tables netlink_diag af_packet_diag unix_diag inet_diag tcp_diag udp_diag raw_diag; do
    insmod /mnt/mod/$m.ko
done
mkdir -p /tmp/c/rootfs/bin /tmp/c/vol && cp /mnt/busybox /tmp/c/rootfs/bin/busybox && cd /tmp/c || exit 1
for a in sh cat sleep true expr; do ln -sf busybox rootfs/bin/$a; done
oci="/mnt/doppel-oci --root /run/oci"
status() { $oci state $id | sed -n 's/.*"status": "\([a-z]*\)".*/\1/p'; }
$oci spec
sed -i "s|\"terminal\": true|\"terminal\": false|; s#\"sh\"#\"sh\", \"-c\", \"i=0; while true; do i=\$(expr \$i + 1); echo \$i > /vol/n; sleep 1; done\"#; s|\"readonly\": true|\"readonly\": false|; s#\"mounts\": \[#\"mounts\": [{\"destination\": \"/vol\", \"type\": \"bind\", \"source\": \"/tmp/c/vol\", \"options\": [\"bind\"]},#" config.json
# The host's network: writing one of the container's own is criu's and the kernel's affair.
tr '\n' ' ' < config.json | sed 's/{ *"type": "network" *}, *//' > c && mv c config.json
$oci run -d $id </dev/null >/dev/null 2>&1; expect "run" 0 $?
for _ in $(seq 600); do [ "$(cat vol/n 2>/dev/null || echo 0)" -ge 3 ] && break; sleep 0.1; done
$oci checkpoint --image-path /tmp/c/img --leave-running $id >/dev/null 2>err
expect "checkpoint --leave-running" "0 running" "$? $(status)"
cat err
$oci checkpoint --image-path /tmp/c/img $id >/dev/null 2>err; expect "checkpoint" "0 stopped" "$? $(status)"
cat err
$oci delete $id; expect "delete" 0 $?
was=$(cat vol/n)
sleep 3
expect "nothing goes on" "$was" "$(cat vol/n)"
$oci restore -d --image-path /tmp/c/img $id </dev/null >/dev/null 2>err; expect "restore" "0 running" "$? $(status)"
cat err
for _ in $(seq 600); do [ "$(cat vol/n)" -gt "$was" ] && break; sleep 0.1; done
expect "it counts on" yes "$([ "$(cat vol/n)" -gt "$was" ] && [ "$(cat vol/n)" -lt $((was + 1000)) ] && echo yes)"
pid=$($oci state $id | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')
expect "in its group" "/doppel-oci-$id" "$(sed -n 's/^0:://p' "/proc/$pid/cgroup")"
expect "exec" inside "$($oci exec $id /bin/sh -c 'echo inside')"
$oci delete --force $id; expect "delete --force" 0 $?
expect "nothing is left" "" "$($oci list -q; find /sys/fs/cgroup -name "*$id*")"
[ $bad -ne 0 ] || echo "ALL OK: criu"
exit $bad
