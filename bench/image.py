# SPDX-License-Identifier: BSD-2-Clause
"""What the benchmark's programs run in: one folder tree for each kind of guest. Natively a program
runs in that very tree (chroot, mount namespace); a guest gets it as initramfs or disk."""

import os
import random
import shutil
import stat
import subprocess
from pathlib import Path

BENCH = Path(__file__).resolve().parent
TOP = BENCH.parent

PACKAGES = ("dash coreutils sed grep mawk libc-bin gzip xz-utils openssl sqlite3 python3 perl "
            "nodejs openjdk-17-jdk-headless luajit gcc libc6-dev").split()
JAVA = "/usr/lib/jvm/java-17-openjdk-amd64"

# Large parts of the packages that no row uses.
UNUSED = [f"{JAVA}/jmods", f"{JAVA}/lib/ct.sym", f"{JAVA}/lib/server/classes_nocoops.jsa",
          "/usr/bin/x86_64-linux-gnu-lto-dump-12", "/usr/lib/gcc/x86_64-linux-gnu/12/lto1",
          "/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/i18n"]

# Process 1 of the small guest. The programs then speak with the driver over the serial port.
INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t tmpfs tmpfs /tmp
root=
case " $(/bin/busybox cat /proc/cmdline) " in
*' bench.root=disk '*)
    root=/mnt
    /bin/busybox --install -s /bin
    /sbin/load virtio disk
    mount -t ext4 -o ro /dev/vda /mnt
    for d in proc sys dev; do mount -o bind /$d /mnt/$d; done
    mount -t tmpfs tmpfs /mnt/tmp
    ;;
esac
/bin/busybox chroot "${root:-/}" /bench/programs --serve </dev/ttyS0 >/dev/ttyS0 2>&1
/bin/busybox poweroff -f
"""


def run(*command, **options):
    """Runs a command of the build; what it says is shown only if it fails."""
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}):\n{done.stdout[-2000:]}")
    return done.stdout


def fresh(target, *sources):
    """The target exists and is no older than what it was made from."""
    return target.exists() and all(target.stat().st_mtime >= Path(s).stat().st_mtime
                                   for s in sources)


def inside(tree, *command):
    """The command line that runs a program in a tree with /proc, /dev and a fresh /tmp."""
    mounts = ('mount --rbind /proc "$0/proc" && mount --rbind /dev "$0/dev" && '
              'mount -t tmpfs tmpfs "$0/tmp" && t=$0 && exec chroot "$t" "$@"')
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--mount", "sh", "-c", mounts, str(tree), *command]


def install(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".new")
    shutil.copy(source, part)
    os.replace(part, target)


def add_programs(tree, build, busybox):
    """The programs as built, at the same place in every tree."""
    for name in ("proc", "sys", "dev", "tmp", "mnt", "bench"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    for source, name in ((build / "bench/programs/programs", "programs"),
                         (build / "bench/programs/null", "null"), (busybox, "busybox"),
                         (BENCH / "programs/commands", "commands")):
        if not fresh(tree / "bench" / name, source):
            install(source, tree / "bench" / name)


# ---- the small guest: an initramfs ---------------------------------------------------------------

def newc(tree):
    """A tree of folders and files as the kernel's "newc" archive."""
    parts, entries = [], sorted(tree.rglob("*"))

    def add(inode, mode, data, name):
        field = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % f for f in field) + name.encode() + b"\0"
        parts.append(head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4))

    for number, path in enumerate(entries, 1):
        info = path.lstat()
        data = (os.readlink(path).encode() if path.is_symlink() else
                path.read_bytes() if stat.S_ISREG(info.st_mode) else b"")
        add(number, info.st_mode, data, str(path.relative_to(tree)))
    add(0, 0, b"", "TRAILER!!!")
    return b"".join(parts)


