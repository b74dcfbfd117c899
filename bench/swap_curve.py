#!/usr/bin/env python3
"""Publishes to the server of swap_curve.sh under load, and draws its latency around each publication.

The phases of a swap are read from the server's metrics, the giving back of the oldest file from its open files, both ten
times a second. Exits with 1 when a bar is missed.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import time
import urllib.request

import fm_load
from measure import Series, median, point, row, write_report

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "scripts"))
import latency_phases  # pylint: disable=wrong-import-position

BEFORE_SECONDS = 3.0  # of each swap
AFTER_SECONDS = 2.0
BIN_SECONDS = 0.25
LOOK_SECONDS = 0.1
LONGEST_SECONDS = 60.0
# What the loader calls its states -> phase.
STATES = {"fetching": "fetch", "verifying": "verify", "warming": "verify"}
PHASES = ("fetch", "verify", "exchange", "give back")
FIRST_VERSION = 3  # from the third on, a swap leaves a version behind that is neither current nor previous
EXCHANGE_SECONDS = 0.5  # of latency that an exchange may have to answer for


class Store:
    """Publishes versions that `fm publish` has staged in another folder of the same disk."""

    def __init__(self, work):
        self.staged = pathlib.Path(work) / "staged" / "ctr"
        self.folder = pathlib.Path(work) / "store" / "ctr"
        self.files = sorted(self.staged.glob("*.fmw"))  # of versions 1, 2 …
        self.megabytes = self.files[0].stat().st_size / 1e6

    def publish(self, version):
        """The Unix time at which the manifest named it."""
        file = self.files[version - 1]
        file.rename(self.folder / file.name)
        (self.staged / f"{version}.json").rename(self.folder / "CURRENT")
        return time.time()


class Server:
    def __init__(self, pid, metrics):
        self.files = pathlib.Path(f"/proc/{pid}/fd")
        self.metrics = metrics

    def look(self):
        """The version that serves, and the state of the loader."""
        with urllib.request.urlopen(self.metrics, timeout=5) as answer:
            text = answer.read().decode()
        version = re.search(r"^\w*serving_version\{[^}]*\} (\d+)", text, re.MULTILINE)[1]
        state = re.search(r'^\w*load_state\{[^}]*state="(\w+)"[^}]*\} 1$', text, re.MULTILINE)
        return int(version), state[1] if state else "idle"

    def gives_back(self):
        """Whether it holds a weight file that has lost its name but not all of its blocks."""
        for file in self.files.iterdir():
            try:
                if str(file.readlink()).endswith(".fmw (deleted)") and file.stat().st_blocks > 0:
                    return True
            except FileNotFoundError:
                continue
        return False


def watch(server, version, published):
    """Follows a swap to its end; returns {phase: (begin, end)} in seconds after the publication."""
    phases = {}
    exchanged = None
    while (now := time.time() - published) < LONGEST_SECONDS:
        serving, state = server.look()
        if serving == version:
            exchanged = exchanged or now
            if not server.gives_back() and now > exchanged + EXCHANGE_SECONDS:
                break
        elif state in STATES:
            begin, _ = phases.get(STATES[state], (now, now))
            phases[STATES[state]] = (begin, now + LOOK_SECONDS)
        time.sleep(LOOK_SECONDS)
    else:
        sys.exit(f"swap_curve.py: version {version} was not dealt with in {LONGEST_SECONDS:.0f} s")
    phases["exchange"] = (exchanged - LOOK_SECONDS, exchanged + EXCHANGE_SECONDS)
    phases["give back"] = (exchanged + EXCHANGE_SECONDS, now)
    return phases


def swap_all(server, store, count):
    """[(publication in Unix seconds, phases)]"""
    swaps = []
    for version in range(FIRST_VERSION, FIRST_VERSION + count):
        time.sleep(BEFORE_SECONDS)
        published = store.publish(version)
        phases = watch(server, version, published)
        swaps.append((published, phases))
        time.sleep(AFTER_SECONDS)
        print(f"version {version}: " + ", ".join(f"{name} {begin:.1f} to {end:.1f} s" for name, (begin, end)
                                                in sorted(phases.items(), key=lambda p: p[1])), flush=True)
    return swaps


def binned(records, published, end):
    """Latencies in ms by the number of their bin, from BEFORE_SECONDS before a publication to `end` after it."""
    bins = {}
    for due, latency_us, _ in records:
        if -BEFORE_SECONDS <= due - published < end:
            bins.setdefault(int((due - published) // BIN_SECONDS), []).append(latency_us / 1000)
    return {number: sorted(values) for number, values in bins.items()}


def p99_ratio(records, published, phases):
    """p99 from the publication to 1 s after the exchange, over that before it."""
    before, swap = [], []
    for due, latency_us, _ in records:
        if -BEFORE_SECONDS <= due - published < 0:
            before.append(latency_us)
        elif 0 <= due - published < phases["exchange"][1] + 1 - EXCHANGE_SECONDS:
            swap.append(latency_us)
    return latency_phases.quantile(sorted(swap), 0.99) / latency_phases.quantile(sorted(before), 0.99)


def figures(records, swaps, name):
    """Rows and series."""
    ratios = [p99_ratio(records, *swap) for swap in swaps]
    outcomes = [outcome for due, _, outcome in records
                for published, phases in swaps if 0 <= due - published < phases["give back"][1]]
    failed = sum(outcome != "ok" for outcome in outcomes)
    print(f"of {len(outcomes)} requests while versions were swapped, {failed} failed")
    yield row(f"swaps under load, {name}: p99 within over before", "x", ratios, at_most=1.5)
    yield row(f"swaps under load, {name}: failed requests within", "", [failed], at_most=0)

    end = min(phases["give back"][1] for _, phases in swaps) + AFTER_SECONDS
    bins = [binned(records, published, end) for published, _ in swaps]
    common = sorted(set.intersection(*(set(b) for b in bins)))
    marks = [{"name": phase, "begin": median([phases[phase][0] for _, phases in swaps]),
              "end": median([phases[phase][1] for _, phases in swaps])}
             for phase in PHASES if all(phase in phases for _, phases in swaps)]
    for label, q in (("p50", 0.5), ("p99", 0.99)):
        yield Series("latency_through_swap", label, "time since the new version was published", "s", "latency", "ms",
                     [point((number + 0.5) * BIN_SECONDS, [latency_phases.quantile(b[number], q) for b in bins])
                      for number in common], marks)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fm", required=True)
    parser.add_argument("--work", required=True, help="folder with schema.yaml, rows.tsv, an empty store and staged versions")
    parser.add_argument("--target", required=True)
    parser.add_argument("--server", required=True, type=int, metavar="PID")
    parser.add_argument("--metrics", required=True, metavar="URL")
    parser.add_argument("--swaps", type=int, required=True)
    parser.add_argument("--load", type=float, required=True)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()

    server, store = Server(arguments.server, arguments.metrics), Store(arguments.work)
    for version in range(1, FIRST_VERSION):
        watch(server, version, store.publish(version))
    client = fm_load.Client(arguments.fm, arguments.target, "ctr", arguments.work)
    highest = client.load("--closed-loop", 16, "--duration", "3s")["qps"]
    rate = round(arguments.load * highest)
    print(f"{highest:.0f} requests per second in a closed loop; {rate} from now on", flush=True)
    records_path, enough = pathlib.Path(arguments.work) / "records.tsv", pathlib.Path(arguments.work) / "enough"
    with subprocess.Popen(client.command("--rate", rate, "--until-file", enough, "--records", records_path),
                          stdout=subprocess.DEVNULL) as load:
        try:
            time.sleep(1)  # until it has read its data
            swaps = swap_all(server, store, arguments.swaps)
        finally:
            enough.touch()
    if load.returncode != 0:
        sys.exit("swap_curve.py: fm load failed")
    records = list(latency_phases.read_records(records_path))
    rows, series = [], []
    for figure in figures(records, swaps, f"{store.megabytes:.0f} MB, {arguments.load:.0%} of a closed loop's rate"):
        (series if isinstance(figure, Series) else rows).append(figure)
    for r in rows:
        print(f"{r.name}: {r.median:.2f}, {r.low:.2f} to {r.high:.2f}")
    if arguments.json:
        write_report(arguments.json, rows, series)
    sys.exit(0 if all(r.met() for r in rows) else 1)


if __name__ == "__main__":
    main()
