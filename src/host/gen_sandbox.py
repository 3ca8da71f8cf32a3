#!/usr/bin/env python3
"""Collects the "syscalls: NAME..." comments of the given sources into the sandbox's list."""
import re
import sys

LINE = re.compile(r'^[ /]*\*\s*syscalls: ([a-z0-9_ ]+?)\s*(?:\*/)?\s*$')


def main():
    out, sources = sys.argv[1], sys.argv[2:]
    names = {}
    for path in sources:
        with open(path, encoding='utf-8') as f:
            for line in f:
                m = LINE.match(line)
                for name in m.group(1).split() if m else []:
                    names.setdefault(name, []).append(path.rsplit('/', 1)[-1])
    with open(out, 'w', encoding='utf-8') as f:
        f.write('/* Made by gen_sandbox.py: the system calls of a running machine, and who needs them. */\n')
        f.write('static const char *const sandbox_syscalls[] = {\n')
        for name in sorted(names):
            f.write(f'    "{name}", /* {", ".join(sorted(set(names[name])))} */\n')
        f.write('};\n')


if __name__ == '__main__':
    main()
