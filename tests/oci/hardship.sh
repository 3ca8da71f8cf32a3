#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The state never lies: a full disk below the root directory, groups taken away, a pid that belongs
# to somebody else by now, a damaged state file, runtimes that race with `delete --force`; after each
# of them nothing is left. $1: the runtime.
set -u
oci=$1
skip() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" -eq 0 ] || skip "needs root"
busybox=$(command -v busybox) || skip "needs busybox (busybox-static)"
unshare -mpiun true 2>/dev/null || skip "the kernel allows no namespaces"
dir=$(mktemp -d)
id=doppel-hard-$$
root=$dir/state
bad=0
run() { timeout 60 "$oci" --root "$root" "$@"; }
trap 'run delete --force $id; umount "$dir/small" 2>/dev/null; rm -rf "$dir"' EXIT
expect() {
    if [ "$2" = "$3" ]; then echo "ok: $1"; else echo "NOT OK: $1: wanted '$2', got '$3'"; bad=1; fi
}
status() { run state $id 2>/dev/null | sed -n 's/.*"status": "\([a-z]*\)".*/\1/p'; }
groups() { find /sys/fs/cgroup -name "*$id*" -prune 2>/dev/null; }
alive() { # processes of the container, started or waiting, by their command lines
    for p in /proc/[0-9]*; do
        case $(tr '\0' ' ' 2>/dev/null < "$p/cmdline") in
        "sleep $$.5 " | *"state create $id ") echo "${p#/proc/}" ;;
        esac
    done
}
nothing_left() {
    for _ in $(seq 600); do [ -z "$(alive)" ] && break; sleep 0.1; done
    expect "$1: nothing is left" "" "$(alive; groups; ls -A "$root" 2>/dev/null; grep -F "$dir/rootfs" /proc/mounts)"
}
mkdir -p "$dir/rootfs/bin" "$dir/small" "$root"
cp "$busybox" "$dir/rootfs/bin/sleep"
cd "$dir" || exit 1
run spec
sed -i 's|"terminal": true|"terminal": false|; s|"sh"|"sleep", "'$$.5'"|' config.json
run create $id || skip "this host cannot run containers"
run delete --force $id

# A full disk, at every size between nothing and enough: create fails with a reason or succeeds.
root=$dir/small
ok=0 refused=0
for pages in 1 2 3 4 5 6 8 12; do
    mount -t tmpfs -o size=$((pages * 4096)) small "$dir/small" || skip "cannot mount a tmpfs"
    if run create $id 2>"$dir/err"; then
        ok=$((ok + 1))
        run start $id || { echo "NOT OK: start on a small disk"; bad=1; }
        [ "$(status)" = running ] || { echo "NOT OK: $pages pages: $(status)"; bad=1; }
    else
        refused=$((refused + 1))
        grep -q 'No space left' "$dir/err" || { echo "NOT OK: $pages pages: $(cat "$dir/err")"; bad=1; }
    fi
    run delete --force $id || { echo "NOT OK: $pages pages: delete --force"; bad=1; }
    [ -z "$(groups; ls -A "$dir/small")" ] || { echo "NOT OK: $pages pages: left: $(groups; ls -A "$dir/small")"; bad=1; }
    umount "$dir/small"
done
expect "a full disk refuses" yes "$([ $refused -gt 0 ] && echo yes)"
expect "a small one does" yes "$([ $ok -gt 0 ] && echo yes)"
# Full after the start: what needs no room must work.
mount -t tmpfs -o size=65536 small "$dir/small"
run run -d $id
cat /dev/zero > "$dir/small/fill" 2>/dev/null
expect "full: state" running "$(status)"
run pause $id; expect "full: pause" "0 paused" "$? $(status)"
run resume $id; expect "full: resume" "0 running" "$? $(status)"
run kill $id KILL
for _ in $(seq 600); do [ "$(status)" = stopped ] && break; sleep 0.1; done
run delete $id; expect "full: delete" 0 $?
rm "$dir/small/fill"
nothing_left "full"
umount "$dir/small"
root=$dir/state

# Its groups taken away under a stopped container, and emptied under a living one.
run run -d $id
run kill $id KILL
for _ in $(seq 600); do [ "$(status)" = stopped ] && break; sleep 0.1; done
groups | while read -r g; do rmdir "$g"; done
expect "without groups: state" stopped "$(status)"
run delete $id; expect "without groups: delete" 0 $?
nothing_left "without groups"
run run -d $id
pid=$(alive)
for g in $(find /sys/fs/cgroup -maxdepth 2 -name cgroup.procs -path '/sys/fs/cgroup/*/*' 2>/dev/null); do
    echo "$pid" > "$g" 2>/dev/null # to the roots of all hierarchies
done
for _ in $(seq 100); do groups | while read -r g; do rmdir "$g" 2>/dev/null; done; [ -z "$(groups)" ] && break; done
expect "groups gone while it lives: state" running "$(status)"
run delete --force $id; expect "groups gone while it lives: delete --force" 0 $?
nothing_left "groups gone while it lives"

# The pid is another process's by now: never believed, never signalled.
run run -d $id
pid=$(alive)
sleep 1000 &
other=$!
kill -9 "$pid"
for _ in $(seq 600); do [ "$(status)" = stopped ] && break; sleep 0.1; done
sed -i "s/\"pid\": $pid/\"pid\": $other/" "$root/$id/state.json"
expect "a reused pid: state" stopped "$(status)"
run kill $id KILL 2>/dev/null; expect "a reused pid: kill is refused" 1 $?
run delete --force $id; expect "a reused pid: delete --force" 0 $?
kill -0 $other; expect "a reused pid: the other lives" 0 $?
kill $other
nothing_left "a reused pid"

# A state file that was cut or overwritten: no answer is invented, and it can be removed.
for damage in ': >' 'echo {  >' 'echo [1] >' 'head -c 4096 /dev/urandom >' 'ln -sf /nowhere'; do
    run create $id
    eval "$damage \"\$root/\$id/state.json\""
    s=$(status)
    case $s in running|created|paused) echo "NOT OK: $damage: state says $s"; bad=1 ;; esac
    run delete --force $id; expect "damaged ($damage): delete --force" 0 $?
    nothing_left "damaged ($damage)"
done

# Two creators and a deleter at once: whoever wins, at most one container lives, and it is whole.
for round in $(seq 12); do
    run run -d $id 2>/dev/null & a=$!
    run delete --force $id 2>"$dir/err" & d=$!
    run run -d $id 2>/dev/null & b=$!
    wins=0
    wait $a && wins=$((wins + 1))
    wait $b && wins=$((wins + 1))
    wait $d || { echo "NOT OK: round $round: delete --force: $(cat "$dir/err")"; bad=1; }
    n=$(alive | grep -c .)
    [ "$n" -le 1 ] || { echo "NOT OK: round $round: $n containers live"; bad=1; }
    case $(status):$n in running:1 | stopped:0 | :0) ;; *) echo "NOT OK: round $round: $(status) with $n processes"; bad=1 ;; esac
    run delete --force $id || bad=1
done
nothing_left "races with delete --force"
exit $bad
