#!/usr/bin/python3
"""What plots.py draws of a result of ./run bench. Exit code 77 says that Matplotlib is missing."""

import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

PLOTS = pathlib.Path(__file__).resolve().parents[2] / "bench" / "plots.py"


def series(curve, name="p99", phases=()):
    return {"curve": curve, "name": name, "x_label": "load", "x_unit": "requests/s", "y_label": "latency", "y_unit": "ms",
            "points": [{"x": x, "median": 2 * x, "low": x, "high": 3 * x} for x in (1, 10, 100)], "phases": list(phases)}


class PlotsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def plot(self, lines, out="plots"):
        result = self.folder / "result.json"
        result.write_text(json.dumps({"machine": "a machine", "rows": [], "series": lines}), encoding="utf-8")
        command = [sys.executable, PLOTS, result, "--out", self.folder / out]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def files(self, out="plots"):
        return {path.name: path.read_text(encoding="utf-8") for path in (self.folder / out).iterdir()}

    def test_each_curve_that_was_measured_becomes_part_of_a_picture(self):
        done = self.plot([series("latency_against_load"), series("cpu_against_load"),
                          series("latency_through_swap", phases=[{"name": "fetch", "begin": 1, "end": 2}])])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(set(self.files()), {"latency-against-load.svg", "latency-through-swap.svg"})
        self.assertIn("cost-against-k: the result has nothing for it", done.stdout)

    def test_a_picture_names_its_axes_with_units_its_lines_its_phases_and_the_machine(self):
        self.plot([series("latency_through_swap", phases=[{"name": "fetch", "begin": 1, "end": 2}])])
        picture = self.files()["latency-through-swap.svg"]
        # Matplotlib draws letters as shapes, and leaves the text in a comment.
        for text in ("load, requests/s", "latency, ms", "p99", "fetch", "a machine; lines: median, bands: lowest to highest"):
            self.assertIn(f"<!-- {text} -->", picture)

    def test_the_same_result_gives_the_same_bytes(self):
        self.plot([series("latency_against_load")])
        self.plot([series("latency_against_load")], "again")
        self.assertEqual(self.files(), self.files("again"))

    def test_a_curve_that_no_picture_shows_is_an_error(self):
        done = self.plot([series("new_curve")])
        self.assertEqual(done.returncode, 1)
        self.assertIn("series that no figure shows: new_curve", done.stderr)

    def test_a_result_without_series_is_an_error(self):
        done = self.plot([])
        self.assertEqual(done.returncode, 1)
        self.assertIn("has no series; ./run bench makes them", done.stderr)


if __name__ == "__main__":
    if importlib.util.find_spec("matplotlib") is None:
        print("skipped: needs python3-matplotlib")
        sys.exit(77)
    unittest.main()
