# SPDX-License-Identifier: BSD-2-Clause
"""The machines a program runs on: this one, QEMU's TCG, doppel (and its engine kvm). Each runs the same binary in
`--serve` mode and answers to the same lines, through a pipe or a serial port."""

import os
import re
import selectors
import signal
import subprocess
import time

import image

BEGIN = re.compile(rb"begin (\S+)$")
RESULT = re.compile(rb"result (\S+) (\d+) (\d+) (\d+) ([0-9a-f]{16})$")
END = re.compile(rb"end (\S+) (\S+) (\d+)$")
READY = re.compile(rb"ready (\d+)$")
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) ")


# A machine that failed to start so often in a row is not tried again.
STARTS = 3


class Failure(Exception):
    """A machine ended, or did not answer in time."""


class Machine:
    """A process that serves programs; started when first used, and again after a failure."""

    def __init__(self, name, argv, boot_timeout):
        self.name, self.argv, self.boot_timeout = name, argv, boot_timeout
        self.process = None
        self.failed_starts = 0
        self.pending = b""
        self.tail = []          # last lines that were no answer, to explain a failure

    def spawn(self):
        self.stop()
        self.pending, self.tail = b"", []
        self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, bufsize=0,
                                        start_new_session=True)

    def start(self):
        """Starts it; returns (seconds on our clock, nanoseconds on its own) until it is ready."""
        if self.failed_starts == STARTS:
            raise Failure(f"{self.name}: failed to start {STARTS} times")
        self.failed_starts += 1
        begun = time.monotonic()
        self.spawn()
        while True:
            match = READY.search(self.read_line(begun + self.boot_timeout))
            if match:
                self.failed_starts = 0
                return time.monotonic() - begun, int(match[1])

    def first_byte(self):
        """Starts it; returns the seconds, and nanoseconds of processor time, until it says
        anything, and ends it."""
        begun = time.monotonic()
        self.spawn()
        with selectors.DefaultSelector() as wait:
            wait.register(self.process.stdout, selectors.EVENT_READ)
            said = wait.select(self.boot_timeout) and os.read(self.process.stdout.fileno(), 4096)
        took, cpu = time.monotonic() - begun, self.cpu() if said else 0
        if not said or b"!" not in said:
            self.pending = said or b""
            self.fail("the guest did not start")
        self.stop()
        return took, cpu

    def cpu(self):
        """Processor time in nanoseconds that its process has used: what it takes on a machine that
        others use too."""
        total = 0
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            try:
                with open(f"/proc/{self.process.pid}/task/{task}/schedstat", "rb") as f:
                    total += int(f.read().split()[0])
            except OSError:
                pass    # a thread that has just ended
        return total

    def memory(self, guest):
        """Bytes in use beyond the guest's memory, a mapping of (nearly) `guest` bytes."""
        total, own = 0, True
        with open(f"/proc/{self.process.pid}/smaps", encoding="ascii") as f:
            for line in f:
                if match := MAPPING.match(line):
                    size = int(match[2], 16) - int(match[1], 16)
                    own = not guest * 0.9 < size <= guest or match[3][2] == "x"
                elif own and line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        return total

    def read_line(self, deadline):
        with selectors.DefaultSelector() as wait:
            wait.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self.pending:
                left = deadline - time.monotonic()
                if left <= 0 or not wait.select(left):
                    self.fail("no answer in time")
                got = os.read(self.process.stdout.fileno(), 65536)
                if not got:
                    self.fail("it ended")
                self.pending += got
        line, self.pending = self.pending.split(b"\n", 1)
        line = line.strip()
        self.tail = (self.tail + [line])[-8:]
        return line

    def fail(self, why):
        tail = b"\n    ".join(self.tail + [self.pending[-200:]]).decode(errors="replace")
        self.stop()
        raise Failure(f"{self.name}: {why}; its last words:\n    {tail}")

    def run(self, row, ms, samples, timeout):
        """Runs a row; returns its samples, or the reason why there are none."""
        if not self.process:
            self.start()
        verb = f"exec {row.name} {ms} {samples} {row.command}" if row.command else \
            f"run {row.name} {ms} {samples}"
        begun = time.monotonic()
        self.process.stdin.write(verb.encode() + b"\n")
        found, used = [], 0
        while True:
            line = self.read_line(begun + timeout)
            if BEGIN.search(line):
                used = self.cpu()
            elif match := RESULT.search(line):
                # A native program's own, with its children's; a guest's is its machine's.
                cpu = int(match[4]) if self.name == "native" else self.cpu() - used
                found.append({"iterations": int(match[2]), "ns": int(match[3]), "cpu_ns": cpu,
                              "check": match[5].decode()})
            elif match := END.search(line):
                if match[2] != b"ok":
                    return [], match[2].decode()
                for sample in found:    # the whole row by our clock and by its own
                    sample["wall_ns"] = round((time.monotonic() - begun) * 1e9)
                    sample["row_ns"] = int(match[3])
                return found, "ok"

    def stop(self):
        if not self.process:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process = None


class Setup:
    """What all guests share, and what differs between the kinds of guest."""

    def __init__(self, options, kernels, kind, tree, initramfs, disk):
        self.options, self.kernels, self.kind = options, kernels, kind
        self.tree, self.initramfs, self.disk = tree, initramfs, disk
        self.cpus = 2 if kind == "smp" else 1

    def append(self):
        return " ".join(filter(None, [
            "console=ttyS0 quiet loglevel=1 panic=-1 rdinit=/bench/init",
            "bench.root=disk" if self.disk else "", self.options.append]))

    def native(self):
        """On as many CPUs as the guest has: waking another CPU is slower than to stay on one."""
        cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))[-self.cpus:]))
        return Machine("native", ["taskset", "-c", cpus, *image.inside(
            self.tree, "/bench/programs", "--serve")], 60)

    def guest(self, tiny):
        """Kernel and command line, for both emulators; tiny: the guest that only says that it
        runs."""
        if tiny:
            return ["--kernel", str(tiny)]
        return ["--kernel", str(self.kernels / "amd64/vmlinuz"), "--initrd", str(self.initramfs),
                "--append", self.append()]

    def tcg(self, tiny=None):
        disk = ["-drive", f"file={self.disk},format=raw,if=virtio,readonly=on"] if self.disk else []
        return Machine("tcg", [
            self.options.qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-accel", "tcg", "-cpu", "max", "-smp", str(self.cpus), "-m", self.options.memory,
            "-serial", "stdio", *self.guest(tiny), *disk], self.options.boot_timeout)

    def doppel(self, tiny=None, name="doppel"):
        disk = ["--disk", f"{self.disk},readonly=on"] if self.disk else []
        engine = self.options.engine if name == "doppel" else name
        return Machine(name, [
            str(self.options.build / "doppel"), "run", "--quiet", "--no-reboot",
            "--engine", engine, "--cpus", str(self.cpus), "--memory", self.options.memory,
            "--serial", "stdio", *self.guest(tiny), *disk,
            *self.options.doppel_options.split()], self.options.boot_timeout)

    def kvm(self, tiny=None):
        return self.doppel(tiny, "kvm")
