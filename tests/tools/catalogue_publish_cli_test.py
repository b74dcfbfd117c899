"""Runs the real `fm catalogue publish`."""

import hashlib
import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

FM = shutil.which("fm")
WEIGHTS = pathlib.Path("tests/golden/v1_example.fmw")
SCHEMA = "fields:\n  - {name: user}\n  - {name: ad, side: item}\n"


def fm(*arguments):
    return subprocess.run([FM, *map(str, arguments)], capture_output=True, text=True, check=False)


class CataloguePublishTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.store = self.dir / "store"
        self.catalogue = self.dir / "ads.fmc"
        (self.dir / "s.yaml").write_text(SCHEMA)
        (self.dir / "ads.tsv").write_text("ad\na1\na2\na3\n")
        built = fm("catalogue", "build", "--schema", self.dir / "s.yaml", "--data", self.dir / "ads.tsv", "--id", "ad", "--out",
                   self.catalogue)
        self.assertEqual(built.returncode, 0, built.stderr)

    def publish(self, path, *more):
        return fm("catalogue", "publish", path, "--store", self.store, "--model", "ctr", *more)

    def test_versions_count_up_and_the_manifest_names_the_newest(self):
        folder = self.store / "ctr/catalogue"
        for version in (1, 2):
            result = self.publish(self.catalogue, "--json")
            self.assertEqual(result.returncode, 0, result.stderr)
            report = json.loads(result.stdout)
            self.assertEqual(list(report), ["model", "version", "bytes", "sha256", "seconds"])
            self.assertEqual((report["model"], report["version"]), ("ctr", version))
            manifest = json.loads((folder / "CURRENT").read_text())
            published = (folder / f"{version:020}.fmc").read_bytes()
            self.assertEqual((manifest["version"], manifest["size_bytes"]), (version, len(published)))
            self.assertEqual(manifest["sha256"], hashlib.sha256(published).hexdigest())
            self.assertEqual(manifest["sha256"], report["sha256"])
        self.assertIn("published ctr catalogue version 3: ", self.publish(self.catalogue).stdout)

    def test_the_copy_says_whose_it_is(self):
        self.assertEqual(self.publish(self.catalogue).returncode, 0)
        copy = self.store / "ctr/catalogue" / f"{1:020}.fmc"
        report = json.loads(fm("catalogue", "inspect", copy, "--json").stdout)
        self.assertEqual((report["model"], report["version"], report["items"]), ("ctr", 1, 3))

    def test_weights_and_catalogues_have_versions_of_their_own(self):
        for version in (1, 2):
            weights = fm("publish", WEIGHTS, "--store", self.store, "--model", "ctr", "--allow-no-goldens", "--json")
            self.assertEqual(json.loads(weights.stdout)["version"], version)
        self.assertEqual(json.loads(self.publish(self.catalogue, "--json").stdout)["version"], 1)

    def test_what_is_no_whole_catalogue_is_refused_and_leaves_nothing(self):
        (self.dir / "cut.fmc").write_bytes(self.catalogue.read_bytes()[:-100])
        for path in (self.dir / "cut.fmc", WEIGHTS):
            result = self.publish(path)
            self.assertEqual(result.returncode, 3)
            self.assertIn(f"fm catalogue publish: {path}: ", result.stderr)
        self.assertEqual(fm("publish", self.catalogue, "--store", self.store, "--model", "ctr").returncode, 3)
        self.assertFalse(self.store.exists())

    def test_wrong_usage_exits_with_2_and_help_shows_an_example(self):
        for arguments in (["x.fmc"], ["x.fmc", "--store", "s"], ["x.fmc", "--model", "m"], ["--store", "s", "--model", "m"]):
            self.assertEqual(fm("catalogue", "publish", *arguments).returncode, 2, arguments)
        self.assertIn("Example:\n  fm catalogue publish ", fm("catalogue", "publish", "--help").stdout)
        self.assertIn("publish", fm("catalogue", "--help").stdout)

    def test_shells_complete_it(self):
        self.assertIn("words='build inspect publish'", fm("completion", "bash").stdout)


if __name__ == "__main__":
    unittest.main()
