#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Bad usage and bad input: the exact line for each, its cure, the exit status, nothing left behind."""
import os
import struct
import subprocess
import unittest

from command import GUEST, OBEY, Case, main

KERNEL = ['run', '--engine', 'interpret', '--dry-run', '--kernel', OBEY]
SIZES = 'a number of bytes, or with a suffix: 512M, 2G'
BACKENDS = 'one of stdio, none, null, pty, file:PATH'
TRACE = 'translate:blocks, translate:ADDRESS or translate:ADDRESS+LENGTH'
CPUS = '1 to 64'
HELP = '`doppel run --help` says what it takes'
DAMAGED = 'fetch or copy the file again if it should be a kernel; ./run fetches one'
NAME = 'check the name; a relative one starts from the current folder'

# arguments, the error, its hint
USAGE = [
    (['rnu'], "unknown command 'rnu'", 'did you mean `doppel run`?'),
    (['--bogus'], "unknown command '--bogus'", '`doppel --help` lists them'),
    (['run'], 'starting a machine: no --kernel given and none in the cache',
     "give --kernel FILE, or let `./run` in doppel's source tree fetch one"),
    (['run', '--memroy', '1G'], 'run: unknown option --memroy', 'did you mean --memory?'),
    (['run', '--memroy=1G'], 'run: unknown option --memroy=1G', 'did you mean --memory?'),
    (['run', '--colour'], 'run: unknown option --colour', '`doppel run --help` lists the options'),
    (['run', '-Z'], 'run: unknown option -Z', '`doppel run --help` lists the options'),
    (['run', '--kernel'], 'run: --kernel needs a value',
     '--kernel FILE: bzImage, ELF vmlinux or multiboot kernel'),
    (['run', '--quiet=3'], 'run: --quiet takes no value', HELP),
    (KERNEL + ['file'], "run: unexpected 'file'", 'a command for the guest comes after "--"'),
    (KERNEL + ['--'], 'run: nothing after "--"', HELP),
    (KERNEL + ['--memory', '0'], '--memory 0: a machine needs at least 2M', SIZES),
    (KERNEL + ['--memory', '-1'], '--memory -1: not a size', SIZES),
    (KERNEL + ['--memory', '1X'], '--memory 1X: not a size', SIZES),
    (KERNEL + ['--memory', ''], '--memory : not a size', SIZES),
    (KERNEL + ['--memory', '99999999999999999999'], '--memory 99999999999999999999: too large',
     SIZES),
    (KERNEL + ['--memory', '16777216T'], '--memory 16777216T: too large', SIZES),
    (KERNEL + ['--trace', 'devices'], '--trace devices: nothing of that kind can be traced', TRACE),
    (KERNEL + ['--trace', 'translate:x'], '--trace translate:x: nothing of that kind can be traced',
     TRACE),
    (KERNEL + ['--cpus', '0'], '--cpus 0: not a number of processors', CPUS),
    (KERNEL + ['--cpus', '-1'], '--cpus -1: not a number of processors', CPUS),
    (KERNEL + ['--cpus', '65'], '--cpus 65: not a number of processors', CPUS),
    (KERNEL + ['--cpus', 'x'], '--cpus x: not a number of processors', CPUS),
    (KERNEL + ['--engine', 'warp'], '--engine warp: there is no such engine',
     '`doppel engines` shows them'),
    (KERNEL + ['--boot', 'efi'], '--boot efi: no such boot protocol',
     'one of auto, pvh, linux, multiboot'),
    (KERNEL + ['--serial', 'stdio', '--serial', 'stdio'],
     '--serial stdio: standard input and output are already in use',
     'use pty or file:PATH for the other port'),
    (KERNEL + ['--disk', ''], "--disk: the file's name is empty", HELP),
    (KERNEL + ['--disk', 'a,fast=on'], "--disk a: unknown option 'fast=on'",
     'readonly=on|off, serial=TEXT'),
    (KERNEL + ['--symbols', 'map'], '--symbols map: nobody would see what they name',
     'add --stat, or --name NAME for `doppel stat NAME`'),
    (['engines', 'all'], "engines: unexpected 'all'", '`doppel engines --help` says what it takes'),
    (['man', '1'], "man: unexpected '1'", '`doppel man --help` says what it takes'),
    (['completion'], 'completion: for which shell?', 'doppel completion bash'),
    (['completion', 'zsh'], "completion: there is none for 'zsh'", 'doppel completion bash'),
]

STAT = KERNEL + ['--stat', '--symbols']
MAP = "name the System.map or the vmlinux of the guest's kernel, unpacked"
SYMBOLS = 'reading symbols of '
COPY = 'the file is damaged: fetch or copy it again'

