"""What the tests of S3 stand on: a radosgw that all of them share, and for each a fault proxy, a store of its own, a
server that serves its first version, and clients that ask it all the time.
"""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

import direct
import fault_proxy
import radosgw

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("FMSERVE_BUILD", ROOT / "build/release")).resolve()
FOLDER = BUILD / "tests/e2e/radosgw"
BUCKET = "models"
MODEL = "ctr"
PATIENCE_S = 60
# Rows of 128 bytes each: one range of a download, and several.
FILES = {"small": 30_000, "other": 30_000, "large": 330_000}
# Of another file, with other weights in a share of the rows: worth a delta, and one that is uploaded in parts.
RETRAINED = {"small_retrained": ("small", 0.05), "large_retrained": ("large", 0.9)}


def program(name):
    return str(BUILD / "bin" / name)


def make_weights(name, rows, seed, *options):
    subprocess.run([program("make_weights"), "--rows", str(rows), "--seed", seed, "--out", weights(name), *options],
                   check=True, stdout=subprocess.DEVNULL)


def prepare():
    """Starts radosgw and makes what all tests need. stop() is its counterpart."""
    radosgw.Radosgw(FOLDER).start()
    seeds = {name: str(seed) for seed, name in enumerate(FILES, start=1)}
    for name, rows in FILES.items():
        make_weights(name, rows, seeds[name], "--data", FOLDER)
    for name, (base, share) in RETRAINED.items():
        make_weights(name, FILES[base], seeds[base], "--retrained", str(share))
    gateway().put(f"/{BUCKET}", b"")


def stop():
    radosgw.stop(FOLDER)


def facts():
    return json.loads((FOLDER / "radosgw.json").read_text())


def gateway():
    told = facts()
    return direct.Direct(told["endpoint"], told["access_key"], told["secret_key"])


def gateway_port():
    return int(facts()["endpoint"].rsplit(":", 1)[1])


def weights(name):
    return FOLDER / f"{name}.fmw"


class S3Test(unittest.TestCase):
    """A test's prefix in the bucket is its name."""

    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="fmserve-s3."))
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)
        self.gateway = gateway()
        self.proxy = fault_proxy.FaultProxy(gateway_port())
        self.addCleanup(self.proxy.close)
        self.prefix = f"{self._testMethodName}-{os.getpid()}"
        self.store = f"s3://{BUCKET}/{self.prefix}"
        self.target = f"unix:{self.work}/grpc.sock"
        self.server = None
        self.load = None
        self.addCleanup(self.kill_all)
        told = facts()
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.work),
                            "AWS_ACCESS_KEY_ID": told["access_key"], "AWS_SECRET_ACCESS_KEY": told["secret_key"],
                            "AWS_EC2_METADATA_DISABLED": "true"}
        self.server_environment = dict(self.environment)

    def kill_all(self):
        for process in (self.load, self.server):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    def path_of(self, name):
        return f"/{BUCKET}/{self.prefix}/{MODEL}/{name}"

    # Publishing.

    def publish_command(self, name, endpoint=None, delta_from="none"):
        return [program("fm"), "publish", str(weights(name)), "--store", self.store, "--model", MODEL, "--json",
                "--endpoint-url", endpoint or facts()["endpoint"], "--delta-from", delta_from]

    def publish(self, name, endpoint=None, delta_from="none"):
        """Behind the proxy's back, unless `endpoint` is its. Returns the version."""
        done = subprocess.run(self.publish_command(name, endpoint, delta_from), env=self.environment,
                              capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["version"]

    # The server.

    def start_server(self, cache=None, s3="", model=""):
        (self.work / "fmserve.yaml").write_text(
            f'listen: ["{self.target}"]\nhttp_listen: ""\ncache_dir: {cache or self.work / "cache"}\n'
            f"models:\n  - name: {MODEL}\n    store: {self.store}\n    poll_interval_ms: 200\n    budget_ms: 1000\n{model}"
            f"    s3: {{endpoint_url: \"{self.proxy.endpoint}\", stall_seconds: 1{s3}}}\n")
        self.run_server()

    def run_server(self):
        with open(self.work / "server.log", "ab") as log:
            self.server = subprocess.Popen([program("fmserve"), "--config", self.work / "fmserve.yaml"], stdout=log,
                                           stderr=log, env=self.server_environment)

    def kill_server(self):
        self.server.kill()
        self.server.wait()

    def status(self):
        """Of the model; None while nobody answers."""
        done = subprocess.run([program("fm"), "status", "--target", self.target, "--timeout", "2s", "--json"],
                              capture_output=True, text=True, check=False)
        return json.loads(done.stdout)["models"][0] if done.returncode == 0 else None

    def wait_for(self, what, condition):
        """Until `condition`, given the status, holds; returns that status."""
        end = time.monotonic() + PATIENCE_S
        while True:
            self.assertIsNone(self.server.poll(), f"the server ended by itself:\n{self.log()}")
            status = self.status()
            if status is not None and condition(status):
                return status
            self.assertLess(time.monotonic(), end, f"waited {PATIENCE_S} s for {what}; {status}\n{self.log()}")
            time.sleep(0.05)

    def wait_for_version(self, version):
        return self.wait_for(f"version {version}", lambda status: status["serving_version"] == version)

    def wait_for_words(self, *words):
        """Until the status says all of these words of what is wrong."""
        return self.wait_for(" and ".join(words), lambda status: all(word in status["last_error"] for word in words))

    def log(self):
        return (self.work / "server.log").read_text(errors="replace")[-3000:]

    # Clients.

    def start_load(self):
        (self.work / "enough").unlink(missing_ok=True)
        self.load = subprocess.Popen(
            [program("fm"), "load", "--target", self.target, "--model", MODEL, "--schema", FOLDER / "schema.yaml", "--data",
             FOLDER / "rows.tsv", "--rate", "50", "--candidates", "20", "--budget-ms", "1000", "--distinct", "20",
             "--until-file", self.work / "enough", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end_load(self, versions):
        """All requests were answered, by these versions."""
        time.sleep(0.5)  # so that the last one has been asked for something
        (self.work / "enough").touch()
        out, err = self.load.communicate(timeout=PATIENCE_S)
        self.assertEqual(self.load.returncode, 0, err)
        report = json.loads(out)
        self.assertEqual((report["ok"], report["errors"]), (report["sent"], {}))
        self.assertEqual(sorted(report["versions"]), [str(version) for version in versions])

    def serve_first(self, name="small", **options):
        """Version 1 serves, and clients ask for it from now on."""
        self.assertEqual(self.publish(name), 1)
        self.start_server(**options)
        self.wait_for_version(1)
        self.start_load()


def get_of_weights(request):
    return request.is_get_of(".fmw")


def poll(request):
    return request.is_get_of(f"/{MODEL}/CURRENT")


def main():
    """`stage.py start` and `stage.py stop`, around the tests."""
    import sys  # pylint: disable=import-outside-toplevel

    {"start": prepare, "stop": stop}[sys.argv[1]]()


if __name__ == "__main__":
    main()
