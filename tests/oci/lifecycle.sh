#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Every command of doppel-oci on a busybox bundle. $1: the runtime.
set -u
oci=$1
skip() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" -eq 0 ] || skip "needs root"
busybox=$(command -v busybox) || skip "needs busybox (busybox-static)"
unshare -mpiun true 2>/dev/null || skip "the kernel allows no namespaces"
mkdir -p /run 2>/dev/null
dir=$(mktemp -d)
id=doppel-test-$$
bad=0
run() { timeout 30 "$oci" --root "$dir/state" "$@"; }
trap 'run delete --force $id; run delete --force $id-b; rm -rf "$dir"' EXIT
expect() { # name, wanted, got
    if [ "$2" = "$3" ]; then echo "ok: $1"; else echo "NOT OK: $1: wanted '$2', got '$3'"; bad=1; fi
}
status() { run state "$1" | sed -n 's/.*"status": "\([a-z]*\)".*/\1/p'; }
bundle() { # command line as JSON words
    rm -f "$dir/config.json"
    run spec --bundle "$dir"
    sed -i "s|\"terminal\": true|\"terminal\": false|; s#\"sh\"#$1#" "$dir/config.json"
}

mkdir -p "$dir/rootfs/bin" "$dir/rootfs/etc"
cp "$busybox" "$dir/rootfs/bin/busybox"
for a in sh cat sleep id mount hostname true ls readlink; do ln -s busybox "$dir/rootfs/bin/$a"; done
cd "$dir" || exit 1

bundle '"sh", "-c", "echo hi; exit 7"'
out=$(run run $id); rc=$?
[ $rc -eq 7 ] || case $out in '') skip "this host cannot run containers (control groups?)" ;; esac
expect "run's output" hi "$out"
expect "run's exit status" 7 $rc
expect "nothing is left" "" "$(run list -q)"

bundle '"sh", "-c", "hostname; id -u; ls /proc/self/fd | wc -l; cat /proc/1/comm; cat /proc/kcore; : >/x"'
out=$(run run $id 2>"$dir/err")
expect "inside" "doppel 0 sh" "$(echo $out | sed 's/ [0-9]* sh$/ sh/')"
expect "the root is read-only" 1 "$(grep -c 'Read-only file system' "$dir/err")"

bundle '"sleep", "100"'
run create $id; expect "create" 0 $?
expect "created" created "$(status $id)"
run create $id 2>"$dir/err"; expect "an id is taken once" 1 $?
expect "and the loser is told" 1 "$(grep -c 'already exists' "$dir/err")"
run delete $id 2>/dev/null; expect "delete of a live container is refused" 1 $?
run start $id; expect "start" 0 $?
expect "running" running "$(status $id)"
run start $id 2>/dev/null; expect "a second start is refused" 1 $?
expect "exec" "0 /" "$(echo $(run exec $id sh -c 'id -u; readlink /proc/self/cwd'))"
run exec $id sh -c 'exit 3'; expect "exec's exit status" 3 $?
run exec $id /no/such 2>"$dir/err"; expect "exec of nothing" 255 $?
expect "and says so" 1 "$(grep -c 'No such file or directory' "$dir/err")"
run exec -d --pid-file "$dir/pid" $id sleep 100; expect "exec --detach" 0 $?
expect "ps" 3 "$(run ps $id | wc -l)"
run pause $id; expect "pause" 0 $?
expect "paused" paused "$(status $id)"
run resume $id; expect "resume" 0 $?
expect "running again" running "$(status $id)"
run update --pids-limit 19 $id; expect "update" 0 $?
run update $id --pids-limit 20; expect "update, options last" 0 $?
expect "takes effect" 1 "$(run events --stats $id | grep -c '"limit":20')"
expect "statistics" 1 "$(run events --stats $id | grep -c '"pids":{"current":2,"limit":20}')"
run kill $id KILL; expect "kill" 0 $?
# Where nobody reaps orphans promptly, the dying init waits for them.
for i in $(seq 100); do [ "$(status $id)" = stopped ] && break; sleep 0.1; done
expect "stopped" stopped "$(status $id)"
run delete $id; expect "delete" 0 $?
run state $id 2>/dev/null; expect "gone" 1 $?
run delete --force $id; expect "delete --force of nothing" 0 $?

bundle '"/bin/none"'
run run $id 2>"$dir/err"; expect "a missing program" 1 $?
expect "is named" 1 "$(grep -c 'No such file or directory' "$dir/err")"
expect "and leaves nothing" "" "$(run list -q)"

