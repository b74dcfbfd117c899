"""The bars of learning: what learning.sh runs."""

import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import learning_large
import learning_ranks

ROOT = pathlib.Path(__file__).resolve().parent.parent
OPTIONS = ROOT / "bench" / "model_options.json"
EPOCHS = 60  # at most; the valid file says when to stop
PROCESSORS = sorted(os.sched_getaffinity(0))


@dataclasses.dataclass
class Bar:
    """What a model may lose at most on the test file, and the best that other tools have there."""
    data: str
    model: str
    at_most: float | None  # None: for comparison only
    others: str


BARS = [
    Bar("ml-1m", "fm", 0.5271, "0.5271 libFM MCMC, 0.5282 xLearn"),
    Bar("ml-1m", "fwfm", 0.5250, "0.5390 libffm"),
    Bar("criteo", "fm", 0.4762, "0.4762 xLearn"),
    Bar("criteo", "fwfm", 0.4737, "0.4737 xLearn FFM"),
    Bar("frappe", "fm", 0.2180, "0.2192 xLearn"),
    Bar("frappe", "fwfm", 0.2077, "0.2077 libffm"),
    Bar("mind", "fm", 0.1673, "0.1671 xLearn, libFM"),
    Bar("mind", "fwfm", 0.1673, "0.1671 xLearn FFM"),
    Bar("ml-100k", "gibbs", 0.8860, "0.8851 libFM MCMC"),
    Bar("ml-100k", "gibbs, served", None, ""),
    Bar("ml-100k", "fm", 0.8990, "0.8989 xLearn"),
    Bar("ml-100k", "fwfm", 0.8960, "0.9264 xLearn FFM"),
]