FAILURES = [
    (KERNEL + ['--memory', '5T'],
     'making a machine of 5242880 MiB: its processors reach 524288 MiB', 'choose a smaller --memory'),
    (KERNEL + ['--cpu', 'pentium'], "choosing the CPU model: there is none called 'pentium'",
     'choose one of host, common, x86-64, x86-64-v2, x86-64-v3, x86-64-v4'),
    (KERNEL + ['--serial', 'modem'], '--serial modem: no such back-end', BACKENDS),
    (KERNEL + ['--serial', 'file:none/x'],
     'opening none/x for a serial port: No such file or directory', NAME),
    (KERNEL + ['--kernel', 'none'], 'opening none: No such file or directory', NAME),
    (KERNEL + ['--kernel', '.'], 'reading .: it is a directory', 'name a file'),
    (KERNEL + ['--kernel', 'empty'], 'reading empty: the file is empty', 'fetch or copy it again'),
    (KERNEL + ['--kernel', 'random'],
     'loading random: not a kernel: no bzImage, ELF or multiboot header',
     '--kernel takes a vmlinuz (bzImage), a vmlinux or a multiboot kernel'),
    (KERNEL + ['--kernel', '/dev/zero'], 'reading /dev/zero: it is not a regular file',
     'copy what it gives into a file first'),
    (KERNEL + ['--kernel', 'cut.elf'], 'loading cut.elf: truncated ELF header (40 bytes)', DAMAGED),
    (KERNEL + ['--kernel', 'cut.bzimage'],
     'loading cut.bzimage: truncated: setup header syssize states 1049600 bytes, the file has 4096',
     DAMAGED),
    (KERNEL + ['--initrd', 'none'], 'opening none: No such file or directory', NAME),
    (KERNEL + ['--disk', 'none'], 'opening disk none: No such file or directory', NAME),
    (KERNEL + ['--disk', '.'], 'opening disk .: Is a directory', 'name a file'),
    (KERNEL + ['--disk', 'empty'], 'opening disk empty: it is empty',
     'give it a size: truncate -s 1G empty'),
    (KERNEL + ['--disk', '/dev/null'],
     'opening disk /dev/null: neither a file nor a block device',
     'name a raw image; truncate -s 1G FILE makes an empty one'),
    (KERNEL + ['--disk', 'disk', '--disk', './disk'],
     'opening disk ./disk for writing: another machine or disk is writing to it',
     'add readonly=on to all but one of its users, or use a copy'),
    (STAT + ['none'], 'opening none: No such file or directory', NAME),
    (STAT + ['empty'], 'reading empty: the file is empty', 'fetch or copy it again'),
    (STAT + ['random'],
     SYMBOLS + 'random: line 1 is not ADDRESS TYPE NAME, and it is no ELF file', MAP),
    (STAT + ['odd.map'],
     SYMBOLS + 'odd.map: line 2 is not ADDRESS TYPE NAME, and it is no ELF file', MAP),
    (STAT + ['zero.map'], SYMBOLS + 'zero.map: all its addresses are 0',
     '/proc/kallsyms shows addresses to root only'),
    (STAT + ['data.map'], SYMBOLS + 'data.map: it names no code',
     "name the System.map or the vmlinux of the guest's kernel, not stripped"),
    (STAT + ['cut.elf'], SYMBOLS + 'cut.elf: ELF header 0x28: the file is shorter', COPY),
    (STAT + ['stripped.elf'], SYMBOLS + 'stripped.elf: it has no symbol table',
     'name the System.map of the same kernel, or a vmlinux that is not stripped'),
    (STAT + ['far.elf'],
     SYMBOLS + 'far.elf: ELF e_shoff 0xfffffffffffffff0: section headers beyond the end of the file',
     COPY),
    (STAT + ['long.elf'],
     SYMBOLS + 'long.elf: ELF sh_size 0xffffffffffffffff: the symbol table ends beyond the end of the '
     'file', COPY),
]


def cut_bzimage():
    """The first sectors of a bzImage whose setup header tells of one megabyte more."""
    image = bytearray(4096)
    image[0x1f1] = 1                                   # setup_sects
    image[0x1f4:0x1f8] = (1 << 16).to_bytes(4, 'little')  # syssize, in 16 bytes
    image[0x1fe:0x200] = b'\x55\xaa'
    image[0x200:0x202] = b'\xeb\x66'
    image[0x202:0x206] = b'HdrS'
    image[0x206:0x208] = (0x20f).to_bytes(2, 'little')  # protocol version
    image[0x211] = 1                                   # LOADED_HIGH
    return bytes(image)


