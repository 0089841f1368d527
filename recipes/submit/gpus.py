"""What nvidia-smi says of a node's GPUs, and what of it stops a run. torch is not needed, nor a CUDA context made."""

import os
import re
import subprocess
from dataclasses import dataclass

ROWS = "--query-remapped-rows=gpu_uuid,remapped_rows.pending,remapped_rows.failure"
GPUS = "--query-gpu=index,uuid,name,memory.total,memory.used,ecc.errors.uncorrected.volatile.total"
LOST = 15
"""nvidia-smi's exit code for a GPU that has fallen off the bus (XID 79)."""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU as nvidia-smi lists it.

    Attributes:
        used_mib: Memory in use, by whomever; about 1 to 500 on an idle card, the driver's own.
        uncorrected: Uncorrectable ECC errors since the driver was loaded; None where the card counts none.
        pending: Whether a row of its memory waits for a reset to be replaced (XID 63).
        failed: Whether no spare row was left for one (XID 64).
    """

    index: int
    uuid: str
    name: str
    total_mib: int
    used_mib: int
    uncorrected: int | None
    pending: bool = False
    failed: bool = False


def faults(
    wanted: int, kind: str, busy_mib: int, environment: "os._Environ[str] | dict[str, str]" = os.environ
) -> tuple[list[str], list[str], list[Gpu]]:
    """Faults of this node's GPUs, what could not be told, and the GPUs of this job.

    Args:
        wanted: GPUs the job has on each node.
        kind: The site's name of their type, such as a100; empty for any.
        busy_mib: From this much memory in use on, before the job uses any, somebody else is on the card.
        environment: Where Slurm says which of the node's GPUs are this job's.
    """
    try:
        done, rows = _ask(GPUS), _ask(ROWS)
    except FileNotFoundError:
        return [f"no nvidia-smi on PATH, and the job has {wanted} GPUs a node"], [], []
    except subprocess.TimeoutExpired:
        return ["nvidia-smi has not answered for a minute: the driver hangs"], [], []
    if done.returncode != 0:
        words = " ".join((done.stdout + done.stderr).split())
        what = "a GPU has fallen off the bus" if done.returncode == LOST else f"nvidia-smi failed ({done.returncode})"
        return [f"{what}: {words[:200]}"], [], []
    notes = [] if rows.returncode == 0 else ["this nvidia-smi does not tell of remapped memory rows"]
    found = ours(parse(done.stdout, rows.stdout if rows.returncode == 0 else ""), wanted, environment)
    return judge(found, wanted, kind, busy_mib), notes, found


def _ask(query: str) -> "subprocess.CompletedProcess[str]":
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def parse(gpus: str, rows: str) -> list[Gpu]:
    """The lines of both queries; what a card does not have stands there as `[N/A]` or `[Not Supported]`."""
    remapped = {uuid: states for uuid, *states in map(_fields, rows.splitlines()) if len(states) == 2}
    found = []
    for line in gpus.splitlines():
        if len(words := _fields(line)) != 6:
            continue
        index, uuid, name, total, used, uncorrected = words
        pending, failed = (_is_set(state) for state in remapped.get(uuid, ("0", "0")))
        found.append(
            Gpu(
                index=int(index),
                uuid=uuid,
                name=name,
                total_mib=_number(total) or 0,
                used_mib=_number(used) or 0,
                uncorrected=_number(uncorrected),
                pending=pending,
                failed=failed,
            )
        )
    return found


def _fields(line: str) -> list[str]:
    return [word.strip() for word in line.split(",")]


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _is_set(text: str) -> bool:
    return text.lower() == "yes" or bool(_number(text))


def ours(gpus: list[Gpu], wanted: int, environment: "os._Environ[str] | dict[str, str]") -> list[Gpu]:
    """Those of this job, where the node shows all of its own: without cgroups nothing hides the others."""
    text = environment.get("SLURM_STEP_GPUS") or environment.get("SLURM_JOB_GPUS") or ""
    numbers = {int(word) for word in text.split(",") if word.isdecimal()}
    return [gpu for gpu in gpus if gpu.index in numbers] if len(gpus) > wanted and numbers else gpus


def judge(gpus: list[Gpu], wanted: int, kind: str, busy_mib: int) -> list[str]:
    """Faults, one line each."""
    found = [] if len(gpus) >= wanted else [f"{len(gpus)} GPUs, the job has {wanted} a node"]
    model = re.match(r"[a-z]+\d+[a-z]*", kind.lower())  # of a100, A100-SXM4-80GB or h100_pcie; names of sites say less
    for gpu in gpus:
        if model and model[0] not in gpu.name.lower():
            found.append(f"GPU {gpu.index} is a {gpu.name}, not {kind}")
        if gpu.used_mib >= busy_mib:
            found.append(f"GPU {gpu.index} has {gpu.used_mib} of {gpu.total_mib} MiB in use by another process")
        if gpu.uncorrected:
            found.append(f"GPU {gpu.index} has {gpu.uncorrected} uncorrectable ECC errors since its driver was loaded")
        if gpu.failed:
            found.append(f"GPU {gpu.index} has no spare memory row left (XID 64): it has to be replaced")
        elif gpu.pending:
            found.append(f"GPU {gpu.index} has a memory row to replace (XID 63): it has to be reset")
    return found
