"""A real SLURM of two nodes on this machine, from Debian's packages: no systemd, no cgroups, nothing in /etc.

Node ``cpu1`` makes the partition ``cpu``, node ``gpu1`` with one pretended device the partition ``gpu``. Jobs of the
partition ``urgent`` end those that are in their way on ``cpu1``, those of ``brief`` have two minutes. Keys, sockets,
configuration, state, accounting and logs are in one folder, and every port is a free one, so that a cluster of the
machine itself, and other clusters of this kind, are not disturbed. Run as a program to have such a cluster for trying
things out: ``python -m tests.cluster.local_slurm FOLDER`` says what to export, and ends with Ctrl-C.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.cluster.database import Database

PACKAGES = ("slurmctld", "slurmd", "slurmdbd", "slurm-client", "munge", "mariadb-server")
PROGRAMS = ("slurmctld", "slurmd", "slurmdbd", "sbatch", "munged", "mariadbd")
NODES = ("cpu1", "gpu1")
#: In this order daemons are ended, after all others.
_LAST = ("slurmctld", "slurmdbd", "mariadbd", "munged")
#: Seconds within which a daemon must answer; a busy machine takes its time.
PATIENCE = 300.0

_SLURM_CONF = """\
ClusterName=qsmflowtest
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
MailProg=/bin/true
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
# what a node claims to have holds, whatever the machine has
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
EnforcePartLimits=ALL
# without cgroups memory is looked at each second, and who takes too much is ended
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting_port}
AccountingStoragePass={folder}/munge.socket
AccountingStorageTRES=gres/gpu
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
# start and end jobs without the pauses that spare a large cluster
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
ReturnToService=2
KillWait=1
SlurmdTimeout={slurmd_timeout}
MinJobAge=300
GresTypes=gpu
NodeName=cpu1 NodeHostname={host} NodeAddr=127.0.0.1 Port={cpu_port} CPUs=4 RealMemory=8000
NodeName=gpu1 NodeHostname={host} NodeAddr=127.0.0.1 Port={gpu_port} CPUs=4 RealMemory=8000 Gres=gpu:1
PartitionName=cpu Nodes=cpu1 Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=gpu1 MaxTime=INFINITE State=UP
PartitionName=urgent Nodes=cpu1 PriorityTier=2 MaxTime=INFINITE State=UP
PartitionName=brief Nodes=cpu1 MaxTime=2 State=UP
"""

_SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={accounting_port}
SlurmUser={user}
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=slurm
StoragePass={password}
"""


