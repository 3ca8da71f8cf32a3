#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What the public suites of other runtimes look at, each behaviour once. $1: the runtime, $2: a
# seccomp agent (listener.c).
set -u
oci=$1
agent=$(realpath "$2")
skip() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" -eq 0 ] || skip "needs root"
busybox=$(command -v busybox) || skip "needs busybox (busybox-static)"
unshare -mpiun true 2>/dev/null || skip "the kernel allows no namespaces"
dir=$(mktemp -d)
chmod 755 "$dir"
id=doppel-conform-$$
bad=0
run() { timeout 60 "$oci" --root "$dir/state" "$@"; }
listening=
finish() {
    ip link del "d$$" 2>/dev/null
    [ -z "$listening" ] || kill "$listening" 2>/dev/null
    run delete --force --regex "^$id"
    rm -rf "$dir"
}
trap finish EXIT
expect() { # name, wanted, got
    if [ "$2" = "$3" ]; then echo "ok: $1"; else echo "NOT OK: $1: wanted '$2', got '$3'"; bad=1; fi
}
root=$dir/rootfs
mkdir -p "$root/bin" "$root/etc" "$root/tmp"
cp "$busybox" "$root/bin/busybox"
for a in sh cat sleep id ls env grep mkdir readlink stat touch true; do ln -s busybox "$root/bin/$a"; done
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
cd "$dir" || exit 1
bundle() { # command line as JSON words
    rm -f config.json
    run spec
    sed -i "s|\"terminal\": true|\"terminal\": false|; s#\"sh\"#$1#" config.json
}
edit() { sed -i "$1" config.json; }
mounts() { edit "s#\"mounts\": \[#\"mounts\": [$1,#"; }
hooks() { edit "s#\"hostname\"#\"hooks\": {$1}, \"hostname\"#"; }
status() { run state $id | sed -n 's/.*"status": "\([a-z]*\)".*/\1/p'; }
gone() { # pid
    n=0
    while kill -0 "$1" 2>/dev/null && [ "$(status)" != stopped ] && [ $n -lt 600 ]; do
        n=$((n + 1))
        sleep 0.1
    done
}

bundle '"true"'
out=$(run run $id 2>&1) || skip "this host cannot run containers: $out"

# Hooks.
hooks "\"createRuntime\": [{\"path\": \"/bin/sh\", \"args\": [\"sh\", \"-c\", \"cat >$dir/seen; echo \$MARK >>$dir/seen\"]}]"
MARK=inherited run run $id
expect "hooks see the container as created" 1 "$(grep -c '"status":"created"' seen)"
expect "a hook without an environment has the caller's" 1 "$(grep -c '^inherited$\|}inherited$' seen)"
bundle '"true"'
hooks '"createContainer": [{"path": "/bin/true"}, {"path": "/bin/sh", "args": ["sh", "-c", "echo why >\&2; exit 1"]}]'
run run $id 2>err
expect "a failed hook says which and why" 1 "$(grep -c 'error running createContainer hook #1: .*: why' err)"
bundle '"sleep", "100"'
hooks '"poststart": [{"path": "/bin/false"}]'
run run -d $id </dev/null 2>err
expect "a failed poststart hook ends the container" 1 "$(grep -c 'error running poststart hook #0' err)"
expect "and nothing is left" "" "$(run list -q)"
bundle '"true"'
hooks '"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "id -u >/tmp/hook; env | grep ^HOME >>/tmp/hook"]}]'
edit 's|"uid": 0|"uid": 33|; s|"readonly": true|"readonly": false|'
chmod 777 "$root/tmp"
run run $id
expect "startContainer's run with the program's rights and environment" "33 HOME=/" "$(echo $(cat "$root/tmp/hook"))"

