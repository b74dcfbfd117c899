"""Runs the real fm tune, and fm train --checkpoint, and kills them at random moments."""

import json
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
fields:
  - {name: user, side: context}
  - {name: hour, side: context}
  - {name: ad, side: item}
"""
SPACE = """\
k: [4, 8]
learning-rate: {min: 0.02, max: 0.5, scale: log}
l2-factors: {min: 1e-4, max: 0.1, scale: log}
patience: 20
"""


def fm(*arguments):
    return subprocess.run([FM, *map(str, arguments)], capture_output=True, text=True, check=False)


def write_table(path, rows, seed):
    rng = random.Random(seed)
    lines = ["click\tuser\thour\tad"]
    for _ in range(rows):
        user, hour, ad = rng.randrange(40), rng.randrange(24), rng.randrange(25)
        click = int(rng.random() < (0.8 if (user + ad) % 2 else 0.2))
        lines.append(f"{click}\tu{user}\th{hour}\tad{ad}")
    path.write_text("\n".join(lines) + "\n")


def kill_at_random_moments(arguments, whole_seconds, kills, rng):
    """Starts fm again and again and kills it; returns how often it was still running then."""
    killed = 0
    for _ in range(kills):
        process = subprocess.Popen([FM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(rng.uniform(0.1, 0.7) * whole_seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    return killed


class TuneTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.dir = pathlib.Path(cls.folder.name)
        (cls.dir / "s.yaml").write_text(SCHEMA)
        (cls.dir / "space.yaml").write_text(SPACE)
        write_table(cls.dir / "t.tsv", 6000, seed=1)
        write_table(cls.dir / "v.tsv", 2000, seed=2)
        start = time.monotonic()
        cls.whole = fm(*cls.tune("whole", "--json"))
        cls.whole_seconds = time.monotonic() - start

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def data(cls):
        return ["--schema", cls.dir / "s.yaml", "--train", cls.dir / "t.tsv", "--valid", cls.dir / "v.tsv"]

    @classmethod
    def tune(cls, out, *more, trials=20, space="space.yaml"):
        return ["tune", "--space", cls.dir / space, *cls.data(), "--out", cls.dir / out, "--trials", trials,
                "--epochs", 9, "--workers", 2, *more]

    def leaderboard(self, out):
        return (self.dir / out / "leaderboard.json").read_text()

    def predictions(self, model):
        result = fm("predict", model, "--data", self.dir / "v.tsv")
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_a_search_reports_one_object_and_finds_a_better_model_than_its_trials_are_on_average(self):
        self.assertEqual(self.whole.returncode, 0, self.whole.stderr)
        summary = json.loads(self.whole.stdout)
        rows = summary["leaderboard"]
        self.assertEqual((len(rows), summary["rung_epochs"], summary["metric"]), (20, [1, 3, 9], "logloss"))
        self.assertEqual(rows[0]["trial"], summary["best_trial"])
        self.assertEqual([row["metric"] for row in rows], sorted(row["metric"] for row in rows))
        self.assertLess(rows[0]["metric"], 0.55)
        self.assertEqual(max(row["epochs"] for row in rows), 9)
        self.assertGreater(sum(row["epochs"] == 1 for row in rows), 9, "bad trials end early")
        self.assertIn("best so far", self.whole.stderr)

    def test_the_best_model_is_the_one_that_fm_train_learns_by_the_options_that_are_told(self):
        summary = json.loads(self.whole.stdout)
        out = self.dir / "same.fmw"
        done = fm("train", *self.data(), "--out", out, "--json", *summary["train_options"].split())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["valid"]["logloss"], summary["leaderboard"][0]["metric"])
        self.assertEqual(self.predictions(out), self.predictions(summary["model"]))

    def test_the_terminal_shows_the_leaderboard(self):
        done = fm(*self.tune("whole"))
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0].split(), ["place", "trial", "logloss", "epochs", "k", "learning-rate", "l2-factors"])
        self.assertEqual(lines[1].split()[:2], ["1", str(json.loads(self.whole.stdout)["best_trial"])])
        self.assertIn("results of an earlier run", done.stderr)
        self.assertNotIn("best so far", done.stderr, "trained again what is known")

    def test_a_search_that_is_killed_at_random_moments_finds_the_same(self):
        rng = random.Random(3)
        for attempt in range(2):
            out = f"killed{attempt}"
            killed = kill_at_random_moments(self.tune(out), self.whole_seconds, 4, rng)
            self.assertGreater(killed, 0)
            done = fm(*self.tune(out, "--json"))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.leaderboard(out), self.leaderboard("whole"))
            self.assertEqual(self.predictions(self.dir / out / "best.fmw"),
                             self.predictions(self.dir / "whole" / "best.fmw"))
            lines = (self.dir / out / "journal.jsonl").read_text().splitlines()
            results = [json.loads(line) for line in lines[1:]]
            self.assertEqual(len(results), json.loads(done.stdout)["results"])
            self.assertEqual(len({(r["trial"], r["rung"]) for r in results}), len(results), "counted twice")

    def test_the_number_of_workers_and_lost_checkpoints_change_nothing(self):
        for workers, keep_mib in ((1, 8192), (4, 0)):
            out = f"workers{workers}"
            done = fm(*self.tune(out)[:-1], workers, "--keep-mib", keep_mib)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.leaderboard(out), self.leaderboard("whole"))

    def test_more_trials_may_be_asked_for_later(self):
        self.assertEqual(fm(*self.tune("more", trials=7)).returncode, 0)
        self.assertEqual(len(json.loads(self.leaderboard("more"))["leaderboard"]), 7)
        self.assertEqual(fm(*self.tune("more", trials=20)).returncode, 0)
        self.assertEqual(self.leaderboard("more"), self.leaderboard("whole"))

    def test_when_all_is_done_only_the_best_trials_checkpoint_is_left(self):
        best = json.loads(self.whole.stdout)["best_trial"]
        self.assertEqual([path.name for path in (self.dir / "whole" / "checkpoints").iterdir()], [f"trial-{best:05}.ckpt"])

    def test_the_best_model_is_published_once(self):
        arguments = self.tune("whole", "--json", "--publish", self.dir / "store", "--model", "ctr")
        for _ in range(2):
            done = fm(*arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(json.loads(done.stdout)["published_version"], 1)
        self.assertIn("was published before", done.stderr)
        self.assertEqual(json.loads((self.dir / "store" / "ctr" / "CURRENT").read_text())["version"], 1)
        self.assertEqual(fm(*self.tune("whole", "--publish", self.dir / "store")).returncode, 2)

    def test_auc_may_decide(self):
        done = fm(*self.tune("auc", "--metric", "auc", "--json", trials=6))
        self.assertEqual(done.returncode, 0, done.stderr)
        summary = json.loads(done.stdout)
        metrics = [row["metric"] for row in summary["leaderboard"]]
        self.assertEqual(metrics, sorted(metrics, reverse=True))
        self.assertIn("--stop-on auc", summary["train_options"])

    def test_random_search_gives_all_trials_all_epochs(self):
        done = fm(*self.tune("random", "--search", "random", "--json", trials=4))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([row["epochs"] for row in json.loads(done.stdout)["leaderboard"]], [9] * 4)
        self.assertEqual(fm(*self.tune("random", "--search", "random", "--reduction", 4)).returncode, 2)

    def test_a_trial_whose_loss_is_not_finite_is_out_and_the_search_goes_on(self):
        schema = self.dir / "stars.yaml"
        schema.write_text(SCHEMA.replace("binary", "regression"))
        (self.dir / "wild.yaml").write_text("learning-rate: [0.1, 0.2, 1e25]\n")
        arguments = [schema if str(word).endswith("s.yaml") else word for word in
                     self.tune("wild", "--json", trials=3, space="wild.yaml")]
        done = fm(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        summary = json.loads(done.stdout)
        self.assertEqual(summary["metric"], "rmse")
        self.assertIsNone(summary["leaderboard"][2]["metric"])
        self.assertEqual(summary["leaderboard"][2]["options"]["learning-rate"], "1e25")
        self.assertIn("the loss is not finite: out", done.stderr)
        refused = fm(*arguments, "--metric", "auc")
        self.assertEqual(refused.returncode, 3, refused.stderr)
        self.assertIn("searched by rmse", refused.stderr)

    def test_another_search_in_the_same_folder_is_refused(self):
        refused = fm(*self.tune("whole", "--seed", 2))
        self.assertEqual(refused.returncode, 3, refused.stderr)
        self.assertIn("begun with something else as --seed;", refused.stderr)

    def test_a_wrong_space_is_refused_with_line_and_key(self):
        (self.dir / "wrong.yaml").write_text("k: [4, 8]\nlearning-rate: {min: -1, max: 1}\n")
        refused = fm(*self.tune("wrong", space="wrong.yaml"))
        self.assertEqual(refused.returncode, 3, refused.stderr)
        self.assertIn("wrong.yaml:2: --learning-rate", refused.stderr)

    def test_one_process_at_a_time(self):
        out = self.dir / "busy"
        process = subprocess.Popen([FM, *map(str, self.tune("busy", trials=10000))], stderr=subprocess.PIPE)
        try:
            while not (out / "journal.jsonl").exists():
                time.sleep(0.01)
            refused = fm(*self.tune("busy"))
            self.assertEqual(refused.returncode, 1, refused.stderr)
            self.assertIn("another process searches here", refused.stderr)
        finally:
            process.kill()
            process.communicate()


class CheckpointTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.dir = pathlib.Path(cls.folder.name)
        (cls.dir / "s.yaml").write_text(SCHEMA)
        write_table(cls.dir / "t.tsv", 6000, seed=1)
        write_table(cls.dir / "v.tsv", 2000, seed=2)
        start = time.monotonic()
        cls.whole = fm(*cls.train("whole.fmw", "--checkpoint", cls.dir / "whole.ckpt"))
        cls.whole_seconds = time.monotonic() - start

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def train(cls, out, *more, epochs=150):
        return ["train", "--schema", cls.dir / "s.yaml", "--train", cls.dir / "t.tsv", "--valid", cls.dir / "v.tsv",
                "--out", cls.dir / out, "--k", 8, "--epochs", epochs, "--patience", epochs, *more]

    def rows(self, model):
        out = self.dir / (model + ".tsv")
        result = fm("export", self.dir / model, "--format", "tsv", "--out", out)
        self.assertEqual(result.returncode, 0, result.stderr)
        return out.read_text()

    def test_a_training_that_is_killed_at_random_moments_ends_in_the_same_parameters(self):
        self.assertEqual(self.whole.returncode, 0, self.whole.stderr)
        self.assertEqual(fm(*self.train("plain.fmw")).returncode, 0)
        self.assertEqual(self.rows("plain.fmw"), self.rows("whole.fmw"), "checkpoints change the result")
        rng = random.Random(4)
        for attempt in range(3):
            out, checkpoint = f"killed{attempt}.fmw", self.dir / f"killed{attempt}.ckpt"
            arguments = self.train(out, "--checkpoint", checkpoint)
            self.assertGreater(kill_at_random_moments(arguments, self.whole_seconds, 3, rng), 0)
            done = fm(*arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.rows(out), self.rows("whole.fmw"))
            self.assertEqual([path for path in self.dir.iterdir() if path.name.startswith(checkpoint.name)], [])

    def leave_checkpoint(self, name):
        """Kills a training that has left one."""
        checkpoint = self.dir / name
        arguments = self.train("left.fmw", "--checkpoint", checkpoint, epochs=1000)
        process = subprocess.Popen([FM, *map(str, arguments)], stderr=subprocess.PIPE)
        while not checkpoint.exists():
            time.sleep(0.005)
        process.kill()
        process.communicate()
        return checkpoint, arguments

    def test_another_training_is_refused_with_what_differs(self):
        checkpoint, arguments = self.leave_checkpoint("left.ckpt")
        refused = fm(*arguments, "--learning-rate", 0.3)
        self.assertEqual(refused.returncode, 3, refused.stderr)
        self.assertIn("differs in --learning-rate; run with the same", refused.stderr)
        table = self.dir / "t.tsv"
        content = table.read_text()
        table.write_text(content + "1\tu1\th1\tad1\n")
        refused = fm(*arguments)
        table.write_text(content)
        self.assertEqual(refused.returncode, 3, refused.stderr)
        self.assertIn("differs in training rows", refused.stderr)
        checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
        refused = fm(*arguments)
        self.assertEqual(refused.returncode, 3, refused.stderr)
        self.assertIn("remove it to begin anew", refused.stderr)

    def test_it_says_where_it_goes_on(self):
        _, arguments = self.leave_checkpoint("on.ckpt")
        process = subprocess.Popen([FM, *map(str, arguments)], stderr=subprocess.PIPE, text=True)
        lines = [process.stderr.readline() for _ in range(2)]
        process.kill()
        process.communicate()
        self.assertRegex(lines[1], "goes on behind epoch [0-9]+ of .*on.ckpt")

    def test_only_steps_along_the_gradient_have_checkpoints(self):
        self.assertEqual(fm(*self.train("g.fmw", "--method", "gibbs", "--checkpoint", self.dir / "g")).returncode, 2)
        self.assertEqual(fm(*self.train("g.fmw", "--checkpoint-every", "1m")).returncode, 2)


if __name__ == "__main__":
    unittest.main()
