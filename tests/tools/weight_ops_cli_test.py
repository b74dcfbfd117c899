"""Runs the real `fm quantize`, `fm prune`, `fm average` and `fm calibrate` on small trained models."""

import hashlib
import json
import pathlib
import random
import shutil
import subprocess
import tempfile
import unittest

FM = shutil.which("fm")
SCHEMA = """\
task: binary
label: click
fields:
  - {name: user, side: context, min_count: 2}
  - {name: ad, side: item}
"""


def fm(*arguments):
    return subprocess.run([FM, *map(str, arguments)], capture_output=True, text=True, check=False)


def write_table(path, rows, seed):
    rng = random.Random(seed)
    lines = ["click\tuser\tad"]
    for _ in range(rows):
        user, ad = int(rng.expovariate(0.2)), rng.randrange(8)
        click = int(rng.random() < (0.9 if user % 2 == ad % 2 else 0.1))
        lines.append(f"{click}\tu{user}\ta{ad}")
    path.write_text("\n".join(lines) + "\n")


class WeightOpsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.dir = pathlib.Path(cls.folder.name)
        (cls.dir / "s.yaml").write_text(SCHEMA)
        write_table(cls.dir / "test.tsv", 2000, seed=9)
        for name, log, seed in (("a", 1, 1), ("b", 2, 1), ("other", 2, 2)):
            write_table(cls.dir / "log.tsv", 2000, seed=log)
            trained = fm("train", "--schema", cls.dir / "s.yaml", "--train", cls.dir / "log.tsv", "--k", 4, "--epochs", 5,
                         "--seed", seed, "--out", cls.dir / f"{name}.fmw")
            assert trained.returncode == 0, trained.stderr
        cls.a, cls.b, cls.data = cls.dir / "a.fmw", cls.dir / "b.fmw", cls.dir / "test.tsv"

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def report(self, *arguments):
        result = fm(*arguments, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def metadata(self, path):
        return json.loads(fm("inspect", path, "--json").stdout)["metadata"]

    def test_quantize_says_what_it_costs_and_where_it_came_from(self):
        out = self.dir / "q.fmw"
        report = self.report("quantize", self.a, "--rows", "int8", "--out", out, "--data", self.data)
        self.assertEqual(fm("verify", out).returncode, 0)
        before, after = report["parents"][0], report
        self.assertLess(after["bytes"], before["bytes"])
        self.assertAlmostEqual(after["metrics"]["logloss"], before["metrics"]["logloss"], places=3)
        measured = json.loads(fm("eval", out, "--data", self.data, "--json").stdout)
        self.assertAlmostEqual(measured["logloss"], after["metrics"]["logloss"], places=6)
        metadata = self.metadata(out)
        self.assertEqual(metadata["lineage.1.operation"], "quantize")
        self.assertIn(hashlib.sha256(self.a.read_bytes()).hexdigest(), metadata["lineage.1.parent.1"])
        self.assertFalse([name for name in metadata if name.startswith("metric.")])

    def test_prune_says_what_it_dropped(self):
        out, keep = self.dir / "p.fmw", self.dir / "keep.tsv"
        keep.write_text("ad\ta0\nad\ta1\n")
        report = self.report("prune", self.a, "--min-count", 20, "--keep", keep, "--out", out, "--data", self.data)
        self.assertEqual(fm("verify", out).returncode, 0)
        self.assertEqual(report["fields"]["ad"], {"kept": 2, "dropped": 6, "under_count": 0, "under_norm": 0, "not_in_list": 6})
        self.assertGreater(report["fields"]["user"]["under_count"], 0)
        self.assertEqual(report["rows"], sum(field["kept"] for field in report["fields"].values()))
        self.assertGreater(report["metrics"]["logloss"], report["parents"][0]["metrics"]["logloss"])
        self.assertEqual(self.metadata(out)["field.ad.parameters"], "2")
        text = fm("prune", self.a, "--min-norm", 0.01, "--out", out).stdout
        self.assertIn("under norm", text)

    def test_average_of_two_logs_is_a_model_as_theirs_are(self):
        out = self.dir / "avg.fmw"
        report = self.report("average", self.a, self.b, "--out", out, "--data", self.data)
        self.assertEqual(fm("verify", out).returncode, 0)
        for parent in report["parents"]:
            self.assertAlmostEqual(report["metrics"]["logloss"], parent["metrics"]["logloss"], delta=0.02)
        self.assertEqual(self.metadata(out)["data.train.rows"], "4000")

    def test_models_that_began_elsewhere_need_an_explicit_word(self):
        out, other = self.dir / "x.fmw", self.dir / "other.fmw"
        refused = fm("average", self.a, other, "--out", out)
        self.assertEqual(refused.returncode, 3)
        self.assertIn("model 2 began training at", refused.stderr)
        self.assertFalse(out.exists())
        self.assertEqual(fm("average", self.a, other, "--out", out, "--unaligned").returncode, 0)
        self.assertIn("--unaligned", self.metadata(out)["lineage.1.options"])

    def test_calibrate_mends_what_a_sample_of_the_negatives_bent(self):
        out, bent = self.dir / "c.fmw", self.dir / "bent.fmw"
        header, *rows = self.data.read_text().splitlines()
        clicks = [row for row in rows if row.startswith("1")]
        (self.dir / "bent.tsv").write_text("\n".join([header, *rows[:300], *clicks]) + "\n")
        fm("train", "--schema", self.dir / "s.yaml", "--train", self.dir / "bent.tsv", "--k", 4, "--epochs", 3, "--out", bent)
        valid = self.dir / "valid.tsv"
        write_table(valid, 2000, seed=8)
        report = self.report("calibrate", bent, "--rows", valid, "--out", out, "--data", self.data)
        self.assertEqual(fm("verify", out).returncode, 0)
        before, after = report["parents"][0]["metrics"], report["metrics"]
        self.assertGreater(before["calibration"], 1.2)
        self.assertAlmostEqual(after["calibration"], 1.0, delta=0.1)
        self.assertLess(after["logloss"], before["logloss"])
        self.assertAlmostEqual(after["auc"], before["auc"], places=9)
        self.assertAlmostEqual(report["calibration"]["after"]["calibration"], 1.0, delta=0.01)
        measured = json.loads(fm("eval", out, "--data", self.data, "--json").stdout)
        self.assertAlmostEqual(measured["logloss"], after["logloss"], places=6)
        self.assertEqual(self.metadata(out)["lineage.1.operation"], "calibrate")
        again = self.report("calibrate", out, "--rows", valid, "--out", self.dir / "cc.fmw")
        self.assertAlmostEqual(again["calibration"]["scale"], report["calibration"]["scale"], places=6)
        text = fm("calibrate", bent, "--rows", valid, "--out", out).stdout
        self.assertIn("predicted over observed", text)

    def test_calibrate_refuses_rows_of_one_label(self):
        one = self.dir / "one.tsv"
        one.write_text("click\tuser\tad\n1\tu1\ta1\n")
        result = fm("calibrate", self.a, "--rows", one, "--out", self.dir / "never.fmw")
        self.assertEqual(result.returncode, 3)
        self.assertIn("one.tsv: a calibration needs rows of both labels", result.stderr)
        self.assertFalse((self.dir / "never.fmw").exists())

    def test_a_limit_on_the_size_fails_before_anything_is_written(self):
        out = self.dir / "limited.fmw"
        big = self.dir / "log"
        fm("generate", "--rows", 60000, "--out", big)
        fm("train", "--schema", big / "schema.yaml", "--train", big / "train.tsv", "--k", 64, "--epochs", 1, "--out", self.dir / "big.fmw")
        result = fm("quantize", self.dir / "big.fmw", "--rows", "f32", "--out", out, "--max-mib", 1)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("more than the limit of 1048576", result.stderr)
        self.assertFalse(out.exists())

    def test_wrong_usage(self):
        out = self.dir / "x.fmw"
        for arguments in (("prune", self.a, "--out", out), ("average", self.a, "--out", out), ("quantize", self.a, "--out", out),
                          ("average", self.a, self.b, "--weights", "1", "--out", out)):
            self.assertEqual(fm(*arguments).returncode, 2, arguments)

    def test_every_help_shows_an_example(self):
        for command in ("quantize", "prune", "average", "calibrate"):
            self.assertIn(f"Example:\n  fm {command} ", fm(command, "--help").stdout)


if __name__ == "__main__":
    unittest.main()
