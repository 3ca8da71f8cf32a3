#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""debian.py DOPPEL ENGINE CPUS JOB...: boots a Debian user land with systemd from a virtio disk, logs
in at the serial console, does the jobs there, looks for trouble in the kernel's log, powers off.

The disk is a copy of the one that tools/make-image makes; without it and without a way to make it
the test is skipped (77). Jobs: see JOBS; none is just the login."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

import boot

PROMPT = r'root@debian:\S*# '
STRESS = 'stress-ng --temp-path /tmp --timestamp'
PYTHON = 'test_math test_struct test_float test_json test_re test_threading test_mmap test_hashlib'
TROUBLE = 'Oops|BUG:|WARNING:|soft lockup|hung_task|rcu.*stall|Call Trace|segfault|general protection'

# A job: what is typed, and how many seconds it may take before it counts as hung.
JOBS = {
    'python': (f'python3 -m test {PYTHON}', 1500),
    'cpu': (f'{STRESS} --cpu 2 --cpu-method all --verify -t 40', 600),
    'vm': (f'{STRESS} --vm 2 --vm-bytes 64M --vm-method all --verify -t 40', 600),
    'classes': (f'{STRESS} --class interrupt,scheduler,vm,cpu-cache --sequential 1 -t 2', 3600),
}


def image():
    """The disk as made; skips the test where it cannot be."""
    path = os.path.join(boot.CACHE, 'amd64', 'debian.ext4')
    if not os.path.exists(path):
        r = subprocess.run([os.path.join(boot.TOP, 'tools', 'make-image')], text=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if r.returncode:
            boot.skip(f'no {path}, and it cannot be made: {r.stderr.strip().splitlines()[-1:]}')
    return path


def do(guest, name):
    """Types a job's command; its status must be 0."""
    text, seconds = JOBS[name]
    begun = time.monotonic()
    guest.end = begun + seconds
    # The echo of what was typed must not look like the answer.
    guest.say(text + '; echo status"="$?')
    guest.expect(r'status=\d+')
    if guest.seen != 'status=0':
        guest.fail(f'{name}: {guest.seen}')
    guest.expect(PROMPT)
    print(f'\n*** {name}: {time.monotonic() - begun:.0f} s')


def main():
    doppel, engine, cpus = sys.argv[1:4]
    boot.need_engine(doppel, engine)
    kernel = boot.fetch('amd64', None)
    with tempfile.TemporaryDirectory(prefix='doppel-debian-') as folder:
        disk = os.path.join(folder, 'disk')
        subprocess.run(['cp', '--sparse=always', image(), disk], check=True)
        guest = boot.Guest([
            doppel, 'run', '--engine', engine, '--cpus', cpus, '--memory', '1G', '--kernel', kernel,
            '--initrd', boot.initramfs('amd64', folder), '--disk', disk,
            # On a loaded host a service may take longer than systemd's patience of 90 s.
            '--append', 'console=ttyS0 loglevel=4 root=/dev/vda '
            'systemd.default_timeout_start_sec=3600'])
        guest.expect(r'debian login: ')
        guest.say('root')
        guest.expect(PROMPT)
        for name in sys.argv[4:]:
            do(guest, name)
        guest.end = time.monotonic() + boot.DEADLINE
        guest.say('echo cpus"="$(nproc) failed"="$(systemctl --failed --plain --no-legend | wc -l)')
        guest.expect(rf'cpus={cpus} failed=0')
        guest.expect(PROMPT)
        guest.say(f'dmesg | grep -E "{TROUBLE}"; echo trouble"="$?')
        guest.expect(r'trouble=\d')
        if guest.seen != 'trouble=1':
            guest.fail('trouble in the kernel\'s log')
        guest.expect(PROMPT)
        guest.say('poweroff')
        guest.expect(r'reboot: Power down')
        guest.finish(False)
        check = subprocess.run([shutil.which('e2fsck') or '/sbin/e2fsck', '-f', '-n', disk],
                               capture_output=True, text=True)
        if check.returncode:
            sys.exit(f'the disk is damaged:\n{check.stdout}')
    print(f'\n{engine}, {cpus} CPU, {" ".join(sys.argv[4:]) or "login"}: passed')


if __name__ == '__main__':
    main()
