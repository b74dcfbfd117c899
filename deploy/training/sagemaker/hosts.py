"""Several hosts: the first one starts mpirun, the others let it in by ssh and wait until it is done."""

import os
import pathlib
import shutil
import socket
import subprocess
import time

from hyperparameters import Refused

PATIENCE_S = float(os.environ.get("FM_HOSTS_PATIENCE_S", 600))
PORT = int(os.environ.get("FM_SSH_PORT", 22))
POLL_S = 0.5


def wait_for(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise Refused(f"waited {PATIENCE_S:g} s for {what}")
        time.sleep(POLL_S)


def listens(host):
    try:
        socket.create_connection((host, PORT), timeout=5).close()
        return True
    except OSError:
        return False


def mpirun(hosts):
    """The command in front of fm's: one rank per host. Returns when all hosts listen."""
    for host in hosts.names:
        if host != hosts.current:
            wait_for(lambda host=host: listens(host), f"ssh of host {host}")
    ssh = f"-p {PORT} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    command = ["mpirun", "--allow-run-as-root", "-np", str(len(hosts.names)), "--host", ",".join(hosts.names),
               "--bind-to", "none", "--mca", "plm_rsh_args", ssh]
    if hosts.interface:
        for framework in ("btl", "oob"):
            command += ["--mca", f"{framework}_tcp_if_include", hosts.interface]
    return command


def start_sshd():
    program = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program is None:
        raise Refused("several hosts need sshd, which this image lacks")
    return subprocess.Popen([program, "-D", "-e", "-p", str(PORT)])


def runs_orted():
    """Whether mpirun's daemon is at work on this host."""
    for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text() == "orted\n":
                return True
        except OSError:
            continue
    return False


def serve(hosts, stopping):
    """What a host other than the first does. `stopping()` tells whether the job is being ended."""
    sshd = start_sshd()
    try:
        wait_for(lambda: runs_orted() or stopping(), f"mpirun of host {hosts.first}")
        while runs_orted():
            time.sleep(POLL_S)
    finally:
        sshd.terminate()
        sshd.wait()