# Places.
ln -s ../made/by/link "$root/etc/dangling"
bundle '"ls", "/made/by/link/file"'
echo text >"$dir/file"
mounts "{\"destination\": \"/etc/dangling/file\", \"type\": \"bind\", \"source\": \"$dir/file\", \"options\": [\"bind\"]}"
expect "a dangling link leads to a place in the root" /made/by/link/file "$(run run $id)"
bundle '"sh", "-c", "readlink /proc/self/cwd; touch /dev/x || echo read-only"'
edit 's|"cwd": "/"|"cwd": "/not/there"|; s|"mode=755"|"mode=755", "ro"|'
expect "a missing working directory, a read-only /dev" "/not/there read-only" "$(echo $(run run $id 2>/dev/null))"
bundle '"stat", "-c", "%a", "/fresh"'
mounts '{"destination": "/fresh", "type": "tmpfs", "source": "tmpfs"}'
expect "a tmpfs where nothing was" 1777 "$(run run $id)"
maps='[{"containerID": 0, "hostID": 100000, "size": 65536}]'
bundle '"stat", "-c", "%u:%g %a", "/dev/mine"'
edit 's|"namespaces": \[|"devices": [{"path": "/dev/mine/", "type": "c", "major": 1, "minor": 5, "uid": 10, "gid": 11, "fileMode": 416}], "uidMappings": '"$maps"', "gidMappings": '"$maps"', "namespaces": [{"type": "user"},|'
chown -R 100000:100000 "$root"
expect "a device in a user namespace" "10:11 640" "$(run run $id)"
chown -R 0:0 "$root"

