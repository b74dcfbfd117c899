#!/usr/bin/env python3
"""Runs the programs of bench/ and holds their figures against the bars. What ./run bench calls.

Each row of the result is one figure: the median of several measurements made side by side in one run, their spread,
and, where there is a bar, whether the median meets it; each of its series is a line of a plot (bench/plots.py). Writes
bench/results/<machine>.json and prints a Markdown table of the rows. Exits with 1 when a bar is missed, with 2 when a
program fails.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import re
import sys
import time

import curve_steps
from measure import ROOT, Row, Series, google_benchmark, median, report_of, row, summary_row


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
    """Scores of 1,000 random items of a catalogue, beside reading as many bytes."""
    cases = google_benchmark(bin_dir, "folded_bench", ".", seconds=0.1)
    times = {case: [r["cpu_time"] for r in results] for case, results in cases.items()}
    for vectors, bar, row_bytes in (("f32", 45.0, 256), ("int8", 12.0, 64)):
        name = f"known items: 1,000 of 1 M, {vectors}, k=64"
        yield row(name, "us", times[f"KnownItems/{vectors}"], at_most=bar)
        yield row(f"{name}: rows of {row_bytes} bytes read, and nothing else", "us",
                  times[f"Memory/rows:1000/row_bytes:{row_bytes}"])
    yield row("known items: 4,000 random lines of 64 bytes read, and nothing else", "us",
              times["Memory/rows:4000/row_bytes:64"])


def top_k(bin_dir):
    """The exact best K of a catalogue on one core, beside reading the same bytes."""
    cases = google_benchmark(bin_dir, "topk_bench", "ReadMemory|(Gaussian|Skewed).*K:100$|share:(10|1000)$",
                             repetitions=3, seconds=0.2)
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


def trained_top_k(_bin_dir):
    """The exact best K of a million items of trained models, and what ending the scan early gains there."""
    for data in ("ml-100k", "mind"):
        report = report_of(["bench/trained_catalogue.sh", "--data", data])
        for best in report["best"] if report else ():
            name = f"best {best['k']} of {report['items'] // 1_000_000} M items of a trained model ({data} blown up), k=64"
            yield summary_row(name, "ms", best["ms"])
            yield summary_row(f"{name}: gain of early termination", "x", best["gain"])
            yield summary_row(f"{name}: items that were scanned, at most", "%",
                              {key: 100 * share for key, share in best["scanned_share"].items()})


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


def parsing(bin_dir):
    """From the bytes of a request to its message."""
    cases = google_benchmark(bin_dir, "parse_bench", ".", seconds=0.1)
    for form, bar in (("Packed", {"at_most": 1.0}), ("Friendly", {})):
        yield row(f"parse a feature of a request, 200 x 10 + 20: {form.lower()}", "ns",
                  [r["per_feature"] * 1e9 for r in cases[f"Parse{form}"]], **bar)


def wire(_bin_dir):
    """Server CPU of whole requests beside an echo."""
    report = report_of(["bench/wire_cost.sh", "--rounds", "4", "--seconds", "1.5"])
    for name, cost in report["cpu_us_per_request"].items():
        yield summary_row(f"server CPU of a request, 200 candidates: {name}", "us", cost)
    for ratio in report["ratios"]:
        bar = {} if ratio["at_most"] is None else {"at_most": ratio["at_most"]}
        yield summary_row(f"server CPU: {ratio['ratio']}", "x", ratio, **bar)


def prediction_log(_bin_dir):
    """What logging predictions adds to the server CPU of requests."""
    report = report_of(["bench/prediction_log.sh", "--rounds", "7"])
    for ratio in report["ratios"]:
        yield summary_row(f"server CPU of a request ({ratio['kind']}) with a log of {ratio['log']} over that without", "x", ratio,
                          at_most=ratio["at_most"])


def overload(_bin_dir):
    """What is left of a server at three times the load that it can carry."""
    report = report_of(["bench/overload.sh", "--rounds", "3", "--seconds", "3"])
    if report is None:
        return
    name = f"three times the load, {report['candidates']} candidates, friendly"
    yield summary_row(f"{name}: goodput within the budget over its maximum", "x", report["goodput_ratio"], at_least=0.9)
    yield summary_row(f"{name}: p99 of the accepted over the budget", "x", report["p99_of_budget"], at_most=1.0)
    yield summary_row(f"{name}: in time again after the load fell", "s", report["recovery_s"], at_most=1.0)


# Name -> generator of rows. Each takes the build folder.
STEPS = {"memory": memory, "scoring": scoring, "known_items": known_items, "top_k": top_k,
         "trained_top_k": trained_top_k, "onnx_runtime": onnx_runtime, "faiss": faiss, "parsing": parsing,
         "wire": wire, "prediction_log": prediction_log, "overload": overload}

STEPS |= curve_steps.STEPS  # and of series


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


def stolen_seconds():
    """Of all processors, what the host of a virtual machine gave to others since the start."""
    return int(pathlib.Path("/proc/stat").read_text(encoding="utf-8").split()[8]) / os.sysconf("SC_CLK_TCK")


def measure_all(steps, build):
    """Runs these steps; returns their result and its rows."""
    rows, series, seconds = [], [], {}
    stolen = stolen_seconds()
    for name in steps:
        begin = time.monotonic()
        for figure in STEPS[name](build):
            (series if isinstance(figure, Series) else rows).append(figure)
        seconds[name] = time.monotonic() - begin
        print(f"    {name}: {seconds[name]:.0f} s", file=sys.stderr)
    share = (stolen_seconds() - stolen) / (sum(seconds.values()) * os.cpu_count())
    result = {"seconds": round(sum(seconds.values())), "seconds_by_step": {n: round(s) for n, s in seconds.items()},
              "stolen_percent": round(100 * share, 1),
              "rows": [{**dataclasses.asdict(r), "met": r.met()} for r in rows],
              "series": [dataclasses.asdict(s) for s in series]}
    return result, rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="folder of the release build")
    parser.add_argument("--only", choices=STEPS, action="append", help="step to run; all if not given")
    parser.add_argument("--out", type=pathlib.Path,
                        help="result file; bench/results/<machine>.json if not given, none with --only")
    options = parser.parse_args()

    os.environ["FMSERVE_BUILD"] = str(options.build.resolve())  # for the scripts
    slug, description = machine()
    result, rows = measure_all(options.only or STEPS, options.build.resolve())
    out = options.out or (None if options.only else ROOT / "bench" / "results" / f"{slug}.json")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({"machine": description, **result}, indent=2) + "\n", encoding="utf-8")
    print(f"\n{description}; {result['seconds']} s, in which {result['stolen_percent']} % of the processors went to others "
          "on the same host\n")
    print("\n".join(table(rows)))
    sys.exit(1 if any(r.met() is False for r in rows) else 0)


if __name__ == "__main__":
    main()
