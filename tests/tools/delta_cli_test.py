"""Runs the real `fm diff` and `fm patch`."""

import hashlib
import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

FM = shutil.which("fm")


def fm(*arguments):
    return subprocess.run([FM, *map(str, arguments)], capture_output=True, text=True, check=False)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class DeltaTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.dir = pathlib.Path(cls.folder.name)
        log = cls.dir / "log"
        fm("generate", "--rows", 6000, "--out", log)
        table = (log / "train.tsv").read_text().splitlines(keepends=True)
        (cls.dir / "monday.tsv").write_text("".join(table[:3000]))
        (cls.dir / "tuesday.tsv").write_text("".join(table))
        for day in ("monday", "tuesday"):
            trained = fm("train", "--schema", log / "schema.yaml", "--train", cls.dir / f"{day}.tsv", "--epochs", 2, "--out",
                         cls.dir / f"{day}.fmw")
            assert trained.returncode == 0, trained.stderr
        cls.base, cls.new, cls.delta = cls.dir / "monday.fmw", cls.dir / "tuesday.fmw", cls.dir / "d.fmd"

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def diff(self):
        result = fm("diff", self.base, self.new, "--out", self.delta, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def test_patch_gives_the_very_bytes(self):
        made = self.diff()
        self.assertEqual(made["bytes"], self.delta.stat().st_size)
        self.assertEqual(made["sha256"], sha256(self.delta))
        self.assertEqual(made["base_sha256"], sha256(self.base))
        self.assertEqual(made["result_sha256"], sha256(self.new))
        self.assertGreater(made["added"], 0)
        out = self.dir / "again.fmw"
        applied = fm("patch", self.base, self.delta, "--out", out, "--json")
        self.assertEqual(applied.returncode, 0, applied.stderr)
        self.assertEqual(out.read_bytes(), self.new.read_bytes())
        self.assertEqual(json.loads(applied.stdout)["sha256"], sha256(self.new))

    def test_another_base_is_refused(self):
        self.diff()
        out = self.dir / "no.fmw"
        refused = fm("patch", self.new, self.delta, "--out", out)
        self.assertEqual(refused.returncode, 3)
        self.assertIn(f"made for the file with SHA-256 {sha256(self.base)}", refused.stderr)
        self.assertFalse(out.exists())

    def test_a_damaged_delta_leaves_nothing(self):
        self.diff()
        damaged, out = self.dir / "damaged.fmd", self.dir / "no.fmw"
        data = bytearray(self.delta.read_bytes())
        data[len(data) // 2] ^= 1
        damaged.write_bytes(data)
        refused = fm("patch", self.base, damaged, "--out", out)
        self.assertEqual(refused.returncode, 3)
        self.assertIn("checksum", refused.stderr)
        self.assertFalse(out.exists())

    def test_a_result_over_the_limit_is_not_begun(self):
        self.diff()
        big, delta, out = self.dir / "big.fmw", self.dir / "big.fmd", self.dir / "no.fmw"
        log = self.dir / "log"
        fm("train", "--schema", log / "schema.yaml", "--train", self.dir / "tuesday.tsv", "--epochs", 1, "--k", 256, "--out", big)
        self.assertEqual(fm("diff", big, big, "--out", delta).returncode, 0)
        refused = fm("patch", big, delta, "--out", out, "--max-mib", 1)
        self.assertEqual(refused.returncode, 3, refused.stderr)
        self.assertIn("more than the limit of 1048576", refused.stderr)
        self.assertFalse(out.exists())

    def test_rows_of_another_layout_are_refused(self):
        quantized = self.dir / "q.fmw"
        fm("quantize", self.new, "--rows", "int8", "--out", quantized)
        refused = fm("diff", self.base, quantized, "--out", self.dir / "q.fmd")
        self.assertEqual(refused.returncode, 3)
        self.assertIn("ship the whole file", refused.stderr)

    def test_every_help_shows_an_example(self):
        for command in ("diff", "patch"):
            self.assertIn(f"Example:\n  fm {command} ", fm(command, "--help").stdout)


if __name__ == "__main__":
    unittest.main()
