#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The core, which runs while the guest's vector registers are live, imports nothing from libc (whose
memcpy and friends use vector registers), and holds no vector instruction of the compiler's making
outside the few places that mean to.

usage: core_symbols.py NM OBJDUMP CORE.a... -- PROJECT.a...
"""
import re
import subprocess
import sys

# What compilers and sanitizers add; none of it runs beside live vector state in a release build.
ADDED = re.compile(r'_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__(a|ub|t|l)san_\w+|__sanitizer_\w+|'
                   r'__gcov_\w+|__llvm_\w+|__start_\w+|__stop_\w+')
# State switching in vector_state.c and strict runs name MXCSR and vzeroupper by hand.
VECTOR = re.compile(r'%[xyz]mm\d')


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def symbols(nm, archive, kinds):
    out = set()
    for line in run(nm, archive).splitlines():
        m = re.match(r'[0-9a-f]*\s+([A-Za-z])\s+(\S+)$', line)
        if m and m.group(1) in kinds:
            out.add(m.group(2))
    return out


def main():
    nm, objdump = sys.argv[1:3]
    split = sys.argv.index('--')
    core, project = sys.argv[3:split], sys.argv[split + 1:]
    defined = set().union(*(symbols(nm, a, 'TDBRVWiC') for a in core + project))
    bad = 0
    for archive in core:
        for name in sorted(symbols(nm, archive, 'U') - defined):
            if not ADDED.fullmatch(name):
                print(f'{archive}: imports {name}')
                bad += 1
        used = [line for line in run(objdump, '-d', '--no-show-raw-insn', archive).splitlines()
                if VECTOR.search(line)]
        for line in used[:5]:
            print(f'{archive}: vector register: {line.strip()}')
        bad += len(used)
    return bad != 0


sys.exit(main())
