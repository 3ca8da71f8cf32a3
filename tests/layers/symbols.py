#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""symbols.py LIBRARY...: what is built without vector registers calls nothing that may use them.

The guest's own vector state may be live in the host's registers while this code runs, and the C
library's string functions use them. A compiler calls some by itself, to clear or copy a struct."""
import subprocess
import sys

FORBIDDEN = {'memcpy', 'memmove', 'memset', 'memcmp', 'memchr', 'bcmp', 'strlen', 'strcmp', 'strncmp',
             'strcpy', 'strncpy', 'strchr', 'strrchr', 'strstr', 'printf', 'fprintf', 'snprintf',
             'sprintf', 'vsnprintf', 'malloc', 'calloc', 'realloc', 'free', 'qsort', 'puts', 'fputs',
             'abort', 'exit', 'pthread_mutex_lock'}
# Called only where the vector state is released: making a block or a translation, reporting a
# difference, state in and out between runs, a processor model before there is a processor.
RELEASED = {('block.c', 'memset'), ('lockstep_report.c', 'memset'), ('engine.c', 'memcpy'),
            ('cpuid_models.c', 'memset')}


def main():
    objects, bad = set(), []
    for library in sys.argv[1:]:
        out = subprocess.run(['nm', '-A', '--undefined-only', library], capture_output=True,
                             text=True, check=True).stdout
        for line in out.splitlines():
            where, _, symbol = line.rpartition(' U ')
            source = where.split(':')[-2].split('/')[-1].removesuffix('.o')
            objects.add((library, source))
            symbol = symbol.split('@')[0]
            if symbol in FORBIDDEN and (source, symbol) not in RELEASED:
                bad.append(f'{library}: {source} calls {symbol}')
    print('\n'.join(bad) or f'{len(objects)} objects call nothing that may use vector registers')
    if len(objects) < 30:
        sys.exit('too few objects were looked at')
    sys.exit(bool(bad))


main()
