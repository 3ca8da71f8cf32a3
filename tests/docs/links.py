#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every link and every path of the project that a document names leads to something.
usage: links.py PROJECT-ROOT"""
import os
import re
import sys

LINK = re.compile(r'\[[^\]]*\]\(([^)#\s]+)[^)]*\)')
PATH = re.compile(r'`((?:src|tests|tools|docs|fuzz|guest|bench|man|completions)/[\w./-]+)`')
SKIPPED = ('build', 'cache', '.')  # folders whose name begins so


def documents(root):
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith(SKIPPED)]
        for name in files:
            if name.endswith('.md'):
                yield os.path.join(folder, name)


def dead(root, document):
    with open(document, encoding='utf-8') as f:
        text = f.read()
    for target in LINK.findall(text):
        if '://' not in target and not os.path.exists(
                os.path.join(os.path.dirname(document), target)):
            yield target
    for path in PATH.findall(text):
        if not os.path.exists(os.path.join(root, path)):
            yield path


def main():
    root = sys.argv[1]
    found = count = 0
    for document in documents(root):
        count += 1
        for target in dead(root, document):
            print(f'{os.path.relpath(document, root)}: {target} is not there')
            found += 1
    print(f'{count} documents, {found} dead links')
    return 1 if found or not count else 0


if __name__ == '__main__':
    sys.exit(main())
