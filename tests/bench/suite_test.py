#!/usr/bin/env python3
"""What ./run bench makes of measurements, and compare.py of two results."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))
import suite  # pylint: disable=wrong-import-position


class RowTest(unittest.TestCase):
    def test_the_median_decides_and_a_bar_is_met_where_it_is_reached(self):
        self.assertTrue(suite.row("a", "ns", [30.0, 10.0, 20.0], at_most=20.0).met())
        self.assertFalse(suite.row("a", "ns", [30.0, 10.0, 21.0], at_most=20.0).met())
        self.assertTrue(suite.row("a", "x", [9.0], at_least=9.0).met())
        self.assertFalse(suite.row("a", "x", [8.0, 9.0], at_least=9.0).met())
        self.assertIsNone(suite.row("a", "x", [1.0]).met())

    def test_the_spread_is_that_of_all_measurements(self):
        row = suite.row("a", "ns", [30.0, 10.0, 20.0, 40.0])
        self.assertEqual((row.low, row.median, row.high), (10.0, 25.0, 40.0))

    def test_the_table_shows_figure_spread_bar_and_verdict(self):
        lines = list(suite.table([suite.row("lookup", "ns", [14.5, 16.0, 21.0], at_most=20.0),
                                  suite.row("throughput", "x", [4.0], at_least=9.0),
                                  suite.row("requests", "/s", [12345.6])]))
        self.assertEqual(lines[2:], [
            "| lookup | 16 ns | 14.5 to 21 | at most 20 ns | met |",
            "| throughput | 4 x | 4 to 4 | at least 9 x | **missed** |",
            "| requests | 12346 /s | 12346 to 12346 |  |  |"])


class CompareTest(unittest.TestCase):
    def compare(self, a, b):
        with tempfile.TemporaryDirectory() as folder:
            paths = [pathlib.Path(folder) / name for name in ("a.json", "b.json")]
            for path, rows in zip(paths, (a, b)):
                path.write_text(json.dumps({"machine": "one", "rows": rows}), encoding="utf-8")
            command = [sys.executable, BENCH / "compare.py", *paths]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    @staticmethod
    def figure(name, median, low, high):
        return {"name": name, "unit": "ns", "median": median, "low": low, "high": high}

    def test_a_change_counts_when_the_spreads_do_not_overlap(self):
        text = self.compare([self.figure("slow", 20, 18, 22), self.figure("noisy", 20, 18, 25)],
                            [self.figure("slow", 10, 9, 12), self.figure("noisy", 24, 22, 30)])
        self.assertIn("| slow | 20 ns | 10 ns | 0.50 | changed |", text)
        self.assertIn("| noisy | 20 ns | 24 ns | 1.20 |  |", text)

    def test_figures_that_only_one_has_are_named(self):
        text = self.compare([self.figure("old", 1, 1, 1)], [self.figure("new", 1, 1, 1)])
        self.assertIn("Only in A: old", text)
        self.assertIn("Only in B: new", text)


if __name__ == "__main__":
    unittest.main()
