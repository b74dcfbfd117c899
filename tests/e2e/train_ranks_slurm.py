#!/usr/bin/env python3
"""Several ranks train one model with what deploy/training/ holds, as a job of a one-node Slurm.

The script runs as it is, but for the folder that it works in and how many tasks it has. A job that Slurm stops and starts
again goes on from its checkpoint, and its model is the one of a job that nobody stopped.
"""

import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import unittest

from one_node_slurm import OneNodeSlurm

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "deploy/training/train.sbatch"
FM = shutil.which("fm")
SCHEMA = """\
task: binary
label: click
fields:
  - {name: user, side: context}
  - {name: ad, side: item}
"""
CLUSTER_VARIABLES = ("SLURM_", "SBATCH_", "OMPI_", "PMIX_")
ENVIRONMENT = {**{k: v for k, v in os.environ.items() if not k.startswith(CLUSTER_VARIABLES)},
               "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
TASKS = 2


def write_table(path, rows, seed):
    rng = random.Random(seed)
    lines = ["click\tuser\tad"]
    for _ in range(rows):
        user, ad = rng.randrange(60), rng.randrange(30)
        lines.append(f"{int((user + ad) % 2 == (rng.random() < 0.2))}\tu{user}\tad{ad}")
    path.write_text("\n".join(lines) + "\n")


class TrainRanksTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.slurm = OneNodeSlurm(cpus=4, environment=ENVIRONMENT)
        cls.addClassCleanup(cls.slurm.stop)
        cls.slurm.start()

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="fmserve-train.")
        self.addCleanup(folder.cleanup)
        self.shared = pathlib.Path(folder.name)
        (self.shared / "schema.yaml").write_text(SCHEMA)
        (self.shared / "train").mkdir()
        for part in range(3):
            write_table(self.shared / f"train/{part}.tsv", 20000, part)
        write_table(self.shared / "valid.tsv", 5000, 9)

    def submit(self):
        return self.slurm.submit(SCRIPT, f"--chdir={self.shared}", f"--ntasks={TASKS}", "--cpus-per-task=1")

    def log(self, job):
        return (self.shared / f"train-{job}.log").read_text()

    def wait_for_the_end(self, job):
        self.slurm.wait_for(lambda: self.slurm.run("squeue", "--noheader") == "", "the end of the job", seconds=120)
        state = self.slurm.run("scontrol", "--oneliner", "show", "job", job)
        self.assertIn("JobState=COMPLETED", state, self.log(job))

    def model(self):
        shown = subprocess.run([FM, "inspect", self.shared / "ctr.fmw", "--json"], capture_output=True, text=True,
                               check=True)
        return json.loads(shown.stdout)

    def values(self):
        """All weights, as text."""
        subprocess.run([FM, "export", self.shared / "ctr.fmw", "--format", "tsv", "--out", self.shared / "ctr.tsv"],
                       check=True, capture_output=True)
        return (self.shared / "ctr.tsv").read_text()

    def test_a_job_that_is_requeued_ends_with_the_model_of_one_that_was_not(self):
        job = self.submit()
        self.wait_for_the_end(job)
        self.assertIn(f"by {TASKS} ranks: 60000 rows", self.log(job))
        self.assertEqual(self.model()["metadata"]["option.ranks"], str(TASKS))
        whole = self.values()
        (self.shared / "ctr.fmw").unlink()

        job = self.submit()
        checkpoint = self.shared / "ctr.ckpt"
        self.slurm.wait_for(checkpoint.exists, "a checkpoint", seconds=60, poll_s=0.005)
        self.slurm.run("scontrol", "requeue", job)
        self.wait_for_the_end(job)
        self.assertIn("goes on behind epoch", self.log(job))
        self.assertEqual(self.values(), whole)
        self.assertFalse(checkpoint.exists())


if __name__ == "__main__":
    unittest.main()
