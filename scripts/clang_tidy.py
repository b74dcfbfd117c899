#!/usr/bin/env python3
"""Runs clang-tidy over what ships, and skips what it has seen clean before, in this checkout or in another one.

The sources of a folder are read in groups, as the preset lint compiles them. A group's fingerprint covers its command,
the configuration, and the text of every project file that it includes, directly or not. A clean run leaves an empty
file named after the fingerprint in the cache. Tests are left to the compiler's warnings and the sanitizers: they would
double the time.
"""

import argparse
import concurrent.futures
import hashlib
import json
import pathlib
import re
import subprocess
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def closure(path, root, seen):
    """Adds `path` and the project files that it includes to `seen`, a map from path to text."""
    if path in seen or not path.is_file():
        return
    seen[path] = path.read_text()
    for name in INCLUDE.findall(seen[path]):
        generated = root / "proto" / re.sub(r"(\.grpc)?\.pb\.h$", ".proto", name)
        for candidate in (root / name, path.parent / name, generated):
            closure(candidate, root, seen)


def fingerprint(entry, root, build, salt):
    texts = {}
    closure(pathlib.Path(entry["file"]), root, texts)
    digest = hashlib.sha256(salt + entry["command"].replace(str(root), ".").encode())
    for path in sorted(path for path in texts if not path.is_relative_to(build)):
        digest.update(f"\n{path.relative_to(root)}\n{texts[path]}".encode())
    return digest.hexdigest()


def tidy(entry, build):
    command = ["clang-tidy", "--quiet", "-p", str(build), entry["file"]]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # Standard error counts warnings that were filtered out; it matters only when there is nothing else to show.
    return result.returncode, result.stdout or result.stderr


def findings(output):
    """Splits clang-tidy's output into findings, so that one in a header is shown once."""
    return re.split(r"\n(?=/\S+:\d+:\d+: (?:error|warning):)", output.strip())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, required=True)
    options = parser.parse_args()

    root = pathlib.Path(__file__).resolve().parent.parent
    configurations = sorted([root / ".clang-tidy", *root.glob("*/.clang-tidy")])
    salt = b"".join(path.read_bytes() for path in configurations)
    options.cache.mkdir(parents=True, exist_ok=True)

    build = options.build.resolve()
    entries = json.loads((build / "compile_commands.json").read_text())
    left_out = tuple(str(folder) for folder in (root / "tests", build / "tests", build / "proto"))
    entries = {e["file"]: e for e in entries
               if not e["file"].startswith(left_out) and not e["file"].endswith(".pb.cc")}.values()
    marks = [(entry, options.cache / fingerprint(entry, root, build, salt)) for entry in entries]
    changed = [(entry, mark) for entry, mark in marks if not mark.exists()]
    print(f"{len(changed)} of {len(marks)} groups of sources changed", flush=True)

    shown = set()
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = {pool.submit(tidy, entry, build): mark for entry, mark in changed}
        for run in concurrent.futures.as_completed(runs):
            code, output = run.result()
            if code == 0:
                runs[run].touch()
                continue
            failed += 1
            for finding in findings(output):
                if finding not in shown:
                    shown.add(finding)
                    print(finding, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
