#!/usr/bin/env python3
"""What goes wrong between a server and its store in S3. In every case what serves keeps serving, the status says in an
operator's words what is wrong, and it heals by itself."""

import os
import subprocess
import time
import unittest

import openid
import stage
from fault_proxy import Fault

CLOCK_IS_OFF = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
static const time_t kOffset = -7200;
int clock_gettime(clockid_t id, struct timespec* t) {
  int (*real)(clockid_t, struct timespec*) = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(id, t);
  if (id == CLOCK_REALTIME) t->tv_sec += kOffset;
  return result;
}
time_t time(time_t* t) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (t) *t = now.tv_sec;
  return now.tv_sec;
}
int gettimeofday(struct timeval* t, void* zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  t->tv_sec = now.tv_sec;
  t->tv_usec = now.tv_nsec / 1000;
  return 0;
}
"""


class FaultTest(stage.S3Test):
    def heals(self, fault, *words, name="other"):
        """Version 2 is published while the fault is there: the status says the words, and version 1 serves on."""
        self.serve_first()
        self.proxy.fault = fault
        self.assertEqual(self.publish(name), 2)
        status = self.wait_for_words(*words)
        self.assertEqual(status["serving_version"], 1)
        self.proxy.fault = None
        self.wait_for_version(2)
        self.assertEqual(self.wait_for("no error", lambda s: s["last_error"] == "")["state"], "idle")
        self.end_load([1, 2])

    def test_forbidden(self):
        self.heals(Fault(status=403, code="AccessDenied"), "PERMISSION_DENIED", "policies", "AccessDenied")

    def test_manifest_not_found(self):
        self.heals(Fault(when=stage.poll, status=404, code="NoSuchKey"), "NOT_FOUND", "CURRENT", "no such key")

    def test_weights_not_found(self):
        self.heals(Fault(when=lambda r: ".fmw" in r.path, status=404, code="NoSuchKey"), "NOT_FOUND", ".fmw")

    def test_internal_error_500(self):
        self.heals(Fault(status=500), "UNAVAILABLE", "the server fails", "HTTP 500")

    def test_weights_internal_error_500(self):
        self.heals(Fault(when=stage.get_of_weights, status=500), "fetch: UNAVAILABLE", "HTTP 500")

    def test_unavailable_503_with_retry_after(self):
        self.serve_first()
        fault = self.proxy.fault = Fault(when=stage.poll, status=503, code="SlowDown", headers={"Retry-After": "3"})
        begin = time.monotonic()
        self.assertEqual(self.publish("other"), 2)
        self.wait_for_words("UNAVAILABLE", "fewer requests", "HTTP 503")
        self.assertEqual(fault.met, 1)
        while time.monotonic() < begin + 2.5:
            self.assertEqual(fault.met, 1, "it was asked to stay away for 3 s")
            time.sleep(0.1)
        self.proxy.fault = None
        self.wait_for_version(2)
        self.assertGreater(time.monotonic() - begin, 3.0)
        self.end_load([1, 2])

    def test_slow_body(self):
        self.serve_first()
        self.proxy.fault = Fault(when=stage.get_of_weights, bytes_per_s=200_000)
        self.assertEqual(self.publish("other"), 2)
        status = self.wait_for("fetching", lambda s: s["state"] == "fetching" and s["loading_version"] == 2)
        self.assertEqual((status["serving_version"], status["last_error"]), (1, ""))
        time.sleep(2)
        self.assertEqual(self.status()["serving_version"], 1)
        self.proxy.fault = None
        self.wait_for_version(2)
        self.end_load([1, 2])

    def test_stalled_body(self):
        self.heals(Fault(when=stage.get_of_weights, body_bytes=0, stall=True), "fetch: DEADLINE_EXCEEDED", ".fmw")

    def test_truncated_body(self):
        self.heals(Fault(when=stage.get_of_weights, body_bytes=0), "fetch: UNAVAILABLE", ".fmw")

    def test_bodies_that_end_after_a_megabyte_still_arrive(self):
        self.serve_first()
        fault = self.proxy.fault = Fault(when=stage.get_of_weights, body_bytes=1_000_000)
        self.assertEqual(self.publish("other"), 2)
        self.wait_for_version(2)
        self.assertGreaterEqual(fault.met, 4, "each went on where the one before broke off")
        self.end_load([1, 2])

    def test_object_replaced_between_two_ranges(self):
        self.serve_first()
        path = self.path_of("00000000000000000002.fmw")
        good = {}

        def replace(_):
            if "bytes" not in good:
                good["bytes"] = self.gateway.get(path)
                self.gateway.put(path, bytes(len(good["bytes"])))

        ranges = []
        self.proxy.fault = Fault(when=lambda r: stage.get_of_weights(r) and (ranges.append(r) or len(ranges) == 4),
                                 before=replace)
        self.assertEqual(self.publish("large"), 2)
        self.wait_for("bad bytes", lambda _: "bytes" in good)
        status = self.wait_for_words("version 2 was rejected", "SHA-256")
        self.assertIn("changed while it was read", self.log())
        self.assertEqual(status["serving_version"], 1)
        self.gateway.put(path, good["bytes"])
        self.wait_for_version(2)
        self.end_load([1, 2])

    def test_endpoint_gone_for_a_while(self):
        self.serve_first()
        self.proxy.refuse()
        self.assertEqual(self.publish("other"), 2)
        self.assertEqual(self.wait_for_words("UNAVAILABLE", "connect")["serving_version"], 1)
        self.end_load([1])
        self.kill_server()  # and again without any storage
        self.start_server()
        self.wait_for_version(1)
        self.start_load()
        time.sleep(1)
        self.proxy.listen()
        self.wait_for_version(2)
        self.end_load([1, 2])

    def test_disk_full(self):
        cache = self.work / "cache"
        cache.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=36m", "none", cache], capture_output=True,
                          check=False).returncode != 0:
            self.skipTest("a small disk takes a root who may mount one")
        self.addCleanup(subprocess.run, ["umount", "-l", cache], check=False)
        self.serve_first()
        self.assertEqual(self.publish("large"), 2)
        status = self.wait_for_words("RESOURCE_EXHAUSTED", str(cache), "version 2 needs", "are free")
        self.assertEqual(status["serving_version"], 1)
        self.assertEqual(self.proxy.body_bytes("0002.fmw"), 0, "nothing is fetched that finds no room")
        subprocess.run(["mount", "-o", "remount,size=200m", cache], check=True)
        self.wait_for_version(2)
        self.end_load([1, 2])

    def test_disk_full_underway(self):
        cache = self.work / "cache"
        cache.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "none", cache], capture_output=True,
                          check=False).returncode != 0:
            self.skipTest("a small disk takes a root who may mount one")
        self.addCleanup(subprocess.run, ["umount", "-l", cache], check=False)
        self.serve_first()
        self.proxy.fault = Fault(when=stage.get_of_weights, bytes_per_s=4_000_000)
        self.assertEqual(self.publish("large"), 2)
        self.wait_for("fetching", lambda s: s["state"] == "fetching")
        with open(cache / "somebody-elses", "wb") as file, self.assertRaises(OSError):
            while True:
                file.write(bytes(1 << 20))
        self.proxy.fault = None
        self.assertEqual(self.wait_for_words("RESOURCE_EXHAUSTED", str(cache))["serving_version"], 1)
        (cache / "somebody-elses").unlink()
        self.wait_for_version(2)
        self.end_load([1, 2])


class CredentialTest(stage.S3Test):
    def write_profile(self, secret):
        folder = self.work / ".aws"
        folder.mkdir(exist_ok=True)
        (folder / "credentials").write_text(
            f"[default]\naws_access_key_id = {stage.facts()['access_key']}\naws_secret_access_key = {secret}\n")

    def use_profile(self):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            del self.server_environment[name]

    def test_wrong_secret(self):
        self.use_profile()
        self.write_profile(stage.facts()["secret_key"])
        self.serve_first()
        self.end_load([1])
        self.kill_server()
        self.write_profile("not-the-secret")
        self.start_server()
        self.wait_for_version(1)
        self.start_load()
        self.assertEqual(self.publish("other"), 2)
        status = self.wait_for_words("PERMISSION_DENIED", "credentials", "HTTP 403")
        self.assertEqual(status["serving_version"], 1)
        self.assertNotIn("not-the-secret", self.log())
        self.write_profile(stage.facts()["secret_key"])
        self.wait_for_version(2)
        self.end_load([1, 2])

    def test_no_credentials(self):
        self.use_profile()
        self.publish("small")
        self.start_server()
        self.wait_for_words("UNAUTHENTICATED")
        self.write_profile(stage.facts()["secret_key"])
        self.wait_for_version(1)

    def test_expired_session_token_and_refresh_through_sts(self):
        provider = openid.OpenIdProvider(self.work)
        self.addCleanup(provider.close)
        provider.register(self.gateway, stage.facts()["config"])
        self.use_profile()
        (self.work / "token").write_text(provider.token())
        self.server_environment.update({"AWS_WEB_IDENTITY_TOKEN_FILE": str(self.work / "token"),
                                        "AWS_ROLE_ARN": provider.role_arn, "AWS_ENDPOINT_URL_STS": self.proxy.endpoint})
        tokens = []

        def is_old(request):
            token = request.headers.get("x-amz-security-token")
            if token is not None and token not in tokens:
                tokens.append(token)
            return token is not None and token == tokens[0]

        self.proxy.fault = Fault(when=lambda request: is_old(request) and False)
        self.serve_first()
        self.assertEqual(self.proxy.count("POST"), 1, "AssumeRoleWithWebIdentity")
        self.proxy.fault = Fault(when=lambda request: is_old(request) or request.method == "POST", status=400,
                                 code="ExpiredToken")
        self.assertEqual(self.publish("other"), 2)
        status = self.wait_for_words("PERMISSION_DENIED", "the credentials expired")
        self.assertEqual(status["serving_version"], 1)
        self.assertNotIn(tokens[0], self.log())
        (self.work / "token").write_text(provider.token("renewed"))
        self.proxy.fault = Fault(when=is_old, status=400, code="ExpiredToken")
        self.wait_for_version(2)
        self.assertEqual(len(tokens), 2, "a new session")
        self.end_load([1, 2])

    def test_clock_is_off_by_two_hours(self):
        source, library = self.work / "clock.c", self.work / "clock.so"
        source.write_text(CLOCK_IS_OFF)
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        self.publish("small")
        self.server_environment["LD_PRELOAD"] = str(library)
        self.start_server(model="    gates: {max_published_ahead_s: 86400}\n")  # else all is published in the future
        self.wait_for_version(1)
        refused = [seen for seen in self.proxy.seen if seen.status == 403]
        self.assertEqual(len(refused), 1, "the first answer tells what time it is")
        self.start_load()
        self.publish("other")
        self.wait_for_version(2)
        self.end_load([1, 2])


if __name__ == "__main__":
    unittest.main(verbosity=2)
