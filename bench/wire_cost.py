#!/usr/bin/env python3
"""Drives the servers of wire_cost.sh in turn and compares their processor time. Exits with 1 if a bar is missed."""

import argparse
import json
import sys

import server_cpu
from server_cpu import summary

# What is measured: name -> (server, model whose rows make the requests, their form).
PACKED, FRIENDLY = ["--form", "packed"], ["--form", "features"]
KNOWN_ITEMS = ["--form", "packed", "--items", "f20"]  # the rows' field f20 holds ids of the catalogue
MEASUREMENTS = {
    "echo packed": ("echo", "large", PACKED),
    "packed, large": ("server", "large", PACKED),
    "friendly, large": ("server", "large", FRIENDLY),
    "echo friendly": ("echo", "large", FRIENDLY),
    "packed, small": ("server", "small", PACKED),
    "friendly, small": ("server", "small", FRIENDLY),
    "echo known items": ("echo", "large", KNOWN_ITEMS),
    "known items": ("server", "large", KNOWN_ITEMS),
}
# Numerator, denominator, and what their ratio may be at most.
RATIOS = [
    ("packed, large", "echo packed", 4.0),
    ("friendly, large", "packed, large", 4.0),
    ("packed, small", "echo packed", None),
    ("friendly, small", "packed, small", None),
    ("friendly, large", "echo friendly", None),
    ("known items", "echo known items", 1.5),
]


def measure(arguments, server, model, form):
    # 200 requests name most rows of the data already; more only take longer to make.
    return server_cpu.drive(arguments.fm, getattr(arguments, server), f"{arguments.work}/{model}", "--model", model,
                            *form, "--candidates", 200, "--distinct", 200, "--budget-ms", 1000, "--rate",
                            arguments.rate, "--duration", f"{arguments.seconds * 1000:.0f}ms")


def show(name, values, unit, verdict=""):
    print(f"{name:35} {values['median']:8.2f}{unit}   {values['min']:.2f} .. {values['max']:.2f}   {verdict}".rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fm", required=True)
    parser.add_argument("--work", required=True, help="folder with schema.yaml and rows.tsv per model")
    parser.add_argument("--server", required=True, metavar="PID@TARGET")
    parser.add_argument("--echo", required=True, metavar="PID@TARGET")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()

    cpu_us = {name: [] for name in MEASUREMENTS}
    for measured in range(-1, arguments.rounds):  # a first round that does not count warms up
        for name, what in MEASUREMENTS.items():
            try:
                value = measure(arguments, *what)
            except server_cpu.CannotMeasure as error:
                sys.exit(f"wire_cost.py: {name}: {error}")
            if measured >= 0:
                cpu_us[name].append(value)

    print(f"{'server CPU per request':35} {'median':>10}   spread")
    costs = {name: summary(values) for name, values in cpu_us.items()}
    for name, values in costs.items():
        show(name, values, " us")
    ratios = []
    for above, below, bar in RATIOS:
        ratio = summary([a / b for a, b in zip(cpu_us[above], cpu_us[below])])
        met = None if bar is None else ratio["median"] <= bar
        verdict = "" if bar is None else f"{'met' if met else 'MISSED'}: at most {bar:g}"
        show(f"{above} / {below}", ratio, "   ", verdict)
        ratios.append({"ratio": f"{above} / {below}", **ratio, "at_most": bar, "met": met})
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"rate_per_s": arguments.rate, "cpu_us_per_request": costs, "ratios": ratios}, file, indent=2)
            file.write("\n")
    sys.exit(1 if any(ratio["met"] is False for ratio in ratios) else 0)


if __name__ == "__main__":
    main()
