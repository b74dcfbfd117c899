#!/usr/bin/env python3
"""Kills the server with SIGKILL at random moments of fetch, verify and swap; it must always come back whole.

Each round publishes another version (now and then a corrupted one), kills the server at a random moment of the time that
a swap takes, and starts it again: every second time with the store out of reach, so that what serves must come from the
cache. Then the version must be one that was published in order, and its predictions must be, to the last bit, those of
the published file (`fm load --verify-store`). At last the store is back and the newest good version must serve.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = "ctr"
PATIENCE_S = 60


class Failure(Exception):
    pass


class Stage:
    """Two weight files, a store, and one server after the other."""

    def __init__(self, programs, work, rows):
        self.programs = programs
        self.work = work
        self.store = work / "store"
        self.hidden_store = work / "store-out-of-reach"
        self.target = f"unix:{work}/grpc.sock"
        self.server = None
        self.log = open(work / "server.log", "ab")
        self.good = set()
        self.files = [work / "a.fmw", work / "b.fmw"]
        for seed, file in enumerate(self.files, start=1):
            self.run("make_weights", "--rows", rows, "--seed", seed, "--out", file, "--data", work)
        (work / "fmserve.yaml").write_text(
            f'listen: ["{self.target}"]\nhttp_listen: ""\ncache_dir: {work}/cache\n'
            f"models:\n  - name: {MODEL}\n    store: {self.store}\n    poll_interval_ms: 20\n")

    def run(self, program, *arguments):
        command = [self.programs / program, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S * 5)
        if done.returncode != 0:
            raise Failure(f"{program} {arguments[0]}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def start(self):
        self.server = subprocess.Popen([self.programs / "fmserve", "--config", self.work / "fmserve.yaml"],
                                       stdout=self.log, stderr=self.log)

    def kill(self):
        """SIGKILL; returns what the server was doing, as far as its cache tells."""
        self.server.kill()
        self.server.wait()
        files = [path.name for path in (self.work / "cache").rglob("*") if path.is_file()]
        return "a file half written" if any("tmp" in name for name in files) else "no file half written"

    def publish(self):
        file = self.files[len(self.good) % 2]
        version = json.loads(self.run("fm", "publish", file, "--store", self.store, "--model", MODEL, "--json"))["version"]
        self.good.add(version)
        for old in sorted((self.store / MODEL).glob("*.fmw"))[:-4]:
            old.unlink()
        return version

    def publish_corrupted(self):
        staged = self.work / "staged"
        (staged / MODEL).mkdir(parents=True)
        shutil.copy(self.store / MODEL / "CURRENT", staged / MODEL)  # tells the next version's number
        self.run("fm", "publish", self.files[0], "--store", staged, "--model", MODEL)
        subprocess.run([sys.executable, ROOT / "scripts/publish_corrupted.py", staged, self.store, MODEL], check=True,
                       stdout=subprocess.DEVNULL)
        shutil.rmtree(staged)

    def serving(self):
        """The version that serves, 0 while none does or nobody answers."""
        done = subprocess.run([self.programs / "fm", "status", "--target", self.target, "--timeout", "2s", "--json"],
                              capture_output=True, text=True)
        return json.loads(done.stdout)["models"][0]["serving_version"] if done.returncode == 0 else 0

    def wait_for(self, wanted, what):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if self.server.poll() is not None:
                raise Failure(f"the server ended by itself with {self.server.returncode} while waiting for {what}")
            version = self.serving()
            if wanted(version):
                return version
            time.sleep(0.02)
        raise Failure(f"waited {PATIENCE_S} s for {what}; version {self.serving()} serves")

    def check_predictions(self, store):
        """Compares answers with the published files; `store` is where they are now."""
        report = json.loads(
            self.run("fm", "load", "--target", self.target, "--model", MODEL, "--schema", self.work / "schema.yaml",
                     "--data", self.work / "rows.tsv", "--closed-loop", 2, "--count", 20, "--distinct", 10,
                     "--candidates", 50, "--budget-ms", 20, "--verify-store", store, "--json"))
        if report["wrong"] != 0 or report["verified"] != 20:
            raise Failure(f"predictions: {report}")


def measure_swap(stage):
    """Seconds from a publication until the new version serves."""
    version = stage.publish()
    begin = time.monotonic()
    stage.wait_for(lambda v: v == version, f"version {version}")
    return time.monotonic() - begin


def one_round(stage, number, swap_s, rng, tally):
    before = stage.serving()
    corrupt = number % 5 == 4
    newest = None if corrupt else stage.publish()
    if corrupt:
        stage.publish_corrupted()
    time.sleep(rng.uniform(0.0, 1.2 * swap_s))
    tally[stage.kill()] += 1

    store_gone = number % 2 == 0
    if store_gone:
        stage.store.rename(stage.hidden_store)
    stage.start()
    served = stage.wait_for(lambda v: v != 0, "any version after a kill")
    if served not in stage.good:
        raise Failure(f"round {number}: version {served} serves after a kill, which nobody published in order")
    stage.check_predictions(stage.hidden_store if store_gone else stage.store)
    if served < before:
        tally["came back with the version before (its swap was not on disk yet)"] += 1
    else:
        tally["came back with the new version" if served == newest else "came back with the old version"] += 1
    if store_gone:
        stage.hidden_store.rename(stage.store)
    expected = max(stage.good)
    stage.wait_for(lambda v: v == expected, f"version {expected} in round {number}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rows", type=int, default=400_000, help="of a weight file, 128 bytes each")
    parser.add_argument("--seed", type=int, default=None)
    build = os.environ.get("FMSERVE_BUILD", str(ROOT / "build/release"))
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path(build) / "bin")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(2**32)
    rng = random.Random(seed)
    print(f"seed {seed}", flush=True)

    work = pathlib.Path(tempfile.mkdtemp(prefix="fmserve-kill9."))
    stage = Stage(arguments.bin.resolve(), work, arguments.rows)
    tally = collections.Counter()
    try:
        first = stage.publish()
        stage.start()
        stage.wait_for(lambda v: v == first, "the first version")
        swap_s = measure_swap(stage)
        print(f"a swap of {stage.files[0].stat().st_size / 1e6:.0f} MB takes {swap_s * 1000:.0f} ms", flush=True)
        for number in range(arguments.kills):
            one_round(stage, number, swap_s, rng, tally)
    except Failure as failure:
        print(f"FAILED: {failure}\nthe server's log and files are in {work}", file=sys.stderr)
        return 1
    finally:
        if stage.server is not None and stage.server.poll() is None:
            stage.server.kill()
            stage.server.wait()
    shutil.rmtree(work)
    print(f"{arguments.kills} kills, each survived: " + ", ".join(f"{what} {n}" for what, n in sorted(tally.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
