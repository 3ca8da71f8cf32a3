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
    p.add_argument("--machines", default="native,tcg,doppel", help="which of the three to run")
    p.add_argument("--only", action="append", default=[], metavar="NAME",
                   help="a row or a group (repeatable)")
    p.add_argument("--quick", action="store_true", help="a subset in under three minutes")
    p.add_argument("--no-debian", action="store_true",
                   help="without the programs from Debian packages")
    p.add_argument("--ms", type=int, help="length of a sample (200, quick: 20)")
    p.add_argument("--samples", type=int, default=1, help="samples of a round (1)")
    p.add_argument("--rounds", type=int, help="rounds of all machines for each row (5, quick: 1)")
    p.add_argument("--timeout", type=int, help="seconds for a row on a machine (300, quick: 20)")
    p.add_argument("--boot-timeout", type=int, default=120, help="seconds for a boot (120)")
    p.add_argument("--memory", default="1G", help="of a guest (1G)")
    p.add_argument("--append", default="", help="added to the kernel's command line, for both")
    p.add_argument("--doppel-options", default="", help="added to doppel's command line")
    p.add_argument("--build", type=Path, default=image.TOP / "build", help="build folder (build)")
    p.add_argument("--out", type=Path, help="results.json and chart.svg go here (BUILD/bench)")
    p.add_argument("--qemu", default="qemu-system-x86_64")
    p.add_argument("--list", action="store_true", help="print the rows and end")
    o = p.parse_args()
    o.ms = o.ms or (20 if o.quick else 200)
    o.rounds = o.rounds or (1 if o.quick else 5)
    o.timeout = o.timeout or (20 if o.quick else 300)
    o.build = o.build.resolve()
    o.out = o.out or o.build / "bench"
    o.machines = [m for m in ("native", "tcg", "doppel") if m in o.machines.split(",")]
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


def boot(machine, rounds, index):
    """A boot as two samples of kinds that are not mixed: the wall clock, and the guest's."""
    wall, guest = machine.start()
    machine.stop()
    rounds["boot"][machine.name][index] = [{"iterations": 1, "ns": wall * 1e9}]
    rounds["boot-guest"][machine.name][index] = [{"iterations": 1, "ns": guest}]


def measure(o, row, found, rounds, errors):
    """One row on all machines in turn, `rounds` times; a machine that failed is left out."""
    names = [m.name for m in found if row.group != "boot" or m.name != "native"]
    for key in [row.name] + (["boot-guest"] if row.group == "boot" else []):
        rounds[key] = {n: [[] for _ in range(o.rounds)] for n in names}
    left = [m for m in found if m.name in names]
    for index in range(o.rounds):
        # Every other round goes backwards: a drift of the machine hits each at both ends.
        for machine in left[::-1] if index % 2 else left[:]:
            try:
                if row.group == "boot":
                    boot(machine, rounds, index)
                    continue
                samples, status = machine.run(row, o.ms, o.samples, o.timeout)
                rounds[row.name][machine.name][index] = samples
                if status != "ok":
                    left.remove(machine)
                    errors.append(f"{row.name}: {machine.name}: {status}")
            except (machines.Failure, BrokenPipeError) as e:
                machine.stop()
                left.remove(machine)
                errors.append(f"{row.name}: {e}")


def progress(row, result):
    better, slower = result.get("faster_than_tcg"), result.get("slower_than_native")
    print(f"  {row.name:<16}" + (f"{better['median']:8.2f} x TCG" if better else " " * 14) +
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
    rows, results, rounds, errors = choose(o), {}, {}, []
    facts = describe(o, kernels)
    print(f"bench: {facts['processor']}, guest kernel {facts['guest_kernel']}, "
          f"{facts['qemu']}\nbench: engine {o.engine}; {facts['auto']}", flush=True)
    for kind in ("small", "smp", "debian"):
        chosen = [r for r in rows if r.guest == kind]
        if not chosen:
            continue
        tree, initramfs = image.small(cache, kernels, o.build)
        disk = None
        if kind == "debian":
            tree, disk = image.debian(cache, kernels, o.build)
        setup = machines.Setup(o, kernels, kind, tree, initramfs, disk)
        found = [getattr(setup, name)() for name in o.machines]
        try:
            for row in chosen:
                measure(o, row, found, rounds, errors)
                results[row.name] = report.evaluate(row, rounds[row.name])
                if row.group == "boot":
                    results[row.name]["guest_clock"] = report.evaluate(row, rounds["boot-guest"])
                progress(row, results[row.name])
        finally:
            for machine in found:
                machine.stop()
    return finish(o, rows, results, rounds, errors, facts)


def finish(o, rows, results, rounds, errors, facts):
    facts["load_after"] = os.getloadavg()
    groups, smp = report.groups(rows, results), report.scaling(results)
    print("\n" + report.table(rows, results, o.machines))
    print("\n" + report.group_table(groups))
    if "boot" in results:
        guest = results["boot"]["guest_clock"]
        print("\nboot by the guest's clock: " + ", ".join(
            f"{m} {report.time_text(f['median'])}" for m, f in guest["ns"].items() if f))
    if smp:
        print("\ntwo threads on two CPUs against one: " + ", ".join(
            f"{m} {v:.2f}x" for m, v in smp["speed_up"].items()) +
            f" (goal {smp['goal']}: {report.verdict(smp['reached'])})")
    for e in errors:
        print(f"! {e}")
    o.out.mkdir(parents=True, exist_ok=True)
    document = {"facts": facts, "rows": results, "groups": groups, "scaling": smp,
                "errors": errors, "samples": rounds}
    (o.out / "results.json").write_text(json.dumps(document, indent=1) + "\n")
    picture = report.chart(rows, results, f"Times slower than native (doppel: engine {o.engine})")
    if picture:
        (o.out / "chart.svg").write_text(picture)
    print(f"\nbench: wrote {o.out}/results.json" + (f" and {o.out}/chart.svg" if picture else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
