#!/usr/bin/env python3
"""Runs the programs of bench/ and holds their figures against the bars. What ./run bench calls.

Each row of the result is one figure: the median of several measurements made side by side in one run, their spread,
and, where there is a bar, whether the median meets it. Writes bench/results/<machine>.json and prints a Markdown table.
Exits with 1 when a bar is missed, with 2 when a program fails.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 600


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


def scoring(bin_dir):
    """Lookup and scoring of whole requests."""
    cases = google_benchmark(bin_dir, "scorer_bench", "keys:10000000/.*/chunk:(64|200)$")
    for case, results in cases.items():
        pages = re.search(r"page_kb:(\d+)", case)[1]
        chunk = re.search(r"chunk:(\d+)", case)[1]
        bar = {"at_most": 20.0} if (pages, chunk) == ("2048", "200") else {}
        yield row(f"lookup and score a feature: k=16 f16, 10 M keys, 200 x 10 + 20, {pages} KB pages, "
                  f"{chunk} candidates at once", "ns", [r["per_feature"] * 1e9 for r in results], **bar)


def memory(bin_dir):
    """What memory allows: the limits of scoring and of scans."""
    cases = google_benchmark(bin_dir, "memory_bench", "sequential/|overlapped/", repetitions=3, seconds=0.1)
    for page_kb in (2048, 4):
        lines = cases[f"overlapped/page_kb:{page_kb}"]
        yield row(f"memory: a random line of 64 bytes, 10 M of them, {page_kb} KB pages", "ns",
                  [r["per_row"] * 1e9 for r in lines])
    sequential = {case: [r["bytes_per_second"] / 1e9 for r in results] for case, results in cases.items()
                  if case.startswith("sequential/")}
    best = max(sequential, key=lambda case: median(sequential[case]))
    yield row(f"memory: read one after the other by one core ({best.removeprefix('sequential/')})", "GB/s",
              sequential[best])


def known_items(bin_dir):
    """Scores of 1,000 random items that were folded beforehand."""
    cases = google_benchmark(bin_dir, "folded_bench", "page_kb:2048/distance:(8|16|32)$", repetitions=3)
    times = {case: [r["cpu_time"] for r in results] for case, results in cases.items()}
    best = min(times, key=lambda case: median(times[case]))
    yield row("known items: 1,000 of 1 M folded ones, f32, k=64", "us", times[best], at_most=45.0)


def top_k(bin_dir):
    """The exact best K of a catalogue on one core, beside reading the same bytes."""
    cases = google_benchmark(bin_dir, "topk_bench", "ReadMemory|(Gaussian|Skewed).*K:100$|share:(10|1000)$", seconds=0.2)
    times = {case: [r["cpu_time"] for r in results] for case, results in cases.items()}
    for items, bar in ((1_000_000, 3.5), (5_000_000, 16.0)):
        scan, read = times[f"BestOfGaussian/items:{items}/K:100"], times[f"ReadMemory/items:{items}"]
        name = f"best 100 of {items // 1_000_000} M items, k=64"
        yield row(f"{name}, Gaussian, exact", "ms", scan, at_most=bar)
        yield row(f"{name}: bandwidth of the scan over that of a plain read", "x",
                  [r / s for r, s in zip(read, scan)], at_least=0.75)
        yield row(f"{name}, skewed norms", "ms", times[f"BestOfSkewed/items:{items}/K:100"])
        for share in (10, 1000):
            yield row(f"{name}, filter passes 1 in {share}", "ms", times[f"BestOfFiltered/items:{items}/share:{share}"])


def report_of(command):
    """Runs a comparison that writes its figures with --json; nothing when it was skipped."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "report.json"
        code = run([*command, "--json", path], stdout=subprocess.DEVNULL)
        if path.exists():
            return json.loads(path.read_text(encoding="utf-8"))
        if code != 0:
            sys.exit(2)
        print(f"{command[0]} measured nothing", file=sys.stderr)
        return None


def summary_row(name, unit, summary, **bar):
    return Row(name, unit, summary["median"], summary["min"], summary["max"], **bar)