def run(command):
    """Its JSON."""
    done = subprocess.run([str(word) for word in command], check=False, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return json.loads(done.stdout)


def paths_of(arguments, data):
    suffix = "libsvm" if data == "frappe" else "tsv"
    return {part: arguments.data / data / f"{part}.{suffix}" for part in ("train", "valid", "test")}


def train(arguments, data, out, options, prefix=(), valid="valid"):
    files = paths_of(arguments, data)
    rows = ["--train", files["train"], *(["--valid", files[valid]] if valid else [])]
    return run([*prefix, arguments.fm, "train", "--schema", ROOT / "examples" / f"{data}.yaml", *rows, "--out", out, "--json",
                *options])


def test_of(arguments, bar, model):
    """{"value", "low", "high"} of the loss, and the AUC."""
    report = run([arguments.fm, "report", model, "--data", paths_of(arguments, bar.data)["test"], "--out",
                  model.with_suffix(".html"), "--json"])
    measures = report["measures"]
    auc = measures["auc"]["value"] if "auc" in measures else None
    return measures["rmse" if bar.data == "ml-100k" else "logloss"], auc


def quality_of(arguments, bar, options, folder):
    kind = ["--kind", "fwfm"] if bar.model == "fwfm" else []
    epochs = [] if bar.model.startswith("gibbs") else ["--epochs", EPOCHS]
    model = folder / "model.fmw"
    words = [*kind, *epochs, *options.split()]
    if bar.model == "gibbs":  # the mean prediction is in no file; nothing is chosen by the rows that it is told of
        trained = train(arguments, bar.data, model, words, valid="test")
        loss, auc = {"value": trained["bayesian_rmse"], "low": None, "high": None}, None
    else:
        trained = train(arguments, bar.data, model, words)
        loss, auc = test_of(arguments, bar, model)
    return {"data": bar.data, "model": bar.model, "loss": loss["value"], "low": loss["low"], "high": loss["high"],
            "auc": auc, "at_most": bar.at_most, "others": bar.others,
            "met": None if bar.at_most is None else loss["value"] <= bar.at_most,
            "seconds": trained["read_seconds"] + trained["train_seconds"], "epochs": trained["best_epoch"],
            "memory_mb": trained["peak_memory_bytes"] / 1e6, "options": options}


def quality(arguments, sets):
    options = json.loads(OPTIONS.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        for bar in BARS:
            if bar.data not in sets:
                continue
            print(f"training {bar.data}, {bar.model}", file=sys.stderr, flush=True)
            yield quality_of(arguments, bar, options[bar.data][bar.model.partition(",")[0]], pathlib.Path(folder))


def ranks(arguments, sets):
    options = json.loads(OPTIONS.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / "model.fmw"

        def train_by_ranks(data, words, prefix, valid):
            return train(arguments, data, model, words, prefix, "valid" if valid else None)

        def loss_of(data):
            return run([arguments.fm, "eval", model, "--data", paths_of(arguments, data)["test"], "--json"])["logloss"]

        yield from learning_ranks.ranks(sets, arguments.seeds, options, train_by_ranks, loss_of)


def speed(arguments):
    """Turns of all settings, so that what else the machine does hits them alike."""
    settings = [(k, threads) for k in (8, 16) for threads in (1, 2) if threads <= len(PROCESSORS)]
    rates = {setting: [] for setting in settings}
    reads = []
    megabytes = paths_of(arguments, "criteo")["train"].stat().st_size / 1e6
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "speed.fmw"
        for turn in range(arguments.turns):
            print(f"speed, turn {turn + 1}", file=sys.stderr, flush=True)
            for k, threads in settings:
                pin = ["taskset", "-c", ",".join(map(str, PROCESSORS[:threads]))]
                trained = train(arguments, "criteo", out,
                                ["--k", k, "--threads", threads, "--epochs", 5, "--patience", 5,
                                 "--learning-rate", 0.02], pin)
                rates[k, threads].append(trained["train_nonzeros_per_second"] / 1e6)
                if threads == 1:
                    reads.append(megabytes / trained["read_seconds"])
    for k, at_least, theirs in ((8, 45.0, 28), (16, 30.0, 25)):
        yield speed_row(f"criteo, AdaGrad, k = {k}, one core (xLearn: {theirs})", "M non-zeros/s", rates[k, 1], at_least)
    for k in (8, 16):
        if (k, 2) in rates:
            ratios = [two / one for one, two in zip(rates[k, 1], rates[k, 2])]
            yield speed_row(f"criteo, k = {k}: two threads over one", "x", ratios, 1.7)
    yield speed_row("criteo, TSV parsed and counted, one core", "MB/s", reads, 150.0)


def speed_row(name, unit, values, at_least):
    middle = statistics.median(values)
    return {"name": name, "unit": unit, "median": middle, "low": min(values), "high": max(values), "at_least": at_least,
            "met": middle >= at_least}


def print_table(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def print_quality(results):
    table = [["data", "model", "test loss", "95 % of resamples", "auc", "at most", "", "other tools", "seconds", "memory",
              "options"]]
    for r in results:
        interval = "" if r["low"] is None else f"{r['low']:.4f} to {r['high']:.4f}"
        table.append([r["data"], r["model"], f"{r['loss']:.4f}", interval, "" if r["auc"] is None else f"{r['auc']:.4f}",
                      "" if r["at_most"] is None else f"{r['at_most']:.4f}", verdict(r), r["others"],
                      f"{r['seconds']:.1f}", f"{r['memory_mb']:.0f} MB", r["options"]])
    print_table(table)


def print_speed(results):
    table = [["", "median", "least", "most", "at least", ""]]
    for r in results:
        table.append([f"{r['name']}, {r['unit']}", f"{r['median']:.1f}", f"{r['low']:.1f}", f"{r['high']:.1f}",
                      f"{r['at_least']:.1f}", verdict(r)])
    print_table(table)


def print_ranks(results):
    table = [["data", "ranks", "test logloss", "spread of seeds", "worse than one, %", "at most", ""]]
    for r in results:
        table.append([r["data"], str(r["ranks"]), f"{r['loss']:.4f}", f"{r['spread']:.4f}", f"{r['worse_percent']:+.2f}",
                      f"{learning_ranks.MOST_WORSE_PERCENT}", verdict(r)])
    print_table(table)


def print_large(results):
    table = [["log", "what", "seconds", "peak memory", "over the parameters", "at most", ""]]
    for r in results:
        table.append([f"{r['rows']} rows, {r['gigabytes']:.1f} GB", r["name"], f"{r['seconds']:.0f}",
                      f"{r['memory_mb']:.0f} MB", f"{r['over_mb']:.0f} MB", f"{learning_large.MOST_OVER_MB:.0f} MB",
                      verdict(r)])
    print_table(table)


def verdict(result):
    return {None: "", True: "met", False: "MISSED"}[result["met"]]


def main():
    parser = argparse.ArgumentParser(prog="bench/learning.sh")
    parser.add_argument("--fm", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--only", choices=["quality", "speed", "ranks", "large"])
    parser.add_argument("--sets", default=",".join(sorted({bar.data for bar in BARS})))
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--large-rows", type=int, default=100_000_000)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    report = {"quality": [], "speed": [], "ranks": [], "large": []}
    if arguments.only in (None, "quality"):
        report["quality"] = list(quality(arguments, arguments.sets.split(",")))
        print_quality(report["quality"])
    if arguments.only in (None, "speed"):
        report["speed"] = list(speed(arguments))
        print_speed(report["speed"])
    if arguments.only in (None, "ranks"):
        report["ranks"] = list(ranks(arguments, arguments.sets.split(",")))
        print_ranks(report["ranks"])
    if arguments.only in (None, "large"):
        report["large"] = list(learning_large.large(run, arguments.fm, arguments.large_rows))
        print_large(report["large"])
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.exit(any(result["met"] is False for results in report.values() for result in results))


if __name__ == "__main__":
    main()
