"""Runs the real `fm catalogue` and `fm topk` on small generated data."""

import gzip
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

FM = shutil.which("fm")
SCHEMA = """\
task: binary
label: click
list_separator: ';'
fields:
  - {name: user}
  - {name: tags, kind: multi_valued, combiner: mean}
  - {name: ad, side: item}
  - {name: topics, side: item, kind: multi_valued, weighted: true}
  - {name: price, side: item, kind: numeric, transform: standardise}
"""
ITEMS, USERS = 60, 40
CLUSTER_VARIABLES = ("SLURM_", "JOB_COMPLETION_INDEX")


def fm(*arguments, env=None):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(CLUSTER_VARIABLES)}
    return subprocess.run([FM, *map(str, arguments)], capture_output=True, text=True, check=False, env={**clean, **(env or {})})


def item_cells(ad, rng):
    topics = ";".join(f"topic{rng.randrange(6)}:{rng.randrange(1, 4)}" for _ in range(rng.randrange(3)))
    return [f"ad{ad}", topics, f"{rng.uniform(1, 9):.2f}"]


def user_cells(user, rng):
    return [f"u{user}", ";".join(f"t{rng.randrange(9)}" for _ in range(rng.randrange(4)))]


def write_rows(path, header, rows):
    path.write_text("\n".join("\t".join(row) for row in [header, *rows]) + "\n")


class CatalogueTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.dir = pathlib.Path(cls.folder.name)
        rng = random.Random(5)
        cls.items = [item_cells(ad, rng) for ad in range(ITEMS)]
        cls.users = [user_cells(user, rng) for user in range(USERS)]
        (cls.dir / "s.yaml").write_text(SCHEMA)
        rows = []
        for _ in range(4000):
            user, item = rng.choice(cls.users), rng.choice(cls.items)
            good = int(user[0][1:]) % 3 == int(item[0][2:]) % 3
            rows.append([str(int(rng.random() < (0.8 if good else 0.1))), *user, *item])
        write_rows(cls.dir / "t.tsv", ["click", "user", "tags", "ad", "topics", "price"], rows)
        cls.model = cls.dir / "m.fmw"
        trained = fm("train", "--schema", cls.dir / "s.yaml", "--train", cls.dir / "t.tsv", "--out", cls.model,
                     "--k", 4, "--epochs", 5, "--name", "shop")
        assert trained.returncode == 0, trained.stderr
        cls.shop = [[*cells, "red;blue" if i % 2 else "red", f"brand {i % 7}", str(i / 4)]
                    for i, cells in enumerate(cls.items)]
        cls.header = ["ad", "topics", "price", "colours", "brand", "cpc"]
        cls.table = cls.dir / "items.tsv"
        write_rows(cls.table, cls.header, cls.shop)
        cls.catalogue = cls.dir / "items.fmc"
        cls.built = cls.build(cls.table, cls.catalogue, "--bid", "cpc", "--json")
        write_rows(cls.dir / "users.tsv", ["user", "tags"], cls.users)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def build(cls, table, out, *more):
        return fm("catalogue", "build", "--weights", cls.model, "--data", table, "--id", "ad",
                  "--attributes", "colours,brand,topics", "--out", out, *more)

    def bad_items(self, *rows):
        path = self.dir / "bad.tsv"
        write_rows(path, self.header, rows)
        result = self.build(path, self.dir / "bad.fmc", "--bid", "cpc")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertFalse((self.dir / "bad.fmc").exists())
        return result.stderr


