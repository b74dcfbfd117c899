#!/usr/bin/env python3
"""Ways to a store in S3: TLS with an authority of one's own, the bucket in the host name."""

import subprocess
import unittest

import stage


class AddressingTest(stage.S3Test):
    def publish_to(self, name, endpoint, *options):
        return subprocess.run([*self.publish_command(name, endpoint), *options], env=self.environment, capture_output=True,
                              text=True, timeout=stage.PATIENCE_S, check=False)

    def start_server_at(self, endpoint, more=""):
        (self.work / "fmserve.yaml").write_text(
            f'listen: ["{self.target}"]\nhttp_listen: ""\ncache_dir: {self.work / "cache"}\n'
            f"models:\n  - name: {stage.MODEL}\n    store: {self.store}\n    poll_interval_ms: 200\n"
            f'    s3: {{endpoint_url: "{endpoint}"{more}}}\n')
        self.run_server()

    def test_tls_with_a_ca_file(self):
        endpoint, ca_file = stage.facts()["tls_endpoint"], stage.facts()["ca_file"]
        done = self.publish_to("large", endpoint, "--ca-file", ca_file)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.start_server_at(endpoint, f", ca_file: {ca_file}")
        self.wait_for_version(1)

    def test_a_certificate_that_nobody_vouches_for_is_refused(self):
        endpoint = stage.facts()["tls_endpoint"]
        done = self.publish_to("small", endpoint)
        self.assertEqual(done.returncode, 1)
        self.assertIn("ca_file", done.stderr)
        self.assertEqual(self.gateway.keys(stage.BUCKET, self.prefix), [])
        self.publish("small")
        self.start_server_at(endpoint)
        status = self.wait_for_words("certificate", "ca_file")
        self.assertEqual(status["serving_version"], 0)

    def test_the_bucket_in_the_host_name(self):
        self.publish("large")
        self.start_server_at(stage.facts()["host_endpoint"], ", addressing: VIRTUAL_HOST")
        self.wait_for_version(1)
        self.assertEqual(self.publish("other"), 2)
        self.wait_for_version(2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
