#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""doppel run -- COMMAND on a Debian kernel: streams, end of file, status, signals, terminal, disk.
usage: command.py DOPPEL AGENT MAKE-INITRAMFS ENGINE"""
import fcntl
import os
import pty
import random
import signal
import struct
import subprocess
import sys
import tempfile
import termios

doppel, agent, make_initramfs, engine = sys.argv[1:5]
top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
cache = os.environ.get('DOPPEL_CACHE', os.path.join(top, 'cache'))
kernel = os.path.join(cache, 'amd64', 'vmlinuz')
if not os.path.exists(kernel):
    print(f'skipped: no kernel at {kernel}; tools/fetch-kernel gets one')
    sys.exit(77)

work = tempfile.TemporaryDirectory()
initrd = os.path.join(work.name, 'initramfs.cpio')
subprocess.run([make_initramfs, '--agent', agent, '-o', initrd], check=True,
               stdout=subprocess.DEVNULL, env=dict(os.environ, DOPPEL_CACHE=cache))


def command(*words, options=()):
    return [doppel, 'run', '--quiet', '--engine', engine, '--kernel', kernel, '--initrd', initrd,
            *options, '--', *words]


def run(*words, stdin=b'', options=()):
    return subprocess.run(command(*words, options=options), input=stdin, capture_output=True)


def expect(what, got, wanted):
    if got != wanted:
        print(f'{what}: got {got!r:.300}, wanted {wanted!r:.300}')
        sys.exit(1)
    print(f'{what}: ok')


def streams():
    data = random.Random(1).randbytes(200000)
    r = run('sh', '-c', 'cat; echo oops >&2; exit 7', stdin=data)
    expect('status', r.returncode, 7)
    expect('8-bit output', r.stdout, data)
    expect('standard error', r.stderr, b'oops\n')


def not_there():
    r = run('/no/such/program')
    expect('status of a missing program', r.returncode, 125)
    expect('its message', b'No such file' in r.stderr, True)


def signals():
    p = subprocess.Popen(command('sh', '-c', 'echo ready; exec sleep 1000'),
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    expect('first line', p.stdout.readline(), b'ready\n')
    p.send_signal(signal.SIGTERM)
    expect('status after SIGTERM', p.wait(), 128 + signal.SIGTERM)


def reader_leaves():
    p = subprocess.Popen(command('yes'), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    expect('first line of many', p.stdout.readline(), b'y\n')
    p.stdout.close()
    expect('status when the reader leaves', p.wait(), 128 + signal.SIGPIPE)


def terminal():
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 33, 77, 0, 0))
    before = termios.tcgetattr(slave)
    p = subprocess.Popen(command('sh', '-c', 'stty size; cat; echo not here'), stdin=slave,
                         stdout=slave, start_new_session=True)
    seen = b''
    while b'33 77' not in seen:
        seen += os.read(master, 4096)
    os.write(master, b'\x03')
    expect('status after Ctrl-C', p.wait(), 128 + signal.SIGINT)
    expect('terminal restored', termios.tcgetattr(slave), before)
    os.close(slave)
    os.close(master)


def disk():
    image = os.path.join(work.name, 'disk')
    data = random.Random(2).randbytes(1 << 20)
    with open(image, 'wb') as f:
        f.write(data)
    r = run('sh', '-c', 'cat /dev/vda; dd if=/dev/zero of=/dev/vda bs=4k seek=3 count=2 '
            'conv=fsync 2>/dev/null; cat /sys/block/vda/serial >&2',
            options=('--disk', f'{image},serial=SN-1'))
    expect('disk read', r.stdout, data)
    expect('disk serial', r.stderr, b'SN-1')
    with open(image, 'rb') as f:
        expect('disk written', f.read(), data[:12288] + bytes(8192) + data[20480:])


for test in (streams, not_there, signals, reader_leaves, terminal, disk):
    test()