class CatalogueBuildTest(CatalogueTest):
    def test_build_reports_one_object(self):
        self.assertEqual(self.built.returncode, 0, self.built.stderr)
        report = json.loads(self.built.stdout)
        self.assertEqual((report["model"], report["items"], report["bids"]), ("shop", ITEMS, True))

    def test_inspect_shows_counts_attributes_and_bids(self):
        report = json.loads(fm("catalogue", "inspect", self.catalogue, "--json").stdout)
        self.assertEqual((report["ids"], report["items"]), ("string", ITEMS))
        self.assertEqual(report["bids"], {"min": 0.0, "mean": (ITEMS - 1) / 8, "max": (ITEMS - 1) / 4})
        colours, brand, topics = report["attributes"]
        self.assertEqual(colours["most_frequent"], [{"value": "red", "items": 60}, {"value": "blue", "items": 30}])
        self.assertEqual(brand["values"], 7)
        self.assertEqual(topics["items_without"], sum(not cells[1] for cells in self.items))
        self.assertEqual(report["metadata"]["data.items.file"], "items.tsv")
        self.assertEqual([field["name"] for field in report["fields"]], ["ad", "topics", "price"])
        self.assertIn("brand 0", fm("catalogue", "inspect", self.catalogue).stdout)

    def test_inspect_shows_an_item(self):
        arguments = ["catalogue", "inspect", self.catalogue, "--item", "ad7"]
        item = json.loads(fm(*arguments, "--json").stdout)
        topics = sorted({topic.split(":")[0] for topic in self.items[7][1].split(";") if topic})
        self.assertEqual(item["attributes"], {"colours": ["blue", "red"], "brand": ["brand 0"], "topics": topics})
        self.assertEqual(item["bid"], 1.75)
        self.assertEqual(item["features"][0]["field"], "ad")
        self.assertIn("brand 0", fm(*arguments).stdout)
        self.assertEqual(fm("catalogue", "inspect", self.catalogue, "--item", "nobody").returncode, 3)

    def test_compressed_tables_give_the_same_items(self):
        packed = self.dir / "items.tsv.gz"
        packed.write_bytes(gzip.compress(self.table.read_bytes()))
        out = self.dir / "packed.fmc"
        self.assertEqual(self.build(packed, out, "--bid", "cpc").returncode, 0)
        for ad in range(0, ITEMS, 7):
            plain, unpacked = (fm("catalogue", "inspect", path, "--item", f"ad{ad}", "--json").stdout
                               for path in (self.catalogue, out))
            self.assertEqual(json.loads(plain), json.loads(unpacked))

    def test_integer_ids(self):
        table = self.dir / "numbered.tsv"
        write_rows(table, ["number", *self.header], [[str(900 - i), *row] for i, row in enumerate(self.shop)])
        out = self.dir / "numbered.fmc"
        result = fm("catalogue", "build", "--weights", self.model, "--data", table, "--id", "number", "--id-type",
                    "integer", "--out", out)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(fm("catalogue", "inspect", out, "--json").stdout)["ids"], "integer")
        self.assertEqual(json.loads(fm("catalogue", "inspect", out, "--item", 900, "--json").stdout)["id"], 900)

    def test_bad_rows_name_their_line(self):
        good = self.shop[0]
        self.assertIn("bad.tsv:4: the id 'ad0' stands in line 2 already", self.bad_items(good, self.shop[1], good))
        self.assertIn("bad.tsv:2: column 'cpc'", self.bad_items([*good[:5], "-1"]))
        self.assertIn("bad.tsv:3:", self.bad_items(good, ["ad1", "", "dear", "", "", "1"]))
        self.assertIn("bad.tsv:2:", self.bad_items(["", *good[1:]]))
        self.assertIn("bad.tsv:2: the line has 5 columns", self.bad_items(good[:5]))

    def test_a_schema_that_needs_statistics_asks_for_the_weights(self):
        result = fm("catalogue", "build", "--schema", self.dir / "s.yaml", "--data", self.table, "--id", "ad", "--out",
                    self.dir / "no.fmc")
        self.assertEqual(result.returncode, 3)
        self.assertIn("--weights", result.stderr)

    def test_a_schema_alone_is_enough_for_plain_fields(self):
        schema = self.dir / "plain.yaml"
        schema.write_text("fields:\n  - {name: user}\n  - {name: ad, side: item}\n")
        out = self.dir / "plain.fmc"
        result = fm("catalogue", "build", "--schema", schema, "--data", self.table, "--id", "ad", "--out", out)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_damage_and_missing_columns_exit_with_3(self):
        data = bytearray(self.catalogue.read_bytes())
        data[len(data) // 2] ^= 1
        (self.dir / "broken.fmc").write_bytes(data)
        self.assertEqual(fm("catalogue", "inspect", self.dir / "broken.fmc").returncode, 3)
        result = self.build(self.table, self.dir / "no.fmc", "--bid", "price_in_yen")
        self.assertEqual(result.returncode, 3)
        self.assertIn("price_in_yen", result.stderr)

    def test_wrong_usage_exits_with_2_and_help_shows_examples(self):
        for arguments in (["catalogue"], ["catalogue", "make"],
                          ["catalogue", "build", "--data", "x", "--id", "y", "--out", "z"],
                          ["catalogue", "build", "--weights", "x", "--id", "y", "--out", "z"]):
            self.assertEqual(fm(*arguments).returncode, 2, arguments)
        for command in (["catalogue"], ["catalogue", "build"], ["catalogue", "inspect"], ["topk"]):
            self.assertIn("Example:\n  fm " + " ".join(command), fm(*command, "--help").stdout)


class TopKTest(CatalogueTest):
    def topk(self, out, *more, users="users.tsv", env=None):
        return fm("topk", "--weights", self.model, "--catalogue", self.catalogue, "--users", self.dir / users, "--out",
                  self.dir / out, *more, env=env)

    def ranked(self, *more, users="users.tsv"):
        """The rows of the table that topk writes, without the header."""
        result = self.topk("ranked.tsv", *more, users=users)
        self.assertEqual(result.returncode, 0, result.stderr)
        header, *rows = [line.split("\t") for line in (self.dir / "ranked.tsv").read_text().splitlines()]
        self.assertEqual(header, ["user", "rank", "item", "probability"])
        return rows

    def predictions(self):
        """(user, item) -> what `fm predict` says."""
        pairs = [(user, item) for user in self.users for item in self.items]
        path = self.dir / "pairs.tsv"
        write_rows(path, ["user", "tags", "ad", "topics", "price"], [[*user, *item] for user, item in pairs])
        predicted = json.loads(fm("predict", self.model, "--data", path, "--json").stdout)["predictions"]
        return {(user[0], item[0]): p for (user, item), p in zip(pairs, predicted)}

    def assert_best(self, rows, allowed, k):
        """Every user has the best k of the allowed items, by brute force over the predictions."""
        predictions = self.predictions()
        self.assertEqual([(row[0], int(row[1])) for row in rows],
                         [(user[0], rank) for user in self.users for rank in range(1, k + 1)])
        for user in self.users:
            best = sorted((predictions[user[0], item] for item in allowed), reverse=True)[:k]
            mine = [(row[2], float(row[3])) for row in rows if row[0] == user[0]]
            self.assertEqual(len({item for item, _ in mine}), k)
            for (item, probability), brute in zip(mine, best):
                self.assertIn(item, allowed)
                self.assertAlmostEqual(probability, predictions[user[0], item], places=6)
                self.assertAlmostEqual(probability, brute, places=6)

    def test_equals_brute_force_over_predictions(self):
        self.assert_best(self.ranked("--k", 10), [item[0] for item in self.items], 10)

    def test_a_filter_leaves_only_what_it_says(self):
        allowed = [row[0] for i, row in enumerate(self.shop) if i % 2 and row[4] not in ("brand 3", "brand 5")]
        rows = self.ranked("--k", 5, "--filter", 'colours in {blue, green} and not brand in {"brand 3", "brand 5"}')
        self.assert_best(rows, allowed, 5)

    def test_errors_in_a_filter_point_at_the_column(self):
        for text, column in (("colours in {blue} xor", 19), ("colours in {red} and size in {xl}", 22)):
            result = self.topk("no.tsv", "--filter", text)
            self.assertEqual(result.returncode, 3)
            self.assertIn(f"filter, column {column}:", result.stderr)

    def test_fewer_items_than_k_are_all_there(self):
        self.assertEqual(len(self.ranked("--k", 1000)), USERS * ITEMS)

    def write_many_users(self, count):
        rng = random.Random(3)
        write_rows(self.dir / "many.tsv", ["user", "tags"], [user_cells(user, rng) for user in range(count)])

    def test_the_number_of_threads_and_shards_does_not_show(self):
        self.write_many_users(3000)
        whole = self.ranked("--k", 3, "--threads", 1, users="many.tsv")
        self.assertEqual(len(whole), 9000)
        self.assertEqual(self.ranked("--k", 3, "--threads", 5, users="many.tsv"), whole)
        parts = []
        for i in range(1, 8):
            result = self.topk("part.tsv", "--k", 3, "--shard", f"{i}/7", users="many.tsv")
            self.assertEqual(result.returncode, 0, result.stderr)
            parts += (self.dir / f"part.tsv.{i}-of-7").read_text().splitlines()[1:]
        self.assertEqual([line.split("\t") for line in parts], whole)

    def test_slurm_and_kubernetes_tell_the_shard(self):
        slurm = {"SLURM_ARRAY_TASK_ID": "12", "SLURM_ARRAY_TASK_MIN": "11", "SLURM_ARRAY_TASK_MAX": "13",
                 "SLURM_ARRAY_TASK_COUNT": "3"}
        for more, env in (([], slurm), (["--shards", 3], {"JOB_COMPLETION_INDEX": "1"})):
            result = self.topk("env.tsv", "--json", *more, env=env)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertTrue(json.loads(result.stdout)["out"].endswith("env.tsv.2-of-3"))
            (self.dir / "env.tsv.2-of-3").unlink()
        self.assertEqual(self.topk("env.tsv", env={"JOB_COMPLETION_INDEX": "1"}).returncode, 3)

    def kill_in_the_middle(self, *arguments):
        """Starts topk on more and more users until it is killed behind a line of its journal."""
        journal = self.dir / "killed.tsv.journal"
        for count in (60_000, 240_000, 960_000):
            self.write_many_users(count)
            (self.dir / "killed.tsv").unlink(missing_ok=True)
            with subprocess.Popen([FM, *map(str, arguments)], stderr=subprocess.DEVNULL) as process:
                while process.poll() is None:
                    if journal.exists() and journal.read_text().count("\n") > 1:
                        process.send_signal(signal.SIGKILL)
                        break
                    time.sleep(0.002)
            if process.returncode == -signal.SIGKILL and journal.exists():
                return
        self.fail("it was too quick to be killed")

    def test_killed_in_the_middle_it_goes_on_and_writes_the_same(self):
        arguments = ["topk", "--weights", self.model, "--catalogue", self.catalogue, "--users", self.dir / "many.tsv",
                     "--out", self.dir / "killed.tsv", "--k", 20]
        self.kill_in_the_middle(*arguments)
        self.assertFalse((self.dir / "killed.tsv").exists())
        other = fm(*arguments[:-1], 21)
        self.assertEqual(other.returncode, 3)
        self.assertIn("--k", other.stderr)
        self.assertIn("--restart", other.stderr)
        resumed = fm(*arguments, "--json")
        self.assertEqual(resumed.returncode, 0, resumed.stderr)
        self.assertGreater(json.loads(resumed.stdout)["resumed_users"], 0)
        self.assertEqual(self.topk("whole.tsv", "--k", 20, users="many.tsv").returncode, 0)
        whole = (self.dir / "whole.tsv").read_bytes()
        self.assertTrue((self.dir / "killed.tsv").read_bytes() == whole, "not the same as in one go")
        self.assertEqual(list(self.dir.glob("killed.tsv.*")), [])

    def test_bad_users_and_foreign_weights_exit_with_3(self):
        write_rows(self.dir / "odd.tsv", ["user"], [["u1"]])
        result = self.topk("no.tsv", users="odd.tsv")
        self.assertEqual(result.returncode, 3)
        self.assertIn("'tags'", result.stderr)
        schema = self.dir / "other.yaml"
        schema.write_text(SCHEMA.replace("name: tags", "name: labels, column: tags"))
        other = self.dir / "other.fmw"
        self.assertEqual(fm("train", "--schema", schema, "--train", self.dir / "t.tsv", "--out", other, "--k", 2,
                            "--epochs", 1).returncode, 0)
        result = fm("topk", "--weights", other, "--catalogue", self.catalogue, "--users", self.dir / "users.tsv", "--out",
                    self.dir / "no.tsv")
        self.assertEqual(result.returncode, 3)
        self.assertFalse((self.dir / "no.tsv").exists())

    def test_wrong_usage_exits_with_2(self):
        for more in (["--k", 0], ["--k", 1001], ["--threads", 0], ["--shards", 0]):
            self.assertEqual(self.topk("no.tsv", *more).returncode, 2, more)
        self.assertEqual(fm("topk").returncode, 2)


if __name__ == "__main__":
    unittest.main()