# Id-mapped mounts, also of what lies in the root and of what earlier entries mount there.
maps() { echo "\"uidMappings\": [{\"containerID\": 0, \"hostID\": $1, \"size\": 65536}], \"gidMappings\": [{\"containerID\": 0, \"hostID\": $1, \"size\": 65536}]"; }
userns() { edit "s|\"namespaces\": \[|$(maps 100000), \"namespaces\": [{\"type\": \"user\"},|"; }
mkdir -p "$root/data/sub" "$dir/out/sub"
touch "$root/data/file" "$root/data/sub/file" "$dir/out/sub/file" "$dir/out/file" "$root/etc/image"
ln -s /etc "$root/evil"
mapped() { bundle "\"stat\", \"-c\", \"%u:%g\", \"$1\""; }
mapped /m/file
mounts "{\"destination\": \"/m\", \"source\": \"$dir/out\", \"options\": [\"bind\"], $(maps 1000)}"
if out=$(run run $id 2>&1) && [ "$out" = 1000:1000 ]; then
    # name, file looked at, mounts, wanted with the ids of the host, wanted in a user namespace
    idmapped() {
        mapped "$2"
        mounts "$3"
        expect "idmap: $1" "$4" "$(echo $(run run $id 2>&1))"
        mapped "$2"
        mounts "$3"
        userns
        expect "idmap: $1, user namespace" "$5" "$(echo $(run run $id 2>&1))"
    }
    idmapped "in the root" /m/file \
        "{\"destination\": \"/m\", \"source\": \"$root/data\", \"options\": [\"bind\"], $(maps 100000)}" 100000:100000 0:0
    idmapped "relative, in the root" /m/file \
        "{\"destination\": \"/m\", \"source\": \"rootfs/data/\", \"options\": [\"bind\"], $(maps 101000)}" 101000:101000 1000:1000
    idmapped "a file" /one-file \
        "{\"destination\": \"/one-file\", \"source\": \"rootfs/data/sub/file\", \"options\": [\"bind\"], $(maps 100007)}" 100007:100007 7:7
    idmapped "of an earlier bind" /m/file \
        "{\"destination\": \"/e\", \"source\": \"$dir/out\", \"options\": [\"bind\"]}, {\"destination\": \"/m\", \"source\": \"rootfs/e/sub\", \"options\": [\"bind\"], $(maps 100000)}" 100000:100000 0:0
    idmapped "of an earlier tmpfs" /m \
        "{\"destination\": \"/e\", \"source\": \"tmpfs\", \"type\": \"tmpfs\"}, {\"destination\": \"/m\", \"source\": \"rootfs/e\", \"options\": [\"bind\"], $(maps 100000)}" 100000:100000 0:0
    idmapped "with what is mounted below" /m/in/sub/file \
        "{\"destination\": \"/data/in\", \"source\": \"$dir/out\", \"options\": [\"bind\"]}, {\"destination\": \"/m\", \"source\": \"rootfs/data\", \"options\": [\"rbind\", \"ridmap\"], $(maps 100000)}" 100000:100000 0:0
    idmapped "of what is mounted below only the top" /m/in/sub/file \
        "{\"destination\": \"/data/in\", \"source\": \"$dir/out\", \"options\": [\"bind\"]}, {\"destination\": \"/m\", \"source\": \"rootfs/data\", \"options\": [\"rbind\", \"idmap\"], $(maps 100000)}" 0:0 65534:65534
    idmapped "a link in the image stays in the image" /m/image \
        "{\"destination\": \"/m\", \"source\": \"rootfs/evil\", \"options\": [\"bind\"], $(maps 100000)}" 100000:100000 0:0
    mapped /m/image
    mounts '{"destination": "/m", "source": "rootfs/evil", "options": ["bind"]}'
    expect "and so without a map" 0:0 "$(run run $id 2>&1)"
    mapped /m
    mounts "{\"destination\": \"/m\", \"source\": \"rootfs/no/source\", \"options\": [\"bind\"], $(maps 100000)}"
    run run $id 2>err
    expect "a source that is not there is named" 1 "$(grep -c 'mount .rootfs/no/source. to ./m.: open ./no/source. in the root' err)"
    # The maps of a user namespace that is joined.
    bundle '"sleep", "100"'
    userns
    run run -d $id </dev/null >/dev/null 2>&1
    pid=$(run state $id | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')
    for source in "$dir/out" rootfs/data; do
        mapped /m/file
        mounts "{\"destination\": \"/m\", \"source\": \"$source\", \"options\": [\"bind\", \"idmap\"]}"
        edit "s|\"namespaces\": \[|\"namespaces\": [{\"type\": \"user\", \"path\": \"/proc/$pid/ns/user\"},|"
        expect "idmap: of a joined user namespace, $source" 0:0 "$(run run $id-b 2>&1)"
    done
    run delete --force $id
else
    echo "no id-mapped mounts here: $out"
fi

# Descriptors.
bundle '"sh", "-c", "cat <\&4; ls /proc/self/fd | grep -c ."'
expect "what is preserved, and no more" "kept 5" "$(echo $(run run --preserve-fds 2 $id 4<<X 6</dev/null
kept
X
))"
bundle '"sleep", "100"'
run create $id </dev/null >/dev/null 2>&1 7<"$dir/file"
pid=$(run state $id | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')
expect "a waiting container holds no descriptor of the caller" 0 "$(ls -l "/proc/$pid/fd" | grep -c "$dir/file")"
run kill $id TERM
gone "$pid"
expect "and can be asked to end" stopped "$(status)"
run delete $id

# Processes.
bundle '"sleep", "100"'
run run -d $id </dev/null >/dev/null 2>&1
run exec --pid-file /not/there/pid $id true 2>/dev/null
expect "exec's own failure" 255 $?
expect "an unknown capability is no reason to fail" 0 "$(run exec --cap CAP_NEVER $id true 2>/dev/null; echo $?)"
run exec --cgroup .. $id true 2>err
expect "a group outside is refused" 1 "$(grep -c 'not a sub cgroup path' err)"
expect "the last of two variables counts" 2 "$(run exec --env A=1 --env A=2 $id env | sed -n 's/^A=//p')"
n=0 # started means that the init goes on to its program
until [ "$(run ps $id -o pid,comm | grep -c sleep)" = 1 ] || [ $n = 600 ]; do n=$((n + 1)); sleep 0.1; done
expect "ps with options" 1 "$(run ps $id -o pid,comm | grep -c sleep)"
run kill --regex "^$id\$" KILL
gone "$(run state $id | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')"
run delete --regex "^$id"
expect "kill and delete take patterns" "" "$(run list -q)"
bundle '"true"'
edit 's|"process": {|"annotations": {"unused": "x"}, "spare": {|'
sed -i '/"annotations": {"unused"/s|"spare"|"unknown"|' config.json
run create $id 2>err
expect "a container without a process is created" created "$(status)"
run start $id 2>err
expect "and cannot be started" 1 "$(grep -c '`process` is missing' err)"
run delete --force $id
taskset -c 0 true 2>/dev/null && {
    bundle '"grep", "Cpus_allowed_list", "/proc/self/status"'
    expect "the caller's CPUs are not the container's" "$(run run $id)" "$(taskset -c 0 "$oci" --root "$dir/state" run $id)"
}

if [ -e /proc/self/numa_maps ]; then
    bundle '"busybox", "head", "-n", "1", "/proc/self/numa_maps"'
    edit 's|"linux": {|"linux": {"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]},|'
    expect "a memory policy" 1 "$(run run $id | grep -c 'bind=static:0')"
    edit 's|MPOL_BIND|MPOL_NONE|'
    run run $id 2>err
    expect "an unknown one is refused" 1 "$(grep -c 'memoryPolicy.mode' err)"
fi
bundle '"true"'
edit 's|"linux": {|"linux": {"intelRdt": {"closID": "x"},|'
run run $id 2>err
grep -q ' - resctrl ' /proc/self/mountinfo ||
    expect "intelRdt without resctrl is refused, not ignored" "1 1" "$(grep -c 'intelRdt. needs a resctrl file system' err) $(grep -c 'hint: mount -t resctrl' err)"
if [ ! -e /sys/fs/selinux/status ]; then
    for label in mountLabel selinuxLabel; do
        bundle '"true"'
        edit "s|\"linux\": {|\"linux\": {\"mountLabel\": \"a:b:c:s0:c1,c2\",|; s|\"cwd\"|\"selinuxLabel\": \"a:b:c:s0\", \"cwd\"|; s|\"$label\"|\"kept\"|"
        run run $id 2>err
        expect "a label without SELinux is refused, not ignored" "1 1" "$(grep -c 'selinux label is specified in config, but selinux is disabled' err) $(grep -c hint: err)"
    done
    bundle '"sleep", "100"'
    run run -d $id </dev/null >/dev/null 2>&1
    run exec --process-label a:b:c:s0 $id true 2>err
    expect "and so for exec" "255 1" "$? $(grep -c 'selinux is disabled' err)"
    run delete --force $id
fi
freezer=/sys/fs/cgroup/freezer
if [ -e $freezer/tasks ] && mkdir $freezer/$id; then
    echo FROZEN >$freezer/$id/freezer.state
    bundle '"true"'
    edit "s|\"linux\": {|\"linux\": {\"cgroupsPath\": \"/$id\",|"
    run run $id 2>err
    expect "a frozen group is refused" 1 "$(grep -c 'unexpectedly frozen' err)"
    rmdir $freezer/$id /sys/fs/cgroup/*/$id 2>/dev/null
fi
cpuset=/sys/fs/cgroup/cpuset
if [ -e $cpuset/tasks ] && mkdir $cpuset/$id $cpuset/$id/made; then # as mkdir leaves them: empty
    expect "a new cpuset group is empty" "" "$(cat $cpuset/$id/cpuset.cpus $cpuset/$id/made/cpuset.mems | tr -d '\n')"
    bundle '"grep", "_allowed_list", "/proc/self/status"'
    wanted=$(echo $(run run $id))
    edit "s|\"linux\": {|\"linux\": {\"cgroupsPath\": \"/$id/made/new/group\",|"
    expect "below an empty cpuset group" "$wanted" "$(echo $(run run $id 2>&1))"
    expect "which has what is above it" "$(cat $cpuset/cpuset.cpus $cpuset/cpuset.mems)" "$(cat $cpuset/$id/made/cpuset.cpus $cpuset/$id/made/cpuset.mems)"
    echo 0 >$cpuset/$id/made/new/cpuset.cpus
    echo 0 >$cpuset/$id/made/cpuset.cpus
    run run $id >/dev/null
    expect "and keeps what it has" "0 0" "$(echo $(cat $cpuset/$id/made/cpuset.cpus $cpuset/$id/made/new/cpuset.cpus))"
    bundle '"true"'
    edit "s|\"linux\": {|\"linux\": {\"cgroupsPath\": \"/$id/made/new\",|"
    rmdir /sys/fs/cgroup/*/$id/made/new; mkdir $cpuset/$id/made/new
    expect "an empty cpuset group of its own" 0 "$(run run $id >/dev/null; echo $?)"
    rmdir /sys/fs/cgroup/*/$id/made/new /sys/fs/cgroup/*/$id/made /sys/fs/cgroup/*/$id 2>/dev/null
    expect "no group is left" "" "$(ls -d /sys/fs/cgroup/*/$id 2>/dev/null)"
