#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# podman with doppel-oci as its runtime: what its users type. As root, or with a second word
# `rootless` as an ordinary user made for the test. $1: the runtime.
set -u
oci=$1
mode=${2:-root}
skip() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" -eq 0 ] || [ "$mode" = user ] || skip "needs root"
for p in podman conmon busybox script; do command -v $p >/dev/null || skip "needs $p"; done
if [ "$mode" = rootless ]; then
    # A user of its own with subordinate ids, running this very script.
    command -v newuidmap >/dev/null || skip "needs newuidmap (uidmap)"
    user=doppel-oci-test
    home=$(mktemp -d)
    drop() {
        # podman's pause process keeps the user namespace: it belongs to nobody else.
        for p in $(ps -o pid= -u $user); do kill -9 "$p"; done 2>/dev/null
        userdel $user 2>/dev/null
        rm -rf "$home"
    }
    trap drop EXIT
    useradd -d "$home" -s /bin/sh $user || skip "no test user can be made"
    grep -q "^$user:" /etc/subuid || usermod --add-subuids 900000-965535 --add-subgids 900000-965535 $user
    cp "$oci" "$home/doppel-oci"
    cp "$0" "$home/podman.sh"
    mkdir -m 700 "$home/run"
    chown -R $user: "$home"
    chmod 755 "$home"
    # Where the caller's own group cannot be written, podman is told so.
    timeout 280 su $user -s /bin/sh -c "cd && XDG_RUNTIME_DIR=$home/run HOME=$home \
        DBUS_SESSION_BUS_ADDRESS= sh podman.sh $home/doppel-oci user"
    exit $?
