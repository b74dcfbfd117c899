#!/usr/bin/env python3
"""The MPIJob and the container image of deploy/training/, as far as one machine without a cluster can tell."""

import os
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

TRAINING = pathlib.Path(__file__).resolve().parents[2] / "deploy/training"
FM = shutil.which("fm")
SCHEMA = """\
label: click
fields:
  - {name: user, side: context}
  - {name: ad, side: item}
"""


def write_table(path, rows, seed):
    rng = random.Random(seed)
    lines = [f"{rng.randrange(2)}\tu{rng.randrange(30)}\ta{rng.randrange(20)}" for _ in range(rows)]
    path.write_text("\n".join(["click\tuser\tad", *lines]) + "\n")


def package_of(path):
    """Debian's packages still name files in /lib that lie in /usr/lib now."""
    for name in (str(path), str(path).removeprefix("/usr")):
        found = subprocess.run(["dpkg", "-S", name], capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.partition(":")[0]
    raise AssertionError(f"no package has {path}")


class MpiJobTest(unittest.TestCase):
    def setUp(self):
        self.job = yaml.safe_load((TRAINING / "train-mpijob.yaml").read_text())
        self.launcher = self.job["spec"]["mpiReplicaSpecs"]["Launcher"]
        self.worker = self.job["spec"]["mpiReplicaSpecs"]["Worker"]
        (self.container,) = self.launcher["template"]["spec"]["containers"]
        self.command = self.container["command"]

    def after(self, option):
        return self.command[self.command.index(option) + 1]

    def test_the_manifest_agrees_with_itself(self):
        self.assertEqual((self.job["apiVersion"], self.job["kind"]), ("kubeflow.org/v2beta1", "MPIJob"))
        self.assertTrue(all(isinstance(word, str) for word in self.command), self.command)
        self.assertEqual(int(self.after("-np")), self.worker["replicas"] * self.job["spec"]["slotsPerWorker"])
        (worker,) = self.worker["template"]["spec"]["containers"]
        self.assertEqual(self.after("--threads"), worker["resources"]["requests"]["cpu"])
        self.assertEqual(worker["image"], self.container["image"])
        for replica in (self.launcher, self.worker):
            pod = replica["template"]["spec"]
            (container,), (volume,) = pod["containers"], pod["volumes"]
            (mount,) = container["volumeMounts"]
            self.assertEqual(mount["name"], volume["name"])
            self.assertEqual(mount["mountPath"], container["workingDir"])

    def test_the_launchers_command_trains(self):
        with tempfile.TemporaryDirectory(prefix="fmserve-mpijob.") as folder:
            shared = pathlib.Path(folder)
            (shared / "schema.yaml").write_text(SCHEMA)
            (shared / "train").mkdir()
            for part in range(4):
                write_table(shared / f"train/{part}.tsv", 500, part)
            write_table(shared / "valid.tsv", 500, 9)
            done = subprocess.run(self.command, cwd=shared, capture_output=True, text=True, timeout=120, env={
                **os.environ, "OMPI_MCA_rmaps_base_oversubscribe": "1"})
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("by 4 ranks: 2000 rows", done.stderr)
            self.assertTrue((shared / "ctr.fmw").exists())


class ContainerTest(unittest.TestCase):
    def test_the_image_has_the_packages_of_all_that_fm_is_linked_with(self):
        text = (TRAINING / "Dockerfile").read_text().rpartition("FROM ")[2]
        installed = set(re.search(r"apt-get install (.*?)&&", text, re.DOTALL)[1].split())
        dynamic = subprocess.run(["readelf", "-d", FM], capture_output=True, text=True, check=True).stdout
        linked = subprocess.run(["ldd", FM], capture_output=True, text=True, check=True).stdout
        paths = dict(re.findall(r"(\S+) => (\S+)", linked))
        of_the_base = {"libc6", "libgcc-s1", "libstdc++6"}
        for library in re.findall(r"NEEDED.*\[(.*)\]", dynamic):
            path = pathlib.Path(paths[library]).resolve()
            self.assertIn(package_of(path), installed | of_the_base, library)

    def test_what_the_image_copies_is_there(self):
        root = TRAINING.parents[1]
        copies = re.findall(r"^COPY (?!--from)(\S+) ", (TRAINING / "Dockerfile").read_text(), re.MULTILINE)
        self.assertIn("deploy/training/sagemaker", copies)
        for path in copies:
            self.assertTrue((root / path).exists(), path)


if __name__ == "__main__":
    unittest.main()