fi

# Device rules of an update, while the container uses what they leave alone.
devices=/sys/fs/cgroup/devices
if [ -e $devices/tasks ]; then
    bundle '"sh", "-c", "while true; do true >/dev/null || echo denied; done"'
    edit "s|\"linux\": {|\"linux\": {\"cgroupsPath\": \"/$id\",|"
    run run -d $id </dev/null >told 2>&1
    rules() { # the rules, more of the resources
        printf '{"devices": [{"allow": false}%s]%s}' "${1:+, $1}" "${2:+, $2}" >r.json
        run update --resources r.json $id 2>err
    }
    of() { sed -n "s/^c $1 //p" $devices/$id/devices.list; }
    kmsg='"allow": true, "type": "c", "major": 1, "minor": 11'
    for access in mrw=rwm wr=rw rr=r rwa=rw am=m; do
        rules "{$kmsg, \"access\": \"${access%=*}\"}"
        expect "update of devices, ${access%=*}" "0 ${access#*=} rwm" "$? $(of 1:11) $(of 1:3)"
    done
    rules "{$kmsg}"; expect "all access without the member" "0 rwm" "$? $(of 1:11)"
    before=$(cat /sys/fs/cgroup/pids/$id/pids.max)
    rules "{$kmsg, \"access\": \"rx\"}" '"pids": {"limit": 77}'
    expect "a wrong access is refused" "1 1" "$? $(grep -c '`devices\[1\].access`: `x` in `rx`' err)"
    expect "and nothing is changed" "rwm $before" "$(of 1:11) $(cat /sys/fs/cgroup/pids/$id/pids.max)"
    rules "{$kmsg, \"access\": \"a\"}"; expect "nor does a alone mean all" 1 $?
    rules "{$kmsg}, {\"allow\": false, \"type\": \"c\", \"major\": 1, \"minor\": 11, \"access\": \"w\"}"
    expect "the rules' order counts" "0 rm" "$? $(of 1:11)"
    mkdir $devices/$id/below
    rules ''; expect "with groups below the container's" "0 " "$? $(of 1:11)"
    rules '{"allow": true, "access": "rwm"}'
    expect "where not all can be allowed" "1 1" "$? $(grep -c 'hint: the container has control groups' err)"
    rmdir $devices/$id/below
    n=0 # it goes a little later than its directory
    until rules '{"allow": true, "access": "rwm"}' || [ $n = 600 ]; do n=$((n + 1)); sleep 0.1; done
    for _ in 1 2 3 4 5; do
        rules '{"allow": true, "access": "rwm"}'
        expect "all devices" "a *:* rwm" "$(cat $devices/$id/devices.list)"
        rules "{$kmsg}"
        expect "and not all again" "rwm" "$(of 1:11)"
    done
    run kill $id KILL
    n=0
    until [ "$(status)" = stopped ] || [ $n = 600 ]; do n=$((n + 1)); sleep 0.1; done
    run delete $id
    expect "nothing was denied in between" 0 "$(grep -c denied told)"
    bundle '"sleep", "100"'
    edit "s|\"linux\": {|\"linux\": {\"cgroupsPath\": \"/$id\",|"
    run run -d $id </dev/null >/dev/null 2>&1
    run pause $id
    rules '{"allow": true, "access": "rwm"}'
    expect "a paused container stays paused" "0 a paused" "$? $(cut -c1 $devices/$id/devices.list) $(status)"
    run delete --force $id
