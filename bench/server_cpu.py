"""Processor time of a server per request, while `fm load` asks it: what wire_cost.py and cpu_against.py share."""

import json
import statistics
import subprocess
import time


class CannotMeasure(Exception):
    """Says what went wrong."""


class NotKnown(CannotMeasure):
    """The server does not know requests of this kind, or has nothing to answer them from."""


# Other errors may pass.
NOT_KNOWN_CODES = {"unimplemented", "invalid_argument", "failed_precondition", "not_found"}


def cpu_seconds(pid):
    """User and system time of all threads of another process, to the nanosecond: clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def check_answers(report):
    """Of `fm load --json`: every request was answered in full, or this raises."""
    if report["ok"] == 0 and len(report["errors"]) == 1 and NOT_KNOWN_CODES.issuperset(report["errors"]):
        raise NotKnown(*report["errors"])
    if report["ok"] == 0 or report["ok"] != report["sent"] or report["partial"] != 0:
        raise CannotMeasure(f"not every request was answered in full: {report}; try a lower --rate")


def drive(fm, server, folder, *options):
    """Microseconds of processor time per request. `server` is PID@TARGET, `folder` holds schema.yaml and rows.tsv, the
    options are those of `fm load`."""
    pid, _, target = server.partition("@")
    command = [fm, "load", "--target", target, "--schema", f"{folder}/schema.yaml", "--data", f"{folder}/rows.tsv",
               "--json", *map(str, options)]
    before = cpu_seconds(int(pid))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = cpu_seconds(int(pid))
    if not done.stdout:
        raise CannotMeasure(f"{' '.join(command)}: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    check_answers(report)
    return (after - before) / report["ok"] * 1e6


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "rounds": values}
