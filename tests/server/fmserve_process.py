"""fmserve as a process, for tests that look at it from outside: through clients that share no code with it."""

import json
import pathlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import grpc


def generate_messages(protoc, folder):
    """Compiles prediction.proto for this test alone and returns its module."""
    root = pathlib.Path(__file__).resolve().parents[2] / "proto"
    proto = root / "fmserve/v1/prediction.proto"
    subprocess.run([protoc, f"--proto_path={root}", f"--python_out={folder}", proto], check=True)
    sys.path.insert(0, str(folder))
    from fmserve.v1 import prediction_pb2  # pylint: disable=import-outside-toplevel

    return prediction_pb2


class Server:
    """A running fmserve with one model, "ctr", of `folder`/store."""

    def __init__(self, program, folder):
        self.address = f"unix:{folder}/socket"
        config = folder / "fmserve.yaml"
        config.write_text(
            f"cache_dir: {folder}/cache\n"
            f"listen: ['{self.address}']\n"
            "http_listen: '127.0.0.1:0'\n"
            "models:\n"
            f"  - name: ctr\n    store: {folder}/store\n    budget_ms: 5000\n    poll_interval_ms: 50\n"
            "    gates: {allow_no_goldens: true}\n"
        )
        self.log_path = folder / "log"
        with self.log_path.open("w") as log:
            self.process = subprocess.Popen([program, "--config", config], stderr=log)
        self.http_port = self.wait_for_event("http_listening")["port"]
        self.channel = grpc.insecure_channel(self.address)

    def events(self):
        lines = self.log_path.read_text().splitlines()
        return [json.loads(line) for line in lines]

    def wait_for_event(self, name, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for event in self.events():
                if event["event"] == name:
                    return event
            time.sleep(0.02)
        raise AssertionError(f"no event {name} in:\n{self.log_path.read_text()}")

    def call(self, method, request, response_type=None):
        serialize = (lambda message: message.SerializeToString()) if response_type else None
        deserialize = response_type.FromString if response_type else None
        return self.channel.unary_unary(method, serialize, deserialize)(request, timeout=30)

    def health(self, service):
        name = service.encode()
        return self.call("/grpc.health.v1.Health/Check", b"\x0a" + bytes([len(name)]) + name)

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def close(self):
        self.channel.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
