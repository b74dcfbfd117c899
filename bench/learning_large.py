"""In how much memory a log is learned that does not fit into it: part of learning.py."""

import pathlib
import shutil
import subprocess
import sys
import tempfile

K = 8
MOST_OVER_MB = 4 * 2**30 / 1e6
DISK_BYTES_PER_ROW = 330  # the log and its cache


def large(run, fm, rows):
    """Yields a dict for an epoch from the log, and for one from its cache. `run` runs a command and returns its JSON."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if shutil.disk_usage(folder).free < rows * DISK_BYTES_PER_ROW:
            print(f"{folder.parent} has no room for a log of {rows} rows; it was not measured", file=sys.stderr)
            return
        print(f"a log of {rows} rows", file=sys.stderr, flush=True)
        subprocess.run([fm.parent / "make_rows", "--rows", str(rows), "--out", folder], check=True)
        gigabytes = (folder / "train.tsv").stat().st_size / 1e9
        for what in ("parsed, cached, one epoch", "from the cache, one epoch"):
            print(what, file=sys.stderr, flush=True)
            trained = run([fm, "train", "--schema", folder / "schema.yaml", "--train", folder / "train.tsv", "--valid",
                           folder / "valid.tsv", "--cache", folder / "rows.cache", "--out", folder / "large.fmw", "--k", K,
                           "--epochs", 1, "--json"])
            parameters_mb = parameters_bytes(trained["features"]) / 1e6
            memory_mb = trained["peak_memory_bytes"] / 1e6
            yield {"name": what, "rows": rows, "gigabytes": gigabytes, "seconds": trained["read_seconds"] + trained["train_seconds"],
                   "read_seconds": trained["read_seconds"], "train_seconds": trained["train_seconds"],
                   "loss": trained["valid"]["logloss"], "memory_mb": memory_mb, "over_mb": memory_mb - parameters_mb,
                   "met": memory_mb - parameters_mb <= MOST_OVER_MB}


def parameters_bytes(features):
    """A weight and its factors, and beside each the sum of its squared gradients."""
    return features * (1 + K) * 2 * 4
