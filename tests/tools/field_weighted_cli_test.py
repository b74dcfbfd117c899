"""What fm learns as a field-weighted model, and what it shows of the golden file of one."""

import ast
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
MODEL = pathlib.Path("tests/golden/v1_field_weighted.fmw")
PLAIN = pathlib.Path("tests/golden/v1_f32.fmw")
SCHEMA = """\
task: binary
label: click
fields:
  - {name: user, side: context, min_count: 2}
  - {name: age, side: context, kind: numeric, transform: boundaries, boundaries: [18, 40]}
  - {name: ad, side: item, value_type: integer}
  - {name: tags, side: item, kind: multi_valued, combiner: mean, weighted: true}
"""
# The features of its first golden. Nobody has seen opera, and tags have no rare row.
FEATURES = [("user", "ann", 1.0), ("age", "bucket 1", 1.0), ("ad", "7", 1.0), ("tags", "sport", 2 / 3)]


def fm(*arguments):
    return subprocess.run([FM, *map(str, arguments)], capture_output=True, text=True, check=False)


def score_of(rows, w0, weight):
    """By the formula of docs/publishers.md; rows are (x, w, v, u)."""
    score = w0
    for i, (x, w, v, u) in enumerate(rows):
        score += w * x
        for other_x, _, other_v, other_u in rows[:i]:
            score += weight(u, other_u) * x * other_x * sum(a * b for a, b in zip(v, other_v))
    return score


def read_npy(archive, name):
    """Shape and flat numbers or texts."""
    raw = archive.read(f"{name}.npy")
    begin = 10 + struct.unpack("<H", raw[8:10])[0]
    header = ast.literal_eval(raw[10:begin].decode())
    count = math.prod(header["shape"])
    if header["descr"].startswith("|S"):
        width = int(header["descr"][2:])
        texts = [raw[begin + i * width : begin + (i + 1) * width] for i in range(count)]
        return header["shape"], [text.rstrip(b"\0").decode() for text in texts]
    code = {"<f4": "f", "<f8": "d", "<u8": "Q"}[header["descr"]]
    return header["shape"], struct.unpack(f"<{count}{code}", raw[begin:])


class FieldWeightedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.dir = pathlib.Path(cls.folder.name)
        (cls.dir / "s.yaml").write_text(SCHEMA)
        (cls.dir / "one.tsv").write_text("click\tuser\tage\tad\ttags\n1\tann\t30\t7\tsport:2|opera:1\n")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def predicted(self, model=MODEL):
        result = fm("predict", model, "--data", self.dir / "one.tsv", "--schema", self.dir / "s.yaml", "--scores")
        self.assertEqual(result.returncode, 0, result.stderr)
        return float(result.stdout)

    def exported(self, format):
        out = self.dir / f"m.{format}"
        result = fm("export", MODEL, "--format", format, "--out", out)
        self.assertEqual(result.returncode, 0, result.stderr)
        return out

    def test_the_matrix_changes_the_score(self):
        self.assertNotAlmostEqual(self.predicted(), self.predicted(PLAIN), places=2)

    def test_the_exported_table_is_enough_to_recompute_a_score(self):
        lines = [line.split("\t") for line in self.exported("tsv").read_text().splitlines()]
        self.assertEqual(lines[0], ["field", "value", "w", "v0", "v1", "v2", "u0", "u1"])
        table = {(line[0], line[1]): [float(number) for number in line[2:]] for line in lines[1:]}
        w0, e = table[("", "(w0)")][0], table[("", "(e)")][4:]
        rows = []
        for field, value, x in FEATURES:
            w, *numbers = table[(field, value)]
            rows.append((x, w, numbers[:3], numbers[3:]))
        score = score_of(rows, w0, lambda u, v: sum(a * b * c for a, b, c in zip(e, u, v)))
        self.assertAlmostEqual(score, self.predicted(), places=5)

    def test_the_exported_arrays_are_enough_to_recompute_a_score(self):
        with zipfile.ZipFile(self.exported("npz")) as archive:
            self.assertIsNone(archive.testzip())
            names = {name.removesuffix(".npy") for name in archive.namelist()}
            self.assertEqual(names, {"field", "value", "key", "w", "v", "w0", "u", "u_field", "e"})
            arrays = {name: read_npy(archive, name) for name in names}
        self.assertEqual(arrays["v"][0], (8, 3))
        self.assertEqual(arrays["u"][0], (4, 2))
        self.assertEqual(arrays["e"][0], (2,))
        self.assertEqual(arrays["u_field"][1], ["user", "age", "ad", "tags"])
        e, u = arrays["e"][1], arrays["u"][1]
        features = list(zip(arrays["field"][1], arrays["value"][1]))
        rows = []
        for field, value, x in FEATURES:
            row, number = features.index((field, value)), arrays["u_field"][1].index(field)
            v = arrays["v"][1][3 * row : 3 * row + 3]
            rows.append((x, arrays["w"][1][row], v, u[2 * number : 2 * number + 2]))
        score = score_of(rows, arrays["w0"][1][0], lambda u, v: sum(a * b * c for a, b, c in zip(e, u, v)))
        self.assertAlmostEqual(score, self.predicted(), places=5)

    def test_inspect_shows_the_kind_and_the_matrix(self):
        report = json.loads(fm("inspect", MODEL, "--json").stdout)
        self.assertEqual(report["kind"], "fwfm")
        matrix = report["field_matrix"]
        self.assertEqual((matrix["rank"], matrix["e"]), (2, [1.5, -0.5]))
        self.assertEqual(matrix["u"]["tags"], [0.75, 1.0])
        weights = [abs(pair["weight"]) for pair in matrix["pairs"]]
        self.assertEqual(len(weights), 10)
        self.assertEqual(weights, sorted(weights, reverse=True))
        self.assertEqual(matrix["pairs"][0]["fields"], ["ad", "ad"])
        self.assertAlmostEqual(matrix["pairs"][0]["weight"], 1.5 * 1.25**2 - 0.5 * 0.5**2)
        text = fm("inspect", MODEL).stdout
        self.assertIn("field matrix of rank 2", text)
        self.assertIn("user × ad", text)
        plain = json.loads(fm("inspect", PLAIN, "--json").stdout)
        self.assertEqual(plain["kind"], "fm")
        self.assertNotIn("field_matrix", plain)

    def test_explain_adds_up_to_the_score(self):
        result = fm("explain", MODEL, "--data", self.dir / "one.tsv", "--schema", self.dir / "s.yaml", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        total = report["w0"] + sum(part["adds"] for part in report["contributions"])
        self.assertAlmostEqual(total, report["score"], places=9)
        self.assertAlmostEqual(report["score"], self.predicted(), places=5)

    def test_quantizing_keeps_the_matrix_and_what_it_makes_passes_its_goldens(self):
        small = self.dir / "small.fmw"
        self.assertEqual(fm("quantize", MODEL, "--rows", "f16", "--out", small).returncode, 0)
        verified = fm("verify", small)
        self.assertEqual(verified.returncode, 0, verified.stderr)
        before, after = (json.loads(fm("inspect", model, "--json").stdout) for model in (MODEL, small))
        self.assertEqual(after["field_matrix"], before["field_matrix"])
        self.assertAlmostEqual(self.predicted(small), self.predicted(), places=2)


TRAIN_SCHEMA = """\
task: binary
label: click
fields:
  - {name: user, side: context, value_type: integer}
  - {name: hour, side: context, value_type: integer}
  - {name: ad, side: item}
"""


def write_clicks(path, rows, seed):
    """User and ad attract each other when both are odd or both even; hour and ad when they are not."""
    rng = random.Random(seed)
    lines = ["click\tuser\thour\tad"]
    for _ in range(rows):
        user, hour, ad = rng.randrange(12), rng.randrange(6), rng.randrange(8)
        score = (1.5 if user % 2 == ad % 2 else -1.5) - (1.0 if hour % 2 == ad % 2 else -1.0)
        lines.append(f"{int(rng.random() < 1 / (1 + math.exp(-score)))}\t{user}\t{hour}\tad{ad}")
    path.write_text("\n".join(lines) + "\n")


class TrainTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.dir = pathlib.Path(cls.folder.name)
        (cls.dir / "s.yaml").write_text(TRAIN_SCHEMA)
        write_clicks(cls.dir / "t.tsv", 4000, seed=1)
        write_clicks(cls.dir / "v.tsv", 1000, seed=2)
        cls.model = cls.dir / "m.fmw"
        cls.trained = cls.train(cls.model, "--kind", "fwfm", "--rank", 2)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def train(cls, out, *more):
        return fm("train", "--schema", cls.dir / "s.yaml", "--train", cls.dir / "t.tsv", "--valid",
                  cls.dir / "v.tsv", "--out", out, "--k", 4, "--json", *more)

    def test_training_reports_the_kind_and_writes_it(self):
        self.assertEqual(self.trained.returncode, 0, self.trained.stderr)
        report = json.loads(self.trained.stdout)
        self.assertEqual(report["kind"], "fwfm")
        self.assertGreater(report["valid"]["auc"], 0.75)
        inspected = json.loads(fm("inspect", self.model, "--json").stdout)
        self.assertEqual((inspected["kind"], inspected["field_matrix"]["rank"]), ("fwfm", 2))
        self.assertEqual(inspected["metadata"]["option.rank"], "2")

    def test_the_scores_of_the_file_are_the_double_sum_of_what_was_learned(self):
        out = self.dir / "m.tsv"
        self.assertEqual(fm("export", self.model, "--format", "tsv", "--out", out).returncode, 0)
        lines = [line.split("\t") for line in out.read_text().splitlines()][1:]
        table = {(line[0], line[1]): [float(number) for number in line[2:]] for line in lines}
        w0, e = table[("", "(w0)")][0], table[("", "(e)")][5:]
        predicted = fm("predict", self.model, "--data", self.dir / "v.tsv", "--scores").stdout.split()
        cells = [line.split("\t")[1:] for line in (self.dir / "v.tsv").read_text().splitlines()][1:]
        self.assertEqual(len(predicted), len(cells))
        for row, score in list(zip(cells, predicted))[:50]:
            parts = [table[feature] for feature in zip(("user", "hour", "ad"), row)]
            rows = [(1.0, part[0], part[1:5], part[5:]) for part in parts]
            expected = score_of(rows, w0, lambda u, v: sum(a * b * c for a, b, c in zip(e, u, v)))
            self.assertAlmostEqual(float(score), expected, places=5)

    def test_one_seed_learns_the_same_matrix(self):
        again = self.dir / "again.fmw"
        self.assertEqual(self.train(again, "--kind", "fwfm", "--rank", 2).returncode, 0)
        matrices = [json.loads(fm("inspect", model, "--json").stdout)["field_matrix"] for model in (self.model, again)]
        self.assertEqual(*matrices)

    def test_options_of_the_other_kind_are_wrong_usage(self):
        for more, message in [
            (["--rank", 2], "--kind fm has no such option"),
            (["--field-learning-rate", 0.1], "--kind fm has no such option"),
            (["--kind", "fwfm", "--method", "gibbs"], "--kind fm only"),
            (["--kind", "fwfm", "--k", 100, "--rank", 3], "times --k is more than 256"),
            (["--kind", "fwfm", "--rank", 17], "--rank"),
        ]:
            result = fm("train", "--schema", "s", "--train", "t", "--out", "o", *more)
            self.assertEqual(result.returncode, 2, (more, result.stderr))
            self.assertIn(message, result.stderr)

    def test_a_schema_of_one_field_has_nothing_to_weigh(self):
        (self.dir / "one.yaml").write_text("fields: [{name: id, kind: multi_valued, value_type: integer}]")
        (self.dir / "t.libsvm").write_text("1 3 5\n0 4 5\n")
        result = fm("train", "--schema", self.dir / "one.yaml", "--train", self.dir / "t.libsvm", "--out", self.dir / "o",
                    "--kind", "fwfm")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("--kind fwfm weighs fields, and there is one", result.stderr)

    def test_libfm_has_no_such_models(self):
        result = fm("export", self.model, "--format", "libfm", "--out", self.dir / "m.txt", "--map", self.dir / "ids")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("libFM has no field-weighted models", result.stderr)


if __name__ == "__main__":
    unittest.main()
