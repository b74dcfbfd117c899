"""Canaries with the real programs: seen, approved, rejected, rolled back; their time; a manual rollout."""

import argparse
import json
import pathlib
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


class CanaryTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.work = pathlib.Path(folder.name)
        self.target = f"unix:{self.work}/socket"
        run(ARGS.fm, "generate", "--rows", 5000, "--out", self.work / "log")
        self.weights = self.work / "weights.fmw"
        run(ARGS.fm, "train", "--schema", self.work / "log" / "schema.yaml", "--train", self.work / "log" / "train.tsv",
            "--out", self.weights, "--epochs", 1, "--k", 4)

    def serve(self, rollout):
        config = self.work / "fmserve.yaml"
        config.write_text(
            f"cache_dir: {self.work}/cache\nlisten: ['{self.target}']\nhttp_listen: ''\nmodels:\n"
            f"  - name: ctr\n    store: {self.work}/store\n    poll_interval_ms: 50\n    budget_ms: 5000\n"
            f"    rollout: {rollout}\n", encoding="utf-8")
        self.publish()
        self.log = self.work / "server.log"
        log = self.log.open("w", encoding="utf-8")
        self.addCleanup(log.close)
        server = subprocess.Popen([ARGS.fmserve, "--config", config], stderr=log)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        self.wait_for(1, "serving")

    def publish(self):
        run(ARGS.fm, "publish", self.weights, "--store", self.work / "store", "--model", "ctr")

    def operate(self, command, *options, expected=0):
        return run(ARGS.fm, command, "--target", self.target, "--model", "ctr", *options, expected=expected)

    def listed(self, version):
        done = subprocess.run([ARGS.fm, "versions", "--target", self.target, "--model", "ctr", "--json"],
                              capture_output=True, text=True, check=False)
        versions = json.loads(done.stdout)["versions"] if done.returncode == 0 else []
        return next((found for found in versions if found["version"] == version), {})

    def status(self):
        return json.loads(self.operate("status", "--json").stdout)["models"][0]

    def wait_for(self, version, state):
        end = time.monotonic() + WAIT_SECONDS
        while self.listed(version).get("state") != state:
            assert time.monotonic() < end, f"version {version} is not {state}: {self.listed(version)}"
            time.sleep(0.05)

    def test_operators_see_a_canary_and_decide(self):
        self.serve("{mode: CANARY, canary_percent: 12.5, canary_s: 3600}")
        self.publish()
        self.wait_for(2, "canary")
        self.assertEqual(self.listed(2)["reason"], "12.5 % of the requests")
        self.assertEqual(self.listed(1)["state"], "serving")
        status = self.status()
        self.assertEqual((status["serving_version"], status["canary_version"], status["canary_percent"]), (1, 2, 12.5))
        self.assertIsNotNone(status["canary_since"])
        self.assertRegex(self.operate("status").stdout, r"idle, canary 2 \(12\.5 % for \d+ s\)")
        self.assertRegex(self.operate("versions").stdout, r"2 +canary .* 12\.5 % of the requests")

        self.operate("approve", "--version", 2)
        self.assertEqual(self.listed(2)["state"], "serving")
        self.publish()
        self.wait_for(3, "canary")
        self.operate("reject", "--version", 3, "--reason", "made by a test")
        self.assertEqual(self.listed(3)["reason"], "operator: made by a test")
        self.publish()
        self.wait_for(4, "canary")
        self.operate("rollback")
        status = self.status()
        self.assertEqual((status["serving_version"], status["canary_version"]), (2, 0))
        self.assertEqual(self.listed(4)["state"], "cached")
        events = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]
        self.assertEqual([event["version"] for event in events if event["event"] == "canary_started"], [2, 3, 4])
        ended = [(event["version"], event["reason"]) for event in events if event["event"] == "canary_ended"]
        self.assertEqual(ended, [(4, "rollback")])

    def test_a_canary_serves_all_when_its_time_is_over(self):
        self.serve("{mode: CANARY, canary_s: 1}")
        self.publish()
        self.wait_for(2, "serving")
        self.assertEqual((self.status()["previous_version"], self.status()["canary_version"]), (1, 0))

    def test_a_manual_rollout_waits(self):
        self.serve("{mode: MANUAL}")
        self.publish()
        self.wait_for(2, "held")
        self.assertEqual(self.listed(2)["reason"], "rollout: it waits for an operator: the rollout is manual")
        self.operate("approve", "--version", 2)
        self.assertEqual(self.listed(2)["state"], "serving")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("--fm", "--fmserve"):
        parser.add_argument(name, required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
