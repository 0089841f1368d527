"""A real Slurm on this machine: one controller and two nodes in a folder, started in a second, stopped after use.

Debian's packages slurmctld, slurmd and slurm-client suffice; no systemd, munge or cgroups. Authentication is off, so
the daemons listen on 127.0.0.1 alone.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

NODES = 2
PARTITION = "cpu"
_DAEMONS = "/usr/sbin"

_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
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
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
KillWait=2
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs=4 RealMemory=100000
PartitionName={partition} Nodes=ALL Default=YES State=UP
"""


def missing() -> list[str]:
    """Programs of Slurm that are not installed."""
    return [name for name in ("slurmctld", "slurmd", "sbatch", "srun", "squeue") if _find(name) is None]


def _find(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:{_DAEMONS}")


@contextlib.contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """The cluster; yields the environment variables its client programs need."""
    for name in ("state", *(f"spool/n{number}" for number in range(1, NODES + 1))):
        (folder / name).mkdir(parents=True)
    port = _free_ports(NODES + 1)
    conf = folder / "slurm.conf"
    conf.write_text(
        _CONF.format(
            host=socket.gethostname().partition(".")[0],
            user=_user(),
            folder=folder,
            port=port,
            first=port + 1,
            last=port + NODES,
            nodes=NODES,
            partition=PARTITION,
        )
    )
    variables = {"SLURM_CONF": str(conf)}
    daemons = [["slurmctld"], *(["slurmd", "-N", f"n{number}"] for number in range(1, NODES + 1))]
    with (folder / "daemons.log").open("wb") as log, contextlib.ExitStack() as stack:
        for name, *words in daemons:
            command = [str(_find(name)), "-D", "-f", str(conf), *words]
            process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | variables)
            stack.callback(_stop, process)
        _wait_until_idle(variables, folder)
        yield variables
        subprocess.run(["scancel", "--full", f"--user={_user()}"], env=os.environ | variables, check=False)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    process.kill()
    process.wait()


def _user() -> str:
    return subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()


def _free_ports(count: int) -> int:
    """The first of some ports in a row that nothing listens on."""
    for first in range(21000, 30000, count):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise RuntimeError("no free ports")


def _wait_until_idle(variables: dict[str, str], folder: Path) -> None:
    command = ["sinfo", "--noheader", "--Node", "--states=idle", "--format=%N"]
    for _ in range(100):
        found = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
        if len(set(found.stdout.split())) == NODES:
            return
        time.sleep(0.1)
    logs = "\n".join(path.read_text()[-2000:] for path in folder.glob("*.log"))
    raise RuntimeError(f"the nodes did not come up\n{logs}")
