#!/usr/bin/env python3
"""Drives the servers of prediction_log.sh in turns and compares their processor time. Exits with 1 if a bar is missed."""

import argparse
import json
import pathlib
import random
import sys

import server_cpu
from cpu_against import KINDS
from server_cpu import summary

AT_MOST = {"every": 1.03, "percent": 1.002}  # of the processor time without a log
NAMES = {"none": "no log", "every": "every request", "percent": "1 % of them"}


def measure(arguments, kinds):
    """{kind: {server: [us by round]}}. A first round that does not count warms up."""
    us = {kind: {server: [] for server in NAMES} for kind in kinds}
    for seed in range(arguments.rounds + 1):
        for kind in random.sample(kinds, len(kinds)):
            for server in random.sample(list(NAMES), len(NAMES)):
                value = server_cpu.drive(arguments.fm, getattr(arguments, server), arguments.data, "--model", "ctr", *KINDS[kind],
                                         "--budget-ms", 10000, "--timeout", "10s", "--rate", arguments.rate, "--duration",
                                         f"{arguments.seconds * 1000:.0f}ms", "--seed", seed)
                if seed > 0:
                    us[kind][server].append(value)
    return us


def ratios_of(us):
    """[{"kind", "log", median and spread of the ratio, "at_most", "met"}]"""
    for kind, of_servers in us.items():
        for log, at_most in AT_MOST.items():
            ratio = summary([with_log / none for with_log, none in zip(of_servers[log], of_servers["none"], strict=True)])
            yield {"kind": kind, "log": NAMES[log], **ratio, "at_most": at_most, "met": ratio["median"] <= at_most}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fm", required=True)
    parser.add_argument("--data", required=True, help="folder with schema.yaml and rows.tsv")
    for server in NAMES:
        parser.add_argument(f"--{server}", required=True, metavar="PID@TARGET")
    parser.add_argument("--every-log", type=pathlib.Path, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--only", choices=KINDS, action="append", help="kind of request; all if not given")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    kinds = arguments.only or list(KINDS)
    try:
        us = measure(arguments, kinds)
    except server_cpu.CannotMeasure as error:
        sys.exit(f"prediction_log.py: {error}")
    costs = {f"{kind}, {NAMES[server]}": summary(values) for kind, servers in us.items() for server, values in servers.items()}
    print(f"{'server CPU per request':28} {'median':>10}   spread")
    for name, cost in costs.items():
        print(f"{name:28} {cost['median']:7.1f} us   {cost['min']:.1f} .. {cost['max']:.1f}")
    ratios = list(ratios_of(us))
    for ratio in ratios:
        print(f"{ratio['kind'] + ', ' + ratio['log'] + ' / no log':40} {ratio['median']:6.3f}   {ratio['min']:.3f} .. "
              f"{ratio['max']:.3f}   {'met' if ratio['met'] else 'MISSED'}: at most {ratio['at_most']:g}")
    log_bytes = sum(path.stat().st_size for path in arguments.every_log.glob("*.fmlog.zst*"))
    print(f"the log of every request has {log_bytes / 2**20:.0f} MiB")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"rate_per_s": arguments.rate, "cpu_us_per_request": costs, "ratios": ratios}, file, indent=2)
            file.write("\n")
    sys.exit(1 if any(not ratio["met"] for ratio in ratios) else 0)


if __name__ == "__main__":
    main()
