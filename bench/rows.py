# SPDX-License-Identifier: BSD-2-Clause
"""The rows of the benchmark: what runs, in which guest, and what it should reach."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Rows of one kind. Goals are for the geomean over the rows, or (each) for every row:
    doppel at least `tcg` times faster than TCG, at most `native` times slower than native."""
    title: str
    tcg: float = 1.0
    native: float = 0.0     # 0: no goal
    each: bool = False


GROUPS = {
    "compute": Group("hot compute: integer, calls, memory, strings", 3, 2.2),
    "float": Group("double matrix product, n-body", 8, 3.8),
    "vector": Group("digests and AES by instruction, openssl, vector copies", 8, 1.7),
    "script": Group("python3, perl, sqlite3", 5, 3.5),
    "jit": Group("programs that write code as they run", 4, 5, each=True),
    "tools": Group("gcc, xz, gzip", 5, 3, each=True),
    "bytecode": Group("bytecode loop", 2.5, 5.5),
    "kernel": Group("system calls, processes, threads, timers", 1, each=True),
    "shell": Group("shell loops of 200 commands", 5, 6, each=True),
    "boot": Group("Debian kernel to init", 2, each=True),
    "start": Group("start of the monitor to the first guest instruction", 1, each=True),
    "parallel": Group("2 vCPUs on parallel work"),
}

# Two vCPUs do the work of one in at most 1/SCALE of its time.
SCALE = 1.7
# Of the monitor: seconds to the first guest instruction; bytes beyond guest memory after a boot.
START, MEMORY = 0.010, 64 << 20


@dataclass(frozen=True)
class Row:
    name: str
    group: str
    command: str = ""       # of the Debian user land; empty: one of bench/programs
    tcg: float = 0.0        # own goal where the group's does not fit
    quick: bool = False
    guest: str = "small"    # small: initramfs; debian: user land on a disk; smp: small, 2 vCPUs

    @property
    def machine(self):
        """Measured from outside: no native machine has it."""
        return self.group in ("boot", "start")


def program(group, *names, quick=(), tcg=None, guest="small"):
    return [Row(n, group, tcg=(tcg or {}).get(n, 0.0), quick=n in quick, guest=guest)
            for n in names]


QUICK_COMMANDS = ("openssl-sha256", "python3", "sqlite3", "luajit", "gzip", "debian-shell")


def command(group, name, text, tcg=0.0):
    return Row(name, group, text, tcg, quick=name in QUICK_COMMANDS, guest="debian")


DATA, REAL = "/bench/data", "/bench/real"
KEY = "-K 000102030405060708090a0b0c0d0e0f -iv 0f0e0d0c0b0a09080706050403020100"

ROWS = [
    Row("start", "start", quick=True),
    Row("boot", "boot", quick=True),
    *program("compute", "integer", "branches", "divide", "calls", "indirect-calls", "sort",
             "chase-cache", "chase-memory", "sieve", "hash-bytes", "hash-table", "sha256",
             "crc32c", "copy-rep", "strings", "scanner",
             quick=("integer", "calls", "indirect-calls", "sort", "sieve", "strings")),
    *program("bytecode", "bytecode", quick=("bytecode",)),
    *program("float", "matmul", "nbody", quick=("matmul",)),
    *program("vector", "sha256-ni", "crc32c-sse", "aes-ni", "copy-sse", "copy-avx2",
             quick=("crc32c-sse", "copy-avx2")),
    *program("kernel", "getppid", "pipe", "page-fault", "mmap", "fork", "exec", "file-read",
             "thread", "futex", "clock", "sleep", "timer-signal",
             quick=("getppid", "pipe", "page-fault", "fork", "exec"),
             tcg={"page-fault": 3, "fork": 2.5, "pipe": 2.5, "getppid": 2, "exec": 2}),
    *program("shell", "shell", quick=("shell",)),
    *program("parallel", "parallel-1", "parallel-2", quick=("parallel-1", "parallel-2"),
             guest="smp"),
    command("vector", "openssl-sha256", f"/usr/bin/openssl dgst -sha256 {DATA}/blob"),
    command("vector", "openssl-aes",
            f"/usr/bin/openssl enc -aes-128-ctr {KEY} -in {DATA}/blob -out /tmp/enc"),
    command("script", "python3", f"/usr/bin/python3 {REAL}/work.py"),
    command("script", "perl", f"/usr/bin/perl {REAL}/work.pl"),
    command("script", "sqlite3", f"/usr/bin/sqlite3 -batch -init {REAL}/query.sql :memory:"),
    command("jit", "node", f"/usr/bin/node {REAL}/work.js"),
    command("jit", "java", f"/usr/lib/jvm/java-17-openjdk-amd64/bin/java -cp {DATA} Work"),
    command("jit", "luajit", f"/usr/bin/luajit {REAL}/work.lua", 3),
    command("tools", "gcc", f"/usr/bin/gcc-12 -O2 -c {DATA}/thousand.c -o /tmp/thousand.o"),
    command("tools", "xz", f"/usr/bin/xz -T1 -3 -c {DATA}/text", 3),
    command("tools", "gzip", f"/bin/gzip -6 -c {DATA}/text", 2),
    command("shell", "debian-shell", f"/bin/sh {REAL}/commands.sh"),
]


def goal(row):
    """Faster than TCG by; a group judged as a whole has none for its rows but not being slower."""
    group = GROUPS[row.group]
    return row.tcg or (group.tcg if group.each else 1.0)
