#!/usr/bin/env python3
"""Latency by phase of a run, from the records of `fm load --records`.

usage: latency_phases.py RECORDS.tsv [--json] NAME=BEGIN:END[,BEGIN:END…]…

BEGIN and END are Unix seconds; an empty one is the beginning or the end of the run. A request belongs to the first
phase that holds the moment when it was due; requests of no phase are left out.
"""

import json
import math
import sys


def parse_phase(text):
    name, _, intervals = text.partition("=")
    bounds = []
    for interval in intervals.split(","):
        begin, _, end = interval.partition(":")
        bounds.append((float(begin or "-inf"), float(end or "inf")))
    return name, bounds


def read_records(path):
    """Yields (due in Unix seconds, latency in us, outcome)."""
    with open(path, encoding="utf-8") as file:
        columns = {name: i for i, name in enumerate(file.readline().rstrip("\n").split("\t"))}
        for line in file:
            cells = line.rstrip("\n").split("\t")
            yield (int(cells[columns["intended_unix_us"]]) / 1e6, int(cells[columns["latency_us"]]),
                   cells[columns["outcome"]])


def quantile(ordered, q):
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)] if ordered else 0


def summarize(records, phases):
    counts = {name: {"requests": 0, "failed": 0} for name, _ in phases}
    latencies = {name: [] for name, _ in phases}
    for due, latency_us, outcome in records:
        for name, bounds in phases:
            if any(begin <= due < end for begin, end in bounds):
                counts[name]["requests"] += 1
                counts[name]["failed"] += outcome != "ok"
                if outcome in ("ok", "deadline_exceeded"):
                    latencies[name].append(latency_us)
                break
    for name, values in latencies.items():
        values.sort()
        for label, q in (("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999), ("max_us", 1.0)):
            counts[name][label] = quantile(values, q)
    return counts


def main(arguments):
    as_json = "--json" in arguments
    arguments = [a for a in arguments if a != "--json"]
    if len(arguments) < 2:
        sys.exit(__doc__)
    summary = summarize(read_records(arguments[0]), [parse_phase(a) for a in arguments[1:]])
    if as_json:
        print(json.dumps(summary))
        return
    width = max(len(name) for name in summary)
    print(f"{'':{width}}  requests  failed  p50 ms  p99 ms  p99.9 ms  max ms")
    for name, s in summary.items():
        ms = [s[key] / 1000 for key in ("p50_us", "p99_us", "p999_us", "max_us")]
        print(f"{name:{width}}  {s['requests']:8}  {s['failed']:6}  {ms[0]:6.2f}  {ms[1]:6.2f}  {ms[2]:8.2f}  {ms[3]:6.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
