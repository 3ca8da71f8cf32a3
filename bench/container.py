#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Start to exit of `RUNTIME run` with a busybox `true` bundle, interleaved over the runtimes;
CPU time and peak memory beside it.

usage: bench/container.py DOPPEL-OCI [ROUNDS]   (root; compares with crun and runc where installed)

crun refuses hosts with both versions of control groups in use; so everything runs in a mount
namespace of its own from which the version 2 mount is taken away.
"""
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile


ONCE = ''  # bench/once.c, built


def hide_hybrid():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x20000) or libc.mount(None, b'/', None, 0x44000, None):
        sys.exit('bench/container.py: needs root and mount namespaces')
    libc.umount2(b'/sys/fs/cgroup/unified', 2)


def bundle(folder, oci):
    os.makedirs(f'{folder}/rootfs/bin')
    shutil.copy(shutil.which('busybox'), f'{folder}/rootfs/bin/true')
    subprocess.run([oci, 'spec', '--bundle', folder], check=True)
    with open(f'{folder}/config.json', encoding='utf-8') as f:
        config = json.load(f)
    config['process'].update(terminal=False, args=['/bin/true'])
    config['ociVersion'] = '1.0.2'
    with open(f'{folder}/config.json', 'w', encoding='utf-8') as f:
        json.dump(config, f)


def with_profile(folder):
    """The same bundle with the profile podman gives to every container; None where it is not."""
    try:
        with open('/usr/share/containers/seccomp.json', encoding='utf-8') as f:
            profile = json.load(f)
    except OSError:
        return None
    os.makedirs(f'{folder}/s')
    with open(f'{folder}/b/config.json', encoding='utf-8') as f:
        config = json.load(f)
    rules = [{k: r[k] for k in ('names', 'action', 'args', 'errnoRet') if r.get(k)}
             for r in profile['syscalls']
             if not r['includes'].get('caps') and
             'amd64' in r['includes'].get('arches', ['amd64'])]
    config['root']['path'] = f'{folder}/b/rootfs'
    config['linux']['seccomp'] = {
        'defaultAction': profile['defaultAction'], 'syscalls': rules,
        'architectures': ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']}
    with open(f'{folder}/s/config.json', 'w', encoding='utf-8') as f:
        json.dump(config, f)
    return f'{folder}/s'


def once(runtime, folder, state):
    """Milliseconds, CPU milliseconds, KiB of the largest process."""
    out = subprocess.run([ONCE, runtime, '--root', state, 'run', '--bundle', folder, 'bench'],
                         stdout=subprocess.PIPE, text=True, check=False)
    if out.returncode:
        sys.exit(f'{runtime}: failed')
    wall, cpu, peak = map(int, out.stdout.split()[-3:])
    return wall / 1e3, cpu / 1e3, peak


def measure(title, runtimes, bundle_folder, folder, rounds):
    times = {r: [] for r in runtimes}
    for number in range(-1, rounds):  # the first is for warm caches
        for runtime in runtimes:
            took = once(runtime, bundle_folder, f'{folder}/state-{os.path.basename(runtime)}')
            if number >= 0:
                times[runtime].append(took)
    print(f'{title}: {rounds} interleaved rounds, load {os.getloadavg()[0]:.1f}; milliseconds')
    print(f'{"":24}{"min":>8}{"p10":>8}{"median":>8}{"p90":>8}{"CPU":>8}{"peak KiB":>10}')
    for runtime in runtimes:
        wall = sorted(t[0] for t in times[runtime])
        cpu = sorted(t[1] for t in times[runtime])
        peak = max(t[2] for t in times[runtime])
        at = [wall[min(len(wall) - 1, int(q * len(wall)))] for q in (.1, .5, .9)]
        print(f'{os.path.basename(runtime):24}{wall[0]:8.1f}' + ''.join(f'{t:8.1f}' for t in at) +
              f'{cpu[len(cpu) // 2]:8.1f}{peak:10}')


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    oci = os.path.abspath(sys.argv[1])
    global ONCE
    ONCE = os.path.join(os.path.dirname(oci), 'bench', 'once')
    hide_hybrid()
    runtimes = [oci] + [p for p in map(shutil.which, ('crun', 'runc')) if p]
    with tempfile.TemporaryDirectory() as folder:
        bundle(f'{folder}/b', oci)
        measure('plain', runtimes, f'{folder}/b', folder, rounds)
        profile = with_profile(folder)
        if profile:
            measure("with podman's seccomp profile", runtimes, profile, folder, rounds)


if __name__ == '__main__':
    main()
