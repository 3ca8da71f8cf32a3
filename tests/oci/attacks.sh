#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Known ways out of containers of other runtimes, each tried on ours. $1: the runtime.
set -u
oci=$1
skip() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" -eq 0 ] || skip "needs root"
busybox=$(command -v busybox) || skip "needs busybox (busybox-static)"
unshare -mpiun true 2>/dev/null || skip "the kernel allows no namespaces"
dir=$(mktemp -d)
chmod 755 "$dir"
id=doppel-attack-$$
bad=0
cp "$oci" "$dir/runtime" # an attack that succeeds spoils a copy
run() { timeout 60 "$dir/runtime" --root "$dir/state" "$@"; }
swapper=
finish() {
    [ -z "$swapper" ] || kill "$swapper" 2>/dev/null
    run delete --force $id
    rm -rf "$dir"
}
trap finish EXIT
expect() { # name, wanted, got
    if [ "$2" = "$3" ]; then echo "ok: $1"; return; fi
    echo "NOT OK: $1: wanted '$2', got '$3'"
    bad=1
    cat "$dir/err"
}
root=$dir/rootfs
image() {
    rm -rf "$root" "$dir/vol" "$dir/outside"
    mkdir -p "$root/bin" "$root/etc" "$dir/vol" "$dir/outside"
    cp "$busybox" "$root/bin/busybox"
    for a in sh cat sleep ls mount mkdir grep stat readlink pwd tty; do
        ln -s busybox "$root/bin/$a"
    done
    echo secret >"$dir/outside/secret"
}
# bundle COMMAND MOUNTS: command line and further mounts as JSON
bundle() {
    rm -f "$dir/config.json"
    run spec --bundle "$dir"
    sed -i "s|\"terminal\": true|\"terminal\": false|; s#\"sh\"#$1#; s|\"readonly\": true|\"readonly\": false|
            s#\"mounts\": \[#\"mounts\": [${2:-}#" "$dir/config.json"
}
edit() { sed -i "$1" "$dir/config.json"; }
bind() { # source, destination
    echo "{\"destination\": \"$2\", \"type\": \"bind\", \"source\": \"$1\", \"options\": [\"bind\"]},"
}
cd "$dir" || exit 1
image
bundle '"true"'
out=$(run run $id 2>&1)
case $out in *"not found"* | '') ;; *) skip "this host cannot run containers: $out" ;; esac

# CVE-2019-5736: the runtime's file is written through /proc/PID/exe of what runs it inside.
sum=$(sha256sum <"$dir/runtime")
cat >"$root/overwrite.sh" <<'S'
while :; do
    for p in /proc/[1-9]*; do
        case $(readlink "$p/exe") in
        */busybox) ;;
        *) { echo spoiled; } 2>/dev/null >>"$p/exe" && echo hit >>/hits ;;
        esac
    done
done
S
bundle '"sh", "/overwrite.sh"'
run run -d $id </dev/null >/dev/null 2>&1
for i in 1 2 3 4 5 6 7 8 9 10; do run exec $id /proc/self/exe --version >/dev/null 2>&1; done
run delete --force $id
expect "CVE-2019-5736: the runtime is not overwritten" "$sum" "$(sha256sum <"$dir/runtime")"
expect "CVE-2019-5736: nor could it be opened" no "$([ -e "$root/hits" ] && echo yes || echo no)"

# CVE-2019-16884: something that is no procfs over /proc or in it.
for where in /proc /proc/self/attr /proc//sys; do
    image
    bundle '"true"' "$(bind "$dir/vol" $where)"
    run run $id >/dev/null 2>"$dir/err"
    expect "CVE-2019-16884: nothing is mounted on $where" 1 "$(grep -c 'inside /proc' "$dir/err")"
done

# CVE-2019-19921, CVE-2023-27561, CVE-2023-28642: /proc or /sys is a link to where files can be faked.
for what in proc sys; do
    image
    mkdir -p "$root/fake/self/attr"
    ln -s /fake "$root/$what"
    bundle '"true"'
    run run $id >/dev/null 2>"$dir/err"
    expect "CVE-2019-19921: a link at /$what is refused" 1 \
        "$(grep -c 'must be mounted on ordinary directory' "$dir/err")"
done

# CVE-2021-30465, CVE-2024-45310: a destination in a shared volume is exchanged for a link.
image
mkdir "$dir/vol/a"
ln -s "$dir/outside" "$dir/vol/b"
bundle '"sh", "-c", "cat /vol/a/new/secret /vol/a/secret"' \
    "$(bind "$dir/vol" /vol){\"destination\": \"/vol/a/new\", \"type\": \"tmpfs\", \"source\": \"x\"},"
(while :; do
    mv -T "$dir/vol/a" "$dir/vol/c" && mv -T "$dir/vol/b" "$dir/vol/a" && mv -T "$dir/vol/c" "$dir/vol/b"
done) 2>/dev/null &
swapper=$!
seen=0
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    case $(run run $id 2>/dev/null) in *secret*) seen=1 ;; esac
done
kill $swapper
wait $swapper 2>/dev/null
swapper=
expect "CVE-2021-30465: what is outside is not seen" 0 $seen
expect "CVE-2024-45310: nothing is made outside" secret "$(ls "$dir/outside")"