# Namespaces of another container, joined by path: by the init itself, and through the helper.
bundle '"sleep", "100"'
run run -d $id
pid=$(run state $id | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')
bundle '"sh", "-c", "readlink /proc/self/ns/net; readlink /proc/self/ns/pid"'
sed -i "s#\"type\": \"network\"#\"type\": \"network\", \"path\": \"/proc/$pid/ns/net\"#" config.json
theirs=$(readlink /proc/$pid/ns/net) pids=$(readlink /proc/$pid/ns/pid)
out=$(echo $(run run $id-b)); expect "a joined network namespace" "$theirs" "${out% *}"
expect "with pids of its own" yes "$([ "${out#* }" != "$pids" ] && echo yes)"
sed -i "s#\"type\": \"pid\"#\"type\": \"pid\", \"path\": \"/proc/$pid/ns/pid\"#" config.json
expect "joined pids" "$theirs $pids" "$(echo $(run run $id-b))"
run delete --force $id

# A seccomp profile, compiled and then from the cache; a cache that was tampered with is not used.
seccomp='"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]},'
bundle '"sh", "-c", "mkdir /proc/x"'
sed -i "s#\"linux\": {#\"linux\": {$seccomp#" config.json
ln -sf busybox "$dir/rootfs/bin/mkdir"
denied() { run run $id 2>&1 | grep -c 'No space left'; }
expect "a seccomp profile" 1 "$(denied)"
expect "is kept" 1 "$(ls "$dir/state/@seccomp" | wc -l)"
expect "and used again" 1 "$(denied)"
kept=$(echo "$dir/state/@seccomp"/*)
chmod 666 "$kept"; expect "not when others can write it" "1 600" "$(denied) $(stat -c %a "$kept")"
head -c 100 "$kept" > "$dir/half"; cat "$dir/half" > "$kept"; expect "nor half of it" 1 "$(denied)"
expect "which is replaced" yes "$([ "$(stat -c %s "$kept")" -gt 100 ] && echo yes)"
expect "the cache is no container" "" "$(run list -q)"

# Standard streams on the host's null device become the container's own.
bundle '"sh", "-c", "stat -c %d /dev/null; stat -L -c %d /proc/self/fd/0; stat -c %t:%T /dev/null"'
ln -sf busybox "$dir/rootfs/bin/stat"
out=$(echo $(run run $id </dev/null)); expect "the null device is the container's" "${out%% *} ${out%% *} 1:3" "$out"

# Without libcriu: a clear refusal, and the container goes on.
if ! ldconfig -p 2>/dev/null | grep -q libcriu.so.2; then
    bundle '"sleep", "100"'
    run run -d $id
    run checkpoint --image-path "$dir/images" $id 2>"$dir/err"; expect "no libcriu" 1 $?
    expect "is said" 1 "$(grep -c 'need libcriu' "$dir/err")"
    expect "and harms nothing" running "$(status $id)"
    run delete --force $id
    run restore --image-path "$dir/images" $id 2>"$dir/err"; expect "nor restore" 1 $?
    expect "which leaves nothing" "1 " "$(grep -c 'need libcriu' "$dir/err") $(run list -q)"
fi

# Hooks: all kinds, in order, each with the state on its standard input.
bundle '"/bin/true"'
printf '#!/bin/sh\ngrep -q "\\"pid\\": *[1-9]" && echo "$1" >>%s/hooks\n' "$dir" > hook; chmod +x hook
hook() { echo "\"$1\": [{\"path\": \"$dir/hook\", \"args\": [\"hook\", \"$1\"]}]"; }
sed -i "s#\"hostname\"#\"hooks\": {$(hook prestart), $(hook createRuntime), $(hook createContainer), $(hook poststart)}, \"hostname\"#" config.json
run run $id; expect "run with hooks" 0 $?
expect "hooks in order" "prestart createRuntime createContainer poststart" "$(echo $(cat "$dir/hooks"))"

# The runtime's file must not be what a container can open and write to [CVE-2019-5736].
bundle '"/proc/self/exe", "--version"'
before=$(sha256sum "$oci" | cut -d' ' -f1)
run run $id >/dev/null 2>&1
expect "the binary is untouched" "$before" "$(sha256sum "$oci" | cut -d' ' -f1)"
# A link in the image must not lead a mount out of the root.
bundle '"/bin/true"'
mkdir -p "$dir/outside" "$dir/rootfs$dir/outside"; ln -s "$dir/outside" "$dir/rootfs/evil"
sed -i 's|"mounts": \[|"mounts": [{"destination": "/evil/x", "type": "tmpfs", "source": "t"},|' config.json
run run $id; expect "a mount through a hostile link" 0 $?
expect "stays inside" "" "$(ls "$dir/outside")"
# The systemd manager where there is no systemd: a clear refusal, and nothing left.
if [ ! -e /run/systemd/private ]; then
    bundle '"/bin/true"'
    run --systemd-cgroup run $id 2>"$dir/err"; expect "no systemd" 1 $?
    expect "is said" 1 "$(grep -c 'service manager\|libsystemd' "$dir/err")"
    expect "and leaves nothing" "" "$(run list -q)"
fi
exit $bad
