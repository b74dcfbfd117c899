#!/usr/bin/env python3
"""Puts a damaged version into a store, as a broken uploader would: its manifest is in order, its weights are not.

usage: publish_corrupted.py STAGED STORE MODEL

Takes the newest version of MODEL in the store STAGED, flips one bit in the middle of its weight file, and publishes it
in STORE with a manifest that names the size and SHA-256 of the damaged bytes. Prints the version.
"""

import hashlib
import json
import os
import pathlib
import sys


def write_durably(path, data):
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, path)


def main(staged, store, model):
    source = pathlib.Path(staged) / model
    manifest = json.loads((source / "CURRENT").read_text(encoding="utf-8"))
    name = f"{manifest['version']:020}.fmw"
    weights = bytearray((source / name).read_bytes())
    weights[len(weights) // 2] ^= 0x10
    manifest["sha256"] = hashlib.sha256(weights).hexdigest()

    target = pathlib.Path(store) / model
    write_durably(target / name, weights)
    write_durably(target / "CURRENT", json.dumps(manifest).encode())
    print(manifest["version"])


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
