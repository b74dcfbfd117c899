#!/usr/bin/env python3
"""Deltas through a store in S3: what a publisher leaves beside a version, what a server fetches of it, and what becomes of
either when something is amiss."""

import json
import subprocess
import time
import unittest

import stage
from fault_proxy import Fault

DELTA = "00000000000000000002-from-00000000000000000001.fmd"


def head_of_delta(request):
    return request.method == "HEAD" and request.path.endswith(".fmd")


class DeltaTest(stage.S3Test):
    def setUp(self):
        super().setUp()
        self.scratch = self.work / "scratch"
        self.scratch.mkdir()
        self.environment["TMPDIR"] = str(self.scratch)

    def publish_retrained(self, endpoint=None, delta_from="auto"):
        """Version 2. Returns what `fm publish` reports, and what it says beside that."""
        done = subprocess.run(self.publish_command("small_retrained", endpoint, delta_from), env=self.environment,
                              capture_output=True, text=True, timeout=stage.PATIENCE_S, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["version"], 2)
        return json.loads(done.stdout), done.stderr

    def names(self):
        return [key.rsplit("/", 1)[1] for key in self.gateway.keys(stage.BUCKET, self.prefix)]

    def current(self):
        return json.loads(self.gateway.get(self.path_of("CURRENT")))

    def without_a_delta(self):
        self.assertNotIn("deltas", self.current())
        self.assertNotIn(DELTA, self.names())

    # Publishers.

    def test_a_delta_is_published_and_fetched_instead_of_the_file(self):
        self.serve_first()
        report, said = self.publish_retrained()
        self.assertEqual(said, "")
        whole, delta = report["bytes"], report["deltas"][0]["bytes"]
        self.assertEqual(self.current()["deltas"][0]["size_bytes"], delta)
        self.assertIn(DELTA, self.names())
        self.assertEqual(list(self.scratch.iterdir()), [], "the scratch folder is gone")
        self.wait_for_version(2)
        self.assertEqual(self.proxy.body_bytes(DELTA), delta)
        self.assertEqual(self.proxy.body_bytes("0002.fmw"), 0)
        self.assertLess(delta, 0.07 * whole)
        cached = self.work / "cache" / stage.MODEL / f"{2:020}.fmw"
        self.assertEqual(cached.read_bytes(), self.gateway.get(self.path_of(f"{2:020}.fmw")))
        self.assertNotIn("delta_failed", (self.work / "server.log").read_text())
        print(f"\n{delta} bytes were fetched instead of {whole}: {delta / whole:.1%}")
        self.end_load([1, 2])

    def test_a_long_delta_is_uploaded_in_parts(self):
        self.publish("large")
        self.assertEqual(self.publish("large_retrained", self.proxy.endpoint, "auto"), 2)
        delta = self.current()["deltas"][0]
        self.assertGreater(delta["size_bytes"], 16 << 20, "or it would be one PUT")
        parts = [seen for seen in self.proxy.seen if DELTA in seen.path and "partNumber" in seen.path]
        self.assertEqual(len(parts), -(-delta["size_bytes"] // (16 << 20)))
        self.assertEqual(len(self.gateway.get(self.path_of(DELTA))), delta["size_bytes"])
        self.assertEqual(self.gateway.uploads(stage.BUCKET, self.prefix), [])
        self.start_server()
        self.wait_for_version(2)

    def test_none_fetches_nothing(self):
        self.publish("small")
        self.publish_retrained(self.proxy.endpoint, "none")
        self.without_a_delta()
        self.assertEqual(self.proxy.body_bytes("0001.fmw"), 0)

    def test_a_file_by_name_is_not_fetched(self):
        self.publish("small")
        base = self.work / "base.fmw"
        base.write_bytes(self.gateway.get(self.path_of(f"{1:020}.fmw")))
        report, _ = self.publish_retrained(self.proxy.endpoint, str(base))
        self.assertEqual(report["deltas"][0]["base_version"], 1)
        self.assertEqual(self.proxy.body_bytes("0001.fmw"), 0)

    def test_without_scratch_space_the_version_is_published_all_the_same(self):
        self.publish("small")
        self.environment["TMPDIR"] = str(self.work / "missing")
        _, said = self.publish_retrained(self.proxy.endpoint)
        self.assertIn(f"goes on without a delta: {self.work}/missing", said)
        self.without_a_delta()
        self.assertEqual(self.proxy.body_bytes("0001.fmw"), 0, "what would be of no use is not fetched")

    def test_without_room_the_version_is_published_all_the_same(self):
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "none", self.scratch], capture_output=True,
                          check=False).returncode != 0:
            self.skipTest("a small disk takes a root who may mount one")
        self.addCleanup(subprocess.run, ["umount", "-l", self.scratch], check=False)
        self.publish("small")
        _, said = self.publish_retrained(self.proxy.endpoint)
        self.assertRegex(said, rf"goes on without a delta: {self.scratch}: making a delta needs \d+ bytes")
        self.without_a_delta()
        self.assertEqual(self.proxy.body_bytes("0001.fmw"), 0)
        self.assertEqual(list(self.scratch.iterdir()), [])
        by_name = subprocess.run(self.publish_command("small_retrained", None, str(stage.weights("small"))),
                                 env=self.environment, capture_output=True, text=True, check=False)
        self.assertEqual(by_name.returncode, 1, "who asks by name wants it")
        self.assertIn("making a delta needs", by_name.stderr)

    def test_a_base_that_is_gone_does_not_matter(self):
        self.publish("small")
        self.gateway.delete(self.path_of(f"{1:020}.fmw"))
        _, said = self.publish_retrained()
        self.assertIn("goes on without a delta: ", said)
        self.assertIn(f"{1:020}.fmw", said)
        self.without_a_delta()

    def test_a_delta_that_cannot_be_uploaded_does_not_matter(self):
        self.publish("small")
        self.proxy.fault = Fault(when=lambda r: r.method == "PUT" and r.path.endswith(".fmd"), status=403,
                                 code="AccessDenied")
        _, said = self.publish_retrained(self.proxy.endpoint)
        self.assertIn("AccessDenied", said)
        self.without_a_delta()
        self.proxy.fault = None

    def test_a_commit_that_is_tried_again_keeps_the_delta(self):
        self.publish("small")
        again = self.gateway.get(self.path_of("CURRENT")) + b"\n"
        self.proxy.fault = Fault(when=lambda r: r.method == "PUT" and r.path.endswith("/CURRENT"), times=1,
                                 before=lambda _: self.gateway.put(self.path_of("CURRENT"), again))
        self.publish_retrained(self.proxy.endpoint)
        self.assertGreater(self.proxy.count("PUT", "/CURRENT"), 1)
        self.assertEqual((self.current()["version"], len(self.current()["deltas"])), (2, 1))

    def test_a_publisher_that_is_killed_leaves_scratch_for_the_next_to_remove(self):
        self.publish("small")
        self.proxy.fault = Fault(when=lambda r: r.is_get_of("0001.fmw"), body_bytes=0, stall=True)
        dying = subprocess.Popen(self.publish_command("small_retrained", self.proxy.endpoint, "auto"),
                                 env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while self.proxy.fault.met == 0:
            time.sleep(0.02)
        dying.kill()
        dying.wait()
        self.proxy.fault = None
        left = [path.name for path in self.scratch.iterdir()]
        self.assertEqual(len(left), 1)
        self.assertEqual(self.publish("other", None, "auto"), 3)
        self.assertEqual(list(self.scratch.iterdir()), [])

    # Servers.

    def falls_back(self, fault, reason, *words):
        """Version 2 comes as a whole file, and the log says why; no operator has to do anything."""
        self.serve_first()
        self.proxy.fault = fault
        report, _ = self.publish_retrained()
        self.assertEqual(len(report["deltas"]), 1)
        self.wait_for_version(2)
        self.assertEqual(self.proxy.body_bytes("0002.fmw"), report["bytes"])
        events = [line for line in (self.work / "server.log").read_text().splitlines() if "delta_failed" in line]
        self.assertEqual(len(events), 1, self.log())
        for word in (reason, *words):
            self.assertIn(word, events[0])
        self.assertEqual(self.status()["last_error"], "")
        self.proxy.fault = None
        self.end_load([1, 2])

    def change_delta(self, change):
        """Once, before the server learns what object it is."""
        path = self.path_of(DELTA)
        return Fault(when=head_of_delta, times=1, before=lambda _: self.gateway.put(path, change(self.gateway.get(path))))

    def test_a_damaged_delta_falls_back_to_the_file(self):
        def damage(body):
            return body[:len(body) // 2] + bytes([body[len(body) // 2] ^ 1]) + body[len(body) // 2 + 1:]

        self.falls_back(self.change_delta(damage), "mismatch", "the manifest says")

    def test_a_truncated_delta_falls_back_to_the_file(self):
        self.falls_back(self.change_delta(lambda body: body[:-1]), "mismatch", "the manifest says")

    def test_a_delta_that_is_too_long_falls_back_to_the_file(self):
        self.falls_back(self.change_delta(lambda body: body + bytes(1 << 20)), "mismatch", "more than the")

    def test_a_missing_delta_falls_back_to_the_file(self):
        self.falls_back(Fault(when=head_of_delta, times=1, before=lambda _: self.gateway.delete(self.path_of(DELTA))),
                        "fetch_failed", DELTA, "no such key")

    def test_a_delta_that_is_replaced_underway_falls_back_to_the_file(self):
        path = self.path_of(DELTA)
        self.falls_back(Fault(when=lambda r: r.is_get_of(".fmd"), times=1,
                              before=lambda _: self.gateway.put(path, bytes(len(self.gateway.get(path))))),
                        "fetch_failed", "changed while it was read")

    def test_a_delta_that_breaks_off_goes_on(self):
        self.serve_first()
        fault = self.proxy.fault = Fault(when=lambda r: r.is_get_of(".fmd"), body_bytes=40_000)
        report, _ = self.publish_retrained()
        self.wait_for_version(2)
        self.assertGreater(fault.met, 1, "each went on where the one before broke off")
        self.assertEqual(self.proxy.body_bytes(DELTA), report["deltas"][0]["bytes"])
        self.assertEqual(self.proxy.body_bytes("0002.fmw"), 0)
        self.end_load([1, 2])

    def test_fetch_mib_per_s_holds_for_deltas_too(self):
        self.publish("large")
        self.start_server()
        self.wait_for_version(1)
        self.kill_server()
        self.start_server(model="    fetch_mib_per_s: 5\n")
        self.wait_for_version(1)
        self.assertEqual(self.publish("large_retrained", None, "auto"), 2)
        begin = time.monotonic()
        self.wait_for_version(2)
        self.assertGreater(time.monotonic() - begin, self.current()["deltas"][0]["size_bytes"] / (5 << 20) - 0.5)
        self.assertEqual(self.proxy.body_bytes("0002.fmw"), 0)

    def test_a_cache_without_room_for_both_takes_the_file(self):
        cache = self.work / "cache"
        cache.mkdir()
        size = stage.weights("small").stat().st_size
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={(16 << 20) + 2 * size + (64 << 10)}", "none", cache],
                          capture_output=True, check=False).returncode != 0:
            self.skipTest("a small disk takes a root who may mount one")
        self.addCleanup(subprocess.run, ["umount", "-l", cache], check=False)
        self.falls_back(None, "fetch_failed", "building version 2 from a delta needs", "are free")
        self.assertEqual(self.proxy.body_bytes(DELTA), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
