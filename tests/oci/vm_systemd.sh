#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside a machine that runs systemd: the systemd cgroup manager, of the system and of a user.
set -u
export LD_LIBRARY_PATH=/mnt/lib PATH=/usr/sbin:/usr/bin:/sbin:/bin
bad=0
id=sd
expect() {
    if [ "$2" = "$3" ]; then echo "ok: systemd: $1"; else echo "NOT OK: systemd: $1: wanted '$2', got '$3'"; bad=1; fi
}
b=/tmp/b-$(id -u)
mkdir -p $b/rootfs/bin && cp /mnt/busybox $b/rootfs/bin/busybox && cd $b || exit 1
for a in sh cat sleep true; do ln -sf busybox rootfs/bin/$a; done
chmod 755 $b
oci="/mnt/doppel-oci --systemd-cgroup --root ${XDG_RUNTIME_DIR:-/run}/oci"
status() { $oci state $id | sed -n 's/.*"status": "\([a-z]*\)".*/\1/p'; }
show() { systemctl $user show -p "$1" --value "$unit"; }
bundle() { # words, resources, cgroupsPath, annotations
    rm -f config.json
    $oci spec ${rootless:+--rootless}
    sed -i "s|\"terminal\": true|\"terminal\": false|; s#\"sh\"#$1#; s#\"linux\": {#\"annotations\": {$4}, \"linux\": {\"cgroupsPath\": \"$3\",#" config.json
    if [ -n "$2" ]; then
        if grep -q '"resources": {' config.json; then
            sed -i "s#\"resources\": {#\"resources\": {$2,#" config.json
        else
            sed -i "s#\"linux\": {#\"linux\": {\"resources\": {$2},#" config.json
        fi
    fi
}
checks() {
    bundle '"sh", "-c", "cat /proc/self/cgroup; exit 7"' '' "" ''
    out=$($oci run $id 2>&1); expect "run" "7 0::/" "$? $out"
    unit=test-$id.scope
    bundle '"sleep", "1000"' '"memory": {"limit": 33554432}, "cpu": {"shares": 512, "quota": 50000, "period": 100000}, "pids": {"limit": 30}' "$1:test:$id" '"org.systemd.property.CollectMode": "'"'inactive-or-failed'"'", "org.systemd.property.TimeoutStopSec": "uint64 7"'
    $oci run -d $id; expect "run -d" 0 $?
    pid=$($oci state $id | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')
    g=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
    expect "the scope is in its slice" "$1/$unit" "$(echo "$g" | sed "s#.*/\([^/]*/[^/]*\)#\1#")"
    expect "and active" active "$(show ActiveState)"
    expect "delegated" yes "$(show Delegate)"
    expect "MemoryMax" "33554432 33554432" "$(show MemoryMax) $(cat "$g/memory.max")"
    expect "TasksMax" "30 30" "$(show TasksMax) $(cat "$g/pids.max")"
    expect "CPUQuota" "500ms" "$(show CPUQuotaPerSecUSec)"
    [ ! -e "$g/cpu.max" ] || expect "cpu.max" "50000 100000" "$(cat "$g/cpu.max")"
    expect "a property by annotation" "inactive-or-failed 7s" "$(show CollectMode) $(show TimeoutStopUSec)"
    expect "exec" 0:: "$($oci exec $id cat /proc/self/cgroup | cut -c1-3)"
    expect "ps" 2 "$($oci ps $id | wc -l)"
    $oci pause $id; expect "pause" "0 paused" "$? $(status)"
    $oci resume $id; expect "resume" "0 running" "$? $(status)"
    $oci update --memory 67108864 --pids-limit 40 $id; expect "update" 0 $?
    expect "update reaches systemd" "67108864 40" "$(show MemoryMax) $(show TasksMax)"
    expect "and the group" "67108864 40" "$(cat "$g/memory.max") $(cat "$g/pids.max")"
    systemctl $user daemon-reload
    expect "it survives a reload" "running 67108864" "$(status) $(cat "$g/memory.max")"
    $oci kill $id KILL
    for _ in $(seq 300); do [ "$(status)" = stopped ] && break; sleep 0.1; done
    $oci delete $id; expect "delete" 0 $?
    for _ in $(seq 300); do [ "$(systemctl $user show -p LoadState --value $unit)" = not-found ] && break; sleep 0.1; done
    expect "the scope has gone" not-found "$(show LoadState)"
    expect "and its group" "" "$(ls -d "$g" 2>/dev/null)"
    bundle '"true"' '' "no-slice:test:$id" ''
    $oci run $id >/dev/null 2>err; expect "a slice that is none" "1 1" "$? $(grep -c 'no name of a scope' err)"
    bundle '"true"' '' "$1:test:$id" '"org.systemd.property.NoSuchThing": "true"'
    $oci run $id >/dev/null 2>err; expect "an unknown property" "1 1" "$? $(grep -c 'NoSuchThing' err)"
    expect "no state is left" "" "$($oci list -q)"
}
if [ "${1:-}" = user ]; then
    user=--user rootless=1
    checks app.slice
    [ $bad -ne 0 ] || echo "ALL OK: systemd of a user"
    exit $bad
fi
user='' rootless=''
systemctl start dbus
checks system.slice
[ $bad -ne 0 ] || echo "ALL OK: systemd of the system"
# A user's manager, as a login would start it, and in it what that user runs.
useradd u
uid=$(id -u u)
mkdir -p /run/user/$uid && chown u /run/user/$uid && chmod 700 /run/user/$uid
systemd-run --quiet --unit=user-manager -p User=u -p Delegate=yes -p Type=notify \
    --setenv=XDG_RUNTIME_DIR=/run/user/$uid /lib/systemd/systemd --user
g=/sys/fs/cgroup/system.slice/user-manager.service
mkdir $g/session && chown -R u $g/session && echo $$ > $g/session/cgroup.procs
su u -c "XDG_RUNTIME_DIR=/run/user/$uid sh /mnt/test.sh user" || bad=1
exit $bad
