#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The annotation org.doppel.landlock. $1: the runtime.
set -u
oci=$1
skip() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" -eq 0 ] || skip "needs root"
busybox=$(command -v busybox) || skip "needs busybox (busybox-static)"
unshare -mpiun true 2>/dev/null || skip "the kernel allows no namespaces"
dir=$(mktemp -d)
id=doppel-landlock-$$
bad=0
run() { timeout 60 "$oci" --root "$dir/state" "$@"; }
trap 'run delete --force $id; rm -rf "$dir"' EXIT
expect() { # name, wanted, got
    if [ "$2" = "$3" ]; then echo "ok: $1"; else echo "NOT OK: $1: wanted '$2', got '$3'"; bad=1; fi
}
mkdir -p "$dir/rootfs/bin" "$dir/rootfs/data" "$dir/rootfs/hidden" "$dir/rootfs/scratch"
cp "$busybox" "$dir/rootfs/bin/busybox"
cp "$busybox" "$dir/rootfs/data/busybox"
for a in sh cat sleep ls nc; do ln -s busybox "$dir/rootfs/bin/$a"; done
echo open >"$dir/rootfs/data/file"
echo shut >"$dir/rootfs/hidden/file"
cd "$dir" || exit 1
bundle() { # policy, NO_NEW_PRIVILEGES
    rm -f config.json
    run spec
    policy=$(printf %s "$1" | sed 's/"/\\\\"/g')
    sed -i "s|\"terminal\": true|\"terminal\": false|; s#\"sh\"#\"sh\", \"/bin/try\"#
            s|\"readonly\": true|\"readonly\": false|; s|\"noNewPrivileges\": true|\"noNewPrivileges\": $2|
            s|\"hostname\"|\"annotations\": {\"org.doppel.landlock\": \"$policy\"}, \"hostname\"|" config.json
}
cat >rootfs/bin/try <<'S'
cat /data/file
cat /hidden/file 2>/dev/null || echo hidden
echo new >/scratch/file && cat /scratch/file
{ echo new >/data/new; } 2>/dev/null || echo kept
/data/busybox true 2>/dev/null || echo "not executed"
S
wanted="open hidden new kept not executed"
for privileges in true false; do
    bundle '{"read": ["/data"], "execute": ["/bin"], "write": ["/scratch", "/dev/null"]}' $privileges
    out=$(run run $id 2>err)
    case $(cat err) in *"kernel has no landlock"*) skip "$(cat err)" ;; esac
    expect "the policy, noNewPrivileges $privileges" "$wanted" "$(echo $out)"
done

sed -i 's#"sh", *"/bin/try"#"sleep", "100"#; /"\/bin\/try"/d; s#"sh",#"sleep", "100"#' config.json
run run -d $id </dev/null >/dev/null 2>&1
expect "exec is under it too" "$wanted" "$(echo $(run exec $id sh /bin/try))"
run delete --force $id

bundle '{"read": ["/"], "execute": ["/bin"], "wirte": ["/scratch"]}' true
run run $id 2>err
expect "a mistake is refused" 1 "$(grep -c 'unknown member `wirte`' err)"
bundle '{"read": ["relative"]}' true
run run $id 2>err
expect "a relative path is refused" 1 "$(grep -c 'no absolute path' err)"
bundle '{"read": ["/"], "execute": ["/bin"], "write": ["/nowhere"]}' true
run run $id 2>err
expect "a path that is not there is named" 1 "$(grep -c '/nowhere' err)"
expect "nothing is left" "" "$(run list -q)"
exit $bad