image
ln -s "$dir/outside" "$root/link"
bundle '"true"' "$(bind "$busybox" /link/file)"
run run $id >/dev/null 2>&1
expect "CVE-2024-45310: nor through a link that stays" secret "$(ls "$dir/outside")"

# CVE-2022-29162, CVE-2022-27650: inheritable capabilities nobody asked for.
image
bundle '"sleep", "100"'
run run -d $id </dev/null >/dev/null 2>&1
expect "CVE-2022-27650: run gives no inheritable capability" 0000000000000000 \
    "$(run exec $id cat /proc/1/status | sed -n 's/CapInh:[[:space:]]*//p')"
expect "CVE-2022-29162: exec --cap neither" 0000000000000000 \
    "$(run exec --cap CAP_NET_RAW $id cat /proc/self/status | sed -n 's/CapInh:[[:space:]]*//p')"

# CVE-2024-21626: a working directory behind a descriptor of the runtime.
caught=0
for n in 3 4 5 6 7 8 9 10 11 12 13 14; do
    out=$(run exec --cwd /proc/self/fd/$n $id sh -c "cat ../../../../..$dir/outside/secret" 2>/dev/null)
    case $out in *secret*) caught=1 ;; esac
done
run delete --force $id
for n in 3 4 5 6 7 8 9 10 11 12 13 14; do
    bundle "\"sh\", \"-c\", \"cat ../../../../..$dir/outside/secret\""
    edit "s|\"cwd\": \"/\"|\"cwd\": \"/proc/self/fd/$n\"|"
    case $(run run $id 2>/dev/null) in *secret*) caught=1 ;; esac
done
expect "CVE-2024-21626: no working directory is outside" 0 $caught
bundle '"sh", "-c", "ls -l /proc/self/fd"'
run run $id 3<"$dir/outside" 4<"$dir" 2>&1 | cat >"$dir/out"
expect "CVE-2024-21626: no descriptor is handed down" 0 "$(grep -c "$dir/" "$dir/out")"

# CVE-2025-31133: the null device that masks paths is the image's link to something else.
image
mkdir "$root/dev"
echo open >"$root/target"
ln -s /target "$root/dev/null"
bundle '"sh", "-c", "cat /proc/kcore | busybox head -c 4; stat -c %t:%T /proc/kcore"'
edit '/"destination": "\/dev\(\/[a-z]*\)\{0,1\}"/s|/dev|/other|'
run run $id >"$dir/out" 2>"$dir/err"
case $(cat "$dir/out") in 1:3 | '') got=masked ;; *) got=$(cat "$dir/out") ;; esac
expect "CVE-2025-31133: masked by the null device or not started" masked "$got"
expect "CVE-2025-31133: the link's target is untouched" open "$(cat "$root/target")"

# CVE-2025-52565: the terminal is bound over what /dev/console leads to.
image
mkdir "$root/dev"
ln -s /proc/sysrq-trigger "$root/dev/console"
bundle '"sh", "-c", "stat -c %F /proc/sysrq-trigger"'
edit 's|"terminal": false|"terminal": true|
      /"destination": "\/dev"/s|/dev|/other|'
run run $id </dev/null >"$dir/out" 2>"$dir/err"
expect "CVE-2025-52565: the terminal hides no file of procfs" 0 "$(grep -c 'character' "$dir/out")"

# CVE-2025-52881: what the runtime writes to procfs goes to a file of the image.
image
mkdir -p "$root/proc/sys/net/ipv4" "$root/proc/thread-self/attr"
echo mine >"$root/proc/sys/net/ipv4/ip_forward"
bundle '"true"'
edit '/"destination": "\/proc"/s|/proc|/other|
      s|"linux": {|"linux": {"sysctl": {"net.ipv4.ip_forward": "1"},|'
run run $id >/dev/null 2>&1
expect "CVE-2025-52881: a false procfs is not written to" mine \
    "$(cat "$root/proc/sys/net/ipv4/ip_forward")"

# CVE-2023-25809: an ordinary user's container sees the host's /sys with control groups to write to.
image
mkdir "$root/proc" "$root/dev" "$root/sys"
chmod -R a+rX "$dir"
chmod 755 "$dir/runtime"
if su -s /bin/sh nobody -c 'unshare -Ur true' 2>/dev/null; then
    mkdir -m 777 "$dir/nobody"
    cat >"$dir/as-nobody.sh" <<S
cd $dir/nobody && ln -s $root rootfs && $dir/runtime --root $dir/nobody/state spec --rootless || exit 1
sed -i 's|"terminal": true|"terminal": false|; s#"sh"#"cat", "/proc/self/mountinfo"#
        /"type": "network"/{s|"network"|"uts"|}' config.json
awk '/"type": "uts"/ && n++ { sub("uts", "time") } { print }' config.json >c && mv c config.json
exec timeout 60 $dir/runtime --root $dir/nobody/state run $id-nobody
S
    su -s /bin/sh nobody -c "sh $dir/as-nobody.sh" >"$dir/out" 2>"$dir/err"
    expect "CVE-2023-25809: the container ran" yes "$(grep -q ' /sys ' "$dir/out" && echo yes)"
    expect "CVE-2023-25809: nothing in /sys is writable" "" \
        "$(awk '$5 ~ "^/sys" && $6 !~ "^ro" { print $5 }' "$dir/out")"
fi

expect "no mount is left on the host" 0 "$(grep -c "$dir" /proc/self/mountinfo)"
exit $bad
