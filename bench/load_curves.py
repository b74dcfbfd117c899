#!/usr/bin/env python3
"""Drives the server of load_curves.sh at several rates and with several numbers of candidates."""

import argparse

import fm_load
from measure import Series, point, row, write_report

# Of the rate of a closed loop. Its threads hardly sleep, so a request costs it less: of what an open loop can have, the
# last one is about 90 %.
SHARES = (0.1, 0.25, 0.4, 0.55, 0.65, 0.75)
CANDIDATES = (1, 10, 50, 100, 200, 500, 1000)
RATE_OF_CANDIDATES = 1000  # requests per second; the same for all, because waking up costs more of an idle server
CLOSED_LOOP = 32
LATENCIES = {"p50": "p50_us", "p99": "p99_us", "p99.9": "p999_us"}
CPU = ("server CPU per request", "us")


class Server:
    def __init__(self, arguments):
        self.pid = arguments.server
        self.seconds = arguments.seconds
        self.client = fm_load.Client(arguments.fm, arguments.target, "ctr", arguments.work,
                                     ("taskset", "-c", arguments.client_processors))

    def measure(self, *options, candidates=200, seconds=None):
        """A report of fm_load.Client.measure()."""
        return self.client.measure(self.pid, "--candidates", candidates, "--distinct", 200, "--budget-ms", 1000,
                                   "--duration", f"{1000 * (seconds or self.seconds):.0f}ms", *options)

    def at_rate(self, rate, number, **what):
        return self.measure("--rate", rate, "--seed", number, **what)


def against_load(server, rounds):
    """Rows and series of open loops at shares of the rate of a closed one."""
    highest = [server.measure("--closed-loop", CLOSED_LOOP)["qps"] for _ in range(rounds + 1)][1:]
    yield row("server on half of the processors, 200 x 10 + 20: rate of a closed loop", "/s", highest)
    rates = [max(1, round(share * sorted(highest)[rounds // 2], -1)) for share in SHARES]
    # The lower the rate, the longer, so that each has enough requests for its p99.9.
    reports = {rate: [] for rate in rates}
    for number in range(1, rounds + 1):
        for share, rate in zip(SHARES, rates):
            seconds = server.seconds * min(3, max(1, 0.5 / share))
            reports[rate].append(server.at_rate(rate, number, seconds=seconds))
    for name, key in LATENCIES.items():
        yield Series("latency_against_load", name, "offered load", "requests/s", "latency", "ms",
                     [point(rate, [r[key] / 1000 for r in reports[rate]]) for rate in rates])
    yield Series("cpu_against_load", "200 candidates", "offered load", "requests/s", *CPU,
                 [point(rate, [r["cpu_us"] for r in reports[rate]]) for rate in rates])


def against_candidates(server, rounds):
    """The series of requests with more and more candidates."""
    costs = {candidates: [] for candidates in CANDIDATES}
    for number in range(1, rounds + 1):
        for candidates in CANDIDATES:
            costs[candidates].append(server.at_rate(RATE_OF_CANDIDATES, number, candidates=candidates)["cpu_us"])
    yield Series("cpu_against_candidates", f"{RATE_OF_CANDIDATES} requests/s", "candidates, 10 features each", "", *CPU,
                 [point(candidates, costs[candidates]) for candidates in CANDIDATES])


def show(figure):
    if not isinstance(figure, Series):
        print(f"{figure.name}: {figure.median:.0f} {figure.unit}, {figure.low:.0f} to {figure.high:.0f}")
        return
    print(f"{figure.curve}, {figure.name}, in {figure.y_unit}")
    for p in figure.points:
        print(f"    {p['x']:8.0f}   {p['median']:8.2f}   {p['low']:.2f} to {p['high']:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fm", required=True)
    parser.add_argument("--work", required=True, help="folder with schema.yaml and rows.tsv")
    parser.add_argument("--target", required=True)
    parser.add_argument("--server", required=True, type=int, metavar="PID")
    parser.add_argument("--client-processors", required=True, metavar="LIST")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()

    server = Server(arguments)
    rows, series = [], []
    for curve in (against_load, against_candidates):
        for figure in curve(server, arguments.rounds):
            show(figure)
            (series if isinstance(figure, Series) else rows).append(figure)
    if arguments.json:
        write_report(arguments.json, rows, series)


if __name__ == "__main__":
    main()
