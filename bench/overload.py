#!/usr/bin/env python3
"""Drives the server of overload.sh: how much it can carry, and what is left of that at three times the load.

Exits with 1 if a bar is missed, with 2 if it cannot measure, with 3 if the machine was too busy for any round to count.
"""

import argparse
import concurrent.futures
import json
import math
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

from measure import NOTHING_COUNTS
from server_cpu import cpu_seconds

FIRST_LOAD = 0.6  # of a closed loop's rate; then more and more, until the goodput falls
LOAD_STEP = 1.15
MAX_STEPS = 14
NEAR_PEAK = (1.0, 1.2, 1.44)  # of the rate with the best goodput: a round's own maximum is among them
OVERLOAD = 3.0
BASE = 0.5  # what goes on when the overload ends
BIN_SECONDS = 0.05
RECOVERED_BINS = 10  # that many in a row without a late answer
MAX_GENERATOR_LOAD = 0.85  # of its processors: above, requests leave late, and their wait is the generator's
MAX_STOLEN = 0.02  # of the processors that the host of a virtual machine gave to others
BARS = {"goodput_ratio": ("at_least", 0.9), "p99_of_budget": ("at_most", 1.0), "recovery_s": ("at_most", 1.0)}


def children_seconds():
    """User and system time of child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def stolen_seconds():
    """Processor time of all processors that the host gave to others, since the start."""
    with open("/proc/stat", encoding="utf-8") as file:
        return int(file.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


def fail(message, code=2):
    print(f"overload.py: {message}", file=sys.stderr)
    sys.exit(code)


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
            fail(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
        report = json.loads(done.stdout)
        if report["errors"].get("client_overload"):
            fail("fm load could not keep up; give it more processors")
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


def find_peak(driver, seconds):
    """The rate with the highest goodput of rising rates, per second, and the table of all: (offered, goodput)."""
    rate = FIRST_LOAD * driver.load("--closed-loop", str(2 * driver.arguments.connections), "--duration",
                                    f"{seconds * 1000:.0f}ms")["qps"]
    table = []
    while len(table) < MAX_STEPS:
        table.append((rate, driver.goodput(driver.at_rate(rate, seconds)["records"], seconds)))
        best = max(goodput for _, goodput in table)
        if len(table) >= 3 and all(goodput < 0.97 * best for _, goodput in table[-2:]):
            break
        rate *= LOAD_STEP
    return max(table, key=lambda row: row[1])[0], table


def recovery_seconds(driver, records, fall):
    """From `fall` to the first of RECOVERED_BINS bins in each of which 99 % of the requests were answered in time."""
    bins = {}
    for record in records:
        if record[0] >= fall:
            good, count = bins.get(int((record[0] - fall) / BIN_SECONDS), (0, 0))
            bins[int((record[0] - fall) / BIN_SECONDS)] = (good + driver.is_good(record), count + 1)
    well_since = 0
    for number in range(max(bins) + 1):
        good, count = bins.get(number, (0, 0))
        if good < 0.99 * count - 1:
            well_since = number + 1
        elif number + 1 - well_since == RECOVERED_BINS:
            return well_since * BIN_SECONDS
    return math.inf


def overload(driver, maximum, seconds):
    """The maximum's BASE all the time, and what is missing to OVERLOAD times of it for `seconds` in the middle."""
    pid = driver.arguments.server
    generator = children_seconds()
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
            # Nearly all of it is spent in the burst.
            "generator_load": (children_seconds() - generator) / seconds / driver.arguments.generator_processors,
            "goodput_ratio": driver.goodput(both, fall - first) / maximum,
            "p99_of_budget": quantile([r[1] for r in accepted], 0.99) / (driver.arguments.budget_ms / 1000),
            "recovery_s": recovery_seconds(driver, base["records"], fall)}


def measure_round(driver, peak, seconds):
    """The maximum and what is left of it, one after the other, because the machine's own speed changes by the minute."""
    stolen, begin = stolen_seconds(), time.monotonic()
    table = [(load * peak, driver.goodput(driver.at_rate(load * peak, seconds / 2)["records"], seconds / 2))
             for load in NEAR_PEAK]
    maximum = max(goodput for _, goodput in table)
    result = {"maximum_per_s": maximum, **overload(driver, maximum, seconds)}
    result["stolen"] = (stolen_seconds() - stolen) / (time.monotonic() - begin) / os.cpu_count()
    print(f"{rates(table)}; at {result['offered_per_s']:.0f}: {result['goodput_ratio']:.1%} of the maximum, p99 of the "
          f"accepted {result['p99_of_budget'] * driver.arguments.budget_ms:.1f} ms, in time again after "
          f"{result['recovery_s']:.2f} s; {result['outcomes']}, server {result['server_processors']:.2f} processors, "
          f"generator {result['generator_load']:.0%} of its own, {result['stolen']:.1%} went to others", flush=True)
    if result["generator_load"] > MAX_GENERATOR_LOAD:
        fail("the load generator has too few processors to offer three times the load: larger requests, or more processors")
    return result


def rates(table):
    return ", ".join(f"{rate:.0f} -> {goodput:.0f}" for rate, goodput in table)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fm", required=True)
    parser.add_argument("--work", required=True, help="folder with schema.yaml and rows.tsv")
    parser.add_argument("--target", required=True)
    parser.add_argument("--server", required=True, type=int, metavar="PID")
    parser.add_argument("--generator", default="", help="what to run fm load with, as in 'taskset -c 1'")
    parser.add_argument("--generator-processors", type=int, required=True)
    parser.add_argument("--form", required=True)
    parser.add_argument("--candidates", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--budget-ms", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()

    driver = Driver(arguments)
    peak, table = find_peak(driver, arguments.seconds / 3)
    print(f"offered -> in time, per second: {rates(table)}", flush=True)
    rounds = []
    for _ in range(2 * arguments.rounds):
        result = measure_round(driver, peak, arguments.seconds)
        if result["stolen"] > MAX_STOLEN:
            print(f"    does not count: the host took more than {MAX_STOLEN:.0%} of the processors", flush=True)
            continue
        rounds.append(result)
        if len(rounds) == arguments.rounds:
            break
    if not rounds:
        fail("no round counts, so this run says nothing; run it again when the machine is quiet", NOTHING_COUNTS)
    report = {"candidates": arguments.candidates, "form": arguments.form, "loads": table, "rounds": rounds}
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