def small(cache, kernels, build):
    """Tree and initramfs of the small guest: doppel's usual initramfs, which brings the modules,
    followed by an archive of our own."""
    tree, image = cache / "small", cache / "small.cpio"
    busybox = kernels / "amd64/busybox"
    add_programs(tree, build, busybox)
    (tree / "bin").mkdir(exist_ok=True)
    if not (tree / "bin/sh").is_symlink():
        (tree / "bin/sh").symlink_to("/bench/busybox")
    (tree / "bench/init").write_text(INIT)
    (tree / "bench/init").chmod(0o755)
    base = cache / "base.cpio"
    if not fresh(base, TOP / "tools/make-initramfs", kernels / "amd64/vmlinuz"):
        run(TOP / "tools/make-initramfs", "-o", base,
            env={**os.environ, "DOPPEL_CACHE": str(kernels)})
    image.write_bytes(base.read_bytes() + newc(tree))
    return tree, image


# ---- the Debian guest: packages unpacked into a disk ---------------------------------------------

def make_source(lines):
    """A C file of that many lines that a compiler has something to do with."""
    rng, out = random.Random(1), ["#include <string.h>", "static unsigned char table[256];"]
    for number in range((lines - 2) // 14):
        a, b, c = (rng.randrange(1, 99) for _ in range(3))
        call = f"f{rng.randrange(number)}(p, {b})" if number else str(b)
        out += [f"unsigned f{number}(unsigned *p, unsigned n)", "{",
                f"    unsigned i, sum = {a};", f"    for (i = 0; i < n + {b}; i++) {{",
                f"        sum += p[i & {c}] * {a} ^ (sum >> {a % 7 + 1});",
                f"        if (sum & {b})", f"            sum -= table[(sum + i) & 255];",
                f"        else if (sum > {c * 1000})", f"            p[i & {c}] = sum / {a};",
                "    }",
                f"    switch (sum & 3) {{ case 0: return {call}; case 1: return sum * {c}; }}",
                f"    memset(p, {a}, sizeof *p * {c % 16});", f"    return sum + {number};", "}"]
    return "\n".join(out) + "\n" * (lines - len(out) + 1)


def make_data(folder):
    """Input for the programs: the same bytes each time."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(2)
    words = ["".join(rng.choices("etaoinshrdlucmfwyp", k=rng.randrange(2, 9))) for _ in range(3000)]
    text = " ".join(words[min(int(rng.expovariate(1 / 300)), 2999)] for _ in range(220000))
    (folder / "text").write_text(text[:1 << 20])
    (folder / "blob").write_bytes(rng.randbytes(1 << 20) * 32)
    (folder / "thousand.c").write_text(make_source(1000))


def debian(cache, kernels, build):
    """Tree and disk of the Debian guest. Packages are unpacked, not configured: no root needed."""
    tree, disk, archive = cache / "debian", cache / "debian.ext4", cache / "debian.tar"
    if not archive.exists():
        print("bench: fetching the Debian user land (about 300 MB of packages)", flush=True)
        part = cache / "debian.part.tar"
        run("mmdebstrap", "--variant=extract", "--include=" + ",".join(PACKAGES), "bookworm", part)
        os.replace(part, archive)
    if not fresh(tree / "bench/.complete", __file__, *sorted((BENCH / "real").iterdir())):
        print("bench: unpacking it", flush=True)
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir()
        run("tar", "-C", tree, "-xf", archive, "--no-same-owner", "--exclude=./dev/*",
            *(f"--exclude=.{path}" for path in UNUSED))
        add_programs(tree, build, kernels / "amd64/busybox")
        shutil.copytree(BENCH / "real", tree / "bench/real")
        make_data(tree / "bench/data")
        # What the packages' own scripts would do, where it changes what is measured.
        run(*inside(tree, "/usr/bin/python3", "-m", "compileall", "-q", "/usr/lib/python3.11"))
        run(*inside(tree, f"{JAVA}/bin/javac", "-d", "/bench/data", "/bench/real/Work.java"))
        (tree / "bench/.complete").touch()
    add_programs(tree, build, kernels / "amd64/busybox")
    if not fresh(disk, tree / "bench/.complete", tree / "bench/programs", tree / "bench/null"):
        print("bench: making its disk", flush=True)
        part = cache / "debian.part.ext4"
        part.unlink(missing_ok=True)
        run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", tree, part, "1G",
            env={**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"})
        os.replace(part, disk)
    return tree, disk
