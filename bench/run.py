#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The benchmark: the same programs natively, under QEMU's TCG and under doppel, in alternation."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import image
import machines
import report
from rows import GROUPS, ROWS


def arguments():
    p = argparse.ArgumentParser(prog="bench/run.py", description=__doc__)
    p.add_argument("--engine", default="auto", help="doppel's engine (auto)")
    p.add_argument("--machines", default="native,tcg,kvm,doppel",
                   help="which to run (native,tcg,kvm,doppel; kvm only where it is real)")
    p.add_argument("--only", action="append", default=[], metavar="NAME",
                   help="a row or a group (repeatable)")
    p.add_argument("--quick", action="store_true", help="a subset in about six minutes")
    p.add_argument("--no-debian", action="store_true",
                   help="without the programs from Debian packages")
    p.add_argument("--ms", type=int, help="length of a sample (200, quick: 50)")
    p.add_argument("--samples", type=int, default=1, help="samples of a round (1)")
    p.add_argument("--rounds", type=int, help="rounds of all machines for each row (5, quick: 3)")
    p.add_argument("--row-seconds", type=int,
                   help="no further round than three (quick: one) when a row would take longer "
                   "(60, quick: 12)")
    p.add_argument("--by", choices=("clock", "cpu"), default="clock",
                   help="time by the clock, or (for a busy machine) processor time used")
    p.add_argument("--timeout", type=int, default=300, help="seconds for a row on a machine (300)")
    p.add_argument("--boot-timeout", type=int, default=120, help="seconds for a boot (120)")
    p.add_argument("--memory", default="1G", help="of a guest (1G)")
    p.add_argument("--append", default="", help="added to the kernel's command line, for both")
    p.add_argument("--doppel-options", default="", help="added to doppel's command line")
    p.add_argument("--build", type=Path, default=image.TOP / "build", help="build folder (build)")
    p.add_argument("--out", type=Path, help="results.json and chart.svg go here (BUILD/bench)")
    p.add_argument("--qemu", default="qemu-system-x86_64")
    p.add_argument("--list", action="store_true", help="print the rows and end")
    o = p.parse_args()
    o.ms = o.ms or (50 if o.quick else 200)
    o.rounds = o.rounds or (3 if o.quick else 5)
    o.row_seconds = o.row_seconds or (12 if o.quick else 60)
    o.build = o.build.resolve()
    o.out = o.out or o.build / "bench"
    o.machines = [m for m in ("native", "tcg", "kvm", "doppel") if m in o.machines.split(",")]
    known = {r.name for r in ROWS} | set(GROUPS)
    if unknown := set(o.only) - known:
        p.error(f"no row or group {', '.join(sorted(unknown))}; --list shows them")
    return o


def choose(o):
    rows = ROWS
    if o.only:
        rows = [r for r in rows if r.name in o.only or r.group in o.only]
    elif o.quick:
        rows = [r for r in rows if r.quick]
    if o.no_debian:
        rows = [r for r in rows if r.guest != "debian"]
    return rows


def output(*command):
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=30).stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as e:
        return f"unknown ({e})"


def describe(o, kernels):
    """What a reader must know to repeat the run."""
    cpu = [line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
           if line.startswith("model name")]
    engines = output(str(o.build / "doppel"), "engines").splitlines()
    return {"date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "processor": cpu[0] if cpu else "unknown", "processors": os.cpu_count(),
            "host_kernel": os.uname().release, "load_before": os.getloadavg(),
            "guest_kernel": (kernels / "amd64/release").read_text().strip(),
            "doppel": output("git", "-C", str(image.TOP), "describe", "--always", "--dirty"),
            "engine": o.engine, "auto": engines[-1] if engines else "",
            "qemu": output(o.qemu, "--version").splitlines()[0],
            "options": {k: str(v) for k, v in vars(o).items()}}


