"""A Slurm of one node in a folder of its own, for root and for others, without cgroups, systemd or a name in the DNS.

It obeys only those who can read the folder's munge key. Nothing outlives the test: daemons are its children and end with
it, and what a dead slurmd leaves behind falls to it, the subreaper, and ends in stop().
"""

import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PACKAGES = "slurmctld slurmd slurm-client munge"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "sinfo")
PATIENCE_S = 30
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LIBC = ctypes.CDLL(None)

# A requeued job waits for its old credential to expire: 10 s instead of 2 minutes. MPI, mail and accounting are off.
CONFIGURATION = """\
ClusterName=fmserve-test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=10
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
MailProg=/bin/true
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0
SlurmdParameters=config_overrides
KillWait=2
NodeName=node NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes=node Default=YES State=UP
"""


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports


def children():
    """Process ids of this process's children, also of those that it inherited."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text(errors="replace").rpartition(")")[2].split()[1]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == os.getpid():
            yield int(stat.parent.name)


class OneNodeSlurm:
    """`cpus` may be more than the machine has. `environment` is what commands, and with them jobs, get."""

    def __init__(self, cpus, environment):
        path = environment["PATH"] + ":/usr/sbin:/sbin"
        missing = [program for program in PROGRAMS if shutil.which(program, path=path) is None]
        if missing:
            raise RuntimeError(f"{', '.join(missing)}: not found; apt-get install --no-install-recommends {PACKAGES}")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fmserve-slurm."))
        self.configuration = self.folder / "slurm.conf"
        self.environment = {**environment, "PATH": path, "SLURM_CONF": str(self.configuration)}
        self.daemons = []
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        controller_port, node_port = free_ports(2)
        self.configuration.write_text(CONFIGURATION.format(
            controller_port=controller_port, node_port=node_port, user=os.getuid(), folder=self.folder, cpus=cpus))

    def start(self):
        """Returns when the node takes jobs."""
        for name in ("state", "spool", "munge"):
            (self.folder / name).mkdir(mode=0o700)
        # munged wants its socket to be in reach of everybody; the key stays ours.
        for folder in (self.folder, self.folder / "munge"):
            folder.chmod(0o711)
        # Else slurmd looks which version is mounted, and ends when none is, as in a chroot. None is used.
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        key = self.folder / "munge/key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        options = ("key-file", "socket", "pid-file", "seed-file")
        self.start_daemon("munged", "--foreground",
                          *(f"--{option}={self.folder}/munge/{option.removesuffix('-file')}" for option in options))
        self.wait_for((self.folder / "munge/socket").exists, "munged's socket")
        self.start_daemon("slurmctld", "-D")
        self.start_daemon("slurmd", "-D", "-N", "node")
        self.wait_for(lambda: self.ask("sinfo", "--noheader", "--format=%T") == "idle", "an idle node")

    def start_daemon(self, *command):
        program = shutil.which(command[0], path=self.environment["PATH"])
        with open(self.folder / f"{command[0]}.log", "wb") as log:
            self.daemons.append(subprocess.Popen(
                [program, *command[1:]], env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)))

    def stop(self):
        """Ends all daemons and jobs, also half-started ones, and deletes the folder."""
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        while left := list(children()):
            for pid in left:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        shutil.rmtree(self.folder)

    def ask(self, *command):
        """What the command prints, or None when it fails."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=PATIENCE_S)
        return done.stdout.strip() if done.returncode == 0 else None

    def run(self, *command):
        """What the command prints; it must not fail."""
        done = subprocess.run(list(map(str, command)), env=self.environment, capture_output=True, text=True,
                              timeout=PATIENCE_S)
        if done.returncode != 0:
            raise RuntimeError(f"{command}: exit {done.returncode}: {done.stderr}\n{self.logs()}")
        return done.stdout.strip()

    def wait_for(self, condition, what, seconds=PATIENCE_S, poll_s=0.05):
        end = time.monotonic() + seconds
        while not condition():
            if any(daemon.poll() is not None for daemon in self.daemons):
                raise RuntimeError(f"a daemon ended while waiting for {what}:\n{self.logs()}")
            if time.monotonic() > end:
                raise RuntimeError(f"waited {seconds} s for {what}:\n{self.logs()}")
            time.sleep(poll_s)

    def logs(self):
        """The ends of the daemons' logs."""
        return "\n".join(f"{log.name}: ...{log.read_text(errors='replace')[-2000:]}" for log in self.folder.glob("*.log"))

    def submit(self, script, *options):
        """Returns the id of the job."""
        return self.run("sbatch", "--parsable", *options, script)

    def tasks(self, job):
        """Array index -> (state, exit code) of each task, as long as Slurm remembers the job (5 minutes)."""
        tasks = {}
        for line in self.run("scontrol", "--oneliner", "show", "job", job).splitlines():
            fields = dict(field.partition("=")[::2] for field in line.split())
            for index in fields["ArrayTaskId"].split(","):
                tasks[index] = (fields["JobState"], fields["ExitCode"])
        return tasks
