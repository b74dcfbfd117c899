"""A model whose scores are all 1 higher, published under traffic: held, reported, approved, rejected, with the real programs."""

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


class HeldVersionTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.work = pathlib.Path(folder.name)
        self.target = f"unix:{self.work}/socket"
        run(ARGS.fm, "generate", "--rows", 20000, "--out", self.work / "log")
        self.schema = self.work / "log" / "schema.yaml"
        self.good = self.work / "good.fmw"
        run(ARGS.fm, "train", "--schema", self.schema, "--train", self.work / "log" / "train.tsv", "--out", self.good,
            "--epochs", 2, "--k", 4)
        self.higher = self.work / "higher.fmw"
        run(ARGS.break_weights, self.good, self.higher, "--shift", 1)
        self.serve_under_traffic()

    def serve_under_traffic(self):
        config = self.work / "fmserve.yaml"
        config.write_text(
            f"cache_dir: {self.work}/cache\nlisten: ['{self.target}']\nhttp_listen: ''\nmodels:\n"
            f"  - name: ctr\n    store: {self.work}/store\n    poll_interval_ms: 50\n    budget_ms: 5000\n"
            "    shadow_gate: {min_requests: 50, sample_one_in: 1, max_samples_per_second: 10000}\n", encoding="utf-8")
        self.publish(self.good)
        log = (self.work / "server.log").open("w", encoding="utf-8")
        self.addCleanup(log.close)
        server = subprocess.Popen([ARGS.fmserve, "--config", config], stderr=log)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        self.wait_for(1, "serving")
        self.traffic = run(ARGS.fm, "load", "--target", self.target, "--model", "ctr", "--schema", self.schema, "--data",
                           self.work / "log" / "test.tsv", "--closed-loop", 1, "--count", 2000, "--candidates", 10, "--json")

    def publish(self, path):
        run(ARGS.fm, "publish", path, "--store", self.work / "store", "--model", "ctr")

    def operate(self, command, *options, expected=0):
        return run(ARGS.fm, command, "--target", self.target, "--model", "ctr", *options, expected=expected)

    def listed(self, version):
        done = subprocess.run([ARGS.fm, "versions", "--target", self.target, "--model", "ctr", "--json"],
                              capture_output=True, text=True, check=False)
        versions = json.loads(done.stdout)["versions"] if done.returncode == 0 else []
        return next((found for found in versions if found["version"] == version), {})

    def wait_for(self, version, state):
        end = time.monotonic() + WAIT_SECONDS
        while self.listed(version).get("state") != state:
            assert time.monotonic() < end, f"version {version} is not {state}: {self.listed(version)}"
            time.sleep(0.05)

    def test_operators_approve_or_reject_what_is_held(self):
        self.publish(self.higher)
        self.wait_for(2, "held")
        self.assertIn("logit_shift is 1", self.listed(2)["reason"])
        status = json.loads(self.operate("status", "--json").stdout)["models"][0]
        self.assertEqual((status["serving_version"], status["held_version"]), (1, 2))
        self.assertIn("version 2 is held", status["last_error"])

        table = self.operate("gate-report").stdout
        self.assertRegex(table, r"logit_shift +- +- +1(\.\d+)? +-0.\d+ to 0.\d+ +FAILED")
        self.assertRegex(table, r"kendall_tau .* ok\n")
        report = json.loads(self.operate("gate-report", "--version", 2, "--json").stdout)
        self.assertEqual((report["verdict"], report["serving_version"]), ("held", 1))
        self.assertGreaterEqual(report["requests"], 50)

        refused = self.operate("approve", "--version", 1, expected=1)
        self.assertIn("version 1 is not held; version 2 is", refused.stderr)
        self.operate("approve", "--version", 2)
        self.assertEqual(self.listed(2)["state"], "serving")

        self.publish(self.good)
        self.wait_for(3, "held")
        self.operate("reject", "--version", 3, expected=2)
        self.operate("reject", "--version", 3, "--reason", "made by a test")
        self.assertEqual(self.listed(3)["reason"], "operator: made by a test")
        self.assertEqual(self.listed(2)["state"], "serving")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("--fm", "--fmserve", "--break-weights"):
        parser.add_argument(name, required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
