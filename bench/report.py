# SPDX-License-Identifier: BSD-2-Clause
"""From samples to figures: minimum, median and spread, ratios, geomeans, a table and a chart."""

import math
from html import escape
from statistics import median

from rows import GROUPS, MEMORY, SCALE, START, goal

# A guest's clock may differ from ours by this part of a row's time and, since the answer takes its
# time through a serial port, this many seconds.
CLOCK_PART, CLOCK_SECONDS = 0.1, 0.2


def geomean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def summary(values):
    """Minimum, median and spread, the distance of the extremes as a part of the median."""
    if not values:
        return None
    mid = median(values)
    return {"min": min(values), "median": mid, "max": max(values),
            "spread": (max(values) - min(values)) / mid, "count": len(values)}


def ratio(slow, fast):
    """Of two machines' times round by round, so that a disturbance of a round hits both."""
    return summary([a / b for a, b in zip(slow, fast) if a and b])


def evaluate(row, rounds, key="ns"):
    """`rounds`: machine -> one list of samples for each round (empty: it has no result);
    key: which of a sample's times counts."""
    times = {m: [sum(s[key] for s in r) / sum(s["iterations"] for s in r) if r else None
                 for r in found] for m, found in rounds.items()}
    result = {"ns": {m: summary([t for t in v if t]) for m, v in times.items()}}
    if "doppel" in times:
        if "tcg" in times:
            result["faster_than_tcg"] = ratio(times["tcg"], times["doppel"])
        if "native" in times:
            result["slower_than_native"] = ratio(times["doppel"], times["native"])
    if "tcg" in times and "native" in times:
        result["tcg_slower_than_native"] = ratio(times["tcg"], times["native"])
    samples = {m: [s for r in found for s in r] for m, found in rounds.items()}
    checks = {s["check"] for v in samples.values() for s in v if "check" in s}
    result["notes"] = ["results differ"] if len(checks) > 1 else []
    for machine, found in samples.items():
        clocks = [s["row_ns"] / s["wall_ns"] for s in found if "wall_ns" in s and
                  abs(s["wall_ns"] - s["row_ns"]) > max(CLOCK_SECONDS * 1e9,
                                                        CLOCK_PART * s["wall_ns"])]
        if clocks:
            result["notes"].append(f"{machine}'s clock ran at {median(clocks):.2f} of ours")
    better = result.get("faster_than_tcg")
    result["goal"] = goal(row)
    result["reached"] = better["median"] >= goal(row) if better else None
    return result


def groups(rows, results):
    """For each group: geomeans over its rows, and whether they reach the group's goals."""
    out = {}
    for name, group in GROUPS.items():
        mine = [results[r.name] for r in rows if r.group == name and r.name in results]
        if not mine:
            continue

        def mean(key):
            return geomean([r[key]["median"] for r in mine if r.get(key)])
        tcg, native = mean("faster_than_tcg"), mean("slower_than_native")
        ok = [] if tcg is None else [
            all(r["reached"] for r in mine if r["reached"] is not None) if group.each
            else tcg >= group.tcg]
        if native is not None and group.native:
            ok.append(all(r["slower_than_native"]["median"] <= group.native for r in mine
                          if r.get("slower_than_native")) if group.each
                      else native <= group.native)
        out[name] = {"title": group.title, "rows": len(mine), "faster_than_tcg": tcg,
                     "slower_than_native": native,
                     "tcg_slower_than_native": mean("tcg_slower_than_native"),
                     "goal_tcg": group.tcg, "goal_native": group.native or None,
                     "each_row": group.each, "reached": all(ok) if ok else None}
    return out


def scaling(results):
    """Speed of two threads over one, on each machine."""
    one, two = results.get("parallel-1"), results.get("parallel-2")
    if not one or not two:
        return None
    found = {m: one["ns"][m]["median"] / two["ns"][m]["median"] for m in one["ns"]
             if one["ns"][m] and two["ns"].get(m)}
    return {"speed_up": found, "goal": SCALE,
            "reached": found["doppel"] >= SCALE if "doppel" in found else None}


def limits(results, memory):
    """What doppel's monitor itself must reach, in figures of its own."""
    found = {}
    for name, values, limit in (
            ("start", {m: v["median"] / 1e9 for m, v in
                       results.get("start", {}).get("ns", {}).items() if v}, START),
            ("memory", {m: median(v) for m, v in memory.items() if v}, MEMORY)):
        if values:
            found[name] = {"values": values, "goal": limit,
                           "reached": values["doppel"] <= limit if "doppel" in values else None}
    return found


def limits_text(found):
    lines = []
    for name, what, text in (
            ("start", "start to the first guest instruction", lambda v: time_text(v * 1e9)),
            ("memory", "memory beyond the guest's after a boot",
             lambda v: f"{v / (1 << 20):.1f} MiB")):
        if name in found:
            f = found[name]
            lines.append(f"{what}: " + ", ".join(f"{m} {text(v)}" for m, v in f["values"].items())
                         + f" (goal {text(f['goal'])}: {verdict(f['reached'])})")
    return lines


def slower_than_tcg(rows, results):
    """Names of the rows that lose."""
    return [r.name for r in rows if (results.get(r.name, {}).get("faster_than_tcg") or
                                     {"median": 1})["median"] < 1]


