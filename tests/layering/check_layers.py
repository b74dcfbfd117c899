#!/usr/bin/env python3
"""Fails when an #include crosses the layers the wrong way.

    proto, model, s3 <- loader <- server  model <- trainer <- tools      tools may use loader and proto too

Protobuf and gRPC stop in server/ and tools/. The kernels are reached through model/kernels/kernels.h alone.
"""

import argparse
import pathlib
import re
import sys

MAY_INCLUDE = {
    "model": {"model"},
    "s3": {"s3"},
    "loader": {"loader", "model", "s3"},
    "trainer": {"trainer", "model"},
    "server": {"server", "loader", "model", "s3", "proto"},
    "tools": {"tools", "trainer", "loader", "model", "s3", "proto"},
}
# Tests and benchmarks may see everything but are named here so that nothing else is a layer by accident.
FREE = {"tests", "bench"}
SOURCES = {".h", ".cc"}
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]')
RPC_HEADER = re.compile(r"^(google/protobuf|grpc|grpcpp|grpc\+\+|fmserve/v\d+)/")
KERNEL_DOOR = "model/kernels/kernels.h"


def layer_of(header):
    """The layer that an included path belongs to; None for the standard library and other packages."""
    if RPC_HEADER.match(header):
        return "proto"
    first = header.split("/", 1)[0]
    return first if first in MAY_INCLUDE or first in FREE else None


def objection(source, header):
    """Why `source`, relative to the root, may not include `header`; None when it may."""
    layer = source.parts[0]
    target = layer_of(header)
    if target is not None and target not in MAY_INCLUDE[layer]:
        return f"{layer}/ may include only {', '.join(sorted(MAY_INCLUDE[layer]))}"
    behind_door = header.startswith("model/kernels/") and header != KERNEL_DOOR
    if behind_door and source.parts[:2] != ("model", "kernels"):
        return f"kernels are reached through {KERNEL_DOOR}"
    return None


def check(root):
    """Yields one line for each include that is not allowed."""
    for layer in sorted(MAY_INCLUDE):
        for path in sorted((root / layer).rglob("*")):
            if path.suffix not in SOURCES:
                continue
            source = path.relative_to(root)
            for number, line in enumerate(path.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                reason = match and objection(source, match[1])
                if reason:
                    yield f"{source}:{number}: includes {match[1]}: {reason}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    here = pathlib.Path(__file__).resolve()
    parser.add_argument("root", nargs="?", type=pathlib.Path, default=here.parents[2])
    errors = list(check(parser.parse_args().root))
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
