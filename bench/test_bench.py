# SPDX-License-Identifier: BSD-2-Clause
"""Tests of the benchmark: test_bench.py PROGRAMS. Every row has its program and each program runs;
the figures of made-up samples are right; no time decides."""

import io
import subprocess
import sys
import unittest
from pathlib import Path
from xml.dom import minidom

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
import machines  # noqa: E402
import report  # noqa: E402
from rows import GROUPS, ROWS, Row, goal  # noqa: E402

PROGRAMS = sys.argv.pop(1)
# May be missing here: instructions of some processors, files of a guest's tree.
OPTIONAL = {"sha256-ni", "crc32c-sse", "aes-ni", "copy-avx2", "exec", "shell"}


def sample(ns, check="0", iterations=10):
    return {"iterations": iterations, "ns": ns * iterations, "check": check,
            "wall_ns": 10**9, "row_ns": 10**9}


class Programs(unittest.TestCase):
    def test_rows_and_programs_agree(self):
        listed = subprocess.run([PROGRAMS, "--list"], check=True, capture_output=True,
                                text=True).stdout.split()
        wanted = [r.name for r in ROWS if not r.command and not r.machine]
        self.assertEqual(sorted(listed), sorted(wanted))
        self.assertLessEqual({r.group for r in ROWS}, set(GROUPS))

    def test_each_program_runs(self):
        machine = machines.Machine("native", [PROGRAMS, "--serve"], 20)
        self.addCleanup(machine.stop)
        machine.start()
        checks = {}
        for row in ROWS:
            if row.command or row.machine or row.name == "chase-memory":
                continue
            found, status = machine.run(row, 1, 2, 60)
            with self.subTest(row.name):
                if status == "unsupported" and row.name in OPTIONAL:
                    continue
                self.assertEqual(status, "ok")
                self.assertEqual(len(found), 2)
                self.assertTrue(all(s["iterations"] >= 1 for s in found))
                checks[row.name] = found[0]["check"]
        for plain, special in (("sha256", "sha256-ni"), ("crc32c", "crc32c-sse")):
            if special in checks:
                self.assertEqual(checks[plain], checks[special])

    def test_commands(self):
        machine = machines.Machine("native", [PROGRAMS, "--serve"], 20)
        self.addCleanup(machine.stop)
        machine.start()
        for text, status in (("/bin/echo x", "ok"), ("/bin/false", "failed"),
                             ("/nonexistent", "unsupported")):
            self.assertEqual(machine.run(Row("c", "tools", text), 1, 1, 60)[1], status)
        self.assertEqual(machine.run(Row("no-such", "tools"), 1, 1, 60)[1], "unknown")

    def test_a_machine_that_ends_is_reported(self):
        machine = machines.Machine("m", ["/bin/sh", "-c", "echo no kernel"], 20)
        with self.assertRaisesRegex(machines.Failure, "(?s)it ended.*no kernel"):
            machine.start()


class Report(unittest.TestCase):
    def evaluate(self, row="integer", **found):
        row = next(r for r in ROWS if r.name == row)
        return report.evaluate(row, found)

    def test_ratios_are_taken_round_by_round(self):
        r = self.evaluate(native=[[sample(1)], [sample(2)], [sample(3)]],
                          tcg=[[sample(8)], [sample(16)], [sample(30)]],
                          doppel=[[sample(2)], [sample(4)], [sample(6)]])
        self.assertEqual(r["faster_than_tcg"]["median"], 4)
        self.assertEqual(r["faster_than_tcg"]["max"], 5)
        self.assertEqual(r["slower_than_native"]["spread"], 0)
        self.assertEqual(r["ns"]["native"]["min"], 1)
        self.assertTrue(r["reached"])
        self.assertEqual(r["notes"], [])

    def test_slow_is_not_reached(self):
        r = self.evaluate("page-fault", tcg=[[sample(20)]], doppel=[[sample(10)]])
        self.assertEqual(r["goal"], 3)
        self.assertFalse(r["reached"])

    def test_a_missing_machine_is_no_ratio(self):
        r = self.evaluate(native=[[sample(1)]], tcg=[[]], doppel=[[sample(2)]])
        self.assertIsNone(r["faster_than_tcg"])
        self.assertIsNone(r["reached"])
        self.assertEqual(r["slower_than_native"]["median"], 2)

    def test_wrong_results_and_clocks_are_told(self):
        bad = {**sample(1, "1"), "row_ns": 5 * 10**8}
        notes = self.evaluate(native=[[sample(1)]], doppel=[[bad]])["notes"]
        self.assertEqual(len(notes), 2)
        self.assertIn("results differ", notes)
        self.assertIn("doppel's clock ran at 0.50", notes[1])

    def test_groups_table_and_chart(self):
        rows = [r for r in ROWS if r.group in ("float", "kernel")]
        results = {r.name: self.evaluate(r.name, native=[[sample(1)]], tcg=[[sample(18)]],
                                         doppel=[[sample(2)]]) for r in rows}
        found = report.groups(rows, results)
        self.assertAlmostEqual(found["float"]["faster_than_tcg"], 9)
        self.assertTrue(found["float"]["reached"])
        self.assertTrue(found["kernel"]["reached"])
        results["fork"]["reached"] = False
        self.assertFalse(report.groups(rows, results)["kernel"]["reached"])
        text = report.table(rows, results, ["native", "tcg", "doppel"])
        self.assertIn("matmul", text)
        self.assertIn("9.00", text)
        self.assertTrue(report.group_table(found))
        self.assertIn("| matmul | 9.00 (9.00-9.00) |", report.markdown(rows, results, found))
        self.assertEqual(report.slower_than_tcg(rows, results), [])
        chart = report.chart(rows, results, "a < b")
        self.assertEqual(len(minidom.parse(io.StringIO(chart)).getElementsByTagName("rect")),
                         3 + 2 * len(rows))

    def test_limits(self):
        found = report.limits({"start": self.evaluate("start", doppel=[[sample(10**7)]])},
                              {"doppel": [65 << 20], "tcg": [9]})
        self.assertTrue(found["start"]["reached"])
        self.assertFalse(found["memory"]["reached"])
        self.assertEqual(len(report.limits_text(found)), 2)

    def test_time_by_processor(self):
        both = [[{**sample(7), "cpu_ns": 30}]]
        row = next(r for r in ROWS if r.name == "integer")
        self.assertEqual(report.evaluate(row, {"doppel": both}, "cpu_ns")["ns"]["doppel"]["min"], 3)

    def test_memory_is_counted(self):
        machine = machines.Machine("native", [PROGRAMS, "--serve"], 20)
        self.addCleanup(machine.stop)
        machine.start()
        self.assertGreater(machine.memory(1 << 30), 4096)
        self.assertGreater(machine.cpu(), 0)

    def test_goals(self):
        self.assertEqual(goal(next(r for r in ROWS if r.name == "luajit")), 3)
        self.assertEqual(goal(next(r for r in ROWS if r.name == "node")), 4)
        self.assertEqual(goal(next(r for r in ROWS if r.name == "integer")), 1)

    def test_scaling(self):
        results = {"parallel-1": self.evaluate("parallel-1", doppel=[[sample(18)]]),
                   "parallel-2": self.evaluate("parallel-2", doppel=[[sample(10)]])}
        self.assertAlmostEqual(report.scaling(results)["speed_up"]["doppel"], 1.8)
        self.assertTrue(report.scaling(results)["reached"])


if __name__ == "__main__":
    unittest.main()
