"""What runs on this machine, as /proc tells it."""

import pathlib


def children_of(parent):
    """Process ids of the children of a process."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text(errors="replace").rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def environment_of(pid):
    """Name -> value; empty when the process is gone."""
    try:
        variables = pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(variable.partition("=")[::2] for variable in variables if variable)
