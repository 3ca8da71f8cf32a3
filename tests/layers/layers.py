#!/usr/bin/env python3
"""Checks the rooms of src/: who includes whom, freestanding headers, who may exit, folder READMEs."""
import fnmatch
import os
import re
import sys
import tomllib

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def room_of(path, rooms):
    """The longest room name that is a prefix of a path below src/."""
    best = None
    for room in rooms:
        if (path == room or path.startswith(room + '/')) and (best is None or len(room) > len(best)):
            best = room
    return best


def allowed(target, rules):
    for rule in rules:
        if '*' in rule or rule.endswith('.h'):
            if fnmatch.fnmatch(target, rule):
                return True
        elif target.startswith(rule + '/'):
            return True
    return False


def strip_comments(text):
    text = re.sub(r'/\*.*?\*/', lambda m: '\n' * m.group(0).count('\n'), text, flags=re.S)
    text = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)
    return re.sub(r'//[^\n]*', '', text)


def check(top, config):
    errors = []
    src = os.path.join(top, 'src')
    rooms = config['rooms']
    free = config['freestanding']
    calls = re.compile(r'(?<![\w.>])(' + '|'.join(config['calls']['forbidden']) + r')\s*\(')
    for folder, _, files in os.walk(src):
        sources = [f for f in files if f.endswith(('.c', '.h', '.S'))]
        rel_folder = os.path.relpath(folder, src)
        if sources and 'README.md' not in files:
            errors.append(f'src/{rel_folder}: has no README.md')
        for name in sources:
            rel = os.path.normpath(os.path.join(rel_folder, name))
            room = room_of(rel, rooms)
            if room is None:
                errors.append(f'src/{rel}: is in no room of layers.toml')
                continue
            with open(os.path.join(src, rel), encoding='utf-8') as f:
                text = f.read()
            if not text.startswith('/* SPDX-License-Identifier: BSD-2-Clause */'):
                errors.append(f'src/{rel}: does not start with the SPDX line')
            for number, line in enumerate(text.splitlines(), 1):
                m = INCLUDE.match(line)
                if not m:
                    continue
                kind, target = m.groups()
                where = f'src/{rel}:{number}'
                if kind == '<':
                    if room.split('/')[0] in free['rooms'] and target not in free['headers']:
                        errors.append(f'{where}: {room} is freestanding and includes <{target}>')
                    continue
                if '/' not in target:
                    errors.append(f'{where}: write "{target}" from src/, with its folder')
                elif not target.startswith('base/') and not allowed(target, rooms[room]):
                    errors.append(f'{where}: {room} may not include {target}')
            if room not in config['calls']['exit_rooms']:
                for number, line in enumerate(strip_comments(text).splitlines(), 1):
                    m = calls.search(line)
                    if m:
                        errors.append(f'src/{rel}:{number}: calls {m.group(1)}(): only cli may')
    return errors


def self_test():
    """The checker must be able to fail."""
    rules = ['vm/irq.h', 'host/*_if.h', 'isa']
    assert allowed('vm/irq.h', rules) and not allowed('vm/vm.h', rules)
    assert allowed('host/block_if.h', rules) and not allowed('host/ram.h', rules)
    assert allowed('isa/x86/insn.h', rules) and not allowed('isax/y.h', rules)
    assert room_of('engine/kvm/kvm.c', {'engine/kvm': 0, 'engine': 0}) == 'engine/kvm'


def main():
    top = sys.argv[1]
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'layers.toml'), 'rb') as f:
        config = tomllib.load(f)
    self_test()
    errors = check(top, config)
    for e in errors:
        print(e)
    print(f'{len(errors)} violations')
    return 1 if errors else 0


if __name__ == '__main__':
    sys.exit(main())
