#!/usr/bin/env python3
"""Several ranks of the real fm train under the real mpirun, on this machine."""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from processes import children_of, environment_of

FM = shutil.which("fm")
DOCUMENTATION = pathlib.Path(__file__).resolve().parents[2] / "docs/training.md"
SCHEMA = """\
task: binary
label: click
fields:
  - {name: user, side: context}
  - {name: ad, side: item}
"""
# Tests may run as root, as in a container, and with more ranks than processors.
ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
               "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_btl_base_warn_component_unused": "0"}
OPTIONS = ["--k", 4, "--learning-rate", 0.3, "--l2-factors", 0.001, "--threads", 1]


def write_table(path, rows, seed):
    rng = random.Random(seed)
    lines = ["click\tuser\tad"]
    for _ in range(rows):
        user, ad = rng.randrange(60), rng.randrange(30)
        lines.append(f"{int((user + ad) % 2 == (rng.random() < 0.2))}\tu{user}\tad{ad}")
    path.write_text("\n".join(lines) + "\n")


class MpirunTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="fmserve-mpirun.")
        cls.addClassCleanup(folder.cleanup)
        cls.dir = pathlib.Path(folder.name)
        (cls.dir / "schema.yaml").write_text(SCHEMA)
        write_table(cls.dir / "train.tsv", 20000, 1)
        write_table(cls.dir / "valid.tsv", 5000, 2)

    def command(self, ranks, *arguments, train="train.tsv"):
        fm_train = [FM, "train", "--schema", "schema.yaml", "--train", train, "--valid", "valid.tsv", *OPTIONS, *arguments]
        prefix = ["mpirun", "-np", ranks] if ranks > 1 else []
        return list(map(str, [*prefix, *fm_train]))

    def start(self, ranks, *arguments):
        return subprocess.Popen(self.command(ranks, *arguments), cwd=self.dir, env=ENVIRONMENT, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def train(self, ranks, *arguments, **options):
        return subprocess.run(self.command(ranks, *arguments, **options), cwd=self.dir, env=ENVIRONMENT, text=True,
                              capture_output=True, timeout=120)

    def summary(self, ranks, *arguments, **options):
        done = self.train(ranks, "--json", *arguments, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def wait_for(self, condition, what):
        end = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), end, f"waited 60 s for {what}")
            time.sleep(0.01)

    def test_two_ranks_train_one_model_as_good_as_one_rank_does(self):
        one = self.summary(1, "--out", "one.fmw")
        two = self.summary(2, "--out", "two.fmw", "--average-every", 500)
        self.assertEqual((one["ranks"], two["ranks"]), (1, 2))
        for same in ("rows", "features", "nonzeros"):
            self.assertEqual(one[same], two[same])
        self.assertLess(two["valid"]["logloss"], one["valid"]["logloss"] * 1.01)

    def test_each_rank_reads_whole_files_of_a_folder(self):
        (self.dir / "parts").mkdir()
        for part in range(4):
            write_table(self.dir / f"parts/{part}.tsv", 500 * (part + 1), part)
        self.assertEqual(self.summary(2, "--out", "parts.fmw", "--shard", "files", train="parts")["rows"], 5000)

    def test_the_command_of_the_documentation_trains(self):
        command = re.search(r"```sh\n(mpirun .*)\n```", DOCUMENTATION.read_text())[1]
        shutil.copy(self.dir / "schema.yaml", self.dir / "ctr.yaml")
        shutil.copy(self.dir / "valid.tsv", self.dir / "last.tsv")
        (self.dir / "days").mkdir()
        for day in range(2):
            write_table(self.dir / f"days/{day}.tsv", 3000, day)
        done = subprocess.run(command, shell=True, cwd=self.dir, env=ENVIRONMENT, text=True, capture_output=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("by 4 ranks: 6000 rows", done.stderr)

    def test_a_bad_row_of_any_rank_ends_the_job_and_is_named(self):
        bad = self.dir / "bad.tsv"
        rows = (self.dir / "train.tsv").read_text().splitlines()
        rows[-1] = "7\tu\tad"
        bad.write_text("\n".join(rows) + "\n")
        done = self.train(2, "--out", "bad.fmw", train="bad.tsv")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn(f"bad.tsv:{len(rows)}", done.stderr)
        self.assertFalse((self.dir / "bad.fmw").exists())

    def test_what_only_one_process_can_do_is_refused(self):
        (self.dir / "ratings.yaml").write_text(SCHEMA.replace("binary", "regression"))
        done = subprocess.run(["mpirun", "-np", "2", FM, "train", "--schema", "ratings.yaml", "--train", "train.tsv",
                               "--out", "gibbs.fmw", "--method", "gibbs"], cwd=self.dir, env=ENVIRONMENT, text=True,
                              capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("--method gibbs: only by one process, not under mpirun", done.stderr)

    def ranks_of(self, job):
        """Process ids of the ranks, in their order."""
        numbers = {environment_of(child).get("OMPI_COMM_WORLD_RANK"): child for child in children_of(job.pid)}
        return [numbers[rank] for rank in ("0", "1")]

    def test_a_lost_rank_ends_the_job_and_the_checkpoint_stays(self):
        checkpoint = self.dir / "lost.ckpt"
        long = ["--out", "lost.fmw", "--checkpoint", checkpoint, "--epochs", 60, "--patience", 60, "--average-every", 500]
        whole = self.summary(2, *long)
        (self.dir / "lost.fmw").unlink()
        for lost in (1, 0):
            job = self.start(2, *long)
            self.addCleanup(job.kill)
            seen = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
            self.wait_for(lambda: checkpoint.exists() and checkpoint.stat().st_mtime_ns > seen, "a checkpoint")
            os.kill(self.ranks_of(job)[lost], signal.SIGKILL)
            _, told = job.communicate(timeout=60)
            self.assertNotEqual(job.returncode, 0)
            self.assertRegex(told, f"process rank {lost} .*exited on signal 9")
            self.assertTrue(checkpoint.exists())
            self.assertFalse((self.dir / "lost.fmw").exists())
        again = self.train(2, "--json", *long)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn("goes on behind epoch", again.stderr)
        # To the last bit as if nothing had happened.
        self.assertEqual(json.loads(again.stdout)["valid"], whole["valid"])
        self.assertFalse(checkpoint.exists())

    def test_a_signal_to_mpirun_ends_the_job_behind_the_epoch_with_a_model(self):
        model = self.dir / "stopped.fmw"
        job = self.start(2, "--out", model, "--epochs", 1000, "--patience", 1000, "--write-best")
        self.addCleanup(job.kill)
        self.wait_for(model.exists, "the first model")
        job.send_signal(signal.SIGUSR1)
        _, told = job.communicate(timeout=60)
        self.assertEqual(job.returncode, 0, told)
        self.assertIn("stopped by a signal", told)
        self.assertEqual(subprocess.run([FM, "verify", model], capture_output=True).returncode, 0)


if __name__ == "__main__":
    unittest.main()
