# SPDX-License-Identifier: BSD-2-Clause
"""The three machines a program runs on: this one, QEMU's TCG, doppel. Each runs the same binary in
`--serve` mode and answers to the same lines, through a pipe or a serial port."""

import os
import re
import selectors
import signal
import subprocess
import time

import image

RESULT = re.compile(rb"result (\S+) (\d+) (\d+) ([0-9a-f]{16})$")
END = re.compile(rb"end (\S+) (\S+) (\d+)$")
READY = re.compile(rb"ready (\d+)$")


class Failure(Exception):
    """A machine ended, or did not answer in time."""


class Machine:
    """A process that serves programs; started when first used, and again after a failure."""

    def __init__(self, name, argv, boot_timeout):
        self.name, self.argv, self.boot_timeout = name, argv, boot_timeout
        self.process = None
        self.pending = b""
        self.tail = []          # last lines that were no answer, to explain a failure

    def start(self):
        """Starts it; returns (seconds on our clock, nanoseconds on its own) until it is ready."""
        self.stop()
        begun = time.monotonic()
        self.pending, self.tail = b"", []
        self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, bufsize=0,
                                        start_new_session=True)
        while True:
            match = READY.search(self.read_line(begun + self.boot_timeout))
            if match:
                return time.monotonic() - begun, int(match[1])

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
        found = []
        while True:
            line = self.read_line(begun + timeout)
            if match := RESULT.search(line):
                found.append({"iterations": int(match[2]), "ns": int(match[3]),
                              "check": match[4].decode()})
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

    def tcg(self):
        disk = ["-drive", f"file={self.disk},format=raw,if=virtio,readonly=on"] if self.disk else []
        return Machine("tcg", [
            self.options.qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-accel", "tcg", "-cpu", "max", "-smp", str(self.cpus), "-m", self.options.memory,
            "-serial", "stdio", "-kernel", str(self.kernels / "amd64/vmlinuz"),
            "-initrd", str(self.initramfs), "-append", self.append(), *disk],
            self.options.boot_timeout)

    def doppel(self):
        disk = ["--disk", f"{self.disk},readonly=on"] if self.disk else []
        return Machine("doppel", [
            str(self.options.build / "doppel"), "run", "--quiet", "--no-reboot",
            "--engine", self.options.engine, "--cpus", str(self.cpus),
            "--memory", self.options.memory, "--serial", "stdio",
            "--kernel", str(self.kernels / "amd64/vmlinuz"), "--initrd", str(self.initramfs),
            "--append", self.append(), *disk, *self.options.doppel_options.split()],
            self.options.boot_timeout)
