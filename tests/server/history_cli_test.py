"""fm history with the real programs: a version's way, who pulled the levers, over a restart that was no clean one."""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ARGS = None
WAIT_SECONDS = 60


def run(*arguments, expected=0):
    done = subprocess.run([str(word) for word in arguments], capture_output=True, text=True, check=False)
    assert done.returncode == expected, f"{arguments}: exit {done.returncode}: {done.stderr}"
    return done


class HistoryTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.work = pathlib.Path(folder.name)
        self.target = f"unix:{self.work}/socket"
        run(ARGS.fm, "generate", "--rows", 5000, "--out", self.work / "log")
        self.weights = self.work / "weights.fmw"
        run(ARGS.fm, "train", "--schema", self.work / "log" / "schema.yaml", "--train", self.work / "log" / "train.tsv",
            "--out", self.weights, "--epochs", 1, "--k", 4)
        self.config = self.work / "fmserve.yaml"
        self.config.write_text(
            f"cache_dir: {self.work}/cache\nlisten: ['{self.target}']\nhttp_listen: ''\nmodels:\n"
            f"  - name: ctr\n    store: {self.work}/store\n    poll_interval_ms: 50\n    budget_ms: 5000\n",
            encoding="utf-8")
        self.server = None
        self.addCleanup(self.stop)

    def start(self):
        self.server = subprocess.Popen([ARGS.fmserve, "--config", self.config], stderr=subprocess.DEVNULL)

    def stop(self, sign=signal.SIGTERM):
        if self.server is None:
            return
        self.server.send_signal(sign)
        self.server.wait()
        self.server = None

    def publish(self):
        run(ARGS.fm, "publish", self.weights, "--store", self.work / "store", "--model", "ctr")

    def operate(self, command, *options, expected=0):
        return run(ARGS.fm, command, "ctr", "--target", self.target, *options, expected=expected)

    def history(self):
        done = subprocess.run([ARGS.fm, "history", "ctr", "--target", self.target, "--json"],
                              capture_output=True, text=True, check=False)
        versions = json.loads(done.stdout)["versions"] if done.returncode == 0 else []
        return {found["version"]: found for found in versions}

    def wait_for(self, version, step):
        end = time.monotonic() + WAIT_SECONDS
        while (found := self.history().get(version, {"events": []})) is not None:
            steps = [event["step"] for event in found["events"]]
            if steps and steps[-1] == step:
                return found
            assert time.monotonic() < end, f"version {version}: the last step is not {step}: {steps}"
            time.sleep(0.05)
        return None

    def test_tells_when_who_and_why(self):
        self.publish()
        self.start()
        self.wait_for(1, "served")
        self.publish()
        second = self.wait_for(2, "served")
        for step in ("published", "fetched", "gated", "served"):
            self.assertIsNotNone(second[step], step)
        self.assertIsNone(second["ended"])
        self.operate("rollback")
        last = self.history()[2]["events"][-1]
        self.assertEqual((last["step"], last["why"]), ("ended", "rolled back: version 1 serves"))
        self.assertRegex(last["who"], r"^operator unix:")
        self.assertRegex(self.operate("history").stdout, r"(?m)^ +1 .* served +operator unix:.* rolled back: instead of version 2$")
        self.assertRegex(self.operate("history", "--version", 2).stdout, r"(?m)^ +2 .* gated +server +.*golden")
        self.assertEqual(len(json.loads(self.operate("history", "--limit", 1, "--json").stdout)["versions"]), 1)
        self.assertIn("--limit", self.operate("history", "--limit", 2000, expected=2).stderr)

    def test_is_there_after_a_kill(self):
        self.publish()
        self.start()
        self.wait_for(1, "served")
        time.sleep(1.5)  # it is written once a second
        before = self.history()[1]["events"]
        self.stop(signal.SIGKILL)
        self.start()
        end = time.monotonic() + WAIT_SECONDS
        while len(events := self.history().get(1, {"events": []})["events"]) <= len(before):
            assert time.monotonic() < end, events
            time.sleep(0.05)
        self.assertEqual(events[:len(before)], before)
        self.assertEqual(events[-1]["why"], "from the cache, after a start")


if __name__ == "__main__":
    PARSER = argparse.ArgumentParser()
    PARSER.add_argument("--fm", required=True)
    PARSER.add_argument("--fmserve", required=True)
    ARGS, REST = PARSER.parse_known_args()
    unittest.main(argv=[sys.argv[0], *REST])
