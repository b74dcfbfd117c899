#!/usr/bin/env python3
"""Ranks for all users with what deploy/batch/ holds: as a job array of a one-node Slurm, and as an indexed job.

The files run as they are, but for the folder that they work in. The shards, put together, must be what one `fm topk`
without shards writes, byte for byte, also when tasks are killed in the middle.
"""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import unittest

import yaml

from one_node_slurm import OneNodeSlurm

BATCH = pathlib.Path(__file__).resolve().parents[2] / "deploy/batch"
FM = shutil.which("fm")
SHARDS, THREADS = 8, 8  # of both files
# A shard must last to be caught behind a line of its journal, which come every 250 ms.
SHARD_S = 0.6
FIRST_USERS, MOST_USERS = 16_000, 4_000_000
ITEMS, FACTORS, TAGS = 20_000, 128, 30
SCHEMA = """\
label: click
fields:
  - {name: user}
  - {name: tag}
  - {name: ad, side: item}
"""
OUT = "recommendations.tsv"
CLUSTER_VARIABLES = ("SLURM_", "SBATCH_", "JOB_COMPLETION_INDEX")
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(CLUSTER_VARIABLES)}


def run_fm(folder, arguments, environment=ENVIRONMENT):
    done = subprocess.run([FM, *map(str, arguments)], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"fm {arguments}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def write_table(path, columns, rows):
    path.write_text("\n".join("\t".join(map(str, row)) for row in [columns, *rows]) + "\n")


class BatchTest(unittest.TestCase):
    """A folder as the jobs expect it."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="fmserve-batch.")
        cls.addClassCleanup(folder.cleanup)
        cls.shared = pathlib.Path(folder.name)
        rng = random.Random(11)
        (cls.shared / "schema.yaml").write_text(SCHEMA)
        write_table(cls.shared / "train.tsv", ["click", "user", "tag", "ad"],
                    [(rng.randrange(2), "u0", f"t{ad % TAGS}", f"ad{ad}") for ad in range(ITEMS)])
        write_table(cls.shared / "ads.tsv", ["ad"], [[f"ad{ad}"] for ad in range(ITEMS)])
        # Vectors that all items differ in make ranking slow, which is wanted here.
        run_fm(cls.shared, ["train", "--schema", "schema.yaml", "--train", "train.tsv", "--out", "ctr.fmw",
                            "--k", FACTORS, "--epochs", 1, "--init-stddev", 0.5])
        run_fm(cls.shared, ["catalogue", "build", "--weights", "ctr.fmw", "--data", "ads.tsv", "--id", "ad", "--out",
                            "ads.fmc"])

    def rank_in_one_go(self, users):
        """Makes the table of users, and ranks for them without shards; returns the seconds that it took."""
        write_table(self.shared / "users.tsv", ["user", "tag"],
                    [(f"u{user}", f"t{user * 7 % TAGS}") for user in range(users)])
        report = run_fm(self.shared, ["topk", "--weights", "ctr.fmw", "--catalogue", "ads.fmc", "--users", "users.tsv",
                                      "--k", 10, "--threads", THREADS, "--out", "whole.tsv", "--json"])
        return json.loads(report)["seconds"]

    def shard(self, number):
        return self.shared / f"{OUT}.{number}-of-{SHARDS}"

    def assert_shards_are_the_whole(self):
        parts = {self.shard(number) for number in range(1, SHARDS + 1)}
        self.assertEqual(set(self.shared.glob(f"{OUT}*")), parts)
        together = b""
        for number in range(1, SHARDS + 1):
            header, _, rows = self.shard(number).read_bytes().partition(b"\n")
            together += rows if together else header + b"\n" + rows
        self.assertTrue(together == (self.shared / "whole.tsv").read_bytes(), "not the same as in one go")


class IndexedJobTest(BatchTest):
    def setUp(self):
        self.job = yaml.safe_load((BATCH / "topk-job.yaml").read_text())
        self.pod = self.job["spec"]["template"]["spec"]
        (self.container,) = self.pod["containers"]

    def test_the_manifest_agrees_with_itself(self):
        self.assertEqual((self.job["apiVersion"], self.job["kind"]), ("batch/v1", "Job"))
        self.assertEqual(self.job["spec"]["completionMode"], "Indexed")
        self.assertEqual(self.pod["restartPolicy"], "OnFailure")
        command = self.container["command"]
        self.assertTrue(all(isinstance(word, str) for word in command), command)
        self.assertEqual(command[command.index("--shards") + 1], str(self.job["spec"]["completions"]))
        self.assertEqual(command[command.index("--threads") + 1], self.container["resources"]["requests"]["cpu"])
        (mount,), (volume,) = self.container["volumeMounts"], self.pod["volumes"]
        self.assertEqual(mount["name"], volume["name"])
        self.assertEqual(mount["mountPath"], self.container["workingDir"])

    def test_every_index_ranks_its_part(self):
        self.rank_in_one_go(FIRST_USERS)
        self.assertEqual(self.container["command"][0], "fm")
        for index in range(self.job["spec"]["completions"]):
            run_fm(self.shared, self.container["command"][1:], {**ENVIRONMENT, "JOB_COMPLETION_INDEX": str(index)})
        self.assert_shards_are_the_whole()


class SlurmArrayTest(BatchTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.slurm = OneNodeSlurm(cpus=2 * THREADS, environment=ENVIRONMENT)
        cls.addClassCleanup(cls.slurm.stop)
        cls.slurm.start()

    def submit(self, *options):
        return self.slurm.submit(BATCH / "topk.sbatch", f"--chdir={self.shared}", *options)

    def log(self, job, task):
        return (self.shared / f"recommend-{job}_{task}.log").read_text()

    def wait_for_the_end(self):
        self.slurm.wait_for(lambda: self.slurm.run("squeue", "--noheader") == "", "the end of the job", seconds=120)

    def wait_until_in_the_middle(self, task):
        journal = self.shard(task).with_name(self.shard(task).name + ".journal")
        self.slurm.wait_for(lambda: journal.exists() and journal.read_text().count("\n") > 1,
                            f"a line in the journal of task {task}", seconds=60, poll_s=0.005)

    def kill(self, job, task):
        """SIGKILL, as from the kernel when memory is short."""
        wanted = {f"SLURM_ARRAY_JOB_ID={job}", f"SLURM_ARRAY_TASK_ID={task}", f"SLURM_CONF={self.slurm.configuration}"}
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                environment = (process / "environ").read_bytes().decode(errors="replace").split("\0")
                if (process / "comm").read_text() == "fm\n" and wanted.issubset(environment):
                    os.kill(int(process.name), signal.SIGKILL)
                    return
            except OSError:
                continue  # another user's, or gone
        self.fail(f"task {task} ended before it was killed")

    def rank_long_enough(self):
        users, seconds = FIRST_USERS, self.rank_in_one_go(FIRST_USERS)
        while seconds < SHARDS * SHARD_S and users < MOST_USERS:
            users = min(int(users * 1.3 * SHARDS * SHARD_S / seconds), MOST_USERS)
            seconds = self.rank_in_one_go(users)

    def test_killed_and_requeued_tasks_go_on_and_the_whole_is_the_same(self):
        self.rank_long_enough()
        killed, preempted = "2", "5"
        job = self.submit()
        self.wait_until_in_the_middle(killed)
        self.kill(job, killed)
        self.slurm.wait_for(lambda: self.slurm.tasks(job)[killed][0] == "FAILED", f"the end of task {killed}")
        self.slurm.run("scontrol", "requeue", f"{job}_{killed}")
        self.wait_until_in_the_middle(preempted)
        self.slurm.run("scontrol", "requeue", f"{job}_{preempted}")
        self.wait_for_the_end()
        logs = {str(task): self.log(job, task) for task in range(1, SHARDS + 1)}
        self.assertEqual(self.slurm.tasks(job), {task: ("COMPLETED", "0:0") for task in logs}, logs)
        self.assertEqual([task for task, log in logs.items() if "goes on behind" in log], [killed, preempted], logs)
        self.assert_shards_are_the_whole()

    def test_an_array_of_another_size_fails_and_says_so(self):
        self.rank_in_one_go(FIRST_USERS)
        job = self.submit("--array=1-3")
        self.wait_for_the_end()
        self.assertEqual(self.slurm.tasks(job), {task: ("FAILED", "3:0") for task in "123"})
        for task in "123":
            self.assertIn("the Slurm array has 3 tasks, --shards says 8", self.log(job, task))
        self.assertEqual(list(self.shared.glob(f"{OUT}*")), [])


if __name__ == "__main__":
    unittest.main()