fi

# Lack of memory is an event: of a program beside the container's own, of its own, which is its end
# too, and of one that may not be killed.
events() { # what to run in a container with little memory, more of its limits
    bundle "$1"
    edit "s|\"resources\": {|\"resources\": {\"memory\": {\"limit\": 16777216$2},|"
    run run -d $id </dev/null >/dev/null 2>&1
    rm -f told
    run events --interval 100ms $id >told 2>err &
    listening=$!
    n=0
    until grep -qs stats told || [ $n = 600 ]; do n=$((n + 1)); sleep 0.1; done
}
hear() {
    n=0
    until grep -q "^{\"type\":\"oom\",\"id\":\"$id\"}$" told || [ $n = 300 ]; do n=$((n + 1)); sleep 0.1; done
    sleep 1 # for one too many
    run delete --force $id
    wait $listening
    expect "events, $1" "0 ${2:-1}" "$? $(grep -c '"oom"' told)"
    listening=
}
ln -sf busybox "$root/bin/tail"
memory=/sys/fs/cgroup/memory/memory.limit_in_bytes
if [ -e $memory ] || grep -qs memory /sys/fs/cgroup/cgroup.controllers; then
    events '"sleep", "100"' ''
    run exec $id tail /dev/zero >/dev/null 2>&1
    hear "a program without memory"
    events '"sh", "-c", "sleep 2; exec tail /dev/zero"' ''
    hear "a container that it ends"
