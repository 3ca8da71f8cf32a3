#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside a machine with SELinux: the labels of a container's mounts and processes. Runs from an
# initramfs; selinux.sh is the outside.
set -u
if [ ! -e /oci/moved ]; then
    # pivot_root does not work from an initramfs: a tmpfs becomes the root first.
    mkdir /new
    mount -t tmpfs -o mode=755 new /new
    mkdir /new/proc /new/sys /new/dev /new/tmp /new/run
    cp -a /bin /sbin /etc /lib /oci /new/ 2>/dev/null
    : > /new/oci/moved
    for m in proc sys dev; do mount --move /$m /new/$m; done
    cd /new || exit 1
    mount --move . /
    exec chroot . /bin/sh /oci/inside.sh
fi
cd /oci || exit 1
bad=0
id=se
oci="/oci/doppel-oci --root /run/oci"
expect() {
    if [ "$2" = "$3" ]; then echo "ok: selinux: $1"; else echo "NOT OK: selinux: $1: wanted '$2', got '$3'"; bad=1; fi
}
mount -t cgroup2 none /sys/fs/cgroup
for a in sh cat sleep grep true; do ln -s busybox b/rootfs/bin/$a; done
mkdir -p b/rootfs/dev b/rootfs/tmp
cd b || exit 1
bundle() { # the command's words, mountLabel, selinuxLabel, more in "linux"
    rm -f config.json
    $oci spec
    sed -i "s|\"terminal\": true|\"terminal\": false|; s#\"sh\"#$1#; s|\"noNewPrivileges\": true|\"noNewPrivileges\": false|" config.json
    sed -i "s|\"linux\": {|\"linux\": {\"mountLabel\": \"$2\",${4:-}|; s|\"cwd\"|\"selinuxLabel\": \"$3\", \"cwd\"|" config.json
}
bundle '"true"' u:r:box_file_t ''
$oci run $id 2>/tmp/err; expect "not mounted: refused" "1 1" "$? $(grep -c 'selinux is disabled or not supported' /tmp/err)"
mount -t selinuxfs none /sys/fs/selinux || { echo "NOT OK: selinux: none here"; exit 1; }
cat /oci/tmp.* > /sys/fs/selinux/load || { echo "NOT OK: selinux: the policy does not load"; exit 1; }
expect "the host's label" u:r:host_t "$(tr -d '\0' < /proc/self/attr/current)"

bundle '"cat", "/proc/self/mounts"' '' ''
expect "no label asked for" 0 "$($oci run $id | grep -c context=)"
bundle '"cat", "/proc/self/mounts"' u:r:box_file_t u:r:box_t
$oci run $id > /tmp/out 2>&1; expect "run" 0 $?
for m in "tmpfs /dev" "devpts /dev/pts" "shm /dev/shm"; do
    expect "$m" 1 "$(grep -c "^$m .*context=u:r:box_file_t" /tmp/out)"
done
expect "masked directories" 0 "$(grep '^none ' /tmp/out | grep -cv context=u:r:box_file_t)"
for m in "proc /proc" "sysfs /sys" "mqueue /dev/mqueue"; do
    expect "$m has labels of its own" "1 0" "$(grep -c "^$m " /tmp/out) $(grep "^$m " /tmp/out | grep -c context=)"
done
maps='[{"containerID": 0, "hostID": 100000, "size": 1000}]'
chmod 755 . rootfs /oci
bundle '"cat", "/proc/self/mounts"' u:r:box_file_t u:r:box_t "\"uidMappings\": $maps, \"gidMappings\": $maps,"
sed -i 's#"namespaces": \[#"namespaces": [{"type": "user"}, #' config.json
expect "in a user namespace" 1 "$($oci run $id 2>&1 | grep -c "^tmpfs /dev .*context=u:r:box_file_t")"
bundle '"true"' u:r:nobody_t ''
$oci run $id 2>/tmp/err; expect "a mount label of no policy" "1 1" "$? $(grep -c 'mount .tmpfs. to ./dev.' /tmp/err)"
bundle '"true"' '' u:r:nobody_t
$oci run $id 2>/tmp/err; expect "a process label of no policy" "1 1" "$? $(grep -c 'set label .u:r:nobody_t.' /tmp/err)"
bundle '"sleep", "1000"' u:r:box_file_t u:r:box_t
$oci run -d $id
pid=$($oci state $id | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')
n=0; until grep -q sleep "/proc/$pid/comm" || [ $n = 100 ]; do n=$((n + 1)); sleep 0.1; done
expect "the process" u:r:box_t "$(tr -d '\0' < "/proc/$pid/attr/current")"
expect "exec" u:r:box_t "$($oci exec $id cat /proc/self/attr/current | tr -d '\0')"
expect "exec --process-label" u:r:host_t "$($oci exec --process-label u:r:host_t $id cat /proc/self/attr/current | tr -d '\0')"
$oci delete --force $id
expect "nothing is left" "" "$($oci list -q)"
[ $bad -ne 0 ] || echo "ALL OK: selinux"
exit $bad
