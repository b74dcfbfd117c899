"""Runs the real `fm import` and the exports that lead back, on files written from the layouts of the other tools."""

import json
import pathlib
import random
import shutil
import struct
import subprocess
import tempfile
import unittest
import zipfile

import model_files as files

FM = shutil.which("fm")
SCHEMA = """\
task: binary
label: click
fields:
  - {name: user, side: context, value_type: integer}
  - {name: tags, side: context, kind: multi_valued, combiner: mean, min_count: 2}
  - {name: price, side: item, kind: numeric, transform: log}
  - {name: ad, side: item}
"""


def fm(*arguments):
    return subprocess.run([FM, *map(str, arguments)], capture_output=True, text=True, check=False)


def random_rows(n, count=40, features=None, seed=5):
    """Rows of [(index, x)]; with `features` so many each, x = 1."""
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        ids = rng.sample(range(n), features or rng.randrange(1, 6))
        rows.append([(i, 1.0 if features else rng.choice([1.0, 0.5, -2.0])) for i in sorted(ids)])
    return rows


class ImportCase(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.out = self.dir / "m.fmw"
        self.model = files.Model(12, 6)
        self.rows = random_rows(12)

    def write(self, name, content):
        path = self.dir / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content)
        return path

    def libsvm(self, rows, names=None, name="rows.libsvm"):
        lines = [" ".join(["1", *(f"{names[i] if names else i}:{x:g}" for i, x in row)]) for row in rows]
        return self.write(name, "\n".join(lines) + "\n")

    def import_model(self, content, *options, out=None):
        source = content if isinstance(content, pathlib.Path) else self.write("source", content)
        result = fm("import", source, "--out", out or self.out, "--json", *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def refuse(self, content, *options, code=3):
        source = content if isinstance(content, pathlib.Path) else self.write("source", content)
        result = fm("import", source, "--out", self.out, *options)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertFalse(self.out.exists(), "nothing may be written")
        return result.stderr

    def predictions(self, data, *options, model=None):
        result = fm("predict", model or self.out, "--data", data, *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return [float(line) for line in result.stdout.split()]

    def assert_predicts(self, expected, data, *options, delta=2e-6):
        ours = self.predictions(data, *options)
        self.assertEqual(len(ours), len(expected))
        for one, other in zip(ours, expected):
            self.assertAlmostEqual(one, other, delta=delta * max(1, abs(other)))


class ImportTest(ImportCase):
    def test_every_format_scores_as_its_tool(self):
        names = [f"f{i}=x" for i in range(12)]
        cases = {
            "libfm": (files.libfm_text, ["--task", "binary", "--link", "sigmoid"]),
            "xlearn-text": (files.xlearn_text, ["--task", "binary", "--norm", "off"]),
            "xlearn-binary": (files.xlearn_binary, ["--norm", "off"]),
            "alphafm-text": (lambda model: files.alphafm_text(model, names), []),
            "alphafm-binary": (lambda model: files.alphafm_binary(model, names), []),
            "sagemaker": (files.model_tar_gz, []),
            "npz": (files.npz, ["--task", "binary", "--link", "sigmoid"]),
        }
        scores = [self.model.score(row) for row in self.rows]
        for name, (write, options) in cases.items():
            with self.subTest(name):
                report = self.import_model(write(self.model), *options)
                self.assertEqual((report["format"], report["rows"], report["k"]), (name, 12, 6))
                self.assertEqual(report["goldens"], 32)
                data = self.libsvm(self.rows, names if name.startswith("alphafm") else None)
                self.assert_predicts(scores, data, "--scores")
                self.assert_predicts([files.sigmoid(score) for score in scores], data)
                self.assertEqual(fm("verify", self.out).returncode, 0)

    def test_regressions_predict_their_scores(self):
        scores = [self.model.score(row) for row in self.rows]
        data = self.libsvm(self.rows)
        for content, options in (
            (files.libfm_text(self.model), ["--task", "regression"]),
            (files.xlearn_binary(self.model, loss="squared"), ["--norm", "off"]),
            (files.model_tar_gz(self.model, "regressor"), []),
        ):
            self.assertEqual(self.import_model(content, *options)["task"], "regression")
            self.assert_predicts(scores, data)

    def test_all_shapes_of_sagemaker_arrays(self):
        sparse = files.Model(12, 6)
        stored = [1, 4, 5, 11]
        for i in set(range(12)) - set(stored):
            sparse.w[i], sparse.v[i] = 0.0, [0.0] * 6
        square = files.Model(6, 6)
        data = self.libsvm(random_rows(6))
        cases = [(self.model, dict(older=older), version) for older in (False, True) for version in range(4)]
        cases += [(sparse, dict(sparse=stored), 2), (square, dict(older=True), 2), (square, {}, 2)]
        for model, arrays, version in cases:
            with self.subTest(arrays=arrays, version=version, n=model.n):
                params = files.ndarray_list(files.sagemaker_arrays(model, **arrays), version)
                self.import_model(files.model_algo(params, files.sagemaker_meta(model)))
                self.assert_predicts([model.score(row) for row in random_rows(6)], data, "--scores")

    def test_half_and_double_precision(self):
        model = files.Model(12, 2)
        model.v = [[round(value * 16) / 16 for value in row] for row in model.v]
        model.w = [round(value * 16) / 16 for value in model.w]
        model.w0 = 0.25
        data = self.libsvm(self.rows)
        half = files.ndarray_list(files.sagemaker_arrays(model), dtype=files.F16)
        for content in (half, files.npz(model, "<f2"), files.npz(model, "<f8", zipfile.ZIP_DEFLATED)):
            options = ["--task", "binary"] + ([] if content is half else ["--link", "sigmoid"])
            self.import_model(content, *options)
            self.assert_predicts([model.score(row) for row in self.rows], data, "--scores")

    def test_asks_for_what_the_file_does_not_say(self):
        for content, words in (
            (files.libfm_text(self.model), ["--task", "--link"]),
            (files.xlearn_text(self.model), ["--task", "--norm"]),
            (files.xlearn_binary(self.model), ["--norm off"]),
            (files.model_tar_gz(self.model, None), ["--task"]),
            (files.npz(self.model), ["--task", "--link"]),
        ):
            message = self.refuse(content, code=2)
            for word in words:
                self.assertIn(word, message)
        message = self.refuse(files.libfm_text(self.model), "--task", "binary", code=2)
        self.assertIn("--link", message)
        self.assertNotIn("--task", message)

    def test_refuses_answers_that_contradict_the_file(self):
        names = [f"n{i}" for i in range(12)]
        for content, options in (
            (files.xlearn_binary(self.model, loss="squared"), ["--norm", "off", "--task", "binary"]),
            (files.alphafm_text(self.model, names), ["--link", "probit"]),
            (files.alphafm_text(self.model, names), ["--norm", "3"]),
            (files.libfm_text(self.model), ["--task", "regression", "--link", "sigmoid"]),
        ):
            self.refuse(content, *options)

    def test_a_probit_link_is_served_as_a_sigmoid_and_said_so(self):
        source = self.write("m.txt", files.libfm_text(self.model))
        result = fm("import", source, "--task", "binary", "--link", "probit", "--out", self.out)
        self.assertIn("probit", result.stdout)
        ours = self.predictions(self.libsvm(self.rows))
        for one, row in zip(ours, self.rows):
            self.assertAlmostEqual(one, files.probit(self.model.score(row)), delta=0.0095)

    def test_an_instance_norm_that_all_rows_share_becomes_part_of_the_weights(self):
        rows = random_rows(12, features=4)
        data = self.libsvm(rows)
        scores = [self.model.score(row, norm=True) for row in rows]
        predictions = self.write("p.txt", "".join(f"{score:.9g}\n" for score in scores))
        check = ["--check", predictions, "--data", data, "--scores"]
        report = self.import_model(files.xlearn_binary(self.model), "--norm", "4", *check)
        self.assert_predicts(scores, data, "--scores")
        self.assertLess(report["check"]["max_difference"], 1e-6)
        self.assertEqual(report["check"]["rows_of_other_norm"], 0)
        report = self.import_model(files.xlearn_binary(self.model), "--norm", "5", *check)
        self.assertEqual(report["check"]["rows_of_other_norm"], len(rows))
        self.assertGreater(report["check"]["max_difference"], 1e-3)

    def test_the_parity_report_finds_the_worst_row(self):
        data = self.libsvm(self.rows)
        theirs = [files.sigmoid(self.model.score(row)) for row in self.rows]
        theirs[7] += 0.25
        # alphaFM writes the label first.
        predictions = self.write("p.txt", "".join(f"1 {p:.9g}\n" for p in theirs))
        options = ["--task", "binary", "--link", "sigmoid", "--check", predictions, "--data", data]
        check = self.import_model(files.libfm_text(self.model), *options)["check"]
        self.assertEqual((check["rows"], check["worst_line"]), (40, 8))
        self.assertAlmostEqual(check["max_difference"], 0.25, places=5)
        self.assertAlmostEqual(check["mean_difference"], 0.25 / 40, places=5)
        self.out.unlink()
        message = self.refuse(files.libfm_text(self.model), *options, "--max-difference", "0.1", code=1)
        self.assertIn("line 8", message)
        predictions.write_text("0.5\n" * 39)
        self.assertIn("only 39", self.refuse(files.libfm_text(self.model), *options))
        predictions.write_text("0.5\n" * 41)
        self.assertIn("more than 40", self.refuse(files.libfm_text(self.model), *options))
        predictions.write_text("0.5\nhalf\n")
        self.assertIn("p.txt:2", self.refuse(files.libfm_text(self.model), *options))

    def test_malformed_files_are_refused_with_byte_and_reason(self):
        source = self.write("broken", files.xlearn_binary(self.model)[:-1])
        message = self.refuse(source, "--norm", "off")
        self.assertRegex(message, r"broken, as xlearn-binary: byte \d+: ends early: v takes")
        self.assertIn("begins like none", self.refuse(b"what is this?"))
        tar = files.model_tar_gz(self.model)
        damaged = bytearray(tar)
        damaged[len(tar) // 2] ^= 0xFF
        self.assertRegex(self.refuse(bytes(damaged)), r"byte \d+: ")
        self.assertRegex(self.refuse(tar, "--format", "npz", "--task", "binary"), r"byte 0: .*'w0.npy'")

    def test_artifacts_of_several_hosts_must_agree(self):
        def algo(seed):
            model = files.Model(12, 6, seed)
            return files.model_algo(files.ndarray_list(files.sagemaker_arrays(model)), files.sagemaker_meta(model))

        self.import_model(files.tar_file({"model_algo-1": algo(1), "model_algo-2": algo(1)}))
        self.out.unlink()
        different = files.tar_file({"model_algo-1": algo(1), "model_algo-2": algo(2)})
        self.assertIn("different parameters", self.refuse(different))

    def test_meta_must_fit_the_arrays(self):
        params = files.ndarray_list(files.sagemaker_arrays(self.model))
        for change, words in (
            ({"feature_dim": "13"}, "feature_dim is 13"),
            ({"num_factors": "5"}, "num_factors is 5"),
            ({"predictor_type": "ranker"}, "'ranker'"),
            ({"feature_dim": "many"}, "'many'"),
        ):
            meta = files.sagemaker_meta(self.model)
            meta["training_parameters"].update(change)
            self.assertIn(words, self.refuse(files.model_algo(params, meta)))
        self.assertIn("meta.json: byte 0", self.refuse(files.model_algo(params, [1])))


class MapTest(ImportCase):
    """With a map, ids become features of fields."""

    def setUp(self):
        super().setUp()
        self.schema = self.write("s.yaml", SCHEMA)
        self.features = [
            ("user", "7"), ("user", "8"), ("user", "(missing)"), ("tags", "a"), ("tags", "b"), ("tags", "(rare)"),
            ("price", ""), ("ad", "x"), ("ad", "y\tz"), ("ad", "w|w"), ("ad", "(missing)"),
        ]
        self.map = self.write("ids.tsv", self.map_text(self.features))
        self.options = ["--task", "binary", "--link", "sigmoid", "--schema", self.schema, "--map", self.map]

    @staticmethod
    def map_text(features):
        return "".join(f"{i}\t{field}\t{value.replace(chr(9), chr(92) + 't')}\n" for i, (field, value) in enumerate(features))

    def test_rows_of_a_table_score_by_their_features(self):
        source = files.libfm_text(self.model)
        self.assertIn("the first is '11'", self.refuse(source, *self.options))
        report = self.import_model(source, *self.options, "--drop-unmapped")
        self.assertEqual((report["rows"], report["left_out"], report["unknown_ids"]), (11, 1, 0))
        table = self.write("t.tsv", "click\tuser\ttags\tprice\tad\n1\t7\ta|b\t1.5\tx\n0\t\tunknown|a\t0\t\n")
        log = struct.unpack("<f", struct.pack("<f", 0.9162907318741551))[0]
        expected = [
            self.model.score([(0, 1), (3, 0.5), (4, 0.5), (6, log), (7, 1)]),
            self.model.score([(2, 1), (5, 0.5), (3, 0.5), (10, 1)]),
        ]
        self.assert_predicts(expected, table, "--scores")
        inspected = json.loads(fm("inspect", self.out, "--json").stdout)
        self.assertEqual(inspected["metadata"]["import.format"], "libfm")
        self.assertEqual(len(inspected["metadata"]["import.sha256"]), 64)

    def test_names_are_mapped_as_numbers_are(self):
        names = [f"n{i}" for i in range(11)]
        lines = "".join(f"{name}\t{field}\t{value.replace(chr(9), chr(92) + 't')}\n" for name, (field, value) in zip(names, self.features))
        self.map.write_text(lines + "n99\tuser\t9\n")
        report = self.import_model(files.alphafm_binary(files.Model(11, 6), names), "--schema", self.schema, "--map", self.map)
        self.assertEqual((report["rows"], report["unknown_ids"]), (11, 1))

    def test_errors_of_the_map_name_the_line(self):
        source = files.libfm_text(self.model)
        for line, words in (
            ("11\tuser", "not id, field and value"),
            ("11\tuser\t9\t9", "not id, field and value"),
            ("11\tnobody\t9", "no field 'nobody'"),
            ("11\tuser\tnine", "takes integers"),
            ("11\tprice\t3", "takes an empty text"),
            ("-1\tuser\t9", "'-1' is not a whole number"),
            ("3\tuser\t9", "'3' stands for a second time"),
            ("11\tad\ta\\b", "backslash"),
        ):
            self.map.write_text(self.map_text(self.features) + line + "\n")
            message = self.refuse(source, *self.options)
            self.assertIn("ids.tsv:12: ", message)
            self.assertIn(words, message)
        self.map.write_text(self.map_text([*self.features, ("user", "07")]))
        self.assertIn("are both the feature", self.refuse(source, *self.options))
        self.map.write_text("99\tuser\t7\n")
        self.assertIn("no id of the model", self.refuse(source, *self.options, "--drop-unmapped"))

    def test_the_schema_must_fit(self):
        source = files.libfm_text(self.model)
        without_schema = [option for option in self.options if option not in ("--schema", self.schema)]
        self.assertIn("--schema", self.refuse(source, *without_schema))
        self.schema.write_text(SCHEMA.replace("binary", "regression"))
        self.assertIn("regression", self.refuse(source, *self.options))
        self.schema.write_text(SCHEMA.replace("transform: log", "transform: standardise"))
        self.assertIn("mean and stddev", self.refuse(source, *self.options))
        self.schema.write_text(SCHEMA)
        self.assertIn("--map", self.refuse(source, "--task", "binary", "--link", "sigmoid", "--schema", self.schema))


class ExportTest(ImportCase):
    """What fm exports, fm imports: the same scores to the last bit."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.trained = pathlib.Path(cls.folder.name)
        rng = random.Random(3)
        lines = ["click\tuser\ttags\tprice\tad"]
        for _ in range(1500):
            tags = "|".join(f"t{rng.randrange(200)}" for _ in range(rng.randrange(4)))
            user, ad = rng.choice(["", *map(str, range(9))]), rng.randrange(8)
            lines.append(f"{rng.randrange(2)}\t{user}\t{tags}\t{rng.random():.3f}\ta\\{ad}")
        (cls.trained / "t.tsv").write_text("\n".join(lines) + "\n")
        (cls.trained / "s.yaml").write_text(SCHEMA)
        trained = fm("train", "--schema", cls.trained / "s.yaml", "--train", cls.trained / "t.tsv", "--k", 4,
                     "--epochs", 2, "--out", cls.trained / "m.fmw")
        assert trained.returncode == 0, trained.stderr

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def export(self, model, *options):
        path = self.dir / "exported"
        result = fm("export", model, "--out", path, *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return path

    def test_a_trained_model_comes_back_the_same(self):
        answers = ["--task", "binary", "--link", "sigmoid", "--schema", self.trained / "s.yaml"]
        ids = self.dir / "ids.tsv"
        expected = self.predictions(self.trained / "t.tsv", model=self.trained / "m.fmw")
        for options, more in ((["--format", "npz"], []), (["--format", "libfm", "--map", ids], ["--map", ids])):
            self.import_model(self.export(self.trained / "m.fmw", *options), *answers, *more)
            self.assertEqual(self.predictions(self.trained / "t.tsv"), expected)

    def test_a_model_of_libfm_keeps_its_ids_on_the_way_back(self):
        answers = ["--task", "binary", "--link", "sigmoid"]
        source = self.write("model.txt", files.libfm_text(self.model))
        self.import_model(source, *answers)
        exported = self.export(self.out, "--format", "libfm")
        ours, theirs = ([line.split() for line in path.read_text().splitlines()] for path in (exported, source))
        self.assertEqual(len(ours), len(theirs))
        for mine, other in zip(ours, theirs):
            if other[0].startswith("#"):
                self.assertEqual(mine, other)
            else:
                self.assertEqual([files.f32(float(x)) for x in mine], [files.f32(float(x)) for x in other])

    def test_ids_between_those_of_the_model_are_zero(self):
        sparse = files.ndarray_list(files.sagemaker_arrays(files.Model(12, 2), sparse=[1, 3]))
        self.import_model(sparse, "--task", "binary")
        lines = self.export(self.out, "--format", "libfm").read_text().splitlines()
        self.assertEqual(lines[3], "0")
        self.assertNotEqual(lines[4], "0")
        self.assertEqual(lines[8], "0 0")
        self.assertEqual(len(lines), 3 + 4 + 1 + 4)

    def test_libfm_needs_a_map_of_values_that_are_no_ids(self):
        out = self.dir / "m.txt"
        result = fm("export", self.trained / "m.fmw", "--format", "libfm", "--out", out)
        self.assertEqual(result.returncode, 3)
        self.assertIn("--map", result.stderr)
        wrong = fm("export", self.trained / "m.fmw", "--map", self.dir / "ids.tsv", "--out", out)
        self.assertEqual(wrong.returncode, 2)

    def test_exports_of_a_calibrated_model_say_what_is_missing(self):
        source = self.write("model.txt", files.libfm_text(self.model))
        self.import_model(source, "--task", "binary", "--link", "probit")
        result = fm("export", self.out, "--format", "libfm", "--out", self.dir / "again.txt")
        self.assertIn("1.702", result.stderr)


class SeedTest(unittest.TestCase):
    def test_the_seeds_of_the_fuzz_targets_are_what_the_layouts_say(self):
        for reader, contents in files.seeds().items():
            for name, content in contents.items():
                self.assertEqual(files.seed_path(reader, name).read_bytes(), content, f"{reader}/{name}")


if __name__ == "__main__":
    unittest.main()
