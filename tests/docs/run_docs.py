#!/usr/bin/env python3
"""Runs the commands of the documentation, and compares what it shows of files.

Every block fenced as ```sh test``` in README.md and docs/ is run by bash, in the order of the page. The blocks of one
page share a temporary directory, in which the repository's examples/ is at hand; fm and fmserve are expected on PATH.
A block fenced as ```LANGUAGE file=PATH``` must be that file of the repository.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

FENCE = "```"
TEST = "sh test"
FILE = " file="


def blocks(page):
    """Yields (number of the first line, what stands behind the fence, text) for each marked block."""
    first, mark, lines = 0, "", []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if first and line.strip() == FENCE:
            yield first, mark, "\n".join(lines)
            first = 0
        elif first:
            lines.append(line)
        elif line.strip().startswith(FENCE):
            mark = line.strip().removeprefix(FENCE)
            if mark == TEST or FILE in mark:
                first, lines = number + 1, []
    if first:
        raise ValueError(f"{page}:{first - 1}: the block does not end")


def objection(mark, text, root, directory):
    """What is wrong with a block; None when nothing is."""
    if mark == TEST:
        result = subprocess.run(["bash", "-c", "set -euo pipefail\n" + text], cwd=directory)
        return f"exit code {result.returncode}:\n{text}" if result.returncode != 0 else None
    path = mark.partition(FILE)[2]
    same = (root / path).is_file() and (root / path).read_text() == text + "\n"
    return None if same else f"is not what {path} holds; copy the file here"


def run_page(page, root):
    """Runs a page's blocks and returns whether all succeeded; a later block may need what an earlier one made."""
    with tempfile.TemporaryDirectory() as directory:
        (pathlib.Path(directory) / "examples").symlink_to(root / "examples")
        for line, mark, text in blocks(page):
            print(f"{page}:{line}", flush=True)
            wrong = objection(mark, text, root, directory)
            if wrong:
                print(f"{page}:{line}: {wrong}", file=sys.stderr)
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
