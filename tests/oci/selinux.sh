#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Labels where SELinux is: in a machine of our own with a policy of our own. $1: the runtime, $2:
# doppel, $3: its agent, $4: what runs inside, $5: the policy.
set -u
PATH=$PATH:/usr/sbin:/sbin
command -v checkpolicy >/dev/null || { echo "skipped: needs checkpolicy"; exit 77; }
policy=$(mktemp)
trap 'rm -f "$policy"' EXIT
trap 'exit 1' HUP INT TERM
checkpolicy -U allow -c 31 -o "$policy" "$5" || exit 1 # 31: what Linux 4.14 and all later ones load
sh "$(dirname "$0")/vm.sh" "$1" "$2" "$3" "$4" "security=selinux selinux=1 enforcing=0" "$policy"
