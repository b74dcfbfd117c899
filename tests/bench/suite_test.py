#!/usr/bin/env python3
"""What ./run bench makes of measurements, and compare.py of two results."""

import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

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


class OnnxRuntimeTest(unittest.TestCase):
    REPORT = {"rows": 1000, "shapes": [{"candidates": 500, "features_per_candidate": 20, "context_features": 0,
                                        "fastest": "folded", "ratio": {"median": 5, "min": 4, "max": 6}}]}

    def test_their_fastest_graph_has_the_bar_and_what_they_take_as_it_comes_has_none(self):
        with unittest.mock.patch.object(suite, "report_of", return_value=self.REPORT) as report_of:
            rows = list(suite.onnx_runtime(None))
        self.assertEqual([row.met() for row in rows], [False, None])
        self.assertEqual([call.args[0][1:] for call in report_of.call_args_list], [[], ["--as-it-comes"]])

    def test_where_the_library_is_missing_there_are_no_rows(self):
        with unittest.mock.patch.object(suite, "report_of", return_value=None):
            self.assertEqual(list(suite.onnx_runtime(None)), [])


class FaissTest(unittest.TestCase):
    REPORT = {"blas": "openblas-serial", "items": 1_000_000, "modes": [
        {"queries_per_call": 1, "faiss_ms": {"median": 60, "min": 50, "max": 70},
         "ratio": {"median": 20, "min": 19, "max": 22}, "at_least": 10},
        {"queries_per_call": 256, "faiss_ms": {"median": 2, "min": 1, "max": 3},
         "ratio": {"median": 0.6, "min": 0.5, "max": 0.7}, "at_least": 1}]}

    def rows(self, program):
        with tempfile.TemporaryDirectory() as folder:
            build = pathlib.Path(folder)
            (build / "bin").mkdir()
            if program is not None:
                path = build / "bin" / "faiss_compare"
                path.write_text(program, encoding="utf-8")
                path.chmod(0o755)
            with contextlib.redirect_stderr(io.StringIO()) as errors:
                return list(suite.faiss(build)), errors.getvalue()

    def test_a_build_without_faiss_measures_nothing_and_says_what_to_install(self):
        rows, errors = self.rows(None)
        self.assertEqual(rows, [])
        self.assertIn("skipped: this build has no comparison with faiss; install libfaiss-dev", errors)

    def test_one_query_and_a_batch_are_held_against_a_bar_each_also_when_one_is_missed(self):
        rows, _ = self.rows(f"#!/bin/sh\necho '{json.dumps(self.REPORT)}' > \"$2\"\nexit 1\n")
        self.assertEqual([row.met() for row in rows], [None, True, None, False])
        self.assertEqual((rows[1].low, rows[1].median, rows[1].high), (19, 20, 22))

    def test_a_comparison_that_fails_ends_the_suite(self):
        with self.assertRaises(SystemExit) as failed:
            self.rows("#!/bin/sh\nexit 1\n")
        self.assertEqual(failed.exception.code, 2)


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
