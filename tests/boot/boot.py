#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""boot.py DOPPEL ROW: boots a real kernel and talks to it over its serial port.

A row says how doppel is started and a conversation: wait for a text, answer with a line. The test
passes when the conversation is over and doppel has ended with status 0. Time is no condition: the
deadline only ends a guest that hangs. Kernels come from the cache that tools/fetch-kernel fills;
exit status 77 (skipped) when there is none and it cannot be fetched."""
import json
import lzma
import os
import re
import selectors
import signal
import struct
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.environ.get('DOPPEL_CACHE', os.path.join(TOP, 'cache'))
PROMPT = r'doppel:\S*# '
DEADLINE = 1500  # seconds
RAM = 512 << 20  # bytes of a guest that says nothing else

# At the prompt: how many processors, a number the shell computes, the end.
SHELL = [
    (PROMPT, 'echo cpus=$(grep -c ^processor /proc/cpuinfo) answer=$((6 * 7)) $(uname -m)'),
    (r'cpus={cpus} answer=42 {machine}', None),
    (PROMPT, 'echo product=$(cat /sys/class/dmi/id/product_name)'),
    (r'product=Virtual Machine', None),
    (PROMPT, 'dmesg | grep -cE "Oops|BUG:|WARNING:|soft lockup|Call Trace" | sed s/^/trouble=/'),
    (r'trouble=0', None),
    (PROMPT, 'poweroff'),
    (r'reboot: Power down', None),
]
# Typed before the kernel has even begun, and nothing of it is lost.
TYPED = [
    (r'', 'echo early answer=$((6 * 7)); poweroff'),
    (r'early answer=42', None),
    (r'reboot: Power down', None),
]
DISK = [
    (PROMPT, 'load disk; mount /dev/vda /mnt && cat /mnt/greeting && echo written > /mnt/reply; umount /mnt'),
    (r'hello from the host', None),
]
REBOOT = [
    (PROMPT, 'reboot'),
    (r'reboot: Restarting system', None),
    (r'Linux version', None),
]
# The screen is sent every two seconds, so short tests may not show. Test 10 waits for minutes to see
# bits fade: when it begins, tests 0 to 9 are done, and the next line counts their errors.
MEMTEST = [(r'#0 +\[', None), (r'#10 +\[', None), (r'Pass: +\d+ +Errors: +0 ', None)]

# A 32-bit program under a 64-bit kernel prints what its 64-bit twin prints here.
PROGRAM32 = [(PROMPT, '/program32 20'), ('{program}', None)]

LINUX = ['--append', 'console=ttyS0 loglevel=4']
ROWS = {
    'auto': dict(args=LINUX, talk=SHELL),
    'pvh': dict(args=LINUX + ['--boot', 'pvh'], talk=SHELL),
    'linux': dict(args=LINUX + ['--boot', 'linux'], talk=SHELL),
    'smp': dict(args=LINUX, cpus=2, talk=SHELL),
    'smp4-pvh': dict(args=LINUX + ['--boot', 'pvh'], cpus=4, talk=SHELL),
    'large': dict(args=LINUX + ['--memory', '5G'], talk=SHELL),
    'common': dict(args=LINUX + ['--cpu', 'common'], talk=SHELL),
    'reboot': dict(args=['--append', 'console=ttyS0'], talk=REBOOT + SHELL),
    'translate-reboot': dict(args=['--append', 'console=ttyS0'], talk=REBOOT + SHELL,
                             engine='translate'),
    'reboot-smp': dict(args=['--append', 'console=ttyS0'], cpus=2, talk=REBOOT + SHELL),
    'disk': dict(args=LINUX, talk=DISK + SHELL, disk=True),
    'typed': dict(args=LINUX, talk=TYPED, engine='translate'),
    'i386': dict(arch='i386', args=LINUX, talk=SHELL, machine='i686'),
    'i386-linux': dict(arch='i386', args=LINUX + ['--boot', 'linux'], talk=SHELL, machine='i686'),
    'i386-smp': dict(arch='i386', args=LINUX, cpus=2, talk=SHELL, machine='i686'),
    'vmlinux': dict(args=LINUX + ['--boot', 'linux'], talk=SHELL, vmlinux=True),
    'translate': dict(args=LINUX, talk=SHELL, engine='translate', bounded=True),
    'translate-smp': dict(args=LINUX, cpus=2, talk=SHELL, engine='translate', bounded=True),
    'translate-drop': dict(args=LINUX + ['--code-cache', '4M,drop=100'], cpus=2, talk=SHELL,
                           engine='translate'),
    'translate-disk': dict(args=LINUX, talk=DISK + SHELL, disk=True, engine='translate'),
    'translate-i386': dict(arch='i386', args=LINUX, talk=SHELL, machine='i686', engine='translate'),
    'translate-i386-smp': dict(arch='i386', args=LINUX, cpus=2, talk=SHELL, machine='i686',
                               engine='translate'),
    'translate-program32': dict(args=LINUX, talk=PROGRAM32 + SHELL, program32=True,
                                engine='translate'),
    # Slow, and the guest's clock is the real one: its watchdogs may complain.
    'lockstep': dict(args=LINUX + ['--lockstep'], talk=[SHELL[0], SHELL[1]] + SHELL[-2:],
                     engine='translate'),
    'kvm': dict(args=LINUX, talk=SHELL, engine='kvm'),
    'kvm-smp': dict(args=LINUX, cpus=2, talk=SHELL, engine='kvm'),
    'memtest-smp': dict(image='memtest86+', args=['--memory', '16M', '--append',
                        'console=ttyS0,115200'], cpus=2, talk=MEMTEST, endless=True),
    'memtest': dict(image='memtest86+', args=['--memory', '16M', '--append', 'console=ttyS0,115200'],
                    talk=MEMTEST, endless=True),
}


def skip(why):
    print(f'skipped: {why}')
    sys.exit(77)


def need_engine(doppel, name):
    """Skips where the host lacks the engine, or has it in a form that boots no kernel in a test's
    patience: a software KVM emulates ring 0 (1.2 s of kernel time after 1500 s were measured)."""
    out = subprocess.run([doppel, 'engines', '--json'], capture_output=True, text=True, check=True)
    for engine in json.loads(out.stdout)['engines']:
        if engine['name'] == name:
            note = engine.get('note', '')
            if not engine['available'] or 'software implementation' in note:
                skip(f'engine {name}: {note}')


def fetch(arch, image):
    """A kernel image from the cache or from Debian."""
    path = os.path.join(CACHE, *((image, 'memtest86+x64.bin') if image else (arch, 'vmlinuz')))
    if not os.path.exists(path):
        r = subprocess.run([os.path.join(TOP, 'tools', 'fetch-kernel'), '--arch', arch] +
                           ([image] if image else []), capture_output=True, text=True)
        if r.returncode:
            skip(f'no {path}, and it cannot be fetched: {r.stderr.strip().splitlines()[-1:]}')
    return path


def unpack(path, folder):
    """The vmlinux inside a bzImage whose payload is xz."""
    data = open(path, 'rb').read()
    at, size = struct.unpack_from('<II', data, 0x248)
    at += (data[0x1f1] + 1) * 512
    out = os.path.join(folder, 'vmlinux')
    with open(out, 'wb') as f:
        f.write(lzma.decompress(data[at:at + size - 4]))
    return out


def initramfs(arch, folder):
    out = os.path.join(folder, 'initramfs.cpio')
    subprocess.run([os.path.join(TOP, 'tools', 'make-initramfs'), '--arch', arch, '-o', out],
                   check=True, stdout=subprocess.DEVNULL)
    return out


def make_disk(folder):
    """An ext4 file system with one file, made without being root."""
    root, image = os.path.join(folder, 'root'), os.path.join(folder, 'disk.img')
    os.mkdir(root)
    with open(os.path.join(root, 'greeting'), 'w') as f:
        f.write('hello from the host\n')
    try:
        subprocess.run(['/sbin/mke2fs', '-q', '-t', 'ext4', '-d', root, image, '16M'], check=True,
                       stdout=subprocess.DEVNULL)
    except FileNotFoundError:
        skip('no mke2fs (package e2fsprogs)')
    return image


def check_disk(image):
    r = subprocess.run(['/sbin/debugfs', '-R', 'cat /reply', image], capture_output=True, text=True)
    if 'written' not in r.stdout:
        sys.exit(f'the guest\'s file is not on the disk: {r.stdout}{r.stderr}')


def add_program32(doppel, archive):
    """Appends /program32 to the initramfs; what it should print, as a pattern."""
    folder = os.path.join(os.path.dirname(os.path.abspath(doppel)), 'tests', 'boot')
    path = os.path.join(folder, 'program32')
    if not os.path.exists(path):
        skip('the compiler makes no 32-bit programs')
    out = b''
    for name, mode, data in [('program32', 0o100755, open(path, 'rb').read()),
                             ('TRAILER!!!', 0, b'')]:
        fields = [1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        out += b'070701' + b''.join(b'%08x' % f for f in fields) + name.encode() + b'\0'
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    with open(archive, 'ab') as f:
        f.write(bytes(-f.tell() % 4) + out)
    r = subprocess.run([os.path.join(folder, 'program64'), '20'], capture_output=True, text=True,
                       check=True)
    return r'\s+'.join(re.escape(line) for line in r.stdout.splitlines())


class Guest:
    def __init__(self, command):
        print('$', ' '.join(command), flush=True)
        # The test runner has malloc fill what it gives, which touches memory nobody uses.
        env = {k: v for k, v in os.environ.items() if k != 'MALLOC_PERTURB_'}
        self.child = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT)
        self.text = self.seen = ''
        self.end = time.monotonic() + DEADLINE
        self.poll = selectors.DefaultSelector()
        self.poll.register(self.child.stdout, selectors.EVENT_READ)

    def fail(self, why):
        self.child.kill()
        if m := re.search(r'using CPU model \S+: .* lacks \S+', self.text):
            print(f'skipped: {m[0]} on this host')
            sys.exit(77)
        print(f'\n*** {why}')
        sys.exit(1)

    def read(self):
        """More output; False at the end."""
        if not self.poll.select(max(0, self.end - time.monotonic())):
            self.fail('the guest hangs')
        data = os.read(self.child.stdout.fileno(), 65536).decode('utf-8', 'replace')
        sys.stdout.write(data)
        sys.stdout.flush()
        self.text += data
        return bool(data)

    def expect(self, pattern):
        """Waits for the pattern and forgets the text up to its end."""
        while not (m := re.search(pattern, self.text)):
            if re.search(r'Kernel panic', self.text):
                self.fail('the kernel panicked')
            if not self.read():
                self.fail(f'doppel ended (status {self.child.wait()}) before {pattern!r}')
        self.seen, self.text = m[0], self.text[m.end():]

    def check_memory(self):
        """At most 64 MiB beside the guest's RAM."""
        total, counts = 0, False
        with open(f'/proc/{self.child.pid}/smaps') as f:
            for line in f:
                if m := re.match(r'([0-9a-f]+)-([0-9a-f]+) ', line):
                    if 'libasan' in line:
                        return
                    ram = 0.9 * RAM < int(m[2], 16) - int(m[1], 16) <= RAM
                    counts = not ram and ('/memfd:' not in line or 'memfd:doppel' in line)
                elif line.startswith('Pss:') and counts:
                    total += int(line.split()[1])
        if total > 65536:
            self.fail(f'the monitor takes {total} KiB beside the RAM')

    def say(self, line):
        self.child.stdin.write(line.encode() + b'\n')
        self.child.stdin.flush()

    def finish(self, endless):
        """Waits for the guest to end the machine; an endless one is ended from outside."""
        if endless:
            self.child.terminate()
        while self.read():
            pass
        status = self.child.wait()
        if status != (128 + signal.SIGTERM if endless else 0):
            self.fail(f'doppel ended with status {status}')


