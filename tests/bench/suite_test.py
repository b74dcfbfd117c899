#!/usr/bin/env python3
"""What ./run bench makes of measurements, and compare.py of two results."""

import collections
import contextlib
import io
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))
import blow_up_items  # pylint: disable=wrong-import-position
import curve_steps  # pylint: disable=wrong-import-position
import measure  # pylint: disable=wrong-import-position
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
        with mock.patch.object(suite, "report_of", return_value=self.REPORT) as report_of:
            rows = list(suite.onnx_runtime(None))
        self.assertEqual([row.met() for row in rows], [False, None])
        self.assertEqual([call.args[0][1:] for call in report_of.call_args_list], [[], ["--as-it-comes"]])

    def test_where_the_library_is_missing_there_are_no_rows(self):
        with mock.patch.object(suite, "report_of", return_value=None):
            self.assertEqual(list(suite.onnx_runtime(None)), [])


class TrainedTopKTest(unittest.TestCase):
    REPORT = {"items": 1_000_000, "best": [{"k": 100, "ms": {"median": 2, "min": 1, "max": 3},
                                            "gain": {"median": 5, "min": 4, "max": 6},
                                            "scanned_share": {"median": 0.5, "min": 0.25, "max": 1}}]}

    def test_time_gain_and_share_of_each_data_set_have_no_bar(self):
        with mock.patch.object(suite, "report_of", return_value=self.REPORT):
            rows = list(suite.trained_top_k(None))
        self.assertEqual([(row.unit, row.median, row.met()) for row in rows],
                         [("ms", 2, None), ("x", 5, None), ("%", 50, None)] * 2)
        self.assertEqual(rows[3].name, "best 100 of 1 M items of a trained model (mind blown up), k=64")

    def test_where_the_data_is_missing_there_are_no_rows(self):
        with mock.patch.object(suite, "report_of", return_value=None):
            self.assertEqual(list(suite.trained_top_k(None)), [])


class BlowUpItemsTest(unittest.TestCase):
    def test_no_combination_comes_once_more_before_all_others_came_as_often(self):
        values = [["a", "b"], ["x", "y", "z"]]
        items = [tuple(item) for item in blow_up_items.draw(values, 15, 7)]
        counts = collections.Counter(items)
        self.assertEqual(set(counts), set(itertools.product(*values)))
        self.assertEqual(sorted(counts.values()), [2, 2, 2, 3, 3, 3])

    def test_the_same_seed_draws_the_same_items(self):
        draws = [list(blow_up_items.draw([["a", "b"], ["x", "y", "z"]], 4, seed)) for seed in (7, 7)]
        self.assertEqual(draws[0], draws[1])
        self.assertEqual(len(set(map(tuple, draws[0]))), 4)


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


class SuiteTest(unittest.TestCase):
    ROW = suite.row("lookup", "ns", [14.5, 16.0, 21.0], at_most=20.0)
    SERIES = measure.Series("cost", "f16", "k", "", "CPU", "ns", [measure.point(8, [2.0, 1.0, 4.0])])

    def measure(self, *figures):
        with mock.patch.dict(suite.STEPS, {"made_up": lambda build: figures}), \
                contextlib.redirect_stderr(io.StringIO()):
            return suite.measure_all(["made_up"], pathlib.Path("build"))

    def test_rows_and_series_of_a_step_are_kept_apart_with_their_spread(self):
        result, rows = self.measure(self.ROW, self.SERIES)
        self.assertEqual(rows, [self.ROW])
        self.assertEqual([(r["name"], r["met"]) for r in result["rows"]], [("lookup", True)])
        self.assertEqual(result["series"], [{
            "curve": "cost", "name": "f16", "x_label": "k", "x_unit": "", "y_label": "CPU", "y_unit": "ns", "phases": [],
            "points": [{"x": 8, "median": 2.0, "low": 1.0, "high": 4.0}]}])

    def test_a_result_says_how_long_each_step_took(self):
        result, _ = self.measure()
        self.assertEqual((result["seconds"], result["seconds_by_step"]), (0, {"made_up": 0}))

    def test_what_a_program_reports_comes_back_as_it_was_measured(self):
        with tempfile.TemporaryDirectory() as folder:
            kept, program = pathlib.Path(folder) / "kept.json", pathlib.Path(folder) / "program"
            measure.write_report(kept, [self.ROW], [self.SERIES])
            program.write_text(f'#!/bin/sh\ncp {kept} "$2"\n', encoding="utf-8")
            program.chmod(0o755)
            with contextlib.redirect_stderr(io.StringIO()):
                self.assertEqual(list(curve_steps.figures_of([program])), [self.ROW, self.SERIES])


class CurveStepsTest(unittest.TestCase):
    def figures(self, step, cases):
        with mock.patch.object(curve_steps, "google_benchmark", return_value=cases):
            return list(step(pathlib.Path("build")))

    def test_the_cost_of_a_feature_becomes_a_line_per_encoding_with_k_in_order(self):
        cases = {f"by_row/keys:{keys}/{encoding}/k:{k}": [{"per_feature": keys * k * 1e-9}]
                 for keys in (10, 2000) for encoding in ("f32", "f16", "int8") for k in (16, 8)}
        lines = self.figures(curve_steps.cost_by_k, cases)
        self.assertEqual([(line.curve, line.name) for line in lines[2:4]],
                         [("cost_against_k_from_cache", "int8"), ("cost_against_k_from_memory", "f32")])
        self.assertEqual([(p["x"], round(p["median"])) for p in lines[3].points], [(8, 16000), (16, 32000)])

    def test_the_fastest_form_of_eigen_counts(self):
        cases = {f"candidates/in_cache/k:16/{who}": [{"repetition_index": i, "per_row": ns * 1e-9} for i in range(2)]
                 for who, ns in (("f32", 2), ("f16", 3), ("Eigen, slow", 9), ("Eigen, fast", 6))}
        rows = self.figures(curve_steps.eigen, cases)
        self.assertEqual([(row.name.partition(": ")[2], round(row.median, 6)) for row in rows],
                         [("Eigen, fast, f32", 6), ("throughput of ours (f16) over Eigen, fast", 2),
                          ("throughput of ours (f32) over Eigen, fast", 3)])


class CompareTest(unittest.TestCase):
    def compare(self, a, b, series=([], [])):
        with tempfile.TemporaryDirectory() as folder:
            paths = [pathlib.Path(folder) / name for name in ("a.json", "b.json")]
            for path, rows, lines in zip(paths, (a, b), series):
                path.write_text(json.dumps({"machine": "one", "rows": rows, "series": lines}), encoding="utf-8")
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

    def test_points_of_curves_are_compared_where_both_have_them(self):
        lines = [[{"curve": "latency", "name": "p99", "x_unit": "requests/s", "y_unit": "ms",
                   "points": [{"x": x, "median": y, "low": y, "high": y} for x, y in points]}]
                 for points in ([(100, 4), (200, 5)], [(100, 2), (300, 6)])]
        text = self.compare([], [], lines)
        self.assertIn("| latency, p99, at 100 requests/s | 4 ms | 2 ms | 0.50 | changed |", text)
        self.assertNotIn("00 requests/s | 5", text)
        self.assertNotIn("Only", text)

    def test_figures_that_only_one_has_are_named(self):
        text = self.compare([self.figure("old", 1, 1, 1)], [self.figure("new", 1, 1, 1)])
        self.assertIn("Only in A: old", text)
        self.assertIn("Only in B: new", text)


if __name__ == "__main__":
    unittest.main()
