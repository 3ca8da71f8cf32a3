#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside a machine whose kernel has control groups of version 2 alone, as root of everything: what
# most hosts of the tests cannot show. Runs from an initramfs; vm.sh is the outside.
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
id=v2
oci="/oci/doppel-oci --root /run/oci"
g=/sys/fs/cgroup/doppel-oci-$id
expect() {
    if [ "$2" = "$3" ]; then echo "ok: v2: $1"; else echo "NOT OK: v2: $1: wanted '$2', got '$3'"; bad=1; fi
}
status() { $oci state $id | sed -n 's/.*"status": "\([a-z]*\)".*/\1/p'; }
mount -t cgroup2 none /sys/fs/cgroup || { echo "NOT OK: v2: no control groups"; exit 1; }
for a in sh cat sleep id mknod tail true mkdir dd head grep ls; do ln -s busybox b/rootfs/bin/$a; done
mkdir -p b/rootfs/dev b/rootfs/tmp
cd b || exit 1
bundle() { # the command's words, resources, more in "linux"
    rm -f config.json
    $oci spec
    sed -i "s|\"terminal\": true|\"terminal\": false|; s#\"sh\"#$1#; s|\"readonly\": true|\"readonly\": false|" config.json
    [ -z "$2" ] || sed -i "s#\"resources\": {#\"resources\": {$2,#" config.json
    [ -z "${3:-}" ] || sed -i "s#\"linux\": {#\"linux\": {$3,#" config.json
}

bundle '"sh", "-c", "cat /proc/self/cgroup; exit 7"' ''
out=$($oci run $id); expect "run" "7 0::/" "$? $out"
expect "nothing is left" "" "$($oci list -q; ls -d /sys/fs/cgroup/*$id* 2>/dev/null)"

# Every controller.
bundle '"sleep", "1000"' '"memory": {"limit": 33554432, "reservation": 16777216}, "cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0", "mems": "0"}, "pids": {"limit": 30}, "hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}], "unified": {"memory.high": "25165824"}'
$oci run -d $id; expect "with every controller" 0 $?
f() { cat $g/$1 2>/dev/null; }
expect "memory.max" 33554432 "$(f memory.max)"
expect "memory.low" 16777216 "$(f memory.low)"
expect "memory.high by unified" 25165824 "$(f memory.high)"
expect "cpu.max" "50000 100000" "$(f cpu.max)"
expect "cpu.weight" 20 "$(f cpu.weight)"
expect "cpuset.cpus" 0 "$(f cpuset.cpus)"
expect "pids.max" 30 "$(f pids.max)"
[ ! -e $g/hugetlb.2MB.max ] || expect "hugetlb" 4194304 "$(f hugetlb.2MB.max)"
$oci update --memory 67108864 --cpu-quota 20000 --cpu-period 100000 --pids-limit 40 $id; expect "update" 0 $?
expect "memory.max updated" 67108864 "$(f memory.max)"
expect "cpu.max updated" "20000 100000" "$(f cpu.max)"
expect "pids.max updated" 40 "$(f pids.max)"
$oci pause $id; expect "pause" "0 paused frozen 1" "$? $(status) $(f cgroup.events | grep frozen)"
$oci resume $id; expect "resume" "0 running" "$? $(status)"
expect "exec" 0:: "$($oci exec $id cat /proc/self/cgroup | cut -c1-3)"
expect "statistics" 1 "$($oci events --stats $id | grep -c '"pids":{"current":1,"limit":40}')"
dev=$(cat /sys/block/vda/dev)
printf '{"blockIO": {"throttleReadBpsDevice": [{"major": %s, "minor": %s, "rate": 1048576}]}}' "${dev%:*}" "${dev#*:}" > /tmp/r.json
$oci update --resources /tmp/r.json $id; expect "update of io" 0 $?
expect "io.max" "$dev rbps=1048576 wbps=max riops=max wiops=max" "$(f io.max)"
$oci kill --all $id KILL; expect "kill --all" 0 $?
for _ in $(seq 300); do [ "$(status)" = stopped ] && break; sleep 0.1; done
$oci delete $id; expect "delete" "0 " "$? $(ls -d $g 2>/dev/null)"

