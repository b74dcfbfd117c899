#!/usr/bin/env python3
"""Runs the commands of the documentation.

Every block fenced as ```sh test``` in README.md and docs/ is run by bash, in the order of the page. The blocks of one
page share a temporary directory, in which the repository's examples/ is at hand; fm and fmserve are expected on PATH.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

FENCE = "```"
OPENING = FENCE + "sh test"


def blocks(page):
    """Yields (number of the first line, commands) for each marked block."""
    first, lines = 0, []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if first and line.strip() == FENCE:
            yield first, "\n".join(lines)
            first = 0
        elif first:
            lines.append(line)
        elif line.strip() == OPENING:
            first, lines = number + 1, []
    if first:
        raise ValueError(f"{page}:{first - 1}: the block does not end")


def run_page(page, root):
    """Runs a page's blocks and returns whether all succeeded; a later block may need what an earlier one made."""
    with tempfile.TemporaryDirectory() as directory:
        (pathlib.Path(directory) / "examples").symlink_to(root / "examples")
        for line, commands in blocks(page):
            print(f"{page}:{line}", flush=True)
            script = "set -euo pipefail\n" + commands
            result = subprocess.run(["bash", "-c", script], cwd=directory)
            if result.returncode != 0:
                print(f"{page}:{line}: exit code {result.returncode}:\n{commands}", file=sys.stderr)
                return False
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    here = pathlib.Path(__file__).resolve()
    parser.add_argument("root", nargs="?", type=pathlib.Path, default=here.parents[2])
    root = parser.parse_args().root
    pages = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    results = [run_page(page, root) for page in pages if page.exists()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
