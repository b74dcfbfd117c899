"""Runs `fm load` against a server of this machine, and reads what the server took."""

import dataclasses
import json
import subprocess
import sys

from server_cpu import cpu_seconds


@dataclasses.dataclass
class Client:
    """Sends requests made of schema.yaml and rows.tsv in `data`."""
    fm: str
    target: str
    model: str
    data: str
    prefix: tuple = ()  # what to run fm with, such as ("taskset", "-c", "1")

    def command(self, *options):
        return [str(word) for word in (
            *self.prefix, self.fm, "load", "--target", self.target, "--model", self.model, "--schema",
            f"{self.data}/schema.yaml", "--data", f"{self.data}/rows.tsv", *options, "--json")]

    def load(self, *options):
        """What fm load reports; ends the program when it fails."""
        command = self.command(*options)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def measure(self, server_pid, *options):
        """The report, with "cpu_us": processor time that the server took per answered request."""
        before = cpu_seconds(server_pid)
        report = self.load(*options)
        report["cpu_us"] = (cpu_seconds(server_pid) - before) / max(1, report["ok"]) * 1e6
        return report