def missing() -> str | None:
    """Why no cluster can be started here, after trying to install what it needs; None where it can."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if all(shutil.which(program) for program in PROGRAMS):
        return None
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return f"not installed, and only root on Debian can install them here: {', '.join(PACKAGES)}"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # the daemons of the packages are not to start; a file that is there already says so too
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        for words in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
            done = subprocess.run(["apt-get", "-qq", *words], env=environment, capture_output=True, text=True)
            if done.returncode:
                return f"apt-get {words[0]}: {done.stderr.strip()[-300:]}"
    finally:
        if ours:
            policy.unlink()
    return None


class LocalSlurm:
    """The cluster; `environment` is what its commands and clients need."""

    def __init__(self, folder: Path, slurmd_timeout: int = 10) -> None:
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("state", *(f"spool.{node}" for node in NODES)):
            (folder / name).mkdir(parents=True, exist_ok=True)
        key = folder / "munge.key"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_bytes(secrets.token_bytes(1024))
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        listening = ("controller_port", "cpu_port", "gpu_port", "accounting_port", "database_port")
        facts = dict(zip(listening, _free_ports(len(listening)), strict=True)) | {
            "host": socket.gethostname().split(".")[0],
            "user": user,
            "folder": folder,
            "slurmd_timeout": slurmd_timeout,
            "password": secrets.token_hex(16),
        }
        (folder / "slurm.conf").write_text(_SLURM_CONF.format(**facts))
        (folder / "slurmdbd.conf").touch(mode=0o600)
        (folder / "slurmdbd.conf").write_text(_SLURMDBD_CONF.format(**facts))
        self._database = Database(folder / "database", user, facts["database_port"], facts["password"])
        # slurmd loads a plugin for cgroups even where nothing uses it; this one asks for nothing of the machine
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        (folder / "gres.conf").write_text("NodeName=gpu1 Name=gpu File=/dev/zero\n")

    def __enter__(self) -> LocalSlurm:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start every daemon that does not run, and wait until both nodes take jobs."""
        if "munged" not in self._daemons:
            files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
            options = [f"--{option}={self.folder}/munge.{end}" for option, end in files.items()]
            self._launch("munged", ["munged", "--foreground", "--force", "--num-threads=2", *options])
            _wait((self.folder / "munge.socket").exists, "munged")
        self._start_accounting()
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        _wait(lambda: all(self.node_state(node) in ("idle", "mix", "alloc") for node in NODES), "the nodes")

    def stop(self) -> None:
        """End every daemon and every job."""
        if "slurmctld" in self._daemons:
            self.command("scancel", "--full", "--signal=KILL", *self.jobs())
        for name in sorted(self._daemons, key=lambda name: _LAST.index(name) if name in _LAST else -1):
            self.end(name, signal.SIGTERM)

    def _start_accounting(self) -> None:
        if "mariadbd" not in self._daemons:
            self._launch("mariadbd", self._database.words())
            _wait(self._database.answers, "mariadbd")
        if "slurmdbd" not in self._daemons:
            self._launch("slurmdbd", ["slurmdbd", "-D"])
            _wait(self._known_to_accounting, "slurmdbd")

    def _known_to_accounting(self) -> bool:
        self.command("sacctmgr", "--immediate", "add", "cluster", "qsmflowtest")
        return "qsmflowtest" in self.command("sacctmgr", "--noheader", "--parsable2", "list", "cluster")

    def start_controller(self) -> None:
        """Start slurmctld, unless it runs, and wait until it answers."""
        if "slurmctld" not in self._daemons:
            self._launch("slurmctld", ["slurmctld", "-D"])
        _wait(lambda: " is UP" in self.command("scontrol", "ping"), "slurmctld")

    def start_node(self, node: str) -> None:
        """Start the slurmd of `node`, unless it runs."""
        if f"slurmd.{node}" not in self._daemons:
            self._launch(f"slurmd.{node}", ["slurmd", "-D", "-N", node])

    def take_back_nodes(self) -> None:
        """Let jobs go to nodes that the controller drained, as one does that was killed and forgot what runs there."""
        for node in NODES:
            self.command("scontrol", "update", f"NodeName={node}", "State=RESUME")

    def end(self, daemon: str, how: signal.Signals = signal.SIGKILL) -> None:
        """End a daemon by its name: ``slurmctld``, ``slurmd.cpu1``, ``munged`` …"""
        process = self._daemons.pop(daemon)
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def command(self, *words: str) -> str:
        """What one of SLURM's programs prints; empty where it fails."""
        done = subprocess.run(words, env={**os.environ, **self.environment}, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else ""

    def jobs(self, *options: str) -> list[str]:
        """Ids of the jobs that squeue lists."""
        return self.command("squeue", "--noheader", "--format=%i", *options).split()

    def node_state(self, node: str) -> str:
        """State of `node` as sinfo tells it in short."""
        return self.command("sinfo", "--noheader", f"--nodes={node}", "--format=%t").strip().rstrip("*")

    def _launch(self, name: str, words: list[str]) -> None:
        with (self.folder / f"{name}.out").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                words,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait(ready: object, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} not ready after {PATIENCE:.0f} s")
        time.sleep(0.1)


def main() -> int:
    """Hold a cluster until Ctrl-C."""
    if reason := missing():
        print(reason, file=sys.stderr)
        return 1
    folder = Path(sys.argv[1]).absolute()
    with LocalSlurm(folder) as cluster:
        print(f"export SLURM_CONF={cluster.environment['SLURM_CONF']}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
