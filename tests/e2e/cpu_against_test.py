#!/usr/bin/env python3
"""bench/cpu_against.sh and ./run regression with real servers and repositories: what passes, and what is caught."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["FMSERVE_BUILD"])
PROGRAMS = ["fm", "fmserve", "make_weights", "echo_server"]
QUICK = ["--rounds", "3", "--seconds", "0.2"]


def build_with_server(folder, script):
    """This build, but for fmserve: a shell script, in which $FMSERVE is the real one."""
    (folder / "bin").mkdir()
    for program in PROGRAMS:
        (folder / "bin" / program).symlink_to(BUILD / "bin" / program)
    server = folder / "bin" / "fmserve"
    server.unlink()
    server.write_text(f"#!/bin/sh\nFMSERVE={BUILD}/bin/fmserve\n{script}\n", encoding="utf-8")
    server.chmod(0o755)
    return folder


class FolderTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


class ServersTest(FolderTest):
    def compare(self, now, before, *options):
        return subprocess.run(["bench/cpu_against.sh", "--against", before, *QUICK, *options], capture_output=True,
                              text=True, check=False, cwd=ROOT, env={**os.environ, "FMSERVE_BUILD": str(now)})

    def test_a_build_beside_itself_is_no_loss_for_any_kind_of_request(self):
        result = self.compare(BUILD, BUILD, "--rows", "30000")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        for kind in ("packed", "friendly", "known-items", "top-100"):
            self.assertIn(f"\n{kind} ", result.stdout)
        self.assertNotIn("left out", result.stdout)

    # The scan of a catalogue is what kernels without vectors slow down most.
    def test_a_slower_server_is_caught_when_it_was_slower_three_times(self):
        slow = build_with_server(self.folder, 'FMSERVE_KERNEL=scalar exec "$FMSERVE" "$@"')
        result = self.compare(slow, BUILD, "--rows", "200000", "--only", "top-100")
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertEqual(result.stdout.count("more than 1.10"), 3, result.stdout)
        self.assertIn("LOSS: top-100: over 10 % more processor time, 3 times in a row", result.stdout)

    def test_a_server_that_does_not_start_is_named_with_its_last_words(self):
        broken = build_with_server(self.folder, 'echo "no such option" >&2; exit 1')
        result = self.compare(BUILD, broken, "--rows", "30000")
        self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
        self.assertIn("could not measure: the server 'before' does not serve: no such option", result.stderr)


class RegressionTest(FolderTest):
    """./run regression in a repository of its own, as far as it gets without a build."""

    def setUp(self):
        super().setUp()
        shutil.copytree(ROOT / "scripts", self.folder / "scripts")
        shutil.copy(ROOT / "run", self.folder)
        self.git("init", "--quiet")
        self.git("add", ".")
        self.git("-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "first")

    def git(self, *arguments):
        subprocess.run(["git", *arguments], check=True, cwd=self.folder)

    def regression(self, *arguments):
        return subprocess.run(["./run", "regression", *arguments], capture_output=True, text=True, check=False,
                              cwd=self.folder)

    def test_the_first_commit_has_nothing_to_be_compared_with(self):
        result = self.regression()
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("HEAD has no parent here", result.stdout)

    def test_a_commit_that_is_not_there_cannot_be_measured(self):
        result = self.regression("--against", "nowhere")
        self.assertEqual(result.returncode, 2)
        self.assertIn("'nowhere' is no commit of this repository", result.stderr)


if __name__ == "__main__":
    unittest.main()
