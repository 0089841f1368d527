"""A real Slurm on this machine: one controller and some nodes in a folder, started in a second, stopped after use.

Debian's packages slurmctld, slurmd and slurm-client suffice; no systemd, munge or cgroups. Authentication is off, so
the daemons listen on 127.0.0.1 alone. Its clocks are short: a requeued job starts again after 11 seconds, a crashed
node is down after 25.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

NODES = 2
PARTITION = "cpu"
_DAEMONS = "/usr/sbin"

_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
FirstJobId={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
AuthInfo=cred_expire=10
CredType=cred/none
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
PlugStackConfig={folder}/plugstack.conf
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
GresTypes=gpu
ReturnToService=2
JobRequeue=1
KillWait=5
SlurmdTimeout=10
MinJobAge=7200
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs={cpus} RealMemory=100000 \
Gres=gpu:a100:{gpus}
PartitionName={partition} Nodes=ALL Default=YES State=UP PreemptMode=OFF
PartitionName=low Nodes=ALL State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=60
PartitionName=high Nodes=ALL State=UP PriorityTier=10 PreemptMode=OFF
"""

_PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "squeue")
needs_slurm = pytest.mark.skipif(
    any(shutil.which(name, path=f"{os.environ['PATH']}:{_DAEMONS}") is None for name in _PROGRAMS)
    and not os.environ.get("REQUIRE_SLURM"),
    reason="Slurm is not installed: apt-get install slurmctld slurmd slurm-client (REQUIRE_SLURM=1: fail instead)",
)


def missing() -> list[str]:
    """Programs of Slurm that are not installed."""
    return [name for name in _PROGRAMS if _find(name) is None]


def _find(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:{_DAEMONS}")


@dataclass
class SlurmCluster:
    """A cluster that runs, and what may befall it."""

    folder: Path
    nodes: int
    daemons: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What Slurm's client programs need."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def ask(self, *words: str) -> str:
        """The output of one of Slurm's commands."""
        environment = os.environ | self.environment
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    def state(self, job: str) -> dict[str, str]:
        """What `scontrol show job` says of a job."""
        pairs = [word.partition("=") for word in self.ask("scontrol", "show", "job", job, "--oneliner").split()]
        return {name: value for name, equals, value in pairs if equals}

    def start(self, name: str) -> None:
        """Starts the controller, or a node's daemon."""
        words = ["slurmctld"] if name == "slurmctld" else ["slurmd", "-N", name]
        command = [str(_find(words[0])), "-D", "-f", self.environment["SLURM_CONF"], *words[1:]]
        with (self.folder / "daemons.log").open("ab") as log:
            self.daemons[name] = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | self.environment)

    def crash_node(self, name: str) -> None:
        """Kills a node's daemon and everything that runs on it, as a power cut does."""
        self.daemons[name].kill()
        self.daemons[name].wait()
        self.end_steps(name)
        for left in (self.folder / "spool" / name).glob(f"{name}_*"):
            left.unlink()

    def end_steps(self, name: str = "") -> None:
        """Kills what runs on a node, or on all of them; left behind it would report to the next controller."""
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.Error):
                if self._is_on(process, name):
                    process.kill()

    def _is_on(self, process: psutil.Process, name: str) -> bool:
        """Whether a process is a task of a node, or a step of one, which its socket in the node's spool tells."""
        if process.info["name"] == "slurmstepd":
            spool = f"{self.folder}/spool/{name}/" if name else f"{self.folder}/spool/"
            return any(str(each.laddr).startswith(spool) for each in process.net_connections("unix"))
        said = process.environ()
        is_ours = said.get("SLURM_CONF") == self.environment["SLURM_CONF"]
        return is_ours and "SLURMD_NODENAME" in said and name in ("", said["SLURMD_NODENAME"])


@contextlib.contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """A small cluster; yields the environment variables its client programs need."""
    with cluster(folder) as made:
        yield made.environment


@contextlib.contextmanager
def cluster(
    folder: Path, *, nodes: int = NODES, cpus: int = 4, gpus: int = 8, plugin: Path | None = None
) -> Iterator[SlurmCluster]:
    """A cluster of nodes that claim A100s: symbolic links to /dev/null, which Slurm takes for devices.

    Args:
        folder: For its files.
        nodes: Their number; they are called n1, n2, ...
        cpus: Of each.
        gpus: Of each.
        plugin: A SPANK plugin every daemon and command loads.
    """
    for name in ("dev", "state", *(f"spool/n{number}" for number in range(1, nodes + 1))):
        (folder / name).mkdir(parents=True)
    for number in range(gpus):
        (folder / "dev" / f"nvidia{number}").symlink_to("/dev/null")
    port = _free_ports(nodes + 1)
    (folder / "gres.conf").write_text(f"Name=gpu Type=a100 File={folder}/dev/nvidia[0-{gpus - 1}]\n")
    (folder / "plugstack.conf").write_text(f"required {plugin}\n" if plugin else "")
    (folder / "slurm.conf").write_text(
        _CONF.format(
            host=socket.gethostname().partition(".")[0],
            user=_user(),
            folder=folder,
            port=port,
            first=port + 1,
            last=port + nodes,
            nodes=nodes,
            cpus=cpus,
            gpus=gpus,
            partition=PARTITION,
        )
    )
    made = SlurmCluster(folder, nodes)
    try:
        for name in ("slurmctld", *(f"n{number}" for number in range(1, nodes + 1))):
            made.start(name)
        _wait_until_idle(made)
        yield made
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            made.ask("scancel", "--full", f"--user={_user()}")
        for process in made.daemons.values():
            process.terminate()
        for process in made.daemons.values():
            _stop(process)
        made.end_steps()


def _stop(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    process.kill()
    process.wait()


def _user() -> str:
    return subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()


def _free_ports(count: int) -> int:
    """The first of some ports in a row that nothing listens on; test processes of neighbouring ids look far apart."""
    for first in range(21000 + os.getpid() * 97 % 5000, 30000, count):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise RuntimeError("no free ports")


def _wait_until_idle(made: SlurmCluster) -> None:
    command = ["sinfo", "--noheader", "--Node", "--states=idle", "--format=%N"]
    for _ in range(300):
        found = subprocess.run(command, env=os.environ | made.environment, capture_output=True, text=True, check=False)
        if len(set(found.stdout.split())) == made.nodes:
            return
        time.sleep(0.1)
    logs = "\n".join(path.read_text()[-2000:] for path in made.folder.glob("*.log"))
    raise RuntimeError(f"the nodes did not come up\n{logs}")