fi
w=$(mktemp -d)
bad=0
# Raising limits is not permitted everywhere: today's are the container's.
hard=$(ulimit -Hn)
cat > "$w/containers.conf" <<END
[containers]
default_ulimits = ["nofile=$hard:$hard","nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime_supports_nocgroups = ["doppel-oci"]
[network]
network_config_dir = "$w/net"
END
# Paths on the command line: conmon's clean-up gets the flags but not the environment.
pod() {
    CONTAINERS_CONF="$w/containers.conf" timeout 60 podman --root "$w/root" --runroot "$w/run" \
        --tmpdir "$w/tmp" --storage-driver "$driver" --cgroup-manager cgroupfs --runtime "$oci" "$@"
}
driver=overlay
clean() {
    pod rm -fa -t 0 >/dev/null 2>&1
    pod network rm -f dopnet >/dev/null 2>&1
    umount "$w/root/overlay" 2>/dev/null
    if [ $mode = user ]; then podman unshare rm -rf "$w"; else rm -rf "$w"; fi
}
trap clean EXIT
expect() {
    if [ "$2" = "$3" ]; then echo "ok: $1"; else echo "NOT OK: $1: wanted '$2', got '$3'"; bad=1; fi
}
lacks() { echo "skipped: $1: $2"; }
mkdir -p "$w/rootfs/bin" "$w/rootfs/etc" "$w/rootfs/tmp" "$w/net"
cp "$(command -v busybox)" "$w/rootfs/bin/"
for a in sh sleep id cat true ls echo grep ip tty stty mkdir; do ln -s busybox "$w/rootfs/bin/$a"; done
echo root:x:0:0:root:/root:/bin/sh > "$w/rootfs/etc/passwd"
tar -C "$w/rootfs" -cf "$w/rootfs.tar" .
pod import "$w/rootfs.tar" localhost/bb:1 >/dev/null 2>&1 || {
    driver=vfs
    pod import "$w/rootfs.tar" localhost/bb:1 >/dev/null 2>"$w/err" ||
        skip "podman cannot store images here: $(tail -n 1 "$w/err")"
}
image=localhost/bb:1
run() { pod run --rm --network none "$@"; }
status() { pod inspect -f '{{.State.Status}}' "$1"; }

out=$(run $image /bin/sh -c 'echo hi; exit 7' 2>"$w/err"); rc=$?
expect "run" "hi 7" "$out $rc"
[ $rc -eq 7 ] || cat "$w/err"
expect "--user" "12 13" "$(run --user 12:13 $image /bin/sh -c 'echo $(id -u) $(id -g)')"
expect "--read-only" 1 "$(run --read-only $image /bin/sh -c ': >/x' 2>&1 | grep -c Read-only)"
expect "--cap-drop all" 0000000000000000 \
    "$(run --cap-drop all $image /bin/sh -c 'grep CapEff /proc/self/status' | cut -f2)"
expect "--env, --workdir" "there /tmp" "$(run -e V=there -w /tmp $image /bin/sh -c 'echo $V $PWD')"
expect "--hostname" box "$(run --hostname box $image /bin/cat /proc/sys/kernel/hostname)"
expect "standard input" text "$(echo text | run -i $image /bin/cat)"
mkdir "$w/vol"; echo kept > "$w/vol/file"
expect "a volume" kept "$(run -v "$w/vol:/data" $image /bin/cat /data/file)"
run -v "$w/vol:/data" $image /bin/sh -c 'echo new > /data/made'
expect "is written through" new "$(cat "$w/vol/made" 2>&1)"
expect "a read-only volume" 1 "$(run -v "$w/vol:/data:ro" $image /bin/sh -c ': >/data/x' 2>&1 | grep -c Read-only)"
expect "--tmpfs" tmpfs "$(run --tmpfs /tmp $image /bin/sh -c 'grep " /tmp " /proc/mounts' | cut -d' ' -f3)"
expect "--network host" ok "$(pod run --rm --network host $image /bin/sh -c 'echo ok')"
expect "--network none" "lo" "$(run $image /bin/ls /sys/class/net 2>&1 | tr -d '\r')"
run $image /none >/dev/null 2>&1; expect "a missing program" 127 $?
run $image /etc/passwd >/dev/null 2>&1; expect "a program that is none" 126 $?
run --no-such-option $image /bin/true >/dev/null 2>&1; expect "podman's own errors" 125 $?

# A terminal: the one of script(1), whose size must arrive.
out=$(script -qec "stty rows 33 cols 77; CONTAINERS_CONF=$w/containers.conf timeout --foreground 60 podman \
    --root $w/root --runroot $w/run --tmpdir $w/tmp --storage-driver $driver \
    --cgroup-manager cgroupfs --runtime $oci run --rm -it --network none $image \
    /bin/sh -c 'tty; sleep 1; stty size'" /dev/null </dev/null | tr -d '\r' | sed 's/^^@//')
expect "-it" "/dev/pts/0 33 77" "$(echo $out)"

# Groups: an ordinary user often has none, and on version 1 never the limits.
limits=
[ $mode = user ] || limits="--memory 64m --pids-limit 50"
if [ $mode = root ]; then
    expect "--memory" 67108864 "$(run --memory 64m $image /bin/sh -c \
        'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max')"
    expect "--pids-limit" 20 "$(run --pids-limit 20 $image /bin/sh -c \
        'cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max')"
    run --memory 16m --memory-swap 16m $image /bin/sh -c 'x=$(cat /dev/zero | tr "\0" x)' >/dev/null 2>&1
    expect "memory above the limit" killed "$([ $? -ge 126 ] && echo killed)"
fi

id=$(pod run -d --network none $limits --name c1 $image /bin/sh -c 'echo started; exec sleep 1000')
expect "run -d" 64 "$(printf %s "$id" | wc -c)"
expect "exec" 0 "$(pod exec c1 /bin/id -u)"
expect "exec --user --env" "5 v" "$(pod exec --user 5 --env V=v c1 /bin/sh -c 'echo $(id -u) $V')"
pod exec c1 /bin/sh -c 'exit 5'; expect "exec's status" 5 $?
pod exec c1 /none >/dev/null 2>&1; expect "exec of nothing" 127 $?
expect "exec -d" 64 "$(pod exec -d c1 /bin/sleep 500 | wc -c | tr -d ' ' | sed 's/65/64/')"
expect "top" "sh" "$(pod top c1 comm 2>&1 | grep -v COMMAND | sed -n 1p | sed 's/sleep/sh/')"
expect "logs" started "$(pod logs c1)"
if [ $mode = root ]; then
    expect "stats" c1 "$(pod stats --no-stream --format '{{.Name}}' c1)"
    pod pause c1 >/dev/null; expect "pause" paused "$(status c1)"
    pod unpause c1 >/dev/null; expect "unpause" running "$(status c1)"
    pod update --memory 80m c1 >/dev/null; expect "update" 0 $?
    expect "and it holds" 83886080 "$(pod exec c1 /bin/sh -c \
        'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max')"
fi
pod stop -t 0 c1 >/dev/null; expect "stop" exited "$(status c1)"
pod start c1 >/dev/null; expect "start again" running "$(status c1)"
pod kill c1 >/dev/null; expect "kill" 137 "$(pod wait c1)"
pod rm c1 >/dev/null; expect "rm" 0 $?

# A bridge: through CNI's plugins or netavark, whatever podman has.
if [ $mode = user ]; then
    lacks "--network bridge" "an ordinary user cannot make bridges"
elif ! ip link add doptest0 type bridge 2>/dev/null; then
    lacks "--network bridge" "the kernel has no bridges"
else
    ip link del doptest0
    if pod network create --subnet 10.123.45.0/24 dopnet >/dev/null 2>"$w/err" &&
        pod run --rm --network dopnet $image /bin/true >/dev/null 2>"$w/err"; then
        expect "--network bridge" 1 "$(pod run --rm --network dopnet $image /bin/ip addr | grep -c '10\.123\.45\.')"
    else
        case $(cat "$w/err") in
        *doppel-oci*|*OCI*) expect "--network bridge" "" "$(cat "$w/err")" ;;
        *) lacks "--network bridge" "podman's network: $(tail -n 1 "$w/err" | cut -c1-160)" ;;
        esac
    fi
fi

# Nothing is left behind.
pod rm -fa -t 0 >/dev/null 2>&1
expect "no state is left" "" "$(timeout 20 "$oci" ${XDG_RUNTIME_DIR:+--root "$XDG_RUNTIME_DIR/doppel-oci"} list -q 2>/dev/null | grep -F "$id")"
expect "no groups are left" "" "$(find /sys/fs/cgroup -name "*${id:-none}*" 2>/dev/null)"
expect "no mounts are left" "" "$(grep -F "$w" /proc/mounts | grep -v "$w/root/overlay ")"
exit $bad