fi
if [ -e $memory ]; then
    events '"sleep", "100"' ', "disableOOMKiller": true'
    run exec -d $id sh -c 'a=0123456789; while true; do a=$a$a; done' </dev/null >/dev/null 2>&1
    hear "a program that waits for memory"
fi

# Network devices of the host. One half of a pair goes in, the other stays; both go with the
# namespace.
nd=d$$
pair() {
    ip link del "$nd" 2>/dev/null
    ip link add "$nd" mtu 1400 type veth peer name "p$nd" 2>err && ip link set "p$nd" up &&
        ip address add 10.99.3.1/24 broadcast 10.99.3.255 dev "$nd" &&
        ip address add 10.99.4.1 peer 10.99.4.2/32 dev "$nd" &&
        ip address add 10.99.5.1/24 scope link dev "$nd" && ip link set "$nd" up &&
        { ip address add fd99::1/64 nodad dev "$nd" 2>/dev/null || true; }
}
devices() { edit "s|\"linux\": {|\"linux\": {\"netDevices\": {$1},|"; }
ln -sf busybox "$root/bin/ip"
cat >"$root/bin/show" <<'X'
seen=$(ip address show dev "$1")
for a in "mtu 1400" LOWER_UP "inet 10.99.3.1/24 brd 10.99.3.255 scope global" "inet 10.99.4.1 peer 10.99.4.2/32" 10.99.5.1 "inet6 fd99::1/64 scope global" "$2"; do
    echo "$seen" | grep -c "$a"
