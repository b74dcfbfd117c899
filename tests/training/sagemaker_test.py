#!/usr/bin/env python3
"""Runs the entry point of a SageMaker training job on a folder laid out as SageMaker lays out /opt/ml."""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest

from processes import children_of

SAGEMAKER = pathlib.Path(__file__).resolve().parents[2] / "deploy/training/sagemaker"
sys.path.insert(0, str(SAGEMAKER))
import hyperparameters  # noqa: E402
import metrics  # noqa: E402

FM = shutil.which("fm")
SCHEMA = """\
task: binary
label: click
fields:
  - {name: user, side: context}
  - {name: ad, side: item}
"""


def click_rows(rows, seed):
    """(click, user, ad): every fourth row against the rule."""
    rng = random.Random(seed)
    for _ in range(rows):
        user, ad = rng.randrange(40), rng.randrange(25)
        yield int((user + ad) % 2 == (rng.random() < 0.25)), user, ad


def write_tsv(path, rows, seed):
    lines = [f"{click}\tu{user}\tad{ad}" for click, user, ad in click_rows(rows, seed)]
    path.write_text("\n".join(["click\tuser\tad", *lines]) + "\n")


def write_libsvm(path, rows, seed):
    path.write_text("".join(f"{click} {user}:1 {100 + ad}:1\n" for click, user, ad in click_rows(rows, seed)))


class SageMakerTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="fmserve-sagemaker.")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.model = self.root / "model/model.fmw"
        self.failure = self.root / "output/failure"

    def config(self, name, content):
        path = self.root / "input/config" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    def channel(self, name):
        path = self.root / "input/data" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def lay_out(self, given, rows=4000):
        """Channels of click rows, and hyperparameters, which SageMaker sends as strings."""
        self.config("hyperparameters", {name: str(value) for name, value in given.items()})
        self.config("inputdataconfig", {name: {"ContentType": "text/tab-separated-values", "TrainingInputMode": "File",
                                               "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
                                        for name in ("train", "validation", "schema")})
        (self.channel("schema") / "schema.yaml").write_text(SCHEMA)
        for part in range(3):
            write_tsv(self.channel("train") / f"part-{part}.tsv", rows // 3, part)
        (self.channel("train") / "_SUCCESS").write_text("")
        write_tsv(self.channel("validation") / "rows.tsv", 1000, 7)

    def start(self, environment=None):
        return subprocess.Popen([SAGEMAKER / "train"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env={**os.environ, "SM_ROOT": str(self.root), **(environment or {})})

    def run_job(self, environment=None):
        """(exit code, output)"""
        job = self.start(environment)
        output, _ = job.communicate(timeout=120)
        return job.returncode, output

    def assert_fails(self, code, *parts):
        ended, output = self.run_job()
        self.assertEqual(ended, code, output)
        reason = self.failure.read_text()
        self.assertLessEqual(len(reason), 1024)
        for part in parts:
            self.assertIn(part, reason)

    def metric(self, name, output):
        """The last value that SageMaker would find."""
        regex = {each["Name"]: each["Regex"] for each in metrics.DEFINITIONS}[name]
        return float(re.findall(regex, output)[-1])

    def info(self):
        return json.loads(subprocess.run([FM, "inspect", self.model, "--json"], capture_output=True, text=True,
                                         check=True).stdout)


class ModelsTest(SageMakerTest):
    def test_rows_of_the_schema_channel_become_a_model_with_metrics(self):
        self.lay_out({"k": 4, "learning_rate": 0.3, "l2_factors": 0.001, "epochs": 8})
        write_tsv(self.channel("test") / "rows.tsv", 1000, 8)
        code, output = self.run_job()
        self.assertEqual(code, 0, output)
        self.assertFalse(self.failure.exists())
        for channel in ("validation", "test"):
            self.assertLess(self.metric(f"{channel}:logloss", output), 0.66)
            self.assertGreater(self.metric(f"{channel}:auc", output), 0.6)
        self.assertRegex(output, r"metric train:logloss=\S+ epoch=1\n")
        self.assertEqual(self.info()["k"], 4)

    def test_the_metric_of_the_kept_epoch_is_the_last_one(self):
        self.lay_out({"k": 4, "learning_rate": 0.9, "l2_factors": 0, "epochs": 40, "patience": 5})
        code, output = self.run_job()
        self.assertEqual(code, 0, output)
        regex = re.compile(r"metric validation:logloss=(\S+)")
        losses = [float(loss) for loss in regex.findall(output)]
        self.assertAlmostEqual(losses[-1], min(losses), places=4)
        self.assertLess(losses[-1], losses[-2])

    def test_hyperparameters_of_the_built_in_algorithm_train_libsvm_rows(self):
        self.config("hyperparameters", {
            "feature_dim": "200", "num_factors": "8", "predictor_type": "binary_classifier", "epochs": "5",
            "mini_batch_size": "1000", "factors_lr": "0.2", "linear_lr": "0.1", "bias_lr": "0.1", "factors_wd": "0.001",
            "linear_wd": "0.0001", "bias_wd": "0.01", "factors_init_method": "normal", "factors_init_sigma": "0.1",
            "bias_init_method": "normal", "bias_init_sigma": "0.01", "linear_init_method": "normal",
            "linear_init_sigma": "0.01"})
        write_libsvm(self.channel("train") / "rows.libsvm", 4000, 1)
        code, output = self.run_job()
        self.assertEqual(code, 0, output)
        self.assertIn("hyperparameter mini_batch_size=1000 has no effect", output)
        self.assertIn("--linear-learning-rate 0.1", output)
        info = self.info()
        self.assertEqual((info["k"], info["task"]), (8, "binary"))

    def test_a_regressor_learns_ratings(self):
        self.config("hyperparameters", {"num_factors": "4", "predictor_type": "regressor", "epochs": "3"})
        lines = [f"{1 + (user + ad) % 5} {user}:1 {100 + ad}:1" for _, user, ad in click_rows(3000, 1)]
        for name in ("train", "test"):
            (self.channel(name) / "rows.libsvm").write_text("\n".join(lines) + "\n")
        code, output = self.run_job()
        self.assertEqual(code, 0, output)
        self.assertLess(self.metric("test:rmse", output), 2.0)
        self.assertEqual(self.info()["task"], "regression")

    def test_field_weighted_models_may_be_asked_for(self):
        self.lay_out({"kind": "fwfm", "rank": 2, "k": 4, "epochs": 2})
        code, output = self.run_job()
        self.assertEqual(code, 0, output)
        self.assertIn("--kind fwfm", output)


class RefusalsTest(SageMakerTest):
    def test_the_owner_is_told_which_hyperparameter_is_wrong(self):
        for given, reason in (({"dropout": 0.5}, "dropout: no such hyperparameter"),
                              ({"num_factors": 0}, "num_factors: 0 is not a whole number from 2 to 256"),
                              ({"k": 4, "num_factors": 4}, "--k is given twice"),
                              ({"use_linear": "false"}, "a model of fm always has linear weights"),
                              ({"factors_init_method": "constant"}, "factors that start alike stay alike"),
                              ({"epochs": "NaN"}, "epochs: 'NaN' is not a whole number")):
            with self.subTest(given):
                self.lay_out(given, rows=30)
                self.assert_fails(2, reason)

    def test_bad_rows_are_named_by_file_and_line(self):
        self.lay_out({})
        (self.channel("train") / "part-9.tsv").write_text("click\tuser\tad\n1\tu\ta\n7\tu\ta\n")
        self.assert_fails(3, "part-9.tsv:3")

    def test_a_schema_of_another_task_is_refused(self):
        self.lay_out({"predictor_type": "regressor"})
        self.assert_fails(3, "--task regression", "binary task")

    def test_channels_that_cannot_be_read_are_refused(self):
        self.lay_out({})
        self.config("inputdataconfig", {"train": {"TrainingInputMode": "Pipe"}})
        self.assert_fails(2, "TrainingInputMode Pipe")
        self.config("inputdataconfig", {"train": {"ContentType": "application/x-recordio-protobuf"}})
        self.assert_fails(2, "RecordIO is not read")
        self.config("inputdataconfig", {"train": {}, "extra": {}})
        self.assert_fails(2, "channel 'extra'")
        shutil.rmtree(self.channel("train"))
        self.config("inputdataconfig", {})
        self.assert_fails(2, "channel 'train': missing")

    def test_configuration_that_is_not_json_is_refused(self):
        self.lay_out({})
        (self.root / "input/config/hyperparameters.json").write_text("{")
        self.assert_fails(2, "hyperparameters.json: not JSON")

    def test_the_documentation_names_every_hyperparameter(self):
        page = (SAGEMAKER.parents[2] / "docs/training.md").read_text()
        names = {*hyperparameters.OWN, *hyperparameters.RENAMED, *hyperparameters.RATES, *hyperparameters.NO_EFFECT,
                 *hyperparameters.SPECIAL} - set(hyperparameters.OF_THE_TUNER)
        self.assertEqual([name for name in sorted(names) if f"`{name}`" not in page], [])

    def test_every_name_of_the_tables_is_an_option_or_explained(self):
        shown = subprocess.run([FM, "train", "--help"], capture_output=True, text=True, check=True).stdout
        options = {*hyperparameters.OWN, *(option for option, _ in hyperparameters.RENAMED.values()),
                   *hyperparameters.RATES.values()}
        for option in options:
            self.assertIn(f"--{option.replace('_', '-')} ", shown)


class EndsTest(SageMakerTest):
    LONG = {"k": 8, "epochs": 1000, "patience": 1000, "threads": 1}

    @staticmethod
    def end(job):
        job.kill()
        job.wait()
        job.stdout.close()

    def start_and_wait_for(self, wanted, environment=None):
        job = self.start(environment)
        self.addCleanup(self.end, job)
        seen = ""
        for line in job.stdout:
            seen += line
            if wanted in line:
                return job, seen
        self.fail(f"no {wanted!r} in {seen}")

    def test_sigterm_ends_behind_the_epoch_with_a_model(self):
        self.lay_out(self.LONG, rows=30000)
        job, _ = self.start_and_wait_for("epoch=2")
        job.send_signal(signal.SIGTERM)
        output, _ = job.communicate(timeout=60)
        self.assertEqual(job.returncode, 0, output)
        self.assertIn("stopped by a signal", output)
        self.assertFalse(self.failure.exists())
        self.assertEqual(self.info()["k"], 8)

    def test_sigterm_in_a_long_epoch_leaves_the_best_model_so_far(self):
        self.lay_out(self.LONG, rows=300)
        # Enough for an epoch to outlive the grace: all in one file, whose rows are many.
        write_tsv(self.channel("train") / "part-0.tsv", 400000, 1)
        job, _ = self.start_and_wait_for("epoch=1", {"FM_STOP_GRACE_S": "0.01"})
        job.send_signal(signal.SIGTERM)
        output, _ = job.communicate(timeout=60)
        self.assertEqual(job.returncode, 0, output)
        self.assertEqual(self.info()["k"], 8)

    def test_a_job_that_was_killed_goes_on_from_its_checkpoint(self):
        self.lay_out({**self.LONG, "epochs": 60, "patience": 60})
        (self.root / "checkpoints").mkdir()
        often = {"FM_CHECKPOINT_EVERY": "1ms"}
        job, _ = self.start_and_wait_for("epoch=3", often)
        # As when the instance is taken away: the training with its parent, at once.
        for child in children_of(job.pid):
            os.kill(child, signal.SIGKILL)
        job.kill()
        job.communicate()
        checkpoint = self.root / "checkpoints/fm.ckpt"
        self.assertTrue(checkpoint.exists())
        code, output = self.run_job(often)
        self.assertEqual(code, 0, output)
        self.assertRegex(output, r"goes on behind epoch [2-9]")
        self.assertFalse(checkpoint.exists())


class HostsTest(SageMakerTest):
    """Two hosts that are this one. ssh and sshd are stand-ins that run what they are asked to here."""

    def setUp(self):
        super().setUp()
        self.programs = self.root / "bin"
        self.program("ssh", "#!/bin/sh\n"
                            "while [ $# -gt 0 ]; do\n"
                            "  case $1 in -p | -o) shift 2 ;; -*) shift ;; *) break ;; esac\ndone\n"
                            "shift\nexec sh -c \"$*\"\n")
        self.program("sshd", f"#!{sys.executable}\nimport socket, sys\n"
                             "server = socket.create_server(('127.0.0.2', int(sys.argv[sys.argv.index('-p') + 1])))\n"
                             "while True:\n    server.accept()[0].close()\n")
        with socket.create_server(("127.0.0.2", 0)) as server:
            self.port = server.getsockname()[1]

    def program(self, name, text):
        self.programs.mkdir(exist_ok=True)
        path = self.programs / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def start_host(self, root, current):
        hosts = {"current_host": current, "hosts": ["127.0.0.1", "127.0.0.2"], "network_interface_name": "lo"}
        (root / "input/config/resourceconfig.json").write_text(json.dumps(hosts))
        return subprocess.Popen(
            [SAGEMAKER / "train"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "SM_ROOT": str(root), "FM_SSH_PORT": str(self.port), "FM_HOSTS_PATIENCE_S": "30",
                 "PATH": f"{self.programs}:{os.environ['PATH']}"})

    def test_two_hosts_train_one_model(self):
        self.lay_out({"k": 4, "epochs": 3, "learning_rate": 0.3, "threads": 1})
        second = pathlib.Path(shutil.copytree(self.root, str(self.root) + ".second"))
        self.addCleanup(shutil.rmtree, second)
        waiting = self.start_host(second, "127.0.0.2")
        self.addCleanup(waiting.kill)
        first = self.start_host(self.root, "127.0.0.1")
        self.addCleanup(first.kill)
        output, _ = first.communicate(timeout=100)
        self.assertEqual(first.returncode, 0, output)
        self.assertIn("by 2 ranks", output)
        self.assertEqual(self.info()["k"], 4)
        waiting_output, _ = waiting.communicate(timeout=30)
        self.assertEqual(waiting.returncode, 0, waiting_output)
        self.assertFalse((second / "model/model.fmw").exists())


if __name__ == "__main__":
    unittest.main()
