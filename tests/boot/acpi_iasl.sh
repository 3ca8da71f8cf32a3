#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# acpi_iasl.sh TEST_ACPI: the tables disassemble, and the DSDT's source compiles back without error.
set -eu
command -v iasl >/dev/null || { echo "skipped: no iasl (package acpica-tools)"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$1" --write "$dir"
cd "$dir"
for t in *.dat; do
    if ! iasl -d "$t" >log 2>&1 || grep -iE "error|invalid|could not|unknown" log "${t%.dat}.dsl"; then
        cat log
        echo "$t: iasl does not understand it"
        exit 1
    fi
done
iasl -we DSDT.dsl >log 2>&1 || { cat log; exit 1; }
grep -E "Compilation (successful|complete)" log
