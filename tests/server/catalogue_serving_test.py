"""Weights and catalogues from training to TopK, with the real fm and fmserve: the best items are those that brute force
over `fm predict` finds, whatever is published while the server runs."""

import argparse
import hashlib
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

import grpc
from fmserve_process import Server, generate_messages

ARGS = None
SCHEMA = """\
task: binary
label: click
list_separator: ';'
fields:
  - {name: user}
  - {name: tags, kind: multi_valued, combiner: mean}
  - {name: ad, side: item}
  - {name: topics, side: item, kind: multi_valued}
  - {name: price, side: item, kind: numeric, transform: standardise}
"""
ITEMS, USERS, K = 300, 12, 10
ITEM_COLUMNS, USER_COLUMNS = ["ad", "topics", "price"], ["user", "tags"]


def fm(*arguments):
    return subprocess.run([ARGS.fm, *map(str, arguments)], capture_output=True, text=True, check=False)


def checked(result):
    assert result.returncode == 0, result.stderr
    return result


def write_rows(path, header, rows):
    path.write_text("\n".join("\t".join(row) for row in [header, *rows]) + "\n")
    return path


def make_items(rng, dearness):
    return [[f"ad{i}", ";".join(sorted({f"topic{rng.randrange(9)}" for _ in range(i % 3)})),
             f"{dearness + rng.uniform(1, 9):.2f}"] for i in range(ITEMS)]


class Shop:
    """What one training sees and makes: weights, and catalogues built with them."""

    def __init__(self, folder, name, seed, dearness=0.0, users=None):
        rng = random.Random(seed)
        self.folder, self.name = folder, name
        self.items = make_items(rng, dearness)
        self.users = users or [[f"u{i}", ";".join(f"t{rng.randrange(9)}" for _ in range(i % 4))] for i in range(USERS)]
        rows = []
        for i in range(5000):
            user, item = rng.choice(self.users), self.items[i % ITEMS]
            good = (int(user[0][1:]) + seed) % 3 == int(item[0][2:]) % 3
            rows.append([str(int(rng.random() < (0.8 if good else 0.1))), *user, *item])
        self.table = write_rows(folder / f"{name}.tsv", ["click", *USER_COLUMNS, *ITEM_COLUMNS], rows)
        self.weights = self.train(f"{name}.fmw", 1)

    def train(self, name, seed):
        schema = self.folder / "s.yaml"
        schema.write_text(SCHEMA)
        out = self.folder / name
        checked(fm("train", "--schema", schema, "--train", self.table, "--out", out, "--k", 8, "--epochs", 4, "--seed", seed))
        return out

    def catalogue(self, count):
        """Of the first so many items."""
        table = write_rows(self.folder / "items.tsv", ITEM_COLUMNS, self.items[:count])
        out = self.folder / f"{self.name}-{count}.fmc"
        checked(fm("catalogue", "build", "--weights", self.weights, "--data", table, "--id", "ad", "--attributes", "topics",
                   "--out", out))
        return out

    def predictions(self, weights):
        """(user, item) -> what `fm predict` says."""
        pairs = [(user, item) for user in self.users for item in self.items]
        path = write_rows(self.folder / "pairs.tsv", [*USER_COLUMNS, *ITEM_COLUMNS], [[*user, *item] for user, item in pairs])
        predicted = json.loads(checked(fm("predict", weights, "--data", path, "--json")).stdout)["predictions"]
        return {(user[0], item[0]): p for (user, item), p in zip(pairs, predicted)}

    def offline(self, weights, catalogue):
        """user -> the items that `fm topk` finds."""
        users = write_rows(self.folder / "users.tsv", USER_COLUMNS, self.users)
        out = self.folder / "best.tsv"
        checked(fm("topk", "--weights", weights, "--catalogue", catalogue, "--users", users, "--k", K, "--out", out))
        best = {}
        for line in out.read_text().splitlines()[1:]:
            user, _, item, _ = line.split("\t")
            best.setdefault(user, []).append(item)
        return best


class CatalogueServingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.shared.cleanup)
        folder = pathlib.Path(cls.shared.name)
        cls.messages = generate_messages(ARGS.protoc, folder)
        cls.shop = Shop(folder, "shop", seed=1)
        cls.retrained = cls.shop.train("retrained.fmw", seed=2)
        cls.dear_shop = Shop(folder, "dear", seed=2, dearness=100.0, users=cls.shop.users)
        cls.small, cls.large = cls.shop.catalogue(200), cls.shop.catalogue(ITEMS)
        cls.dear = cls.dear_shop.catalogue(ITEMS)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def start(self):
        self.server = Server(ARGS.fmserve, self.folder)
        self.addCleanup(self.server.close)

    def publish(self, path):
        command = ["catalogue", "publish"] if path.suffix == ".fmc" else ["publish"]
        result = fm(*command, path, "--store", self.folder / "store", "--model", "ctr", "--json")
        return json.loads(checked(result).stdout)["version"]

    def publish_damaged(self, version):
        """A copy of catalogue version 1 with one wrong bit, as a careless program would publish it."""
        folder = self.folder / "store/ctr/catalogue"
        data = bytearray((folder / f"{1:020}.fmc").read_bytes())
        data[len(data) // 2] ^= 1
        (folder / f"{version:020}.fmc").write_bytes(data)
        manifest = json.loads((folder / "CURRENT").read_text())
        manifest |= {"version": version, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        (folder / "CURRENT.new").write_text(json.dumps(manifest))
        (folder / "CURRENT.new").rename(folder / "CURRENT")

    def operate(self, command):
        return fm(command, "--target", self.server.address, "--model", "ctr", "--json")

    def top_k(self, user, k=K):
        request = self.messages.TopKRequest(model="ctr", k=k)
        request.features.context.add(field="user", strings=[user[0]])
        if user[1]:
            request.features.context.add(field="tags", strings=user[1].split(";"))
        return self.server.call("/fmserve.v1.PredictionService/TopK", request, self.messages.TopKResponse)

    def assert_serves(self, versions, shop, weights, catalogue, items_count):
        """Every user gets the best items of the catalogue, found by brute force and by `fm topk`."""
        predictions, offline = shop.predictions(weights), shop.offline(weights, catalogue)
        for user in shop.users:
            answer = self.top_k(user)
            self.assertEqual((answer.version, answer.catalogue_version), versions)
            self.assertEqual((answer.items_count, answer.covered_items_count), (items_count, items_count))
            self.assertEqual(list(answer.ids.strings), offline[user[0]])
            best = sorted((predictions[user[0], item[0]] for item in shop.items[:items_count]), reverse=True)[:K]
            for item, probability, brute in zip(answer.ids.strings, answer.predictions, best, strict=True):
                self.assertAlmostEqual(probability, predictions[user[0], item], places=6)
                self.assertAlmostEqual(probability, brute, places=6)

    def test_top_k_follows_what_is_published(self):
        self.publish(self.shop.weights)
        self.start()
        self.assertEqual(self.operate("reload").returncode, 0)
        with self.assertRaises(grpc.RpcError) as none:
            self.top_k(self.shop.users[0])
        self.assertEqual(none.exception.code(), grpc.StatusCode.FAILED_PRECONDITION)
        steps = [(self.small, (1, 1), self.shop.weights, self.small, 200),
                 (self.large, (1, 2), self.shop.weights, self.large, ITEMS),
                 (self.retrained, (2, 2), self.retrained, self.large, ITEMS)]
        for published, versions, weights, catalogue, items_count in steps:
            self.publish(published)
            self.assertEqual(self.operate("reload").returncode, 0)
            self.assert_serves(versions, self.shop, weights, catalogue, items_count)
        for versions in ((1, 2), (2, 2)):  # and back, and forth
            self.assertEqual(self.operate("rollback").returncode, 0)
            self.assertEqual(self.top_k(self.shop.users[0]).version, versions[0])
        self.assert_serves((2, 2), self.shop, self.retrained, self.large, ITEMS)

    def test_weights_that_do_not_fit_wait_for_their_catalogue(self):
        self.publish(self.shop.weights)
        self.publish(self.large)
        self.start()
        self.assertEqual(self.operate("reload").returncode, 0)
        self.publish(self.dear_shop.weights)
        refused = self.operate("reload")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("version 2 was rejected: catalogue:", refused.stderr)
        self.assertIn("'price'", refused.stderr)
        self.assert_serves((1, 1), self.shop, self.shop.weights, self.large, ITEMS)
        self.publish(self.dear)
        self.assertEqual(self.operate("reload").returncode, 0)
        self.assert_serves((2, 2), self.dear_shop, self.dear_shop.weights, self.dear, ITEMS)

    def test_a_damaged_catalogue_is_rejected_and_what_served_goes_on(self):
        self.publish(self.shop.weights)
        self.publish(self.small)
        self.start()
        self.assertEqual(self.operate("reload").returncode, 0)
        self.publish_damaged(2)
        refused = self.operate("reload")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("catalogue version 2 was rejected: structure:", refused.stderr)
        self.assert_serves((1, 1), self.shop, self.shop.weights, self.small, 200)

    def test_items_by_id_have_the_predictions_of_their_features(self):
        self.publish(self.shop.weights)
        self.publish(self.large)
        self.start()
        self.assertEqual(self.operate("reload").returncode, 0)
        predictions = self.shop.predictions(self.shop.weights)
        request = self.messages.PredictRequest(model="ctr")
        user = self.shop.users[3]
        request.features.context.add(field="user", strings=[user[0]])
        request.features.context.add(field="tags", strings=user[1].split(";"))
        names = [item[0] for item in self.shop.items]
        request.items.strings.extend(names)
        answer = self.server.call("/fmserve.v1.PredictionService/Predict", request, self.messages.PredictResponse)
        self.assertEqual((answer.catalogue_version, answer.unknown_items_count), (1, 0))
        for name, prediction in zip(names, answer.predictions, strict=True):
            self.assertAlmostEqual(prediction, predictions[user[0], name], places=6)

    def test_a_restart_without_the_store_serves_the_same_pair(self):
        self.publish(self.shop.weights)
        self.publish(self.large)
        self.start()
        self.assertEqual(self.operate("reload").returncode, 0)
        before = [self.top_k(user) for user in self.shop.users]
        self.assertEqual(self.server.stop(), 0)
        os.rename(self.folder / "store", self.folder / "gone")
        self.start()
        self.assertEqual(self.server.get("/readyz"), (200, "ok\n"))
        for user, answer in zip(self.shop.users, before, strict=True):
            now = self.top_k(user)
            now.request_id = answer.request_id
            self.assertEqual(now, answer)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--fm", required=True)
    parser.add_argument("--fmserve", required=True)
    parser.add_argument("--protoc", required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
