"""What the steps of suite.py measure with, and what they make of it: rows and series."""

import dataclasses
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 600
NOTHING_COUNTS = 3  # exit code of a comparison for which the machine was too busy


@dataclasses.dataclass
class Row:
    name: str
    unit: str
    median: float
    low: float
    high: float
    at_most: float | None = None
    at_least: float | None = None

    def met(self):
        if self.at_most is not None:
            return self.median <= self.at_most
        return self.median >= self.at_least if self.at_least is not None else None


@dataclasses.dataclass
class Series:
    """A line of a plot: points in the order of x. Series of the same curve share its axes and phases."""
    curve: str
    name: str
    x_label: str
    x_unit: str
    y_label: str
    y_unit: str
    points: list[dict]  # {"x", "median", "low", "high"}, of y, in its unit
    phases: list[dict] = dataclasses.field(default_factory=list)  # of x: {"name", "begin", "end"}


def point(x, values):
    return {"x": x, "median": median(values), "low": min(values), "high": max(values)}


def write_report(path, rows, series):
    """For report_of(): figures that a program of its own has measured."""
    report = {"rows": [dataclasses.asdict(r) for r in rows], "series": [dataclasses.asdict(s) for s in series]}
    pathlib.Path(path).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def run(command, **options):
    print(f"==> {' '.join(map(str, command))}", file=sys.stderr, flush=True)
    done = subprocess.run(command, cwd=ROOT, check=False, timeout=TIMEOUT_SECONDS, text=True, **options)
    return done.returncode


def google_benchmark(bin_dir, name, filters, repetitions=5, seconds=0.5):
    """Runs a Google Benchmark executable, its cases in random turns; returns {case: [run, ...]}."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        code = run([bin_dir / "bench" / name, f"--benchmark_filter={filters}", f"--benchmark_repetitions={repetitions}",
                    f"--benchmark_min_time={seconds}", "--benchmark_enable_random_interleaving=true",
                    "--benchmark_out_format=json", f"--benchmark_out={out.name}"], stdout=subprocess.DEVNULL)
        if code != 0:
            sys.exit(2)
        cases = {}
        for result in json.load(out)["benchmarks"]:
            if result["run_type"] == "iteration":
                cases.setdefault(result["run_name"], []).append(result)
        return cases


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def row(name, unit, values, **bar):
    return Row(name, unit, median(values), min(values), max(values), **bar)


def report_of(command):
    """Runs a comparison that writes its figures with --json; nothing when it was skipped, or NOTHING_COUNTS."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "report.json"
        code = run([*command, "--json", path], stdout=subprocess.DEVNULL)
        if path.exists():
            return json.loads(path.read_text(encoding="utf-8"))
        if code not in (0, NOTHING_COUNTS):
            sys.exit(2)
        print(f"{command[0]} measured nothing", file=sys.stderr)
        return None


def summary_row(name, unit, summary, **bar):
    return Row(name, unit, summary["median"], summary["min"], summary["max"], **bar)
