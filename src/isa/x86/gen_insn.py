#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes the instruction enums, the form table and the decoder's tables from insn*.tab, and the
feature enum from features.tab. Columns are explained at the top of insn.tab.

usage: gen_insn.py OUTDIR features.tab insn.tab...
"""
import os
import re
import sys

# Bits of the decoder's selector word: shift, width. decode.c fills it; tables index by it.
SELECT = {
    'rm': (0, 3), 'reg': (3, 3), 'mod3': (6, 1), 'pfx': (7, 2), 'w': (9, 1), 'l': (10, 2),
    'm64': (12, 1), 'amd': (13, 1), 'rexb': (14, 1), 'q': (15, 1),
}
SPLIT_ORDER = ['m64', 'pfx', 'mod3', 'reg', 'rm', 'q', 'w', 'l', 'rexb', 'amd']
PFX = {'np': 0, '66': 1, 'f3': 2, 'f2': 3}
MAPS = {'0f': 1, '0f38': 2, '0f3a': 3, 'map5': 5, 'map6': 6, '0f0f': 15}
# Tables in the order of enum space in decode.c.
# enum imm_rule of decode.c, and the same by length.
IMM_RULES = ['NONE', 'U8', 'S8', 'U16', 'Z', 'V', 'FAR', 'MOFFS', 'U16_U8', 'U8_U8']
IMM_ORDER = ['NONE', 'U8', 'S8', 'U16', 'U8_U8', 'U16_U8', 'Z', 'V', 'FAR', 'MOFFS']
SPACES = [('', 0), ('', 1), ('', 2), ('', 3), ('', 15), ('vex', 1), ('vex', 2), ('vex', 3),
          ('evex', 1), ('evex', 2), ('evex', 3), ('evex', 5), ('evex', 6)]

KINDS = ['XLAT', 'MDI', 'VM', 'ST', 'KG', 'KE', 'KR', 'KH', 'I2'] + list('EGRMBZIJAOXYSCDVWUHLPQN')
SIZES = {'': 'NONE', 'b': 'B', 's': 'S', 'w': 'W', 'd': 'D', 'q': 'Q', 'v': 'V', 'z': 'Z', 'y': 'Y',
         'p': 'P', 'a': 'A', 't': 'T', 'dq': 'DQ', 'qq': 'QQ', 'oo': 'OO', 'x': 'X', 'hx': 'HX',
         'qx': 'QX', 'ex': 'EX', 'env': 'ENV', 'fsave': 'FSAVE', 'fx': 'FX', 'xsave': 'XSAVE',
         '?': 'ANY'}
FIXED = {'AX', 'CX', 'DX', 'BX', 'SP', 'BP', 'SI', 'DI', 'ES', 'CS', 'SS', 'DS', 'FS', 'GS'}
FLAG_BITS = {'c': 0x1, 'p': 0x4, 'a': 0x10, 'z': 0x40, 's': 0x80, 't': 0x100, 'i': 0x200,
             'd': 0x400, 'o': 0x800, 'l': 0x3000, 'n': 0x4000}
FORM_FLAGS = {'priv': 'PRIV', 'lock': 'LOCKABLE', 'no64': 'NO64', 'only64': 'ONLY64',
              'def64': 'DEF64', 'branch': 'BRANCH', 'iopl': 'IOPL', 'align': 'ALIGN', 'rep': 'REP',
              'end': 'END', 'bc16': 'BCST16', 'bc32': 'BCST32',
              'bc64': 'BCST64', 'er': 'ER', 'sae': 'SAE',
              'k': 'MASK', 'kz': 'MASKZ', 'kreq': 'MASK_REQ', 'prot': 'PROT', 'vl': 'VL'}
OSZ_RULES = {'def64': 'DEF64', 'near': 'NEAR', 'far': 'FAR', 'oz': 'Z', 'cr': 'CR', 'crn': 'CRN'}
PLAIN = {'near', 'far', 'oz', 'cr', 'crn', 'sensitive', 'sreg', 'sregw', 'distinct', 'apart',
         'dsrax'}
IMM = {'Ib': 'U8', 'Is': 'S8', 'Iw': 'U16', 'Iz': 'Z', 'Iv': 'V', 'Jb': 'S8', 'Jz': 'Z', 'Ap': 'FAR',
       'Ob': 'MOFFS', 'Ov': 'MOFFS', 'L': 'U8'}
AMD_FEATURES = {'SVM', '3DNOW', '3DNOWEXT', 'SSE4A', 'CLZERO', 'MONITORX', 'RDPRU', 'INVLPGB'}
MEM_KINDS = {'E', 'M', 'W', 'Q', 'KE', 'VM'}
LOG2 = {'b': 0, 'w': 1, 'd': 2, 'q': 3, 'dq': 4, 'qq': 5, 'oo': 6,
        'x': 0x10, 'hx': 0x11, 'qx': 0x12, 'ex': 0x13, 'y': 0x20}


class TableError(Exception):
    pass


class Operand:
    def __init__(self, text):
        self.access = {'=': 2, '+': 3}.get(text[0], 1)
        body = text[1:] if text[0] in '=+' else text
        self.text = body
        self.fixed = None
        if body in ('1', 'ST0', 'XMM0') or body.split(':')[0] in FIXED:
            name, _, size = body.partition(':')
            self.kind = 'FIX'
            self.fixed = {'1': 'ONE'}.get(name, name)
            self.size = {'ST0': 't', 'XMM0': 'dq', '1': 'b'}.get(name, size)
        else:
            for kind in KINDS:
                if body == 'STi' or body.startswith(kind) and body[len(kind):] in SIZES:
                    self.kind, self.size = ('ST', 't') if body == 'STi' else (kind, body[len(kind):])
                    break
            else:
                raise TableError(f'operand {text}')
            if body == 'Is':
                self.size = 'b'
            # R and G with size a: an address-sized register.
            if body in ('Ga', 'Ra'):
                self.size = 'a'

    def c(self):
        size = 'ADDR' if self.text in ('Ga', 'Ra') else SIZES[self.size]
        reg = f'X86_FIX_{self.fixed}' if self.fixed else '0'
        return f'{{X86_OPND_{self.kind}, X86_SZ_{size}, {reg}, {self.access}}}'


class Row:
    """One encoding: where it sits in the opcode maps and what the form table says about it."""

    def __init__(self, line, features):
        cols = [c.strip() for c in line.split('|')]
        cols += [''] * (4 - len(cols))
        self.name = cols[0]
        self.op = self.name.upper()
        self.prefix, self.map, self.opcodes = '', 0, None
        self.need, self.z, self.modrm, self.pfx = {}, False, False, None
        self.opnds = [Operand(t) for t in cols[2].split()]
        self.read = self.written = self.undefined = self.faults = 0
        self.flags, self.words, self.features, self.names, self.asz_names = set(), set(), [], '', ''
        self.lig, self.scale = False, None
        self.spec = ''
        for word in cols[3].split():
            self.attribute(word, features)
        for word in cols[1].split():
            self.encoding(word)
        self.settle()

    def attribute(self, word, features):
        key, colon, value = word.partition(':')
        if colon and key in 'rwu':
            bits = sum(FLAG_BITS[c] for c in value)
            if key == 'r':
                self.read |= bits
            elif key == 'w':
                self.written |= bits
            else:
                self.undefined |= bits
        elif colon and key == 'as':
            self.names = value
        elif colon and key == 'asz':
            self.asz_names = value
        elif colon and key == 'spec':
            self.spec = value.replace('_', ' ')
        elif colon and key == 'n':
            self.scale = {'1': 0, '2': 1, '4': 2, '8': 3}[value]
        elif word in features:
            self.features.append(word)
        elif re.fullmatch(r't\d+', word):
            self.faults = int(word[1:])
        elif word in FORM_FLAGS or word in PLAIN:
            self.words.add(word)
            if word in FORM_FLAGS:
                self.flags.add(FORM_FLAGS[word])
        else:
            raise TableError(f'attribute {word}')

    def encoding(self, word):
        if word in MAPS and not self.map:
            self.map = MAPS[word]
        elif word in ('vex', 'evex'):
            self.prefix = word
        elif all(w in PFX for w in word.split('/')) and (self.pfx is None):
            self.pfx = [PFX[w] for w in word.split('/')]
        elif re.fullmatch(r'/[0-7]', word):
            self.need['reg'] = {int(word[1])}
        elif re.fullmatch(r'rm[0-7]', word):
            self.need['rm'] = {int(word[2])}
        elif word in ('m', 'r'):
            self.need['mod3'] = {int(word == 'r')}
        elif word in ('w0', 'w1', 'q0', 'q1', 'rexb0', 'rexb1'):
            self.need[word[:-1]] = {int(word[-1])}
        elif re.fullmatch(r'l[012]+', word):
            self.need['l'] = {int(c) for c in word[1:]}
        elif word == 'lig':
            self.lig = True
        elif word == 'z':
            self.z = True
        elif word in ('intel', 'amd'):
            self.need['amd'] = {int(word == 'amd')}
        elif re.fullmatch(r'[0-9a-f]{2}(\+r|\+cc)?', word) and self.opcodes is None:
            first = int(word[:2], 16)
            count = {'+r': 8, '+cc': 16}.get(word[2:], 1)
            self.opcodes = range(first, first + count)
            self.z |= word.endswith('+r')
        else:
            raise TableError(f'encoding {word}')

    def settle(self):
        if self.opcodes is None:
            raise TableError('no opcode')
        kinds = {o.kind for o in self.opnds}
        vector = bool(self.prefix)
        for mode in ('no64', 'only64'):
            if mode in self.words:
                self.need['m64'] = {int(mode == 'only64')}
        if kinds & {'M', 'VM'}:
            self.need.setdefault('mod3', {0})
        if kinds & {'R', 'U', 'N', 'KR', 'ST'} and not kinds & {'C', 'D'}:
            self.need.setdefault('mod3', {1})
        if self.pfx is not None:
            self.need['pfx'] = set(self.pfx)
        elif vector:
            raise TableError('VEX and EVEX rows name their prefix')
        if vector:
            if 'l' not in self.need and not self.lig:
                self.need['l'] = {0, 1} if self.prefix == 'vex' else {0, 1, 2}
            if self.lig and self.prefix == 'evex':
                self.need['l'] = {0, 1, 2}
            self.flags.add('PROT')
        if 'near' in self.words:
            self.flags.add('BRANCH')
        if self.words & {'near', 'cr', 'crn'}:
            self.flags.add('FORCE64')
        if 'kz' in self.words:
            self.flags.add('MASK')
        if 'kreq' in self.words:
            self.flags.add('MASK')
        self.mod_ignored = bool(kinds & {'C', 'D'})
        self.modrm = bool({'reg', 'rm', 'mod3'} & set(self.need)) or bool(
            kinds & {'E', 'G', 'R', 'M', 'S', 'C', 'D', 'V', 'W', 'U', 'VM', 'P', 'Q', 'N', 'ST',
                     'KG', 'KE', 'KR'}) and not self.z
        self.cls = 'SENSITIVE' if self.words & {'sensitive', 'priv', 'iopl'} else \
            'CONTROL' if 'near' in self.words else 'COPY'
        if not self.spec:
            volume = 'AMD3' if set(self.features) & AMD_FEATURES else 'SDM2'
            self.spec = f'{volume} {self.name.upper()}'

    def osz_rule(self):
        for word, rule in OSZ_RULES.items():
            if word in self.words:
                return rule
        if self.prefix or self.pfx == [1]:
            return 'VECTOR'
        sized = [o for o in self.opnds if o.kind in ('E', 'G', 'R', 'M', 'Z', 'FIX', 'X', 'Y', 'O', 'XLAT')
                 and o.fixed not in ('ONE', 'CX', 'DX')]
        if sized and all(o.size == 'b' for o in sized):
            return 'BYTE'
        return 'NORMAL'

    def imm(self):
        texts = [o.text for o in self.opnds]
        if 'I2b' in texts:
            return 'U16_U8' if 'Iw' in texts else 'U8_U8'
        for t in texts:
            if t in IMM:
                return IMM[t]
            if t.startswith('L'):
                return 'U8'
        return 'NONE'

    def disp_scale(self):
        if self.scale is not None:
            return self.scale
        for o in self.opnds:
            if o.kind in MEM_KINDS and o.size in LOG2:
                return LOG2[o.size]
        return 0

    def code_flags(self):
        kinds = {o.kind for o in self.opnds}
        out = set()
        if 'lock' in self.words:
            out.add('LOCK')
        if self.z:
            out.add('Z')
        if kinds & {'X', 'XLAT', 'O', 'MDI'} or 'dsrax' in self.words:
            out.add('SEGSRC')
        if self.prefix and not kinds & {'B', 'H', 'KH'}:
            out.add('NOV')
        if 'VM' in kinds:
            out.add('VSIB')
        if 'MASK' in self.flags:
            out.add('MASK')
        if 'MASKZ' in self.flags:
            out.add('MASKZ')
            if self.opnds[0].kind in ('W', 'M'):
                out.add('ZREG')
        if 'MASK_REQ' in self.flags:
            out.add('MASKREQ')
        for word in ('bc16', 'bc32', 'bc64'):
            if word in self.words:
                out.add(word.upper())
        if self.words & {'er', 'sae'}:
            out.add('RC')
        if self.lig:
            out.add('LIG')
        if self.pfx == [2]:
            out.add('PFX_F3')
        if self.pfx == [3]:
            out.add('PFX_F2')
        if 'KG' in kinds:
            out.add('KREG')
        if 'KH' in kinds:
            out.add('KVVVV')
        for word, flag in (('sreg', 'SREG'), ('sregw', 'SREGW'), ('distinct', 'DISTINCT'),
                           ('apart', 'APART')):
            if word in self.words:
                out.add(flag)
        if self.prefix and kinds & {'V', 'W', 'U', 'H', 'L', 'VM'}:
            out.add('VECTOR')
        if 'V' in kinds or self.prefix and 'reg' in self.need:
            out.add('VREG')
        if kinds & {'W', 'U'}:
            out.add('VRM')
        if 'B' in kinds:
            out.add('VVVVGPR')
        if 'C' in kinds:
            out.add('CR')
        if 'D' in kinds:
            out.add('DR')
        return out


def flags_c(prefix, names):
    return ' | '.join(prefix + n for n in sorted(names)) or '0'


class Tree:
    """Selection of a form among the rows of one opcode, as nodes of one array of u16: a header
    (shift | mask << 8) and its mask + 1 successors; bit 15 set: another node, clear: a form."""

    def __init__(self):
        self.nodes, self.seen = [], {}

    def build(self, rows):
        if not rows:
            return 0
        fields = [f for f in SPLIT_ORDER if any(f in need for need, _ in rows)]
        if not fields:
            if len(rows) > 1:
                raise TableError('ambiguous: ' + ', '.join(str(form) for _, form in rows))
            return rows[0][1]
        field = next((f for f in fields if all(f in need for need, _ in rows)), fields[0])
        shift, width = SELECT[field]
        succ = []
        for value in range(1 << width):
            sub = [({f: s for f, s in need.items() if f != field}, form)
                   for need, form in rows if value in need.get(field, {value})]
            succ.append(self.build(sub))
        if len(set(succ)) == 1:
            return succ[0]
        node = (shift | ((1 << width) - 1) << 8, *succ)
        if node not in self.seen:
            self.seen[node] = len(self.nodes)
            self.nodes.extend(node)
        return 0x8000 | self.seen[node]


def read_lines(path):
    with open(path, encoding='utf-8') as f:
        for number, line in enumerate(f, 1):
            line = line.split('#')[0].strip()
            if line:
                yield number, line


def read_features(path):
    out = []
    for number, line in read_lines(path):
        name, leaf, subleaf, reg, bit = line.split()
        out.append((name, int(leaf, 0), int(subleaf, 0), ['eax', 'ebx', 'ecx', 'edx'].index(reg), int(bit)))
    return out


def read_rows(paths, features):
    rows = []
    for path in paths:
        for number, line in read_lines(path):
            try:
                rows.append(Row(line, features))
            except (TableError, KeyError, ValueError) as e:
                sys.exit(f'{path}:{number}: {e}: {line}')
    return rows


HEAD = '/* SPDX-License-Identifier: BSD-2-Clause */\n/* Made by gen_insn.py from {}; do not edit. */\n'


def write(outdir, name, text):
    with open(os.path.join(outdir, name), 'w', encoding='utf-8') as f:
        f.write(text)


def features_h(features):
    out = HEAD.format('features.tab')
    out += '#ifndef ISA_X86_FEATURES_GEN_H\n#define ISA_X86_FEATURES_GEN_H\n\n'
    out += '/* F(NAME, "name", leaf, subleaf, register (0 eax .. 3 edx), bit) for every feature. */\n'
    out += '#define X86_FEATURE_LIST(F) \\\n'
    out += ' \\\n'.join(f'    F({n}, "{n.lower()}", {l:#x}, {s}, {r}, {b})' for n, l, s, r, b in features)
    out += '\n\nenum x86_feature {\n    X86_FEATURE_NONE,\n'
    out += ''.join(f'    X86_FEATURE_{f[0]},\n' for f in features)
    out += '    X86_FEATURE_COUNT\n};\nenum { X86_FEATURE_WORDS = (X86_FEATURE_COUNT + 63) / 64 };\n\n#endif\n'
    return out


def name_forms(rows):
    used = {}
    for r in rows:
        parts = [re.sub(r'\W', '', o.text).upper() or 'ANY' for o in r.opnds]
        name = '_'.join(([r.prefix.upper()] if r.prefix == 'evex' else []) + [r.op] + parts)
        used[name] = used.get(name, 0) + 1
        r.form = name if used[name] == 1 else f'{name}_{used[name]}'


def ops_h(rows):
    ops = sorted({r.op for r in rows})
    out = HEAD.format('insn*.tab')
    out += '#ifndef ISA_X86_OPS_GEN_H\n#define ISA_X86_OPS_GEN_H\n\n'
    out += 'enum x86_op {\n    X86_OP_UNDEFINED,\n'
    out += ''.join(f'    X86_OP_{op},\n' for op in ops) + '    X86_OP_COUNT\n};\n\n'
    out += 'enum x86_form_id {\n    X86_FORM_UNDEFINED,\n'
    out += ''.join(f'    X86_FORM_{r.form},\n' for r in rows) + '    X86_FORM_COUNT\n};\n\n#endif\n'
    return out


def forms_c(rows):
    out = HEAD.format('insn*.tab')
    out += '#include "isa/x86/features.gen.h"\n#include "isa/x86/insn.h"\n\n'
    out += 'const struct x86_form x86_forms[X86_FORM_COUNT] = {\n'
    out += '    {.name = "(bad)", .spec = "SDM2 A", .cls = X86_CLASS_SENSITIVE, .flags = X86_F_BRANCH},\n'
    for r in rows:
        opnds = ', '.join(o.c() for o in r.opnds)
        feats = (r.features + ['NONE', 'NONE'])[:2]
        faults = r.faults | (0x80 if r.prefix == 'evex' and r.faults else 0)
        fields = [f'"{r.name}"', f'"{r.spec}"', f'{{{opnds}}}' if opnds else '{{0}}',
                  f'X86_OP_{r.op}', f'X86_FEATURE_{feats[0]}', f'X86_FEATURE_{feats[1]}',
                  f'{r.read:#x}', f'{r.written:#x}', f'{r.undefined:#x}', f'X86_CLASS_{r.cls}',
                  f'{faults:#x}', flags_c('X86_F_', r.flags)]
        names = r.names or r.asz_names
        fields.append(f'"{names}"' if names else '0')
        out += f'    /* {r.form} */\n    {{{", ".join(fields)}}},\n'
    return out + '};\n'


def decode_h(rows):
    tree = Tree()
    roots, info = {}, {}
    for index, (prefix, map_) in enumerate(SPACES):
        for opcode in range(256):
            mine = [(r.need, i + 1) for i, r in enumerate(rows)
                    if r.prefix == prefix and r.map == map_ and opcode in r.opcodes]
            members = [rows[i - 1] for _, i in mine]
            try:
                roots[index, opcode] = tree.build(mine)
            except TableError as e:
                names = ', '.join(f'{r.form}' for r in members)
                sys.exit(f'{prefix} map {map_} opcode {opcode:02x}: {e} of {names}')
            # An undefined encoding has a length too. Those of maps 2, 3, 5 and 6 have ModRM, of map 3
            # an immediate byte; elsewhere they are as long as the opcode's defined ones, of VEX and
            # EVEX as those of 0F.
            if prefix and map_ == 1 and not members:
                info[index, opcode] = info[1, opcode] & ~6
                continue
            imm = max((r.imm() for r in members), key=IMM_ORDER.index, default='NONE')
            imm = max('U8' if map_ == 3 else 'NONE', imm, key=IMM_ORDER.index)
            modrm = map_ in (2, 3, 5, 6)
            info[index, opcode] = IMM_RULES.index(imm) << 4 | (1 if modrm or map_ == 15 or any(r.modrm for r in members) else 0) | \
                (2 if any(r.mod_ignored for r in members) else 0) | \
                (4 if any(o.kind == 'VM' for r in members for o in r.opnds) else 0)
    out = HEAD.format('insn*.tab')
    out += '/* Selector word: shift and width of each field. */\nenum {\n'
    out += ''.join(f'    SEL_{n.upper()} = {s},\n' for n, (s, w) in SELECT.items()) + '};\n\n'
    out += f'static const u16 roots[{len(SPACES)}][256] = {{\n'
    for i, (prefix, map_) in enumerate(SPACES):
        out += f'    {{ /* {prefix or "legacy"} map {map_} */\n'
        for o in range(0, 256, 8):
            out += '        ' + ' '.join(f'{roots[i, o + k]:#x},' for k in range(8)) + '\n'
        out += '    },\n'
    out += f'}};\n\n/* enum SHAPE_. */\nstatic const u8 shapes[{len(SPACES)}][256] = {{\n'
    for i in range(len(SPACES)):
        out += '    {' + ', '.join(str(info[i, o]) for o in range(256)) + '},\n'
    out += f'}};\n\nstatic const u16 nodes[{max(len(tree.nodes), 1)}] = {{\n'
    for o in range(0, len(tree.nodes), 12):
        out += '    ' + ' '.join(f'{v:#x},' for v in tree.nodes[o:o + 12]) + '\n'
    out += '};\n\nstatic const struct form_code codes[X86_FORM_COUNT] = {\n'
    out += '    {CODE_UNDEFINED, X86_OP_UNDEFINED, IMM_NONE, OSZ_NORMAL, 0},\n'
    for r in rows:
        out += f'    {{{flags_c("CODE_", r.code_flags())}, X86_OP_{r.op}, IMM_{r.imm()}, ' \
               f'OSZ_{r.osz_rule()}, {r.disp_scale():#x}}},\n'
    return out + '};\n'


def main():
    outdir, features_tab, tabs = sys.argv[1], sys.argv[2], sys.argv[3:]
    features = read_features(features_tab)
    rows = read_rows(tabs, {f[0] for f in features})
    name_forms(rows)
    write(outdir, 'features.gen.h', features_h(features))
    write(outdir, 'ops.gen.h', ops_h(rows))
    write(outdir, 'forms.gen.c', forms_c(rows))
    write(outdir, 'decode.gen.h', decode_h(rows))


main()