def patched(image, at, value):
    return image[:at] + value.to_bytes(8, 'little') + image[at + 8:]


def symbol_table(image):
    """Where the section header of an ELF file's symbol table is."""
    start, = struct.unpack_from('<Q', image, 40)
    size, count = struct.unpack_from('<HH', image, 58)
    return next(at for at in range(start, start + size * count, size)
                if struct.unpack_from('<I', image, at + 4) == (2,))


class Errors(Case):
    def setUp(self):
        super().setUp()
        self.file('empty')
        self.file('random', bytes(range(1, 256)) * 64)
        self.file('disk', bytes(1 << 16))
        with open(OBEY, 'rb') as f:
            image = f.read()
        self.file('cut.elf', image[:40])
        self.file('stripped.elf', patched(image, 40, 0))
        self.file('far.elf', patched(image, 40, (1 << 64) - 16))
        self.file('long.elf', patched(image, symbol_table(image) + 32, (1 << 64) - 1))
        self.file('odd.map', b'ffffffff81000000 T _text\nffffffff8100000g T x\n')
        self.file('zero.map', b'0000000000000000 T _text\n0000000000000000 t start\n')
        self.file('data.map', b'ffffffff82000000 D data\n')
        self.file('cut.bzimage', cut_bzimage())

    def check(self, rows, status):
        for arguments, error, hint in rows:
            with self.subTest(arguments=arguments[4:] or arguments):
                r = self.run_doppel(*arguments)
                wanted = f'doppel: {error}\ndoppel: hint: {hint}\n'
                self.assertEqual((r.stderr, r.stdout, r.returncode), (wanted, '', status))

    def test_usage(self):
        self.check(USAGE, 2)

    def test_failures(self):
        self.check(FAILURES, 1)

    def test_more_memory_than_the_host_has(self):
        pages = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') >> 30
        r = self.run_doppel(*KERNEL, '--memory', f'{min(4 * pages + 64, 500)}G')
        if 4 * pages + 64 > 500:
            self.skipTest('this host has more memory than a quarter of what a machine may')
        self.assertRegex(r.stderr, r'^doppel: allocating \d+ MiB of guest memory: the host has \d+ '
                                   r'MiB\ndoppel: hint: choose a smaller --memory\n$')
        self.assertEqual(r.returncode, 1)

    def test_not_permitted(self):
        """Root may read everything, and is nobody here."""
        nobody = 65534
        person = {} if os.geteuid() else {'user': nobody, 'group': nobody, 'extra_groups': []}
        self.file('secret', bytes(1 << 16))
        os.chmod(os.path.join(self.work, 'secret'), 0)
        for option, what in (('--kernel', ''), ('--initrd', ''), ('--disk', 'disk ')):
            with self.subTest(option=option):
                try:
                    r = self.run_doppel(*KERNEL, option, 'secret', **person)
                except PermissionError:
                    self.skipTest('the program lies in a folder that only root may enter')
                self.assertEqual((r.stderr, r.stdout, r.returncode), (
                    f'doppel: opening {what}secret: Permission denied\ndoppel: hint: as its owner, '
                    'chmod gives access; doppel itself needs no root\n', '', 1))

    def test_permitted_to_read(self):
        person = {} if os.geteuid() else {'user': 65534, 'group': 65534, 'extra_groups': []}
        self.file('shown', bytes(1 << 16))
        os.chmod(os.path.join(self.work, 'shown'), 0o444)
        try:
            r = self.run_doppel(*KERNEL, '--disk', 'shown', **person)
        except PermissionError:
            self.skipTest('the program lies in a folder that only root may enter')
        self.assertEqual((r.stderr, r.returncode), (
            'doppel: opening disk shown: Permission denied\ndoppel: hint: readonly=on needs only '
            'permission to read\n', 1))

    def test_one_disk_twice_to_read(self):
        r = self.run_doppel(*KERNEL, '--disk', 'disk,readonly=on', '--disk', './disk,readonly=on')
        self.assertEqual((r.stderr, r.returncode), ('', 0))

    def test_one_disk_in_two_machines(self):
        first = self.start(*GUEST, '--disk', 'disk', stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(first.stdout.readline().strip(), b'ready')
        r = self.run_doppel(*KERNEL, '--disk', 'disk')
        self.assertRegex(r.stderr, '^doppel: opening disk disk for writing: another machine')
        first.communicate(b'e')
        self.assertEqual(first.returncode, 42)
        self.assertEqual(self.run_doppel(*KERNEL, '--disk', 'disk').returncode, 0)


main()
