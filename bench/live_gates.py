#!/usr/bin/env python3
r"""Publishes broken models and honest retrainings to a server under traffic, and tells what the shadow gate and the watch
make of them.

  bench/live_gates.py
  bench/live_gates.py --schema examples/criteo.yaml --data ../shared/data/criteo --ids C3 C4 C10 C12 --drop C4 \
      --candidates 1 --train-options "--k 8 --learning-rate 0.02 --l2-factors 0.3"

Without --data, on a log of `fm generate`. Prints which measure holds which broken model, with value, threshold and the
seconds from its publication; by which it is rolled back when it is approved all the same, and the seconds from there; and how
far honest retrainings, on random halves of the same rows (the first on all of them), are from each other.
Exits with 1 when a broken model serves on or an honest one is held or rolled back.
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

WAIT_SECONDS = 60
TRAFFIC_SECONDS = 8  # until there are requests to judge by
REQUESTS_PER_SECOND = 100


def run(*command):
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Data:
    """Rows to draw samples of, and the fields whose values are ids."""

    def __init__(self, folder, schema, id_fields):
        self.schema = schema
        suffix = next(file.suffix for file in folder.glob("train.*"))
        lines = (folder / f"train{suffix}").read_text(encoding="utf-8").splitlines()
        self.header, self.rows = lines[0], lines[1:]
        self.valid = (folder / f"valid{suffix}").read_text(encoding="utf-8").splitlines()[1:]
        self.test = folder / f"test{suffix}"
        names = self.header.split("\t")
        self.id_columns = [names.index(field) for field in id_fields]

    def write(self, path, rows, change=lambda row: row):
        path.write_text("\n".join([self.header, *map(change, rows)]) + "\n", encoding="utf-8")
        return path

    def last_years(self, row):
        """Other ids for other things: seven in ten are new since."""
        cells = row.split("\t")
        for column in self.id_columns:
            if random.Random(cells[column]).random() < 0.7:
                cells[column] = f"9000{cells[column]}" if cells[column].isdigit() else f"last-year-{cells[column]}"
        return "\t".join(cells)


class Models:
    def __init__(self, binaries, work, data, options):
        self.binaries, self.work, self.data, self.options = binaries, work, data, options

    def train(self, name, seed, change=lambda row: row, share=0.5):
        """On a random share of the rows."""
        rows = random.Random(seed).sample(self.data.rows, int(len(self.data.rows) * share))
        train = self.data.write(self.work / f"{name}.train.tsv", rows, change)
        valid = self.data.write(self.work / f"{name}.valid.tsv", self.data.valid, change)
        out = self.work / f"{name}.fmw"
        run(self.binaries / "fm", "train", "--schema", self.data.schema, "--train", train, "--valid", valid, "--out",
            out, "--seed", seed, *self.options)
        train.unlink()
        valid.unlink()
        return out

    def broken(self, name, base, *how):
        out = self.work / f"{name}.fmw"
        run(self.binaries / "break_weights", base, out, *how)
        return out


class Server:
    def __init__(self, binaries, work, shadow_gate, watch):
        self.fm = binaries / "fm"
        self.target = f"unix:{work}/socket"
        self.store = work / "store"
        config = work / "fmserve.yaml"
        config.write_text(
            f"cache_dir: {work}/cache\nlisten: ['{self.target}']\nhttp_listen: ''\nmodels:\n"
            f"  - name: ctr\n    store: {self.store}\n    poll_interval_ms: 100\n    budget_ms: 1000\n"
            f"    shadow_gate: {{{shadow_gate}}}\n    watch: {{{watch}}}\n", encoding="utf-8")
        self.log = (work / "server.log").open("w", encoding="utf-8")
        self.process = subprocess.Popen([binaries / "fmserve", "--config", config], stderr=self.log)

    def ask(self, command, *options):
        return json.loads(run(self.fm, command, "--target", self.target, "--model", "ctr", *options, "--json"))

    def publish(self, path):
        """The state in which the version ends, its report, and the seconds that it took."""
        begin = time.monotonic()
        published = run(self.fm, "publish", path, "--store", self.store, "--model", "ctr", "--json")
        version = json.loads(published)["version"]
        while time.monotonic() < begin + WAIT_SECONDS:
            state = next((listed for listed in self.ask("versions")["versions"] if listed["version"] == version), {})
            if state.get("state") in ("serving", "held", "rejected"):
                seconds = time.monotonic() - begin
                first = version == 1 or state["state"] == "rejected"
                return version, state, {} if first else self.ask("gate-report", "--version", version), seconds
            time.sleep(0.02)
        sys.exit(f"live_gates.py: version {version} neither served nor was held")

    def status(self):
        return self.ask("status")["models"][0]

    def end_of_watch(self, version):
        """Whether the version, which serves, passes, and the seconds until that is known."""
        begin = time.monotonic()
        while time.monotonic() < begin + WAIT_SECONDS:
            status = self.status()
            if status["serving_version"] != version or status["watch_is_failing"]:
                return False, time.monotonic() - begin
            if status["watched_version"] == 0:
                return True, time.monotonic() - begin
            time.sleep(0.02)
        sys.exit(f"live_gates.py: the watch of version {version} does not end")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def limit_text(measure):
    low, high = measure["at_least"], measure["at_most"]
    if low is not None and high is not None:
        return f"{low:.3g} to {high:.3g}"
    return f">= {low:.3g}" if low is not None else f"<= {high:.3g}"


def print_table(rows):
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def rows_of(name, gate, measures, seconds):
    for measure in measures:
        yield (name, gate, measure["name"], f"{measure['value']:.3g}", limit_text(measure), f"{seconds:.1f}")


def failed_of(report):
    return [measure for measure in report.get("measures", []) if not measure["passed"]]


def force(server, name, version):
    """Approves what is held: rows of the table, and whether it serves on."""
    server.ask("approve", "--version", str(version))
    passed, seconds = server.end_of_watch(version)
    if not passed:
        return list(rows_of(name, "watch", failed_of(server.ask("gate-report", "--version", str(version))), seconds)), False
    server.ask("rollback")
    return [(name, "watch", "SERVES ON", "-", "-", f"{seconds:.1f}")], True


def try_broken(server, broken):
    """Rows of the table, and how many of the models served."""
    rows = [("model", "gate", "measure", "value", "threshold", "seconds")]
    served = 0
    for name, path in broken.items():
        version, state, report, seconds = server.publish(path)
        if state["state"] == "serving":
            served += 1
            rows.append((name, "-", "SERVES", "-", "-", f"{seconds:.1f}"))
            rows += rows_of(name, "-", report["measures"], seconds)
            server.ask("rollback")
            continue
        gate, failed = state["reason"].split(":")[0], failed_of(report)
        rows += rows_of(name, gate, failed, seconds) if failed else [(name, gate, state["reason"], "-", "-", f"{seconds:.1f}")]
        if state["state"] == "held":
            forced, serves_on = force(server, name, version)
            rows += forced
            served += serves_on
    return rows, served


def try_honest(server, honest):
    """Values of each measure, with its limits, and the false alarms."""
    values, limits, alarms = {}, {}, []
    for path in honest:
        version, state, report, _ = server.publish(path)
        for measure in report.get("measures", []):
            name = "known_lost" if measure["name"].startswith("known_lost.") else measure["name"]
            values.setdefault(name, []).append(measure["value"])
            limits[name] = limit_text(measure)
        if report.get("verdict") == "too_few_requests":
            sys.exit("live_gates.py: there were too few requests to judge by")
        if state["state"] != "serving":
            alarms.append(f"{path.name}: {state['reason']}")
            if state["state"] == "held":
                server.ask("approve", "--version", str(version))
        passed, _ = server.end_of_watch(version)
        if not passed:
            alarms.append(f"{path.name}: {server.ask('gate-report', '--version', str(version))['detail']}")
    return values, limits, alarms


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release", help="folder of the build")
    parser.add_argument("--data", type=pathlib.Path, help="folder with train, valid and test.tsv; else a log is drawn")
    parser.add_argument("--schema", help="of --data")
    parser.add_argument("--ids", nargs="*", default=["user_id", "ad_id", "advertiser"], help="fields that hold ids")
    parser.add_argument("--drop", default="ad_id", help="field whose features are missing in a broken model")
    parser.add_argument("--train-options", default="--k 8 --epochs 10")
    parser.add_argument("--shadow-gate", default="sample_one_in: 1, max_samples_per_second: 1000",
                        help="YAML of the gate's configuration")
    parser.add_argument("--watch", default="window_ms: 4000", help="YAML of the watch's configuration")
    parser.add_argument("--candidates", type=int, default=20, help="per request")
    parser.add_argument("--rows", type=int, default=400000, help="of the log that is drawn")
    parser.add_argument("--retrainings", type=int, default=50)
    parser.add_argument("--out", type=pathlib.Path, help="JSON file for the figures")
    return parser.parse_args()


def prepare(arguments, binaries, work):
    if arguments.data is None:
        run(binaries / "fm", "generate", "--rows", arguments.rows, "--seed", 7, "--out", work / "log")
        folder, schema = work / "log", work / "log" / "schema.yaml"
    else:
        folder, schema = arguments.data, pathlib.Path(arguments.schema)
    data = Data(folder, schema, arguments.ids)
    return Models(binaries, work, data, arguments.train_options.split())


def measure(arguments, work):
    binaries = pathlib.Path(arguments.build).resolve() / "bin"
    models = prepare(arguments, binaries, work)
    base = models.train("base", 1000)
    broken = {
        "weights permuted": models.broken("permuted", base, "--permute"),
        "weights permuted within fields": models.broken("permuted_in_fields", base, "--permute-in-fields"),
        "scores +1": models.broken("shifted", base, "--shift", "1"),
        f"no features of {arguments.drop}": models.broken("dropped", base, "--drop-field", arguments.drop),
        "last year's ids": models.train("last_year", 1001, models.data.last_years),
    }
    print(f"training {arguments.retrainings} times", file=sys.stderr, flush=True)
    # The first one knows more than the others.
    honest = [models.train(f"honest{seed}", seed, share=1.0 if seed == 1 else 0.5)
              for seed in range(1, arguments.retrainings + 1)]
    server = Server(binaries, work, arguments.shadow_gate, arguments.watch)
    end = work / "end"
    try:
        run(binaries / "fm", "publish", base, "--store", server.store, "--model", "ctr")
        time.sleep(2)
        load = subprocess.Popen([str(word) for word in (
            binaries / "fm", "load", "--target", server.target, "--model", "ctr", "--schema", models.data.schema, "--data",
            models.data.test, "--rate", REQUESTS_PER_SECOND, "--candidates", arguments.candidates, "--until-file", end,
            "--json")], stdout=subprocess.PIPE, text=True)
        time.sleep(TRAFFIC_SECONDS)
        rows, served = try_broken(server, broken)
        values, limits, alarms = try_honest(server, honest)
        end.touch()
        traffic = json.loads(load.communicate()[0])
    finally:
        end.touch()
        server.stop()
    return rows, served, values, limits, alarms, traffic


def main():
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        rows, served, values, limits, alarms, traffic = measure(arguments, pathlib.Path(folder))
    print_table(rows)
    print()
    table = [("honest retrainings", "lowest", "median", "highest", "allowed")]
    for name, found in values.items():
        found = sorted(found)
        table.append((name, f"{found[0]:.3g}", f"{found[len(found) // 2]:.3g}", f"{found[-1]:.3g}", limits[name]))
    print_table(table)
    print(f"\n{len(alarms)} of {arguments.retrainings} honest retrainings held or rolled back")
    for alarm in alarms:
        print(f"  {alarm}")
    print(f"{traffic['sent']} requests, {traffic['sent'] - traffic['ok']} failed")
    if arguments.out:
        report = {"broken": rows, "honest": values, "alarms": alarms, "traffic": traffic}
        arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 1 if alarms or served else 0


if __name__ == "__main__":
    sys.exit(main())
