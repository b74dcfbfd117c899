"""Runs the real fm from end to end on small generated data: what scripts rely on."""

import hashlib
import json
import math
import pathlib
import random
import shutil
import struct
import subprocess
import tempfile
import unittest
import zipfile

FM = shutil.which("fm")
COMMANDS = ["train", "tune", "eval", "predict", "explain", "inspect", "verify", "export", "import", "report"]
SCHEMA = """\
task: binary
label: click
fields:
  - {name: user, side: context, value_type: integer}
  - {name: tags, side: context, kind: multi_valued, combiner: mean, min_count: 2}
  - {name: ad, side: item}
"""


def fm(*arguments):
    return subprocess.run([FM, *map(str, arguments)], capture_output=True, text=True, check=False)


def write_table(path, rows, seed):
    rng = random.Random(seed)
    lines = ["click\tuser\ttags\tad"]
    for _ in range(rows):
        user, ad = rng.randrange(12), rng.randrange(8)
        tags = "|".join(f"t{tag}" for tag in rng.sample(range(15), rng.randrange(4)))
        click = int(rng.random() < (0.9 if user % 2 == ad % 2 else 0.1))
        lines.append(f"{click}\t{user}\t{tags}\tad{ad}")
    path.write_text("\n".join(lines) + "\n")


class FmTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.dir = pathlib.Path(cls.folder.name)
        cls.schema, cls.table, cls.model = cls.dir / "s.yaml", cls.dir / "t.tsv", cls.dir / "m.fmw"
        cls.schema.write_text(SCHEMA)
        write_table(cls.table, 3000, seed=1)
        write_table(cls.dir / "v.tsv", 800, seed=2)
        cls.trained = fm(*cls.train_arguments("--valid", cls.dir / "v.tsv", "--json"))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def train_arguments(cls, *more):
        return ["train", "--schema", cls.schema, "--train", cls.table, "--out", cls.model, "--k", 4,
                "--epochs", 15, *more]

    def test_train_reports_one_object_and_a_good_model(self):
        self.assertEqual(self.trained.returncode, 0, self.trained.stderr)
        summary = json.loads(self.trained.stdout)
        self.assertEqual(summary["rows"], 3000)
        self.assertEqual(summary["valid"]["rows"], 800)
        self.assertLess(summary["valid"]["logloss"], 0.4)
        self.assertGreater(summary["goldens"], 20)
        self.assertIn("epoch", self.trained.stderr)

    def test_eval_reports_the_promised_metrics(self):
        result = fm("eval", self.model, "--data", self.dir / "v.tsv", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        metrics = json.loads(result.stdout)
        self.assertEqual(
            list(metrics),
            ["rows", "logloss", "auc", "normalized_entropy", "calibration", "rmse"],
        )
        valid = json.loads(self.trained.stdout)["valid"]
        for name, value in metrics.items():
            self.assertAlmostEqual(value, valid[name], places=5, msg=f"trainer and scorer: {name}")

    def test_a_share_of_the_negatives_makes_predictions_for_all_of_them(self):
        out = self.dir / "fewer.fmw"
        done = fm("train", "--schema", self.schema, "--train", self.table, "--valid", self.dir / "v.tsv", "--out", out,
                  "--k", 4, "--negatives", 0.3, "--stop-on", "auc", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        summary = json.loads(done.stdout)
        self.assertLess(summary["rows"], 2500)
        self.assertAlmostEqual(summary["valid"]["calibration"], 1.0, delta=0.1)
        metrics = json.loads(fm("eval", out, "--data", self.dir / "v.tsv", "--json").stdout)
        self.assertAlmostEqual(metrics["calibration"], summary["valid"]["calibration"], places=5)
        self.assertIn("option.negatives", fm("inspect", out).stdout)

    def test_rows_count_as_much_as_their_weights(self):
        schema = self.dir / "weighted.yaml"
        schema.write_text(SCHEMA.replace("label: click", "label: click\nweight: times"))
        lines = self.table.read_text().splitlines()
        weighted = self.dir / "weighted.tsv"
        weighted.write_text("\n".join([lines[0] + "\ttimes"] + [f"{line}\t{i % 3}" for i, line in enumerate(lines[1:])]))
        repeated = self.dir / "repeated.tsv"
        repeated.write_text("\n".join([lines[0]] + [line for i, line in enumerate(lines[1:]) for _ in range(i % 3)]))
        done = fm("train", "--schema", schema, "--train", weighted, "--out", self.dir / "w.fmw", "--k", 4, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        by_weight = json.loads(fm("eval", self.dir / "w.fmw", "--data", weighted, "--json").stdout)
        by_repetition = json.loads(fm("eval", self.dir / "w.fmw", "--data", repeated, "--schema", self.schema, "--json").stdout)
        self.assertEqual((by_weight.pop("rows"), by_repetition.pop("rows")), (3000, 3000))
        for name, value in by_weight.items():
            self.assertAlmostEqual(value, by_repetition[name], places=9, msg=name)

    def test_a_warm_start_goes_on_where_the_model_stopped(self):
        day, anew, on = self.dir / "day2.tsv", self.dir / "anew.fmw", self.dir / "on.fmw"
        write_table(day, 300, seed=5)
        common = ["train", "--schema", self.schema, "--train", day, "--valid", self.dir / "v.tsv", "--k", 4, "--epochs", 2, "--json"]
        first = json.loads(fm(*common, "--out", anew).stdout)
        second = fm(*common, "--out", on, "--warm-start", self.model, "--unseen-weights", 0.9)
        self.assertEqual(second.returncode, 0, second.stderr)
        self.assertLess(json.loads(second.stdout)["valid"]["logloss"], first["valid"]["logloss"])
        self.assertEqual(fm("verify", on).returncode, 0)
        metadata = json.loads(fm("inspect", on, "--json").stdout)["metadata"]
        sha256 = hashlib.sha256(self.model.read_bytes()).hexdigest()
        self.assertIn(sha256, metadata["option.warm_start"])
        self.assertIn(sha256, metadata["model.start"])
        refused = fm(*common, "--out", on, "--warm-start", self.model, "--k", 8)
        self.assertEqual(refused.returncode, 2, "--k twice is wrong usage")
        refused = fm("train", "--schema", self.schema, "--train", day, "--out", on, "--warm-start", self.model)
        self.assertEqual(refused.returncode, 3)
        self.assertIn("m.fmw: it has k = 4, the new model k = 16; give --k 4", refused.stderr)
        self.assertEqual(fm(*common, "--out", on, "--unseen-weights", 0.5).returncode, 2)

    def test_a_cache_is_read_instead_of_rows_that_did_not_change(self):
        cache, out, checkpoint = self.dir / "rows.cache", self.dir / "cached.fmw", self.dir / "cached.ckpt"
        common = ["train", "--schema", self.schema, "--train", self.table, "--valid", self.dir / "v.tsv", "--k", 4, "--cache",
                  cache, "--json"]
        first = json.loads(fm(*common, "--out", out, "--epochs", 15).stdout)
        written = cache.stat().st_mtime_ns
        scores = fm("predict", out, "--data", self.table, "--scores").stdout
        self.assertEqual(first["rows"], 3000)
        self.assertAlmostEqual(first["valid"]["logloss"], json.loads(self.trained.stdout)["valid"]["logloss"], delta=0.01)
        self.assertEqual(fm(*common, "--out", out, "--epochs", 15).returncode, 0)
        self.assertEqual(fm("predict", out, "--data", self.table, "--scores").stdout, scores)
        self.assertEqual(cache.stat().st_mtime_ns, written, "nothing changed")
        for kind in ("fm", "fwfm"):
            done = fm(*common, "--out", out, "--epochs", 2, "--kind", kind, "--checkpoint", checkpoint)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(fm(*common, "--out", out, "--epochs", 2, "--block-mib", 1).returncode, 0)
        self.assertNotEqual(cache.stat().st_mtime_ns, written, "other blocks")

    def test_a_cache_is_for_steps_from_files(self):
        cache, out = self.dir / "no.cache", self.dir / "none.fmw"
        refused = fm("train", "--schema", self.schema, "--train", self.table, "--out", out, "--method", "gibbs", "--cache", cache)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--method gibbs needs all rows in memory", refused.stderr)
        self.assertEqual(fm("train", "--schema", self.schema, "--train", self.table, "--out", out, "--block-mib", 8).returncode, 2)
        refused = fm("train", "--schema", self.schema, "--train", self.table, "--out", out, "--cache", self.dir / "no" / "cache")
        self.assertEqual(refused.returncode, 3)
        self.assertIn("no/cache", refused.stderr)

    def test_gibbs_sampling_tells_what_the_mean_of_the_draws_costs(self):
        schema = self.dir / "stars.yaml"
        schema.write_text(SCHEMA.replace("task: binary", "task: regression"))
        out = self.dir / "gibbs.fmw"
        arguments = ["train", "--schema", schema, "--train", self.table, "--valid", self.dir / "v.tsv", "--out", out,
                     "--method", "gibbs", "--draws", 30, "--json"]
        done = fm(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("of the mean prediction", done.stderr)
        summary = json.loads(done.stdout)
        self.assertEqual(summary["k"], 8)
        self.assertLess(summary["valid"]["rmse"], 1.005 * summary["bayesian_rmse"])
        metrics = json.loads(fm("eval", out, "--data", self.dir / "v.tsv", "--json").stdout)
        self.assertAlmostEqual(metrics["rmse"], summary["valid"]["rmse"], places=5)
        refused = fm(*arguments, "--learning-rate", 0.1)
        self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertIn("--method gibbs has no such option", refused.stderr)
        self.assertEqual(fm(*self.train_arguments("--draws", 5)).returncode, 2)
        refused = fm("train", "--schema", self.schema, "--train", self.table, "--out", out, "--method", "gibbs")
        self.assertEqual(refused.returncode, 3)
        self.assertIn("only of a regression", refused.stderr)

    def test_what_only_clicks_have_is_refused_for_a_regression(self):
        schema = self.dir / "regression.yaml"
        schema.write_text(SCHEMA.replace("task: binary", "task: regression"))
        for option, value in (("--negatives", 0.5), ("--stop-on", "auc")):
            done = fm("train", "--schema", schema, "--train", self.table, "--out", self.dir / "r.fmw", option, value)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("only a binary task", done.stderr)

    def test_predictions_stand_in_the_order_of_the_rows(self):
        result = fm("predict", self.model, "--data", self.dir / "v.tsv")
        self.assertEqual(result.returncode, 0, result.stderr)
        predictions = [float(line) for line in result.stdout.split()]
        rows = [line.split("\t") for line in (self.dir / "v.tsv").read_text().splitlines()[1:]]
        self.assertEqual(len(predictions), len(rows))
        clicks = [int(row[0]) for row in rows]
        losses = [-math.log(p if click else 1 - p) for p, click in zip(predictions, clicks)]
        logloss = sum(losses) / len(rows)
        valid = json.loads(self.trained.stdout)["valid"]
        self.assertAlmostEqual(logloss, valid["logloss"], places=5)
        scores = fm("predict", self.model, "--data", self.dir / "v.tsv", "--scores").stdout.split()
        self.assertAlmostEqual(1 / (1 + math.exp(-float(scores[0]))), predictions[0], places=6)
        as_json = fm("predict", self.model, "--data", self.dir / "v.tsv", "--json").stdout
        self.assertEqual(
            [struct.pack("f", p) for p in json.loads(as_json)["predictions"]],
            [struct.pack("f", p) for p in predictions],
        )

    def exported(self):
        out = self.dir / "m.tsv"
        result = fm("export", self.model, "--format", "tsv", "--out", out)
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = [line.split("\t") for line in out.read_text().splitlines()]
        self.assertEqual(rows[0], ["field", "value", "w", "v0", "v1", "v2", "v3"])
        return {(row[0], row[1]): [float(x) for x in row[2:]] for row in rows[1:]}

    def test_export_is_enough_to_recompute_a_score(self):
        parameters = self.exported()
        features = [("user", "3", 1.0), ("tags", "t1", 0.5), ("tags", "t2", 0.5)]
        features += [("ad", "ad5", 1.0)]
        row = self.dir / "one.tsv"
        row.write_text("click\tuser\ttags\tad\n1\t3\tt1|t2\tad5\n")
        score = parameters[("", "(w0)")][0]
        for i, (field, value, x) in enumerate(features):
            w, *v = parameters[(field, value)]
            score += w * x
            for other_field, other_value, other_x in features[:i]:
                other = parameters[(other_field, other_value)][1:]
                score += x * other_x * sum(a * b for a, b in zip(v, other))
        printed = float(fm("predict", self.model, "--data", row, "--scores").stdout)
        self.assertAlmostEqual(score, printed, places=5)

    def test_npz_holds_the_same_parameters(self):
        parameters = self.exported()
        out = self.dir / "m.npz"
        self.assertEqual(fm("export", self.model, "--format", "npz", "--out", out).returncode, 0)
        with zipfile.ZipFile(out) as archive:
            self.assertIsNone(archive.testzip())
            self.assertEqual(set(archive.namelist()),
                             {f"{name}.npy" for name in ("field", "value", "key", "w", "v", "w0")})
            raw = archive.read("w.npy")
            values = archive.read("value.npy")
        self.assertEqual(raw[:6], b"\x93NUMPY")
        begin = 10 + struct.unpack("<H", raw[8:10])[0]
        self.assertEqual(begin % 64, 0)
        self.assertIn(f"'shape': ({len(parameters) - 1},)".encode(), raw[:begin])
        w = struct.unpack(f"<{len(parameters) - 1}f", raw[begin:])
        del parameters[("", "(w0)")]
        for ours, exported in zip(sorted(w), sorted(p[0] for p in parameters.values())):
            self.assertAlmostEqual(ours, exported, places=6)
        self.assertIn(b"ad5", values)

    def test_inspect_shows_header_schema_and_metadata(self):
        report = json.loads(fm("inspect", self.model, "--json").stdout)
        header = (report["task"], report["k"], report["quantization"])
        self.assertEqual(header, ("binary", 4, "f32"))
        self.assertEqual([field["name"] for field in report["fields"]], ["user", "tags", "ad"])
        self.assertEqual(report["metadata"]["data.train.file"], "t.tsv")
        self.assertEqual(report["metadata"]["field.ad.values"], "8")
        self.assertIn("metric.valid.logloss", report["metadata"])
        text = fm("inspect", self.model).stdout
        self.assertIn("min_count 2", text)

    def test_explain_adds_up_to_the_score(self):
        explain = ["explain", self.model, "--data", self.table]
        result = fm(*explain, "--row", 2, "--top", 1000, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        total = report["w0"] + sum(part["adds"] for part in report["contributions"])
        self.assertAlmostEqual(total, report["score"], places=9)
        self.assertIn("user=", fm(*explain).stdout)
        self.assertEqual(fm(*explain, "--row", 99999).returncode, 3)

    def test_verify_accepts_whole_files_and_refuses_broken_ones(self):
        whole = fm("verify", self.model, "--json")
        self.assertEqual(whole.returncode, 0, whole.stderr)
        self.assertGreater(json.loads(whole.stdout)["goldens"], 20)
        broken = self.dir / "broken.fmw"
        data = bytearray(self.model.read_bytes())
        data[len(data) // 2] ^= 1
        broken.write_bytes(data)
        result = fm("verify", broken)
        self.assertEqual(result.returncode, 3)
        self.assertIn("fm verify:", result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(fm("verify", self.dir / "absent.fmw").returncode, 3)

    def test_one_seed_writes_the_same_parameters_in_every_quantization(self):
        scores = {}
        for quantization in ("f32", "f16", "int8"):
            out = self.dir / f"{quantization}.fmw"
            result = fm("train", "--schema", self.schema, "--train", self.table, "--out", out,
                        "--k", 4, "--epochs", 3, "--quantization", quantization)
            self.assertEqual(result.returncode, 0, result.stderr)
            lines = fm("predict", out, "--data", self.table, "--scores").stdout.split()
            scores[quantization] = [float(line) for line in lines]
        for quantization, limit in (("f16", 1e-2), ("int8", 0.1)):
            worst = max(abs(a - b) for a, b in zip(scores["f32"], scores[quantization]))
            self.assertGreater(worst, 0)
            self.assertLess(worst, limit)

    def test_bad_data_exits_with_3_and_names_the_line(self):
        bad = self.dir / "bad.tsv"
        bad.write_text("click\tuser\ttags\tad\n1\t2\t\tad1\n0\tnobody\t\tad1\n")
        result = fm("eval", self.model, "--data", bad)
        self.assertEqual(result.returncode, 3)
        self.assertIn(f"{bad}:3", result.stderr)
        self.assertIn("user", result.stderr)
        no_valid = fm(*self.train_arguments("--valid", self.dir / "absent.tsv"))
        self.assertEqual(no_valid.returncode, 3)

    def test_what_cannot_be_written_exits_with_1(self):
        result = fm("export", self.model, "--out", self.dir / "no_such_folder" / "m.tsv")
        self.assertEqual(result.returncode, 1)
        self.assertIn("no_such_folder", result.stderr)
        arguments = self.train_arguments()
        arguments[arguments.index("--out") + 1] = self.dir / "no_such_folder" / "m.fmw"
        result = fm(*arguments)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("no_such_folder", result.stderr)
        self.assertNotIn("rows", result.stderr, "it must say so before it trains")
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([FM, "inspect", self.model], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard output", done.stderr)

    def test_wrong_usage_exits_with_2(self):
        for arguments in (
            [],
            ["no_such_command"],
            ["eval"],
            ["eval", self.model, "--data", self.table, "--nonsense"],
            self.train_arguments("--k", 0),
            self.train_arguments("--quantization", "f8"),
        ):
            self.assertEqual(fm(*arguments).returncode, 2, arguments)

    def test_every_help_shows_an_example(self):
        self.assertEqual(fm("--help").returncode, 0)
        for command in COMMANDS:
            result = fm(command, "--help")
            self.assertEqual(result.returncode, 0)
            self.assertIn(f"Example:\n  fm {command} ", result.stdout)


if __name__ == "__main__":
    unittest.main()