def kvm_missing(o):
    """Why the engine kvm is not measured; None where it is there and real."""
    try:
        engines = json.loads(output(str(o.build / "doppel"), "engines", "--json"))["engines"]
        kvm = next(e for e in engines if e["name"] == "kvm")
    except (ValueError, KeyError, StopIteration) as e:
        return f"doppel engines: {e}"
    if kvm["available"] and "software implementation" not in kvm.get("note", ""):
        return None
    return kvm.get("note") or "not available"


class Run:
    """What has been found so far; survives rows and machines that fail."""

    def __init__(self, options):
        self.options = options
        self.rounds, self.results, self.memory, self.errors = {}, {}, {}, []
        self.begun = time.monotonic()

    def error(self, text):
        self.errors.append(text)
        print(f"  ! {text}", flush=True)

    def boot(self, machine, index):
        """A boot as two samples of kinds that are not mixed: our clock, and the guest's."""
        wall, guest = machine.start()
        cpu = machine.cpu()
        bytes_ = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[self.options.memory[-1]]
        self.memory.setdefault(machine.name, []).append(
            machine.memory(int(self.options.memory[:-1]) * bytes_))
        machine.stop()
        self.rounds["boot"][machine.name][index] = [
            {"iterations": 1, "ns": wall * 1e9, "cpu_ns": cpu}]
        self.rounds["boot-guest"][machine.name][index] = [
            {"iterations": 1, "ns": guest, "cpu_ns": guest}]

    def sample(self, row, machine, index):
        """One round of a row on one machine; its samples go where they belong."""
        if row.group == "boot":
            self.boot(machine, index)
        elif row.group == "start":
            wall, cpu = machine.first_byte()
            self.rounds[row.name][machine.name][index] = [
                {"iterations": 1, "ns": wall * 1e9, "cpu_ns": cpu}]
        else:
            samples, status = machine.run(row, self.options.ms, self.options.samples,
                                          self.options.timeout)
            if status != "ok":
                raise machines.Failure(f"{machine.name}: {status}")
            self.rounds[row.name][machine.name][index] = samples

    def measure(self, row, found):
        """A row on all machines in turn, `rounds` times; a machine that failed is left out."""
        names = [m.name for m in found]
        for key in [row.name] + (["boot-guest"] if row.group == "boot" else []):
            self.rounds[key] = {n: [[] for _ in range(self.options.rounds)] for n in names}
        left, begun = found[:], time.monotonic()
        for index in range(self.options.rounds):
            # Every other round goes backwards: a drift of the machine hits each at both ends.
            for machine in left[::-1] if index % 2 else left[:]:
                try:
                    self.sample(row, machine, index)
                except (machines.Failure, OSError) as e:
                    machine.stop()
                    left.remove(machine)
                    self.error(f"{row.name}: {e}")
            took = time.monotonic() - begun
            enough = index + 1 >= (1 if self.options.quick else 3)
            if enough and took + took / (index + 1) > self.options.row_seconds:
                break
        key = "cpu_ns" if self.options.by == "cpu" else "ns"
        self.results[row.name] = report.evaluate(row, self.rounds[row.name], key)
        if row.group == "boot":
            self.results[row.name]["guest_clock"] = report.evaluate(row, self.rounds["boot-guest"])


def prepare(o, kind, kernels, cache):
    """A guest's files and its machines."""
    tree, initramfs = image.small(cache, kernels, o.build)
    disk = None
    if kind == "debian":
        tree, disk = image.debian(cache, kernels, o.build)
    return machines.Setup(o, kernels, kind, tree, initramfs, disk)


def measure_all(o, run, rows, kernels, cache):
    done = 0
    for kind in ("small", "smp", "debian"):
        chosen = [r for r in rows if r.guest == kind]
        if not chosen:
            continue
        try:
            setup = prepare(o, kind, kernels, cache)
        except (RuntimeError, OSError) as e:
            run.error(f"guest {kind} ({len(chosen)} rows): {e}")
            continue
        found = [getattr(setup, name)() for name in o.machines]
        tiny = [getattr(setup, name)(o.build / "bench/programs/first")
                for name in o.machines if name != "native"]
        try:
            for row in chosen:
                run.measure(row, tiny if row.group == "start" else
                            [m for m in found if not row.machine or m.name != "native"])
                done += 1
                progress(run, row, done, len(rows))
        finally:
            for machine in found + tiny:
                machine.stop()


