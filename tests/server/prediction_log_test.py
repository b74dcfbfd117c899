"""From served predictions to a trained model, with the real fm and fmserve; and what a killed server and a full disk leave."""

import argparse
import json
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import grpc
from fmserve_process import generate_messages

ARGS = None
ROWS = 4000
LISTS = {"interests"}
PREDICT = "/fmserve.v1.PredictionService/Predict"


def fm(*arguments, expected=0):
    done = subprocess.run([ARGS.fm, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == expected, f"{arguments}: exit {done.returncode}: {done.stderr}"
    return done


class Serving:
    """fmserve with one model, "ctr", that logs."""

    def __init__(self, folder, log, **process):
        self.address = f"unix:{folder}/socket"
        config = folder / "fmserve.yaml"
        config.write_text(
            f"cache_dir: {folder}/cache\nlisten: ['{self.address}']\nhttp_listen: ''\nmodels:\n"
            f"  - name: ctr\n    store: {folder}/store\n    poll_interval_ms: 50\n    budget_ms: 10000\n"
            f"    prediction_log: {{folder: {folder}/logs, {log}}}\n")
        self.log_path = folder / "log"
        with self.log_path.open("w") as log_file:
            self.process = subprocess.Popen([ARGS.fmserve, "--config", config], stderr=log_file, **process)
        self.channel = grpc.insecure_channel(self.address)
        end = time.monotonic() + 60
        while "version_published" not in self.log_path.read_text():
            assert time.monotonic() < end and self.process.poll() is None, self.log_path.read_text()
            time.sleep(0.02)

    def events(self):
        return [json.loads(line)["event"] for line in self.log_path.read_text().splitlines()]

    def predict(self, request):
        call = self.channel.unary_unary(PREDICT, lambda message: message.SerializeToString(),
                                        ARGS.messages.PredictResponse.FromString)
        return call(request, timeout=60, wait_for_ready=True)

    def stop(self, number=signal.SIGTERM):
        self.channel.close()
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def close(self):
        if self.process.poll() is None:
            self.stop(signal.SIGKILL)


class PredictionLogTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.data, self.logs = self.dir / "data", self.dir / "logs"
        fm("generate", "--rows", ROWS, "--ctr", 0.2, "--seed", 5, "--out", self.data)
        self.schema, self.table = self.data / "schema.yaml", self.data / "train.tsv"
        self.weights = self.train(self.table, "first.fmw")
        fm("publish", self.weights, "--store", self.dir / "store", "--model", "ctr")
        lines = self.table.read_text().splitlines()
        self.header = lines[0].split("\t")
        self.rows = [dict(zip(self.header, line.split("\t"))) for line in lines[1:]]
        self.items = {"ad_id", "advertiser", "category", "format"}

    def train(self, table, name, *options):
        out = self.dir / name
        fm("train", "--schema", self.schema, "--train", table, "--out", out, "--k", 4, "--epochs", 2, "--seed", 3, *options)
        return out

    def serve(self, log="sample_percent: 100", **process):
        serving = Serving(self.dir, log, **process)
        self.addCleanup(serving.close)
        return serving

    def request(self, rows, request_id):
        """The context of the first row with the items of all: as a client sends what a table says."""
        request = ARGS.messages.PredictRequest(model="ctr", request_id=request_id)

        def add(features, row, names):
            for name in names:
                if not row[name]:
                    continue
                feature = features.add(field=name)
                if name in LISTS:
                    feature.strings.extend(row[name].split("|"))
                elif name == "visits":
                    feature.numbers.append(float(row[name]))
                elif name == "hour":
                    feature.integers.append(int(row[name]))
                else:
                    feature.strings.append(row[name])

        context = [name for name in self.header if name not in self.items and name != "click"]
        add(request.features.context, rows[0], context)
        for row in rows:
            add(request.features.candidates.add().features, row, sorted(self.items, reverse=True))
        return request

    def ask_for_all_rows(self, serving):
        """One request per row, in their order; returns the click file that their labels make, in any order."""
        clicks = ["time\trequest_id\tposition"]
        for i, row in enumerate(self.rows):
            serving.predict(self.request([row], f"view-{i}"))
            if row["click"] == "1":
                clicks.append(f"{time.time():.3f}\tview-{i}\t0")
        path = self.dir / "clicks.tsv"
        path.write_text("\n".join([clicks[0], *sorted(clicks[1:], key=lambda line: line.split("\t")[1])]) + "\n")
        return path

    def join(self, clicks, *options, expected=0):
        out = self.dir / "joined.tsv"
        done = fm("join", "--predictions", self.logs, "--clicks", clicks, "--schema", self.schema, "--out", out,
                  "--complete-until", "2100-01-01T00:00:00Z", "--window", "30m", "--json", *options, expected=expected)
        return out, json.loads(done.stdout) if done.stdout else done.stderr

    def records(self, *paths, expected=0):
        done = fm("log", "cat", *(paths or [self.logs]), expected=expected)
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def test_a_model_trained_from_served_logs_equals_one_trained_from_the_raw_log(self):
        serving = self.serve()
        clicks = self.ask_for_all_rows(serving)
        self.assertEqual(serving.stop(), 0)
        joined, report = self.join(clicks)
        self.assertEqual(report["rows"], len(self.rows))
        self.assertEqual(report["positives"], sum(row["click"] == "1" for row in self.rows))
        self.assertEqual((report["unmatched_clicks"], report["clicks_outside_window"], report["unnamed_values"]), (0, 0, 0))
        self.assertEqual(joined.read_text(), self.table.read_text())

        again = self.train(joined, "again.fmw")
        exported = []
        for weights in (self.weights, again):
            out = self.dir / "weights.tsv"
            fm("export", weights, "--format", "tsv", "--out", out)
            exported.append(sorted(out.read_text().splitlines()))
        self.assertGreater(len(exported[0]), 500)
        self.assertEqual(exported[0], exported[1])

    def test_log_cat_prints_what_was_asked_and_answered(self):
        serving = self.serve()
        answers = [serving.predict(self.request(self.rows[i:i + 3], f"view-{i}")) for i in range(4)]
        serving.stop()
        records, errors = self.records()
        self.assertEqual(errors, "")
        self.assertEqual([record["request_id"] for record in records], [f"view-{i}" for i in range(4)])
        for record, answer in zip(records, answers):
            self.assertEqual((record["call"], record["model"], record["version"]), ("predict", "ctr", 1))
            self.assertEqual([c["position"] for c in record["candidates"]], [0, 1, 2])
            for candidate, prediction in zip(record["candidates"], answer.predictions):
                self.assertAlmostEqual(candidate["prediction"], prediction, places=7)
        features = {f["field"]: f["strings"] for f in records[0]["candidates"][2]["features"]}
        self.assertEqual(features["ad_id"], [self.rows[2]["ad_id"]])

    def test_a_killed_server_loses_at_most_the_last_flush_interval(self):
        serving = self.serve("sample_percent: 100, flush_interval_ms: 100")
        for i in range(300):
            serving.predict(self.request(self.rows[:2], f"view-{i}"))
        time.sleep(1)
        serving.stop(signal.SIGKILL)
        [left] = self.logs.glob("*.open")
        records, _ = self.records()
        self.assertEqual([record["request_id"] for record in records], [f"view-{i}" for i in range(300)])

        with left.open("ab") as file:  # as if it had been killed in the middle of a write
            file.write(left.read_bytes()[:100])
        records, errors = self.records(left)
        self.assertEqual(len(records), 300)
        self.assertIn("ends inside a frame", errors)

        serving = self.serve()
        serving.predict(self.request(self.rows[:1], "after"))
        serving.stop()
        self.assertEqual(list(self.logs.glob("*.open")), [])
        records, errors = self.records()
        self.assertEqual(len(records), 301)
        self.assertIn("ends inside a frame", errors)

    def test_a_server_whose_files_may_not_grow_goes_on_predicting(self):
        limit = 1 << 20
        self.assertLess(self.weights.stat().st_size, limit)

        def limit_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        serving = self.serve("sample_percent: 100, flush_interval_ms: 50", preexec_fn=limit_files)
        request = self.request(self.rows[:400], "")
        end = time.monotonic() + 60
        while "prediction_log_failed" not in serving.events():
            self.assertLess(time.monotonic(), end)
            request.request_id = f"view-{time.monotonic()}"
            for feature in request.features.context:
                if feature.strings:
                    feature.strings[0] = f"somebody-{time.monotonic()}"
            self.assertEqual(serving.predict(request).scored_count, 400)
        while "prediction_log_recovered" not in serving.events():  # with a new file
            self.assertLess(time.monotonic(), end)
            self.assertEqual(serving.predict(request).scored_count, 400)
            time.sleep(0.05)
        self.assertEqual(serving.stop(), 0)
        records, errors = self.records()
        self.assertGreater(len(records), 10)
        self.assertEqual(errors, "")
        self.assertGreater(len(list(self.logs.iterdir())), 1)

    def test_a_damaged_file_is_told_of_and_the_others_are_read(self):
        for name in ("one", "two"):
            serving = self.serve()
            serving.predict(self.request(self.rows[:2], name))
            serving.stop()
        damaged, _ = sorted(self.logs.glob("*.fmlog.zst"))
        content = bytearray(damaged.read_bytes())
        content[len(content) // 2] ^= 0x10
        damaged.write_bytes(content)
        records, errors = self.records(expected=3)
        self.assertEqual([record["request_id"] for record in records], ["two"])
        self.assertIn(f"{damaged}: the frame at byte 0 is damaged", errors)
        clicks = self.dir / "clicks.tsv"
        clicks.write_text("request_id\tposition\n")
        out, message = self.join(clicks, expected=3)
        self.assertIn("is damaged", message)
        self.assertFalse(out.exists())

    def test_log_cat_says_what_is_no_log(self):
        self.logs.mkdir()
        self.assertIn("there is no log file", self.records(expected=3)[1])
        self.assertIn("not-there", self.records(self.dir / "not-there", expected=3)[1])
        self.assertIn("is damaged", self.records(self.table, expected=3)[1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for argument in ("--fm", "--fmserve", "--protoc"):
        parser.add_argument(argument, required=True)
    ARGS, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as generated:
        ARGS.messages = generate_messages(ARGS.protoc, generated)
        unittest.main(argv=[sys.argv[0], *rest])
