#!/usr/bin/env python3
"""A page whose commands work passes; one whose command fails is named by file and line."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).with_name("run_docs.py")


class RunDocsTest(unittest.TestCase):
    def run_readme(self, text, job="echo 1\n"):
        with tempfile.TemporaryDirectory() as root:
            (pathlib.Path(root) / "README.md").write_text(text)
            (pathlib.Path(root) / "job.sh").write_text(job)
            command = [sys.executable, str(SCRIPT), root]
            return subprocess.run(command, capture_output=True, text=True)

    def test_blocks_of_a_page_share_a_directory(self):
        result = self.run_readme("```sh test\necho 1 > a\n```\ntext\n```sh test\ncat a\n```\n")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_unmarked_blocks_are_not_run(self):
        self.assertEqual(self.run_readme("```sh\nexit 1\n```\n").returncode, 0)

    def test_a_failing_command_is_named(self):
        result = self.run_readme("one\n\n```sh test\ntrue\nfalse\ntrue\n```\n")
        self.assertEqual(result.returncode, 1)
        self.assertIn("README.md:4: exit code 1", result.stderr)

    def test_a_block_shows_the_file_that_it_names(self):
        page = "one\n```sh file=job.sh\necho 1\n```\n"
        self.assertEqual(self.run_readme(page).returncode, 0)
        result = self.run_readme(page, job="echo 2\n")
        self.assertEqual(result.returncode, 1)
        self.assertIn("README.md:3: is not what job.sh holds", result.stderr)
        self.assertIn("none.sh", self.run_readme(page.replace("job", "none")).stderr)

    def test_an_open_block_fails(self):
        self.assertNotEqual(self.run_readme("```sh test\ntrue\n").returncode, 0)


if __name__ == "__main__":
    unittest.main()