def time_text(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


CELL = 26


def cell(figures):
    if not figures:
        return f"{'-':>8}"
    return (f"{time_text(figures['min']):>8}{time_text(figures['median']):>9} "
            f"±{figures['spread'] / 2:.0%}")


def times(figures):
    if not figures:
        return "-"
    return f"{figures['median']:7.2f} ({figures['min']:.2f}-{figures['max']:.2f})"


def verdict(reached):
    return "" if reached is None else "reached" if reached else "not"


def table(rows, results, names):
    """The table: minimum, median and half the spread of the time of an iteration on each machine;
    ratios by their median, with the extremes."""
    head = f"{'row':<15}" + "".join(f"{n + ': min, median':<{CELL}}" for n in names)
    lines = [head + f"{'x faster than TCG':<24}{'goal':>5} {'':8}x slower than native"]
    last = None
    for row in rows:
        if row.name not in results:
            continue
        if row.group != last:
            last = row.group
            lines.append(f"-- {GROUPS[last].title}")
        r = results[row.name]
        cells = "".join(f"{cell(r['ns'].get(n)):<{CELL}}" for n in names)
        lines.append((f"{row.name:<15}{cells}{times(r.get('faster_than_tcg')):<24}"
                      f"{r['goal']:>5.1f} {verdict(r['reached']):8}"
                      f"{times(r.get('slower_than_native'))}").rstrip())
        lines += [f"{'':15}! {note}" for note in r["notes"]]
    return "\n".join(lines)


def group_table(found):
    lines = [f"{'geomean of':<58}{'rows':>5}{'x TCG':>8}{'goal':>6}{'x native':>10}{'goal':>6}"]
    for g in found.values():
        def number(key, width):
            return f"{g[key]:>{width}.2f}" if g[key] else f"{'-':>{width}}"
        tcg_goal = f"{'each':>6}" if g["each_row"] else number("goal_tcg", 6)
        lines.append(f"{g['title']:<58}{g['rows']:>5}{number('faster_than_tcg', 8)}{tcg_goal}"
                     f"{number('slower_than_native', 10)}{number('goal_native', 6)}  "
                     f"{verdict(g['reached'])}".rstrip())
    return "\n".join(lines)


def markdown(rows, results, found):
    """The tables of docs/measurements.md."""
    def ratios(figures):
        return f"{figures['median']:.2f} ({figures['min']:.2f}-{figures['max']:.2f})" \
            if figures else ""

    def number(value):
        return f"{value:.2f}" if value else ""
    lines = ["| geomean of | rows | times faster than TCG | goal | times slower than native | goal |",
             "|---|---|---|---|---|---|"]
    for g in found.values():
        goal_tcg = "each" if g["each_row"] else f"{g['goal_tcg']:g}"
        lines.append(f"| {g['title']} | {g['rows']} | {number(g['faster_than_tcg'])} | {goal_tcg} | "
                     f"{number(g['slower_than_native'])} | {g['goal_native'] or ''} |")
    lines += ["", "| row | times faster than TCG | goal | times slower than native |",
              "|---|---|---|---|"]
    for row in rows:
        r = results.get(row.name)
        if r:
            lines.append(f"| {row.name} | {ratios(r.get('faster_than_tcg'))} | {r['goal']:g} | "
                         f"{ratios(r.get('slower_than_native'))} |")
    return "\n".join(lines) + "\n"


# ---- the chart -------------------------------------------------------------------------------

COLOURS = {"tcg": "#b8b8b8", "doppel": "#1f6fb2"}


def chart(rows, results, title):
    """How many times slower than native, on a logarithmic axis, one pair of bars for a row; rows
    without a native time (the boot) show nothing here."""
    shown = [r for r in rows if any(results.get(r.name, {}).get(k) for k in
                                    ("tcg_slower_than_native", "slower_than_native"))]
    if not shown:
        return None
    values = [results[r.name][k]["max"] for r in shown
              for k in ("tcg_slower_than_native", "slower_than_native") if results[r.name].get(k)]
    decades = max(1, math.ceil(math.log10(max(values))))
    left, width, step, top = 150, 640, 22, 64
    height = top + step * len(shown) + 40

    def x(value):
        return left + width * (math.log10(max(value, 0.5)) - math.log10(0.5)) / (
            decades - math.log10(0.5))
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 70}" '
           f'height="{height}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="10" y="22" font-size="15">{escape(title)}</text>']
    for i, (name, label) in enumerate((("tcg", "QEMU TCG"), ("doppel", "doppel"))):
        out.append(f'<rect x="{10 + 100 * i}" y="34" width="12" height="12" '
                   f'fill="{COLOURS[name]}"/><text x="{27 + 100 * i}" y="45">{label}</text>')
    for decade in range(decades + 1):
        for digit in (1, 2, 5):
            value = digit * 10 ** decade
            if value <= 10 ** decades:
                out.append(f'<line x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{top - 4}" '
                           f'y2="{height - 30}" stroke="{"#999" if value == 1 else "#e4e4e4"}"/>'
                           f'<text x="{x(value):.1f}" y="{height - 14}" text-anchor="middle" '
                           f'fill="#555">{value}x</text>')
    for i, row in enumerate(shown):
        y = top + step * i
        out.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(row.name)}</text>')
        for j, (name, key) in enumerate((("tcg", "tcg_slower_than_native"),
                                         ("doppel", "slower_than_native"))):
            r = results[row.name].get(key)
            if not r:
                continue
            at, end, line = y + 1 + 8 * j, x(r["median"]), y + 5 + 8 * j
            out.append(f'<rect x="{min(x(1), end):.1f}" y="{at}" width="{abs(end - x(1)):.1f}" '
                       f'height="7" fill="{COLOURS[name]}"/>'
                       f'<line x1="{x(r["min"]):.1f}" x2="{x(r["max"]):.1f}" y1="{line - .5}" '
                       f'y2="{line - .5}" stroke="black"/>'
                       f'<text x="{x(max(r["max"], 1)) + 4:.1f}" y="{at + 7}" font-size="8" '
                       f'fill="#333">{r["median"]:.1f}</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"