def progress(run, row, done, count):
    result = run.results[row.name]
    better, slower = result.get("faster_than_tcg"), result.get("slower_than_native")
    print(f"{done:3}/{count} {time.monotonic() - run.begun:5.0f} s  {row.name:<16}" +
          (f"{better['median']:8.2f} x TCG" if better else " " * 14) +
          (f"{slower['median']:9.2f} x native" if slower else ""), flush=True)


def main():
    o = arguments()
    if o.list:
        for row in ROWS:
            print(f"{row.name:<16}{row.group:<10}{row.guest:<8}{row.command}")
        return 0
    kernels = Path(os.environ.get("DOPPEL_CACHE", image.TOP / "cache")).resolve()
    cache = image.TOP / "cache/bench"
    cache.mkdir(parents=True, exist_ok=True)
    rows, run, facts = choose(o), Run(o), describe(o, kernels)
    print(f"bench: {facts['processor']}, guest kernel {facts['guest_kernel']}, "
          f"{facts['qemu']}\nbench: engine {o.engine}; {facts['auto']}", flush=True)
    if "kvm" in o.machines and (why := kvm_missing(o)):
        o.machines.remove("kvm")
        print(f"bench: kvm is skipped: {why}", flush=True)
    try:
        measure_all(o, run, rows, kernels, cache)
    except KeyboardInterrupt:
        run.error("interrupted; what follows is what there is")
    return finish(o, run, rows, facts)


def finish(o, run, rows, facts):
    facts["load_after"], facts["seconds"] = os.getloadavg(), round(time.monotonic() - run.begun)
    results = run.results
    groups, smp = report.groups(rows, results), report.scaling(results)
    limits = report.limits(results, run.memory)
    print("\n" + report.table(rows, results, o.machines))
    print("\n" + report.group_table(groups))
    if "boot" in results:
        guest = results["boot"]["guest_clock"]
        print("\nboot by the guest's clock: " + ", ".join(
            f"{m} {report.time_text(f['median'])}" for m, f in guest["ns"].items() if f))
    print("\n".join(report.limits_text(limits)))
    if smp:
        print("two threads on two CPUs against one: " + ", ".join(
            f"{m} {v:.2f}x" for m, v in smp["speed_up"].items()) +
            f" (goal {smp['goal']}: {report.verdict(smp['reached'])})")
    print("slower than TCG: " + (", ".join(report.slower_than_tcg(rows, results)) or "none"))
    print(f"took {facts['seconds']} s; load {facts['load_before'][0]:.1f} before, "
          f"{facts['load_after'][0]:.1f} after")
    for e in run.errors:
        print(f"! {e}")
    o.out.mkdir(parents=True, exist_ok=True)
    document = {"facts": facts, "rows": results, "groups": groups, "scaling": smp,
                "limits": limits, "errors": run.errors, "samples": run.rounds,
                "memory": run.memory}
    files = {"results.json": json.dumps(document, indent=1) + "\n",
             "tables.md": "\n".join([
                 f"{facts['date'][:10]}, {facts['processor']}, {facts['processors']} CPUs, Linux "
                 f"{facts['host_kernel']}, doppel {facts['doppel']}, engine {o.engine}, up to "
                 f"{o.rounds} rounds of {o.ms} ms by {o.by}; smallest and largest in brackets.\n",
                 report.markdown(rows, results, groups),
                 *(f"- {line}" for line in report.limits_text(limits)),
                 *(f"- two threads on two CPUs against one, {m}: {v:.2f}"
                   for m, v in (smp["speed_up"] if smp else {}).items()), ""]),
             "chart.svg": report.chart(rows, results, "Times slower than native "
                                       f"(doppel: engine {o.engine})")}
    for name, text in files.items():
        if text:
            (o.out / name).write_text(text)
    print(f"\nbench: wrote {', '.join(n for n, t in files.items() if t)} to {o.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
