#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""boots.py DOPPEL AGENT ENGINE CPUS COUNT: boots Debian's kernel COUNT times in a row, each time to
a command that counts the processors and looks for trouble in the kernel's log.

The rows of the test suite do this a few times; for an engine's change do a hundred by hand:
    for n in 1 2; do tests/boot/boots.py build/doppel build/guest/doppel-agent translate $n 100; done
"""
import os
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.environ.get('DOPPEL_CACHE', os.path.join(TOP, 'cache'))
DEADLINE = 300  # seconds a boot may take before it counts as hung
TROUBLE = 'Oops|BUG:|WARNING:|soft lockup|rcu.*stall|Call Trace|clocksource.*unstable'
COMMAND = f'echo cpus=$(grep -c ^processor /proc/cpuinfo); dmesg | grep -E "{TROUBLE}"; exit 0'


def boot(command, log):
    """One boot: what it said, or what was wrong with it."""
    open(log, 'w').close()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
    try:
        said, _ = child.communicate(timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        # A guest that waits and a machine that is starved differ in the time they used.
        with open(f'/proc/{child.pid}/stat') as f:
            ticks = sum(map(int, f.read().rsplit(')', 1)[1].split()[11:13]))
        child.kill()
        said, _ = child.communicate()
        return f'hung after {ticks / os.sysconf("SC_CLK_TCK"):.1f} s of CPU; said {said[-300:]!r}'
    if child.returncode:
        return f'ended with status {child.returncode}; said {said[-300:]!r}'
    return said.decode(errors='replace').strip()


def main():
    doppel, agent, engine, cpus, count = sys.argv[1:6]
    kernel = os.path.join(CACHE, 'amd64', 'vmlinuz')
    if not os.path.exists(kernel):
        print(f'skipped: no kernel at {kernel}; tools/fetch-kernel gets one')
        sys.exit(77)
    failures = 0
    with tempfile.TemporaryDirectory(prefix='doppel-boots-') as folder:
        initrd, log = os.path.join(folder, 'initramfs.cpio'), os.path.join(folder, 'serial')
        subprocess.run([os.path.join(TOP, 'tools', 'make-initramfs'), '--agent', agent,
                        '-o', initrd], check=True, stdout=subprocess.DEVNULL)
        command = [doppel, 'run', '--quiet', '--engine', engine, '--cpus', cpus, '--kernel', kernel,
                   '--initrd', initrd, '--serial', 'file:' + log,
                   '--append', 'console=ttyS0 loglevel=7', '--', 'sh', '-c', COMMAND]
        for number in range(1, int(count) + 1):
            said = boot(command, log)
            if said == f'cpus={cpus}':
                continue
            failures += 1
            with open(log, errors='replace') as f:
                tail = '\n    '.join(f.read().splitlines()[-8:])
            print(f'boot {number} of {count}: {said}\n    {tail}', flush=True)
    print(f'{count} boots on {engine} with {cpus} CPU: {failures} failed')
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
