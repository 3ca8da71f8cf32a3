#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# scripts.sh TOP: every shell script of the tree can be read by sh, and the lists of packages hold
# packages alone. What a newcomer runs first must not fail at its first line.
set -eu
cd "$1"
bad=0
# shellcheck disable=SC2013 # names without spaces
for f in $(grep -lIs '^#!/bin/sh' run test .ci/run tools/* tests/*/*); do
    sh -n "$f" || bad=1
done
for list in build run test check bench; do
    packages=$(tools/install-dependencies --list $list)
    [ -n "$packages" ] || { echo "$list: no package"; bad=1; }
    for p in $packages; do
        case $p in
        *[!a-z0-9.+-]*) echo "$list: '$p' is no package"; bad=1 ;;
        esac
    done
done
exit $bad
