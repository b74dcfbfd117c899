"""fmserve as a process: its sockets, its signals, its exit codes."""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import grpc
from fmserve_process import Server, generate_messages

ARGS = None
SERVING = b"\x08\x01"
NOT_SERVING = b"\x08\x02"


class FmserveTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def start(self):
        server = Server(ARGS.fmserve, self.folder)
        self.addCleanup(server.close)
        return server

    def publish(self, seed):
        subprocess.run([ARGS.sample_store, self.folder / "store", "ctr", str(seed)], check=True)

    def run_fmserve(self, *args):
        return subprocess.run([ARGS.fmserve, *args], capture_output=True, text=True, timeout=60, check=False)


class ServingTest(FmserveTest):
    def test_health_and_readiness_follow_the_weights(self):
        server = self.start()
        for name in ("ctr", "", "fmserve.v1.PredictionService"):
            self.assertEqual(server.health(name), NOT_SERVING, name)
        self.assertEqual(server.health("fmserve.v1.OperatorService"), SERVING)
        self.assertEqual(server.get("/readyz"), (503, "no weights yet: ctr\n"))
        self.publish(seed=1)
        server.wait_for_event("version_published")
        for name in ("ctr", "", "fmserve.v1.PredictionService"):
            self.assertEqual(server.health(name), SERVING, name)
        self.assertEqual(server.get("/readyz"), (200, "ok\n"))
        with self.assertRaises(grpc.RpcError) as unknown:
            server.health("nothing")
        self.assertEqual(unknown.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_reflection_lists_the_services(self):
        server = self.start()
        method = server.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        list_services = b"\x3a\x00"
        answer = next(method(iter([list_services]), timeout=30))
        for name in (b"fmserve.v1.PredictionService", b"fmserve.v1.OperatorService", b"grpc.health.v1.Health"):
            self.assertIn(name, answer)

    def test_predict_answers_a_client_that_was_generated_from_the_proto_file(self):
        messages = generate_messages(ARGS.protoc, self.folder)
        self.publish(seed=1)
        server = self.start()
        server.wait_for_event("version_published")
        request = messages.PredictRequest(model="ctr", request_id="python")
        request.features.context.add(field="user", strings=["u3"])
        for ad in ("a1", "a2", "never seen"):
            request.features.candidates.add().features.add(field="ad", strings=[ad])
        method = "/fmserve.v1.PredictionService/Predict"
        response = server.call(method, request, messages.PredictResponse)
        self.assertEqual((response.model, response.version, response.request_id), ("ctr", 1, "python"))
        self.assertEqual(len(response.predictions), 3)
        self.assertTrue(all(0 < prediction < 1 for prediction in response.predictions))
        self.assertGreater(response.unknown_features_count, 0)
        request.features.candidates[2].features[0].field = "advert"
        with self.assertRaises(grpc.RpcError) as wrong:
            server.call(method, request, messages.PredictResponse)
        self.assertEqual(wrong.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn("features.candidates[2].features[0].field", wrong.exception.details())
        logged = server.wait_for_event("request_failed")
        self.assertEqual((logged["request_id"], logged["code"]), ("python", "INVALID_ARGUMENT"))

    def test_signals_drain_and_end_with_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = Server(ARGS.fmserve, self.folder)
            self.addCleanup(server.close)
            self.assertEqual(server.stop(number), 0)
            events = [event["event"] for event in server.events() if event["event"] != "load_failed"]
            self.assertEqual(events[-3:], ["signal_received", "drain_started", "drain_finished"])

    def test_a_client_that_watches_health_does_not_hold_up_the_end(self):
        server = self.start()
        watch = server.channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=60)
        self.assertEqual(next(watch), NOT_SERVING)
        self.publish(seed=1)
        self.assertEqual(next(watch), SERVING)
        start = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - start, 5)
        self.assertEqual(next(watch), NOT_SERVING)
        with self.assertRaises(grpc.RpcError) as end:
            next(watch)
        self.assertEqual(end.exception.code(), grpc.StatusCode.UNAVAILABLE)

    def test_a_second_server_on_the_same_cache_fails_and_says_why(self):
        self.start()
        second = self.run_fmserve("--config", str(self.folder / "fmserve.yaml"))
        self.assertEqual(second.returncode, 1)
        self.assertIn("is locked by another process", json.loads(second.stderr.splitlines()[-1])["message"])


class CommandLineTest(FmserveTest):
    def write(self, text):
        path = self.folder / "fmserve.yaml"
        path.write_text(text)
        return str(path)

    def test_check_config_accepts_a_good_file(self):
        path = self.write("cache_dir: c\nmodels: [{name: ctr, store: s}]\n")
        result = self.run_fmserve("--config", path, "--check-config")
        self.assertEqual((result.returncode, result.stdout), (0, f"{path}: ok\n"))

    def test_bad_configuration_ends_with_3_and_names_the_line(self):
        path = self.write("cache_dir: c\nmodels:\n  - name: ctr\n    stroe: s\n")
        for extra in ([], ["--check-config"]):
            result = self.run_fmserve("--config", path, *extra)
            self.assertEqual(result.returncode, 3)
            self.assertIn(f"{path}:4: models[0].stroe: unknown key", result.stderr)
            self.assertIn("'store'", result.stderr)

    def test_missing_configuration_ends_with_3(self):
        self.assertEqual(self.run_fmserve("--config", str(self.folder / "none")).returncode, 3)

    def test_wrong_usage_ends_with_2(self):
        for args in ([], ["--config"], ["--no-such-option"]):
            self.assertEqual(self.run_fmserve(*args).returncode, 2, args)

    def test_help_and_version(self):
        self.assertIn("Example:", self.run_fmserve("--help").stdout)
        self.assertRegex(self.run_fmserve("--version").stdout, r"^fmserve \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--fmserve", required=True)
    parser.add_argument("--sample-store", required=True)
    parser.add_argument("--protoc", required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