def onnx_runtime(_bin_dir):
    """The same model in ONNX Runtime, ids resolved."""
    for arguments, bar in ([], {"at_least": 9.0}), (["--as-it-comes"], {}):
        report = report_of(["bench/onnx_runtime.sh", *arguments])
        for shape in report["shapes"] if report else ():
            name = (f"{shape['candidates']} x {shape['features_per_candidate']} + {shape['context_features']}, "
                    f"k=16 f32, {report['rows']} rows")
            theirs = f"fastest of its graphs ({shape['fastest']})" if bar else "as it comes (textbook graph, malloc's pages)"
            yield summary_row(f"ONNX Runtime, {theirs}, over ours: {name}", "x", shape["ratio"], **bar)


def faiss(bin_dir):
    """The exact best 100 in Debian's faiss, on the same items."""
    program = bin_dir / "bin" / "faiss_compare"
    if not program.exists():
        print("skipped: this build has no comparison with faiss; install libfaiss-dev and libopenblas0-serial, and build "
              "again. Nothing was measured", file=sys.stderr)
        return
    # Their items lie in memory of malloc; one thread each, whichever BLAS is installed.
    report = report_of(["env", "GLIBC_TUNABLES=glibc.malloc.hugetlb=1", "OPENBLAS_NUM_THREADS=1", program])
    for mode in report["modes"]:
        name = f"best 100 of {report['items'] // 1_000_000} M items, k=64"
        theirs = f"faiss IndexFlatIP, {report['blas']}, queries per call: {mode['queries_per_call']}"
        yield summary_row(f"{name}: {theirs}", "ms", mode["faiss_ms"])
        yield summary_row(f"{name}: throughput of ours over that of {theirs}", "x", mode["ratio"],
                          at_least=mode["at_least"])


def wire(_bin_dir):
    """Server CPU of whole requests beside an echo."""
    report = report_of(["bench/wire_cost.sh", "--rounds", "5", "--seconds", "2"])
    for name, cost in report["cpu_us_per_request"].items():
        yield summary_row(f"server CPU of a request, 200 x 10 + 20: {name}", "us", cost)
    for ratio in report["ratios"]:
        bar = {} if ratio["at_most"] is None else {"at_most": ratio["at_most"]}
        yield summary_row(f"server CPU: {ratio['ratio']}", "x", ratio, **bar)


# Name -> generator of rows. Each takes the build folder.
STEPS = {"memory": memory, "scoring": scoring, "known_items": known_items, "top_k": top_k,
         "onnx_runtime": onnx_runtime, "faiss": faiss, "wire": wire}


def machine():
    """What the figures were measured on: name of the file, and description."""
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"model name\s*: (.*)", text)
    name = re.sub(r"\s+", " ", model[1]).strip() if model else "unknown processor"
    cores = os.cpu_count()
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"{slug}-{cores}", f"{name}, {cores} processors"


def number(value):
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table(rows):
    yield "| figure | measured | spread | bar | |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for r in rows:
        bar = ""
        if r.at_most is not None:
            bar = f"at most {number(r.at_most)} {r.unit}"
        elif r.at_least is not None:
            bar = f"at least {number(r.at_least)} {r.unit}"
        verdict = {True: "met", False: "**missed**", None: ""}[r.met()]
        yield (f"| {r.name} | {number(r.median)} {r.unit} | {number(r.low)} to {number(r.high)} | {bar} | {verdict} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="folder of the release build")
    parser.add_argument("--only", choices=STEPS, action="append", help="step to run; all if not given")
    parser.add_argument("--out", type=pathlib.Path, help="result file instead of bench/results/<machine>.json")
    options = parser.parse_args()

    os.environ["FMSERVE_BUILD"] = str(options.build.resolve())  # for the scripts
    slug, description = machine()
    rows = []
    begin = time.monotonic()
    for name in options.only or STEPS:
        rows += STEPS[name](options.build.resolve())
    out = options.out or ROOT / "bench" / "results" / f"{slug}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    result = {"machine": description, "seconds": round(time.monotonic() - begin),
              "rows": [{**dataclasses.asdict(r), "met": r.met()} for r in rows]}
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"\n{description}\n")
    print("\n".join(table(rows)))
    sys.exit(1 if any(r.met() is False for r in rows) else 0)


if __name__ == "__main__":
    main()
