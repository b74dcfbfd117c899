#!/usr/bin/env python3
"""Publishes two weight files in turn to the server of many_swaps.sh, and watches what each swap costs it.

Exits with 1 when the last hundred swaps cost more than the first, with 2 when a version does not come to serve.
"""

import argparse
import json
import os
import pathlib
import queue
import statistics
import subprocess
import sys
import threading
import time

PART = 100  # swaps that are compared, at the beginning and at the end
PATIENCE_SECONDS = 60
MAX_GROWTH = {"swap_ms": 1.25, "resident_kb": 1.05, "open_files": 1.0}


def fail(message):
    print(f"many_swaps.py: {message}", file=sys.stderr)
    sys.exit(2)


class Server:
    """What can be seen of it from outside."""

    def __init__(self, pid):
        self.pid = pid

    def resident_kb(self):
        with open(f"/proc/{self.pid}/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class ServerLog:
    """One reader of the server's log. Asking the server would take part in what is measured."""

    def __init__(self, path):
        self.log = open(path, encoding="utf-8")

    def wait_for(self, model, version):
        """Until the log says that the version serves."""
        end = time.monotonic() + PATIENCE_SECONDS
        line = ""
        while time.monotonic() < end:
            piece = self.log.readline()
            line += piece
            if not line.endswith("\n"):
                time.sleep(0.002)
                continue
            if '"version_published"' in line and f'"model":"{model}"' in line and f'"version":{version},' in line:
                return
            line = ""
        raise TimeoutError(f"version {version} of {model} does not serve")


class Publisher:
    """Publishes one version while the server takes the one before, so that it need not wait for either."""

    def __init__(self, arguments, model):
        self.fm = arguments.fm
        self.model = model
        self.work = pathlib.Path(arguments.work)
        self.process = None

    def begin(self, version):
        file = self.work / ("b.fmw" if version % 2 == 0 else "a.fmw")
        self.process = subprocess.Popen([self.fm, "publish", file, "--store", self.work / "store", "--model", self.model,
                                         "--delta-from", "none"], stdout=subprocess.DEVNULL)

    def end(self):
        if self.process.wait() != 0:
            raise RuntimeError(f"a version of {self.model} could not be published")

    def remove(self, version):
        (self.work / "store" / self.model / f"{version:020d}.fmw").unlink(missing_ok=True)


def swap_model(arguments, model, swaps):
    """Puts what was seen after each swap of the model into the queue; an exception ends it, and goes there, too."""
    try:
        server = Server(arguments.server)
        log = ServerLog(f"{arguments.work}/server.log")
        log.wait_for(model, 1)
        publisher = Publisher(arguments, model)
        publisher.begin(2)
        served = time.monotonic()
        for version in range(2, arguments.swaps // arguments.models + 2):
            publisher.end()
            begin = max(served, time.monotonic())
            publisher.begin(version + 1)
            log.wait_for(model, version)
            served = time.monotonic()
            publisher.remove(version - 1)
            swaps.put({"swap_ms": (served - begin) * 1000, "resident_kb": server.resident_kb(), "open_files": server.open_files()})
        publisher.end()
    except (OSError, RuntimeError, TimeoutError) as error:
        swaps.put(error)


def describe(name, part):
    median = {key: statistics.median(s[key] for s in part) for key in MAX_GROWTH}
    slow = sorted(s["swap_ms"] for s in part)[len(part) * 9 // 10]
    print(f"    {name}: a swap {median['swap_ms']:.0f} ms (9 of 10 within {slow:.0f}), resident "
          f"{median['resident_kb'] / 1024:.1f} MB, {median['open_files']:.0f} open files", flush=True)
    return median


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("fm", "work"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("server", "swaps", "models"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    count = arguments.swaps // arguments.models * arguments.models
    if count < 2 * PART:
        fail(f"--swaps: at least {2 * PART}")

    queue_of_swaps = queue.Queue()
    for i in range(arguments.models):
        threading.Thread(target=swap_model, args=(arguments, f"ctr{i + 1}", queue_of_swaps), daemon=True).start()
    swaps = []
    while len(swaps) < count:
        swap = queue_of_swaps.get()
        if isinstance(swap, Exception):
            fail(swap)
        swaps.append(swap)
        if len(swaps) % (5 * PART) == 0:
            describe(f"{len(swaps) - PART + 1} to {len(swaps)}", swaps[-PART:])
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(swaps), encoding="utf-8")
    first, last = describe(f"first {PART}", swaps[:PART]), describe(f"last {PART}", swaps[-PART:])
    grown = [key for key, most in MAX_GROWTH.items() if last[key] > most * first[key]]
    if grown:
        print(f"many_swaps.py: grew: {', '.join(grown)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
