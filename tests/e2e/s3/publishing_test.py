#!/usr/bin/env python3
"""Publishing into a store in S3: what several publishers, dead ones and failures leave behind; what polling costs; what is
fetched again after a kill."""

import json
import re
import subprocess
import threading
import time
import unittest

import stage
from fault_proxy import Fault


class PublishingTest(stage.S3Test):
    def publish_at_once(self, *names):
        processes = [subprocess.Popen(self.publish_command(name), env=self.environment, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True) for name in names]
        return [(process, *process.communicate(timeout=stage.PATIENCE_S)) for process in processes]

    def current(self):
        return json.loads(self.gateway.get(self.path_of("CURRENT")))

    def test_versions_are_laid_out_as_in_a_folder(self):
        self.assertEqual([self.publish("small"), self.publish("large")], [1, 2])
        names = [key.rsplit("/", 1)[1] for key in self.gateway.keys(stage.BUCKET, self.prefix)]
        self.assertEqual(names, [f"{number:020}.{kind}" for number in (1, 2) for kind in ("claim", "fmw")] + ["CURRENT"])
        folder = self.work / "store"
        for name in ("small", "large"):
            subprocess.run([stage.program("fm"), "publish", stage.weights(name), "--store", folder, "--model",
                            stage.MODEL], check=True, stdout=subprocess.DEVNULL)
        for number in (1, 2):
            name = f"{number:020}.fmw"
            self.assertEqual(self.gateway.get(self.path_of(name)), (folder / stage.MODEL / name).read_bytes())

    def test_publishers_at_once_get_numbers_of_their_own(self):
        done = self.publish_at_once("small", "other", "small", "other")
        won = [json.loads(out)["version"] for process, out, _ in done if process.returncode == 0]
        lost = [err for process, _, err in done if process.returncode != 0]
        self.assertEqual(len(set(won)), len(won))
        self.assertEqual(self.current()["version"], max(won))
        for said in lost:
            self.assertRegex(said, r"version \d+ was published meanwhile by somebody else, so version \d+ is in the store "
                                   r"but is not the newest")

    def test_the_slower_publisher_says_that_it_lost(self):
        self.proxy.fault = Fault(when=lambda r: r.method == "PUT" and "partNumber" in r.path,
                                 before=lambda _: time.sleep(3))
        slow = subprocess.Popen(self.publish_command("small", self.proxy.endpoint), env=self.environment,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not self.gateway.keys(stage.BUCKET, self.prefix):
            time.sleep(0.05)
        self.assertEqual(self.publish("other"), 2, "version 1 is claimed")
        _, said = slow.communicate(timeout=stage.PATIENCE_S)
        self.assertEqual(slow.returncode, 1)
        self.assertIn("version 2 was published meanwhile", said)
        self.assertEqual(self.current()["version"], 2)
        self.assertEqual(self.gateway.uploads(stage.BUCKET, self.prefix), [])

    def test_a_publisher_that_is_killed_leaves_nothing_visible(self):
        self.publish("small")
        self.start_server()
        self.wait_for_version(1)
        parts, dead = [], threading.Event()
        self.proxy.fault = Fault(when=lambda r: "partNumber" in r.path and (parts.append(r) or len(parts) == 3),
                                 before=lambda _: dead.wait(30))
        dying = subprocess.Popen(self.publish_command("large", self.proxy.endpoint), env=self.environment,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(parts) < 3:
            time.sleep(0.02)
        dying.kill()
        dying.wait()
        dead.set()
        names = [key.rsplit("/", 1)[1] for key in self.gateway.keys(stage.BUCKET, self.prefix)]
        self.assertEqual(names, ["00000000000000000001.claim", "00000000000000000001.fmw", "00000000000000000002.claim",
                                 "CURRENT"])
        self.assertEqual(len(self.gateway.uploads(stage.BUCKET, self.prefix)), 1, "its parts, which are invisible")
        self.assertEqual(self.status()["serving_version"], 1)
        self.assertEqual(self.publish("other"), 3, "the number of the dead one is not given again")
        self.wait_for_version(3)
        self.proxy.fault = None

    def test_an_upload_that_fails_is_aborted(self):
        self.proxy.fault = Fault(when=lambda r: "partNumber" in r.path, status=403, code="AccessDenied")
        failed = subprocess.run(self.publish_command("large", self.proxy.endpoint), env=self.environment,
                                capture_output=True, text=True, check=False)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("AccessDenied", failed.stderr)
        self.assertEqual(self.gateway.uploads(stage.BUCKET, self.prefix), [])
        self.proxy.fault = Fault(when=lambda r: "partNumber" in r.path, status=503, code="SlowDown", times=2)
        self.assertEqual(self.publish("large", self.proxy.endpoint), 2, "passing failures are tried again")

    def test_a_manifest_that_somebody_else_writes_underway_is_not_overwritten(self):
        self.publish("small")
        newer = {**self.current(), "version": 9}
        self.proxy.fault = Fault(when=lambda r: r.method == "PUT" and r.path.endswith("/CURRENT"), times=1,
                                 before=lambda _: self.gateway.put(self.path_of("CURRENT"), json.dumps(newer).encode()))
        lost = subprocess.run(self.publish_command("other", self.proxy.endpoint), env=self.environment,
                              capture_output=True, text=True, check=False)
        self.assertEqual(lost.returncode, 1)
        self.assertIn("version 9 was published meanwhile", lost.stderr)
        self.assertEqual(self.current(), newer)

    def test_the_error_names_what_is_missing(self):
        self.store = f"s3://no-such-bucket-{self.prefix[-5:]}"
        failed = subprocess.run(self.publish_command("small"), env=self.environment, capture_output=True, text=True,
                                check=False)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("the bucket does not exist", failed.stderr)


class FetchingTest(stage.S3Test):
    def test_a_fetch_goes_on_after_kill_9(self):
        self.serve_first()
        self.end_load([1])
        size = stage.weights("large").stat().st_size
        self.proxy.fault = Fault(when=stage.get_of_weights, bytes_per_s=4_000_000)
        self.assertEqual(self.publish("large"), 2)
        partial = self.work / "cache" / stage.MODEL
        kept = 0
        while kept < 16 << 20:
            time.sleep(0.05)
            kept = max((path.stat().st_size for path in partial.glob("*.partial-*")), default=0)
        self.kill_server()
        kept = max(path.stat().st_size for path in partial.glob("*.partial-*"))
        self.proxy.seen.clear()
        self.proxy.fault = None
        self.start_server()
        self.wait_for_version(2)
        again = self.proxy.body_bytes("2.fmw")
        self.assertEqual(again, size - kept // (1 << 20) * (1 << 20))
        print(f"\n{kept} of {size} bytes were there, {again} were fetched")

    def test_a_download_is_in_ranges_of_one_object(self):
        self.publish("large")
        self.start_server()
        self.wait_for_version(1)
        size = stage.weights("large").stat().st_size
        gets = [seen for seen in self.proxy.seen if seen.path.endswith(".fmw") and seen.method == "GET"]
        self.assertEqual({seen.status for seen in gets}, {206})
        self.assertEqual(len(gets), -(-size // (8 << 20)))
        self.assertEqual(sum(seen.body_bytes for seen in gets), size)

    def test_fetch_mib_per_s_limits_what_it_takes(self):
        self.publish("large")
        begin = time.monotonic()
        self.start_server(model="    fetch_mib_per_s: 20\n")
        self.wait_for_version(1)
        self.assertGreater(time.monotonic() - begin, stage.weights("large").stat().st_size / (20 << 20) - 0.2)

    def test_a_poll_is_one_conditional_get_without_a_body(self):
        self.serve_first()
        time.sleep(0.5)
        self.proxy.seen.clear()
        begin = time.monotonic()
        time.sleep(5)
        seconds = time.monotonic() - begin
        seen = list(self.proxy.seen)
        polls = [request for request in seen if request.path.endswith(f"/{stage.MODEL}/CURRENT")]
        others = [request for request in seen if request not in polls]
        self.assertLessEqual(len(polls), seconds / 0.18 + 1)
        self.assertGreaterEqual(len(polls), seconds / 0.4)
        self.assertEqual({(request.method, request.status, request.body_bytes) for request in polls}, {("GET", 304, 0)})
        self.assertLessEqual(len(others), len(polls) // 20 + 1)
        self.assertEqual({request.path.split("/", 3)[3] for request in others}, {f"{stage.MODEL}/catalogue/CURRENT"})
        head = max(request.head_bytes for request in polls)
        print(f"\n{len(polls)} polls and {len(others)} looks for a catalogue in {seconds:.1f} s; a poll takes {head} bytes "
              f"of headers, both ways; at 15 s, in 30 days, {30 * 86400 // 15} and {30 * 86400 // 15 // 20} requests and "
              f"{30 * 86400 / 15 * head / 1e6:.0f} MB")
        self.end_load([1])


class CatalogueTest(stage.S3Test):
    def test_a_catalogue_is_published_and_served(self):
        rows = self.work / "items.tsv"
        schema = (stage.FOLDER / "schema.yaml").read_text()
        items = re.findall(r"name: (\S+?)[,}\s].*?side: item", schema)
        self.assertTrue(items, schema)
        rows.write_text("id\t" + "\t".join(items) + "\n" +
                        "".join(f"{i}\t" + "\t".join("1" for _ in items) + "\n" for i in range(1, 11)))
        subprocess.run([stage.program("fm"), "catalogue", "build", "--weights", stage.weights("small"), "--schema",
                        stage.FOLDER / "schema.yaml", "--data", rows,
                        "--id", "id", "--out", self.work / "items.fmc"], check=True, capture_output=True)
        self.publish("small")
        self.start_server()
        self.wait_for_version(1)
        subprocess.run([stage.program("fm"), "catalogue", "publish", self.work / "items.fmc", "--store", self.store,
                        "--model", stage.MODEL, "--endpoint-url", stage.facts()["endpoint"]], check=True,
                       env=self.environment, capture_output=True)
        subprocess.run([stage.program("fm"), "reload", "--target", self.target, "--model", stage.MODEL], check=True,
                       capture_output=True)
        self.assertEqual(self.status()["catalogue"]["serving_version"], 1, "a reload asks at once")


if __name__ == "__main__":
    unittest.main(verbosity=2)
