#!/usr/bin/env python3
"""One measurement of cpu_against.sh: asks two servers in turns and compares their processor time, request by request kind.

Appends the measurement to the history file. Exit code: 0 no loss; 3 a loss that another measurement, of servers started
afresh, has to confirm; 4 the history ends in as many losses in a row as it takes; others: could not measure.
"""

import argparse
import json
import pathlib
import random
import sys

import server_cpu
from server_cpu import summary

# What is asked: name -> options of `fm load`. The rows' field f20 holds ids of the catalogue.
KINDS = {
    "packed": ["--form", "packed", "--candidates", 200],
    "friendly": ["--form", "features", "--candidates", 200],
    "known-items": ["--items", "f20", "--candidates", 200],
    "top-100": ["--top-k", 100],
}
AT_MOST = 1.10  # processor time of a request over that before
TIMES = 3  # so many measurements in a row must show the loss
TRIES = 3  # of a turn in which not every request was answered


def ratios_of(measurement):
    """{kind: {"before": [us], "now": [us]}} -> {kind: summary of now / before}, by pairs of turns next to each other."""
    return {kind: summary([now / before for now, before in zip(us["now"], us["before"], strict=True)])
            for kind, us in measurement.items()}


def verdict(history):
    """What measurements say so far, each {kind: ratio}, the last one last: ("fine", "again" or "loss", kinds concerned).

    A kind has lost when each of the last TIMES measurements shows it; until there are as many, it is measured again."""
    recent = history[-TIMES:]
    slow = [kind for kind in recent[-1] if all(measured.get(kind, 0.0) > AT_MOST for measured in recent)]
    if not slow:
        return "fine", []
    return ("loss" if len(recent) == TIMES else "again"), slow


class Turns:
    """Asks the servers of the arguments: "now", "before" and "echo"."""

    def __init__(self, arguments):
        self.arguments = arguments

    def once(self, server, kind, seed):
        return server_cpu.drive(self.arguments.fm, getattr(self.arguments, server), self.arguments.data, "--model", "ctr",
                                *KINDS[kind], "--max-rows", 2000, "--distinct", 200, "--budget-ms", 10000,
                                "--timeout", "10s", "--rate", self.arguments.rate,
                                "--duration", f"{self.arguments.seconds}s", "--seed", seed)

    def turn(self, server, kind, seed):
        for _ in range(TRIES - 1):
            try:
                return self.once(server, kind, seed)
            except server_cpu.NotKnown:
                raise
            except server_cpu.CannotMeasure as error:
                print(f"once more: {kind}, {server}: {error}", file=sys.stderr)
        return self.once(server, kind, seed)

    def warm_up(self, kinds):
        """Kinds that the server of before does not know -> its answer."""
        left_out = {}
        self.turn("echo", "packed", 1)
        for kind in kinds:
            self.turn("now", kind, 1)
            try:
                self.turn("before", kind, 1)
            except server_cpu.NotKnown as error:
                left_out[kind] = str(error)
        return left_out

    def measure(self, kinds):
        """{kind: {"before": [us], "now": [us]}} by round, and [us] of the echo."""
        us = {kind: {"before": [], "now": []} for kind in kinds}
        echo_us = []
        for seed in range(1, self.arguments.rounds + 1):
            echo_us.append(self.turn("echo", "packed", seed))
            for kind in random.sample(kinds, len(kinds)):
                for server in random.sample(["before", "now"], 2):
                    us[kind][server].append(self.turn(server, kind, seed))
        return us, echo_us


def table(us, echo_us):
    echo = summary(echo_us)["median"]
    yield f"{'':12} {'server CPU per request':>22} {'over an echo':>17}   now / before"
    yield f"{'':12} {'before':>10} {'now':>11} {'before':>9} {'now':>7}   median  lowest .. highest"
    for kind, ratio in ratios_of(us).items():
        before, now = (summary(us[kind][server])["median"] for server in ("before", "now"))
        note = f"   more than {AT_MOST:.2f}" if ratio["median"] > AT_MOST else ""
        yield (f"{kind:12} {before:7.1f} us {now:8.1f} us {before / echo:9.2f} {now / echo:7.2f}   "
               f"{ratio['median']:6.3f}  {ratio['min']:.3f} .. {ratio['max']:.3f}{note}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fm", required=True)
    parser.add_argument("--data", required=True, help="folder with schema.yaml and rows.tsv")
    for server in ("now", "before", "echo"):
        parser.add_argument(f"--{server}", required=True, metavar="PID@TARGET")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--only", choices=KINDS, action="append", help="kind of request; all if not given")
    parser.add_argument("--history", type=pathlib.Path, required=True, help="file of the measurements so far")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    history = json.loads(arguments.history.read_text(encoding="utf-8")) if arguments.history.exists() else []
    kinds = verdict(history)[1] if history else arguments.only or list(KINDS)
    turns = Turns(arguments)
    try:
        left_out = turns.warm_up(kinds)
        for kind, answer in left_out.items():
            print(f"left out: {kind}: the server to compare with does not know it ({answer})")
        us, echo_us = turns.measure([kind for kind in kinds if kind not in left_out])
    except server_cpu.CannotMeasure as error:
        print(f"could not measure: {error}", file=sys.stderr)
        return 2
    print("\n".join(table(us, echo_us)))
    history.append({kind: ratio["median"] for kind, ratio in ratios_of(us).items()})
    arguments.history.write_text(json.dumps(history), encoding="utf-8")
    outcome, slow = verdict(history)
    if outcome == "loss":
        print(f"LOSS: {', '.join(slow)}: over {(AT_MOST - 1) * 100:.0f} % more processor time, {TIMES} times in a row")
    return {"fine": 0, "again": 3, "loss": 4}[outcome]


if __name__ == "__main__":
    sys.exit(main())
