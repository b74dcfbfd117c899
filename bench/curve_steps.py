"""Steps of suite.py that measure curves of a whole server, against k, and beside Eigen."""

import re

from measure import Row, Series, google_benchmark, point, report_of, row

ENCODINGS = ("f32", "f16", "int8")
# What eigen_bench times -> one row of it.
WORK = {"candidates": "a feature of candidates of 10", "folded": "a folded item"}


def figures_of(command):
    """Rows and series that a program has written with write_report()."""
    report = report_of(command)
    for figure in report["rows"]:
        yield Row(**figure)
    for figure in report["series"]:
        yield Series(**figure)


def load_curves(_bin_dir):
    """Latency of a server against load, and its processor time against load and candidates."""
    yield from figures_of(["bench/load_curves.sh"])


def swap_curve(_bin_dir):
    """Latency of a server while new versions are swapped in."""
    yield from figures_of(["bench/swap_curve.sh"])


def cost_by_k(bin_dir):
    """Lookup and scoring of whole requests, by k and encoding of the rows."""
    cases = google_benchmark(bin_dir, "scorer_bench", "^by_row/", repetitions=3, seconds=0.1)
    by_curve = {}
    for case, results in cases.items():
        keys, encoding, k = re.fullmatch(r"by_row/keys:(\d+)/(\w+)/k:(\d+)", case).groups()
        points = by_curve.setdefault(int(keys), {}).setdefault(encoding, [])
        points.append(point(int(k), [r["per_feature"] * 1e9 for r in results]))
    for place, keys in (("cache", min(by_curve)), ("memory", max(by_curve))):
        for encoding in ENCODINGS:
            yield Series(f"cost_against_k_from_{place}", encoding, f"factors k, {keys:,} keys", "", "CPU per feature", "ns",
                         sorted(by_curve[keys][encoding], key=lambda p: p["x"]))


def eigen(bin_dir):
    """The same arithmetic written with Eigen, ids resolved; the fastest of its forms counts."""
    cases = google_benchmark(bin_dir, "eigen_bench", ".", repetitions=5, seconds=0.05)
    contests = {}
    for case, results in cases.items():
        work, place, k, who = re.fullmatch(r"(\w+)/(\w+)/k:(\d+)/(.+)", case).groups()
        contests.setdefault((work, place, k), {})[who] = sorted(results, key=lambda r: r["repetition_index"])
    for (work, place, k), times in sorted(contests.items()):
        per_row = {who: [r["per_row"] * 1e9 for r in results] for who, results in times.items()}
        theirs = min((who for who in per_row if who.startswith("Eigen")), key=lambda who: sum(per_row[who]))
        name = f"{WORK[work]}, k={k}, {place.replace('_', ' ')}"
        yield row(f"{name}: {theirs}, f32", "ns", per_row[theirs])
        for ours in sorted(who for who in per_row if not who.startswith("Eigen")):
            yield row(f"{name}: throughput of ours ({ours}) over {theirs}", "x",
                      [e / o for e, o in zip(per_row[theirs], per_row[ours])])


STEPS = {"cost_by_k": cost_by_k, "eigen": eigen, "load_curves": load_curves, "swap_curve": swap_curve}