def start(doppel, row, folder, extra):
    arch = row.get('arch', 'amd64')
    kernel = fetch(arch, row.get('image'))
    if row.get('vmlinux'):
        kernel = unpack(kernel, folder)
    command = [doppel, 'run', '--engine', row.get('engine', 'interpret'),
               '--kernel', kernel, '--cpus', str(row.get('cpus', 1))]
    program = ''
    if not row.get('image'):
        archive = initramfs(arch, folder)
        program = add_program32(doppel, archive) if row.get('program32') else ''
        command += ['--initrd', archive]
    disk = make_disk(folder) if row.get('disk') else None
    command += ['--disk', disk] if disk else []
    return Guest(command + row['args'] + extra), disk, program


def main():
    doppel, name = sys.argv[1], sys.argv[2]
    row = ROWS[name]
    need_engine(doppel, row.get('engine', 'interpret'))
    with tempfile.TemporaryDirectory(prefix='doppel-boot-') as folder:
        guest, disk, program = start(doppel, row, folder, sys.argv[3:])
        for pattern, answer in row['talk']:
            guest.expect(pattern.replace('{cpus}', str(row.get('cpus', 1)))
                         .replace('{machine}', row.get('machine', 'x86_64'))
                         .replace('{program}', program))
            if row.get('bounded') and pattern == PROMPT:
                guest.check_memory()
            if answer:
                guest.say(answer)
        guest.finish(row.get('endless'))
        if disk:
            check_disk(disk)
    print(f'\n{name}: passed')


if __name__ == '__main__':
    main()