done
X
if command -v ip >/dev/null && pair; then
    looks() { # name of the test, what `name` is, the name inside, more to do to the bundle
        pair
        bundle "\"sh\", \"/bin/show\", \"$3\", \"$(cat "/sys/class/net/$nd/address")\""
        devices "\"$nd\": {$2}"
        [ -z "${4:-}" ] || $4
        v6=$(ip address show dev "$nd" | grep -c fd99)
        expect "netDevices: $1" "1 1 1 1 0 $v6 1" "$(echo $(run run $id 2>&1))"
    }
    looks "moved" '' "$nd"
    looks "renamed" '"name": "ctr0"' ctr0
    looks "the first free of many names" '"name": "ctr%d"' ctr0
    looks "in a user namespace" '"name": "ctr0"' ctr0 userns
    pair
    bundle '"true"'
    devices "\"$nd\": {}"
    edit '/"type": "network"/s/network/time/'
    run run $id 2>err
    expect "netDevices without a network namespace" 1 "$(grep -c 'without a NET namespace' err)"
    bundle '"true"'
    devices "\"$nd\": {}, \"no-such\": {}"
    run run $id 2>err
    expect "netDevices: a missing one is named" 1 "$(grep -c 'network device .no-such. of the host: No such device' err)"
    expect "and no other has moved" 1 "$(ip -o link show dev "$nd" | grep -c .)"
    # A namespace that is joined: what goes there stays there, and names there are taken.
    bundle '"sleep", "100"'
    run run -d $id </dev/null >/dev/null 2>&1
    net=/proc/$(run state $id | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')/ns/net
    join() { edit "s|\"type\": \"network\"|\"type\": \"network\", \"path\": \"$net\"|"; }
    bundle '"true"'
    devices "\"$nd\": {\"name\": \"lo\"}"
    join
    run run $id-b 2>err
    expect "netDevices: a name that is taken" "1 1" "$(grep -c '.lo. is in the container already' err) $(ip -o link show dev "$nd" | grep -c .)"
    bundle '"true"'
    devices "\"$nd\": {\"name\": \"there%d\"}"
    join
    run run $id-b
    expect "netDevices into a namespace that is joined" "0 1" "$? $(run exec $id ip -o link show dev there0 | grep -c .)"
    bundle '"true"'
    devices "\"p$nd\": {}"
    net=/proc/self/ns/net
    join
    run run $id-b 2>err
    expect "netDevices into the host's" 1 "$(grep -c "joins the host's" err)"
    run delete --force $id
    ip link del "$nd" 2>/dev/null
else
    echo "no network devices can be made here: $(cat err)"
fi

# seccomp.
profile() { edit "s|\"namespaces\": \[|\"seccomp\": $1, \"namespaces\": [|"; }
bundle '"true"'
profile '{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/nowhere", "syscalls": []}'
expect "an agent nobody asks may be absent" 0 "$(run run $id; echo $?)"
bundle '"mkdir", "/tmp/x"'
profile '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getcwd"], "action": "SCMP_ACT_ERRNO"}]}'
edit 's|"noNewPrivileges": true|"noNewPrivileges": false|; s|"readonly": true|"readonly": false|'
expect "a filter on getcwd does not stop the start" 0 "$(run run $id; echo $?)"
for privileges in true false; do
    rm -f agent.sock
    timeout 60 "$agent" agent.sock >told &
    listening=$!
    n=0
    while [ ! -S agent.sock ] && [ $n -lt 600 ]; do n=$((n + 1)); sleep 0.1; done
    bundle '"mkdir", "/tmp/y"'
    profile "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"listenerPath\": \"$dir/agent.sock\", \"listenerMetadata\": \"words\", \"syscalls\": [{\"names\": [\"mkdir\", \"mkdirat\"], \"action\": \"SCMP_ACT_NOTIFY\"}]}"
    edit "s|\"noNewPrivileges\": true|\"noNewPrivileges\": $privileges|"
    run run $id 2>err
    expect "the agent answers, noNewPrivileges $privileges" 1 "$(grep -c 'No medium' err)"
    expect "and was told for whom" 1 "$(grep -c "\"metadata\":\"words\".*\"id\":\"$id\"" told)"
    wait $listening
    listening=
done
exit $bad