# Devices by a program of BPF: denied unless listed, and what is listed only as far as it is.
major=${dev%:*} minor=${dev#*:}
node="mknod /tmp/m b $major $minor"
bundle "\"sh\", \"-c\", \"$node \\&\\& (: < /tmp/m) 2>\\&1 | grep -c permitted; head -c 1 /dev/zero | ls /dev/null\"" ''
sed -i 's/"CAP_KILL"/"CAP_KILL", "CAP_MKNOD"/' config.json
expect "devices denied" "1 /dev/null" "$(echo $($oci run $id 2>&1))"
rm -f rootfs/tmp/m
bundle "\"sh\", \"-c\", \"$node; (: < /tmp/m) \\&\\& echo opened; (: > /tmp/m) 2>\\&1 | grep -c permitted\"" ''
sed -i "s/\"CAP_KILL\"/\"CAP_KILL\", \"CAP_MKNOD\"/; s#\"devices\": \[#\"devices\": [{\"allow\": false, \"access\": \"rwm\"}, {\"allow\": true, \"type\": \"b\", \"major\": $major, \"minor\": $minor, \"access\": \"rm\"}], \"x\": [#" config.json
expect "one device to read only" "opened 1" "$(echo $($oci run $id 2>&1))"
rm -f rootfs/tmp/m
bundle '"sleep", "1000"' ''
sed -i 's/"CAP_KILL"/"CAP_KILL", "CAP_MKNOD"/' config.json
$oci run -d $id
try() { $oci exec $id dd if=/tmp/m of=/dev/null count=1 2>&1 | grep -c permitted; }
rules() { echo "{\"devices\": [{\"allow\": true, \"type\": \"b\", \"major\": $major, \"minor\": $minor, \"access\": \"$1\"}]}" > /tmp/r.json; $oci update --resources /tmp/r.json $id 2>&1; }
$oci exec --cap CAP_MKNOD $id mknod /tmp/m b "$major" "$minor"
expect "a device before an update" 1 "$(try)"
rules mrwa >/dev/null; expect "allowed by an update" 0 "$(try)"
expect "a wrong access" 1 "$(rules rx | grep -c 'none of r')"; expect "changes nothing" 0 "$(try)"
rules w; expect "denied by an update" 1 "$(try)"
$oci delete --force $id
rm -f rootfs/tmp/m

# Limits that bite.
bundle '"tail", "/dev/zero"' '"memory": {"limit": 16777216}'
$oci run $id >/dev/null 2>&1; expect "killed for memory" 137 $?
bundle '"sleep", "1000"' '"memory": {"limit": 16777216}'
$oci run -d $id
$oci events --interval 100ms $id > /tmp/told &
n=0; until grep -q stats /tmp/told || [ $n = 100 ]; do n=$((n + 1)); sleep 0.1; done
$oci exec $id tail /dev/zero >/dev/null 2>&1
n=0; until grep -q '"oom"' /tmp/told || [ $n = 100 ]; do n=$((n + 1)); sleep 0.1; done
$oci kill $id KILL
wait; expect "events of lack of memory" "0 1" "$? $(grep -c '^{"type":"oom","id":"v2"}$' /tmp/told)"
$oci delete --force $id
bundle '"sh", "-c", "sleep 3; exec tail /dev/zero"' '"memory": {"limit": 16777216}'
$oci run -d $id
$oci events --interval 100ms $id > /tmp/told; expect "and of a container that it ends" "0 1" "$? $(grep -c '"oom"' /tmp/told)"
$oci delete --force $id
bundle '"sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 5 \& done 2>\&1; echo end"' '"pids": {"limit": 4}'
expect "no more processes than allowed" 1 "$([ "$($oci run $id 2>&1 | grep -c -i "fork")" -ge 1 ] && echo 1)"

# A container with groups of its own: its processes are in leaves, exec must follow.
bundle '"sh", "-c", "mkdir /sys/fs/cgroup/leaf; echo 1 > /sys/fs/cgroup/leaf/cgroup.procs; echo +pids > /sys/fs/cgroup/cgroup.subtree_control; sleep 1000"' ''
sed -i '/"destination": "\/sys\/fs\/cgroup"/,/}/s/"ro"/"rw"/; /"destination": "\/sys"/,/}/s/"ro"/"rw"/' config.json
$oci run -d $id
for _ in $(seq 300); do [ "$(cat $g/cgroup.subtree_control)" = pids ] && break; sleep 0.1; done
expect "exec beside a container's own groups" 0::/leaf "$($oci exec $id cat /proc/self/cgroup)"
expect "ps sees the leaves" 2 "$($oci ps $id | wc -l)"
$oci delete --force $id; expect "and they go with it" "0 " "$? $(ls -d $g 2>/dev/null)"

# Root of everything may raise what others may not.
bundle '"sh", "-c", "cat /proc/self/oom_score_adj; grep open.files /proc/self/limits"' ''
sed -i 's|"noNewPrivileges"|"oomScoreAdj": -500, "noNewPrivileges"|; s|"hard": 1024|"hard": 1048576|; s|"soft": 1024|"soft": 1048576|' config.json
expect "oom score and limits" "-500 1048576 1048576" "$(echo $($oci run $id 2>&1 | sed 's/Max open files *//; s/files//'))"
bundle '"sh", "-c", "grep policy /proc/self/sched"' ''
sed -i 's|"noNewPrivileges"|"scheduler": {"policy": "SCHED_FIFO", "priority": 10}, "noNewPrivileges"|' config.json
expect "a real-time scheduler" 1 "$($oci run $id 2>&1 | grep -c ': *1$')"
bundle '"sh", "-c", "id -u; cat /proc/self/uid_map"' '' '"uidMappings": [{"containerID": 0, "hostID": 100000, "size": 1000}], "gidMappings": [{"containerID": 0, "hostID": 100000, "size": 1000}]'
sed -i 's#"namespaces": \[#"namespaces": [{"type": "user"}, #' config.json
chmod 755 . rootfs /oci
expect "a user namespace" "0 0 100000 1000" "$(echo $($oci run $id 2>&1))"
$oci run -d $id >/dev/null 2>&1; $oci delete --force $id
expect "nothing is left at the end" "" "$($oci list -q; ls -d /sys/fs/cgroup/*$id* 2>/dev/null)"
[ $bad -ne 0 ] || echo "ALL OK: v2"
exit $bad
