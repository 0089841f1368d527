"""Starts the ranks of a run on this machine; on a cluster srun or torchrun does it and this module stands aside."""

import contextlib
import ctypes
import dataclasses
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

from data_prep.errors import LangadaptError, UsageError


def check_world(processes: int, nodes: int, *, dry_run: bool) -> None:
    """Refuses to start a job of several nodes from one process, or as ranks of another number.

    Raises:
        UsageError: The launcher and the config disagree.
    """
    command = f"torchrun --nnodes {nodes} --nproc-per-node {processes // max(nodes, 1)} ... -m recipes.cli VERB ..."
    if not is_rank():
        if nodes > 1 and not dry_run:
            raise UsageError(
                f"A run on {nodes} nodes cannot be started from one process.",
                where="trainer.num_nodes",
                why=f"All {processes} ranks would start on this machine.",
                fix=f"on every node: {command}\nor srun with one task a device (launchers/README.md)",
            )
        return
    world = int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1")))
    if world != processes:
        raise UsageError(
            f"The launcher started {world} ranks, the config asks for {processes}.",
            where="trainer.devices x trainer.num_nodes",
            fix=command,
        )


class RankFailed(LangadaptError):
    """One rank of a run ended with an error; its siblings were stopped."""


def is_rank() -> bool:
    """Whether this process is one rank of a job that something else started: torchrun, or srun with several tasks.

    A shell inside an allocation of one task (srun --pty) is no rank: it may start ranks of its own.
    """
    return "RANK" in os.environ or ("SLURM_PROCID" in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1)


CHILD = "LANGADAPT_RANK_OF_A_CHECKED_RUN"
"""Set in ranks that `run_ranks` started, to the process id of the command that runs them."""


def is_child() -> bool:
    """Whether this rank was started by `run_ranks`, whose process has checked the config and keeps the record."""
    return CHILD in os.environ


def die_with_parent() -> None:
    """Ends this rank with the command that runs it: ranks left behind would write into a folder nobody holds.

    Linux alone can promise it (prctl, PR_SET_PDEATHSIG = 1).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != int(os.environ[CHILD]):  # it ended before the promise was given
        os.kill(os.getpid(), signal.SIGKILL)


def rank() -> int:
    """Number of this rank in the whole job; 0 where there is only one process."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) if is_rank() else 0)


def run_ranks(arguments: list[str], processes: int, logs: Path) -> None:
    """Runs `langadapt ARGUMENTS` as that many ranks on this machine and waits for them.

    Rank 0 writes to this terminal, the others to `logs`. torchrun's own agent starts them and stops all when one
    fails. It would do the same on SIGTERM, 30 seconds later with a kill: that signal belongs to `stopping.listening`.

    Args:
        arguments: The command line of a rank, verb first.
        processes: Number of ranks.
        logs: Folder for the output of ranks 1 and up.

    Raises:
        RankFailed: A rank failed; names it, its exit code and where its output is.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logs.mkdir(parents=True, exist_ok=True)
    # Each rank computes with its share of the cores; torchrun's default is one thread a rank.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    os.environ[CHILD] = str(os.getpid())
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.1,
        **_left_to_us(LaunchConfig),
        logs_specs=DefaultLogsSpecs(log_dir=str(logs), redirects=dict.fromkeys(range(1, processes), Std.ALL)),
    )
    try:
        elastic_launch(config, entrypoint=sys.executable)("-m", "recipes.cli", *arguments)
    except SignalException:
        raise KeyboardInterrupt from None
    except ChildFailedError as error:
        failed, failure = error.get_first_failure()
        raise RankFailed(
            f"Rank {failed} of {processes} ended with exit code {failure.exitcode}; the others were stopped.",
            where="the lines above" if failed == 0 else last_words(logs, failed),
            why="A run needs all its ranks.",
            fix="mend what its last line says\nstart the same command again to resume",
        ) from None
    finally:
        del os.environ[CHILD]


def become_new_process() -> None:
    """Runs this rank's command line anew under its process id, so that its launcher sees it go on.

    All ranks call it, with their process group still there. The new ones meet at a port of their own, on the machine
    of rank 0: in the store of the old ones, which torchrun's agent keeps, they would take each other's old addresses
    for new and wait for ever (torch 2.13, torch/distributed/rendezvous.py, _create_c10d_store).
    """
    import torch.distributed

    port = [_free_port() if rank() == 0 else 0]
    torch.distributed.broadcast_object_list(port, src=0)
    os.environ["MASTER_PORT"] = str(port[0])
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "False"
    for helper in multiprocessing.active_children():  # the manager of megatron-core's writer would outlive an exec
        helper.terminate()
        helper.join()
    for descriptor in Path("/proc/self/fd").iterdir():  # a listening socket that outlived this would never answer
        if (number := int(descriptor.name)) > sys.stderr.fileno():
            with contextlib.suppress(OSError):
                os.set_inheritable(number, False)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "recipes.cli", *sys.argv[1:]])  # noqa: S606  its own words


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("", 0))
        return int(listening.getsockname()[1])


def _left_to_us(launch_config: type) -> dict[str, str]:
    """The option that keeps torchrun's agent from handling SIGTERM; torch before 2.8 has none, and handles it."""
    names = {field.name for field in dataclasses.fields(launch_config)}
    return {"signals_to_handle": "SIGINT,SIGHUP,SIGQUIT"} if "signals_to_handle" in names else {}


def last_words(logs: Path, number: int) -> str:
    """Last line of a rank's newest error log, and the log's path."""
    newest = max(logs.glob(f"*/attempt_*/{number}/stderr.log"), key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        return str(logs)
    lines = newest.read_text(encoding="utf-8", errors="replace").split("\n")
    return f"{newest}\n" + next((line for line in reversed(lines) if line.strip()), "(empty)")


def git_state() -> dict[str, str | bool]:
    """Commit of the working tree and whether it has changes; empty outside a git checkout."""
    root = Path(__file__).parent.parent
    try:
        commit, changes = (
            subprocess.run(["git", *command], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
            for command in (("rev-parse", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"commit": commit, "modified": bool(changes)}
