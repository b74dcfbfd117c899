#!/usr/bin/env python3
"""Drives the server of overload.sh: how much it can carry, and what is left of that at three times the load.

Exits with 1 if a bar is missed.
"""

import argparse
import concurrent.futures
import json
import math
import pathlib
import statistics
import subprocess
import sys
import time

LOADS = (0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5)  # of a closed loop's rate; the best goodput among them is the maximum
OVERLOAD = 3.0
BASE = 0.7  # what goes on when the overload ends
BIN_SECONDS = 0.05
BARS = {"goodput_ratio": ("at_least", 0.9), "p99_of_budget": ("at_most", 1.0), "recovery_s": ("at_most", 1.0)}


def cpu_seconds(pid):
    """User and system time of all threads of another process, to the nanosecond: clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


class Driver:
    """Runs `fm load` against one server."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.runs = 0

    def load(self, *options):
        """Returns what fm load reports, with its records: (due in s, latency in s, outcome, all scored?)."""
        a = self.arguments
        self.runs += 1
        records = pathlib.Path(a.work) / f"records.{self.runs}.tsv"
        command = [*a.generator.split(), a.fm, "load", "--target", a.target, "--model", "ctr", "--schema",
                   f"{a.work}/schema.yaml", "--data", f"{a.work}/rows.tsv", "--form", a.form, "--candidates",
                   str(a.candidates), "--timeout", f"{a.budget_ms}ms", "--connections", str(a.connections),
                   "--distinct", "200", "--seed", str(self.runs), "--records", records, "--json", *options]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        if done.returncode != 0 or not records.exists():
            sys.exit(f"overload.py: {' '.join(map(str, command))}: {done.stderr.strip()}")
        report = json.loads(done.stdout)
        if report["errors"].get("client_overload"):
            sys.exit("overload.py: fm load could not keep up; give it more processors")
        report["records"] = list(self.read(records))
        records.unlink()
        return report

    def read(self, path):
        with open(path, encoding="utf-8") as file:
            next(file)
            for line in file:
                due_us, latency_us, outcome, _, scored = line.split("\t")
                yield int(due_us) / 1e6, int(latency_us) / 1e6, outcome, int(scored) == self.arguments.candidates

    def at_rate(self, rate, seconds):
        return self.load("--rate", f"{rate:.3f}", "--duration", f"{seconds * 1000:.0f}ms")

    def is_good(self, record):
        return record[2] == "ok" and record[3] and record[1] <= self.arguments.budget_ms / 1000

    def goodput(self, records, seconds):
        return sum(map(self.is_good, records)) / seconds


def quantile(values, q):
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)] if ordered else math.nan


def find_maximum(driver, seconds):
    """The highest goodput of several rates, per second, and the table of all."""
    closed = driver.load("--closed-loop", str(8 * driver.arguments.connections), "--duration", f"{seconds:.0f}s")
    table = []
    for load in LOADS:
        rate = load * closed["qps"]
        table.append((rate, driver.goodput(driver.at_rate(rate, seconds)["records"], seconds)))
    return max(goodput for _, goodput in table), table


def recovery_seconds(driver, records, fall):
    """From `fall` to the end of the last bin in which not 99 % of the requests were answered in time."""
    bins = {}
    for record in records:
        if record[0] >= fall:
            good, count = bins.get(int((record[0] - fall) / BIN_SECONDS), (0, 0))
            bins[int((record[0] - fall) / BIN_SECONDS)] = (good + driver.is_good(record), count + 1)
    bad = [number for number, (good, count) in bins.items() if good < 0.99 * count - 1]
    return (max(bad) + 1) * BIN_SECONDS if bad else 0.0


def overload(driver, maximum, seconds):
    """The maximum's BASE all the time, and what is missing to OVERLOAD times of it for `seconds` in the middle."""
    pid = driver.arguments.server
    with concurrent.futures.ThreadPoolExecutor() as pool:
        base = pool.submit(driver.at_rate, BASE * maximum, seconds + 4)
        time.sleep(1.5)  # until both have read their data
        before, begin = cpu_seconds(pid), time.monotonic()
        burst = driver.at_rate((OVERLOAD - BASE) * maximum, seconds)
        cpu = (cpu_seconds(pid) - before) / (time.monotonic() - begin)
        base = base.result()
    # Its first tenth is the transition.
    first = min(record[0] for record in burst["records"]) + 0.1 * seconds
    fall = max(record[0] for record in burst["records"])
    both = [r for r in base["records"] + burst["records"] if first <= r[0] < fall]
    accepted = [r for r in both if r[2] == "ok"]
    outcomes = {}
    for record in both:
        outcomes[record[2]] = outcomes.get(record[2], 0) + 1
    return {"offered_per_s": len(both) / (fall - first), "outcomes": outcomes, "server_processors": cpu,
            "goodput_ratio": driver.goodput(both, fall - first) / maximum,
            "p99_of_budget": quantile([r[1] for r in accepted], 0.99) / (driver.arguments.budget_ms / 1000),
            "recovery_s": recovery_seconds(driver, base["records"], fall)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fm", required=True)
    parser.add_argument("--work", required=True, help="folder with schema.yaml and rows.tsv")
    parser.add_argument("--target", required=True)
    parser.add_argument("--server", required=True, type=int, metavar="PID")
    parser.add_argument("--generator", default="", help="what to run fm load with, as in 'taskset -c 1'")
    parser.add_argument("--form", required=True)
    parser.add_argument("--candidates", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--budget-ms", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()

    driver = Driver(arguments)
    rounds = []
    for number in range(1, arguments.rounds + 1):
        maximum, table = find_maximum(driver, arguments.seconds / 2)
        print(f"round {number}: offered -> in time, per second: " +
              ", ".join(f"{rate:.0f} -> {goodput:.0f}" for rate, goodput in table), flush=True)
        result = overload(driver, maximum, arguments.seconds)
        rounds.append({"maximum_per_s": maximum, **result})
        print(f"    at {result['offered_per_s']:.0f} per second: {result['goodput_ratio']:.1%} of the maximum in time, "
              f"p99 of the accepted {result['p99_of_budget'] * arguments.budget_ms:.1f} ms, in time again after "
              f"{result['recovery_s']:.2f} s; {result['outcomes']}, {result['server_processors']:.2f} processors",
              flush=True)
    report = {"candidates": arguments.candidates, "form": arguments.form, "rounds": rounds}
    for name, (kind, bar) in BARS.items():
        values = [r[name] for r in rounds]
        value = statistics.median(values)
        met = value >= bar if kind == "at_least" else value <= bar
        report[name] = {"median": value, "min": min(values), "max": max(values), kind: bar, "met": met}
        print(f"{name:15} {value:6.2f}   {min(values):.2f} .. {max(values):.2f}   "
              f"{'met' if met else 'MISSED'}: {kind.replace('_', ' ')} {bar:g}")
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if all(report[name]["met"] for name in BARS) else 1)


if __name__ == "__main__":
    main()
