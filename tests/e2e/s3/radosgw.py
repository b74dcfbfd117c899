#!/usr/bin/env python3
"""A real S3 server on loopback: Ceph's radosgw with one monitor and one OSD that keeps everything in memory.

    radosgw.py start FOLDER    about 15 s; FOLDER/radosgw.json then tells endpoints, keys and processes
    radosgw.py stop FOLDER     ends them and removes FOLDER

It has a user with all rights and a role that web identities may assume (openid.py), finds buckets in the path or in the
host name (models.localhost), and listens with TLS, too: FOLDER/ca.pem vouches for it. A FOLDER that was not stopped is stopped
first.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid

import direct

ACCESS_KEY = "TESTAK"
SECRET_KEY = "TESTSK"
PATIENCE_S = 60
MONITOR_ATTEMPTS = 10
CONFIG = """[global]
fsid = {fsid}
mon_host = v1:127.0.0.1:{mon_port}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
osd_crush_chooseleaf_type = 0
ms_bind_msgr2 = false
ms_bind_ipv6 = false
run_dir = {folder}/run
pid_file = {folder}/run/$name.pid
admin_socket =
log_file = {folder}/log/$name.log
mon_data = {folder}/mon
osd_data = {folder}/osd
osd_objectstore = memstore
memstore_device_bytes = 2147483648
osd_max_object_size = 134217728
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:{port} ssl_endpoint=127.0.0.1:{tls_port} ssl_certificate={folder}/gateway.pem ssl_private_key={folder}/gateway.key
rgw_dns_name = localhost
rgw_data = {folder}/rgw
rgw_s3_auth_use_sts = true
rgw_sts_key = abcdefghijklmnop
rgw_thread_pool_size = 32
rgw_enable_usage_log = false
rgw_enable_quota_threads = false
rgw_enable_gc_threads = false
rgw_enable_lc_threads = false
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Radosgw:
    """Started by start(), in a folder of its own, for whoever reads radosgw.json there."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.config = self.folder / "ceph.conf"
        self.processes = {}

    def run(self, *command, check=True):
        done = subprocess.run([*map(str, command), "-c", str(self.config)], capture_output=True, text=True, check=False,
                              timeout=PATIENCE_S)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout if done.returncode == 0 else ""

    def ceph(self, *command):
        """Asks the monitor, again when it refuses: on a busy machine a young one does now and then. Asking twice does no
        harm."""
        for _ in range(MONITOR_ATTEMPTS - 1):
            try:
                return self.run("ceph", "--connect-timeout", "10", *command)
            except RuntimeError:
                time.sleep(1)
        return self.run("ceph", "--connect-timeout", "10", *command)

    def launch(self, name, *command):
        with open(self.folder / f"log/{name}.out", "wb") as log:
            process = subprocess.Popen([*map(str, command), "-c", str(self.config)], stdout=log, stderr=log,
                                       stdin=subprocess.DEVNULL, start_new_session=True)
        self.processes[name] = process.pid
        return process

    def wait_until(self, what, condition):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > end:
                raise RuntimeError(f"waited {PATIENCE_S} s for {what}; logs are in {self.folder}/log")
            time.sleep(0.1)

    def start(self):
        stop(self.folder)
        for name in ("mon", "osd", "rgw", "run", "log"):
            (self.folder / name).mkdir(parents=True)
        port, tls_port, mon_port = free_port(), free_port(), free_port()
        fsid = str(uuid.uuid4())
        self.config.write_text(CONFIG.format(folder=self.folder, fsid=fsid, port=port, tls_port=tls_port, mon_port=mon_port))
        self.make_certificates()
        try:
            self.start_monitor(fsid, mon_port)
            self.start_osd()
            self.start_gateway(port)
        finally:
            (self.folder / "radosgw.json").write_text(json.dumps(
                {"endpoint": f"http://127.0.0.1:{port}", "tls_endpoint": f"https://127.0.0.1:{tls_port}",
                 "host_endpoint": f"http://localhost:{port}", "ca_file": str(self.folder / "ca.pem"),
                 "access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "config": str(self.config),
                 "processes": self.processes}))

    def make_certificates(self):
        """One of an authority of our own, and one by it for the gateway."""
        def openssl(*arguments):
            subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=PATIENCE_S)

        def path(name):
            return self.folder / name

        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=authority", "-keyout",
                path("ca.key"), "-out", path("ca.pem"))
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=gateway", "-keyout", path("gateway.key"), "-out",
                path("gateway.csr"))
        path("gateway.ext").write_text("subjectAltName = IP:127.0.0.1\n")
        openssl("x509", "-req", "-days", "2", "-in", path("gateway.csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"),
                "-CAcreateserial", "-extfile", path("gateway.ext"), "-out", path("gateway.pem"))

    def start_monitor(self, fsid, port):
        monmap, keyring = self.folder / "monmap", self.folder / "keyring"
        self.run("monmaptool", "--create", "--addv", "a", f"[v1:127.0.0.1:{port}]", "--fsid", fsid, monmap)
        self.run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        self.run("ceph-mon", "-i", "a", "--mkfs", "--monmap", monmap, "--keyring", keyring)
        self.launch("mon", "ceph-mon", "-f", "-i", "a")
        self.wait_until("the monitor", lambda: self.run("ceph", "--connect-timeout", "5", "-s", check=False))

    def start_osd(self):
        osd = str(uuid.uuid4())
        self.ceph("osd", "new", osd)
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.ceph("osd", "crush", "add", "osd.0", "1.0", "root=default", "host=h")
        osd = self.launch("osd", "ceph-osd", "-f", "-i", "0")

        def is_up():
            # It ends ("wrong fsid") when it asks the monitor before it knows whose monitor that is.
            nonlocal osd
            if osd.poll() is not None:
                osd = self.launch("osd", "ceph-osd", "-f", "-i", "0")
            return "1 up" in self.ceph("osd", "stat")

        self.wait_until("the OSD", is_up)

    def start_gateway(self, port):
        self.launch("rgw", "radosgw", "-f", "-n", "client.rgw")

        def answers():
            with socket.socket() as connection:
                return connection.connect_ex(("127.0.0.1", port)) == 0

        self.wait_until("radosgw", answers)
        self.run("radosgw-admin", "-n", "client.rgw", "user", "create", "--uid=t", "--display-name=t",
                 f"--access-key={ACCESS_KEY}", f"--secret-key={SECRET_KEY}", "--caps=roles=*;oidc-provider=*")
        gateway = direct.Direct(f"http://127.0.0.1:{port}", ACCESS_KEY, SECRET_KEY)
        gateway.put("/first", b"")  # makes pools, which takes seconds
        gateway.put("/first/object", b"x")


def ours(pid, folder):
    try:
        return str(folder).encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def stop(folder):
    folder = pathlib.Path(folder).resolve()
    state = folder / "radosgw.json"
    if state.exists():
        pids = list(json.loads(state.read_text())["processes"].values())
        for pid in reversed(pids):
            if ours(pid, folder):
                os.kill(pid, signal.SIGKILL)  # there is nothing to save
        end = time.monotonic() + 10
        while any(ours(pid, folder) for pid in pids) and time.monotonic() < end:
            time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("start", "stop"):
        print(__doc__, file=sys.stderr)
        return 2
    if sys.argv[1] == "stop":
        stop(sys.argv[2])
    else:
        Radosgw(sys.argv[2]).start()
    return 0


if __name__ == "__main__":
    sys.exit(main())
