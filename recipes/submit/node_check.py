"""Looks at every node of a job before it trains, and names the bad ones.

    srun --ntasks-per-node=1 --ntasks=$SLURM_NNODES --time=10 python -m recipes.submit.node_check look FOLDER --gpus 8 |
      python -m recipes.submit.node_check judge FOLDER

`look` is the task of one node. It says what it found on stdout, which srun carries to the job script without the file
system that may be the fault, and ends with 0 whatever that is, so that srun lets the others finish. `judge` reads all
that, writes FOLDER/nodes.json, prints one line, and ends with 0: all good; 3: some nodes are bad, and nodes.json names
them beside those of earlier starts; 1: the fault is everybody's, other nodes would not help.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data_prep.errors import LangadaptError
from data_prep.files import atomic_write
from recipes.submit import gpus, record
from recipes.submit.all_reduce import STAGES
from recipes.submit.node_verdict import Verdict, reports, verdict

GIB = 2**30
MARK = "node_check "
LONGEST = 400
"""Characters of a fault: srun passes on lines of up to 1,024 bytes whole, and may mix the parts of longer ones."""


def main(words: list[str]) -> int:
    """The command line of both halves."""
    parser = argparse.ArgumentParser(prog="python -m recipes.submit.node_check", description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("look", "judge"))
    parser.add_argument("folder", type=Path, help="of this submit: RUN/slurm/N")
    parser.add_argument("--gpus", type=int, default=0, help="the job has on each node; 0 skips what is about GPUs")
    parser.add_argument("--gpu-type", default="", help="as the site spells it, such as a100")
    parser.add_argument("--busy-gib", type=float, default=1.0, help="GPU memory in use that is another's")
    parser.add_argument("--shm", type=Path, default=Path("/dev/shm"), help="shared memory")  # noqa: S108
    parser.add_argument("--shm-gib", type=float, default=1.0, help="that has to be free there")
    parser.add_argument("--timeout", type=float, default=90.0, help="seconds for tokens, and again for the all-reduce")
    options = parser.parse_args(words)
    return _look(options) if options.action == "look" else _judge(options.folder)


def _look(options: argparse.Namespace) -> int:
    """All checks of one node, each said as soon as it is known."""
    number, count = int(os.environ.get("SLURM_NODEID", "0")), int(os.environ.get("SLURM_NNODES", "1"))
    _say(number=number)
    if options.gpus:
        faults, notes, found = gpus.faults(options.gpus, options.gpu_type, int(options.busy_gib * 1024))
        _say_all(fault=faults, note=notes)
        _say(gpus=sorted({gpu.name for gpu in found}))
    else:
        _say(note="GPUs were not looked at: the job has none")
    _say_all(fault=shm_faults(options.shm, options.shm_gib))
    tokens = options.folder / "nodes" / attempt()
    _say(**write_token(tokens, number))
    _say(**read_tokens(tokens, count, options.timeout))
    _say(**reduce(number, count, options.gpus, options.timeout))
    _say(is_whole=True)
    return 0


def _say(**said: Any) -> None:
    """One line for `judge`."""
    short = {name: value[:LONGEST] if isinstance(value, str) else value for name, value in said.items()}
    print(MARK + json.dumps({"node": node(), **short}), flush=True)


def _say_all(**said: list[str]) -> None:
    """A line for each."""
    for name, values in said.items():
        for value in values:
            _say(**{name: value})


def node() -> str:
    """This node's name, as Slurm has it."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname().partition(".")[0]


def attempt() -> str:
    """Tells the tokens of this start from those of an earlier one of the same job."""
    return f"{os.environ.get('SLURM_JOB_ID', '0')}-{os.environ.get('SLURM_RESTART_COUNT', '0')}"


def shm_faults(path: Path, gib: float) -> list[str]:
    """Shared memory, which NCCL and data workers need; docker gives 64 MiB of it unless told otherwise."""
    try:
        status = os.statvfs(path)
    except OSError as error:
        return [f"{path}: {error.strerror}; NCCL and data workers need it"]
    free = status.f_bavail * status.f_frsize
    if free >= gib * GIB:
        return []
    return [f"{path} has {free / GIB:.2f} GiB free, {gib:g} are needed: remove what others left there, or --ipc=host"]


def write_token(folder: Path, number: int) -> dict[str, Any]:
    """Leaves this node's token in the run folder; its time by the file system's clock tells how this node's goes.

    Where the file system takes the writer's clock (Lustre, local disks) the difference is always 0.
    """
    path = folder / str(number)
    try:
        with atomic_write(path) as file:
            file.write(node().encode())
        before = time.time()
        os.utime(path)  # the server's clock, on NFS
        return {"clock": round(before - path.stat().st_mtime, 1)}
    except (OSError, LangadaptError) as error:
        text = error.strerror if isinstance(error, OSError) else error.what
        return {"fault": f"cannot write into the run folder {folder}: {text}"}


def read_tokens(folder: Path, count: int, timeout: float) -> dict[str, Any]:
    """Waits for the tokens of all nodes; NFS may show a new file only when its cache of the folder has aged."""
    end = time.monotonic() + timeout
    while True:
        unseen = [number for number in range(count) if not _is_readable(folder / str(number))]
        if not unseen or time.monotonic() > end:
            return {"unseen": unseen}
        time.sleep(0.2)


def _is_readable(path: Path) -> bool:
    try:
        return bool(path.read_bytes())
    except OSError:
        return False


def reduce(number: int, count: int, gpu_count: int, timeout: float) -> dict[str, Any]:
    """The all-reduce: one rank a GPU, or one a node without GPUs; how far the slowest rank of this node came."""
    if "MASTER_ADDR" not in os.environ or "MASTER_PORT" not in os.environ:
        return {"note": "no all-reduce: MASTER_ADDR and MASTER_PORT are not set"}
    local = max(1, gpu_count)
    command = [sys.executable, "-m", "recipes.submit.all_reduce"]
    environment = os.environ | {"NCCL_DEBUG": "WARN"}  # its INFO would fill the pipes
    ranks = [
        subprocess.Popen(
            [*command, str(number * local + place), str(count * local), str(place) if gpu_count else "cpu"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for place in range(local)
    ]
    end = time.monotonic() + timeout
    outcomes = [_finish(rank, end) for rank in ranks]
    slowest = min(outcome[0] for outcome in outcomes)
    if slowest == len(STAGES) - 1:
        return {"stage": slowest, "seconds": max(outcome[1] for outcome in outcomes)}
    return {"stage": slowest, "died": next((words for *_, words in outcomes if words), "")}


def _finish(rank: "subprocess.Popen[str]", end: float) -> tuple[int, float, str]:
    """Stage a rank has reached, seconds of its all-reduce, last words if it died; past its time it is killed."""
    killed = False
    try:
        out, error = rank.communicate(timeout=max(0.1, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        killed = True
        rank.kill()
        out, error = rank.communicate()
    said = [line.split() for line in out.splitlines() if line.split() and line.split()[0] in STAGES]
    stage = STAGES.index(said[-1][0]) if said else 0
    seconds = float(said[-1][1]) if stage == len(STAGES) - 1 else 0.0
    last = next((line for line in reversed(error.splitlines()) if line.strip()), f"exit code {rank.returncode}")
    return stage, seconds, last if rank.returncode and not killed else ""


def _judge(folder: Path) -> int:
    """Reads what the nodes said from stdin; anything else in it, such as srun's own messages, goes on to stdout."""
    said = []
    for line in sys.stdin:
        try:
            said.append(json.loads(line.removeprefix(MARK) if line.startswith(MARK) else ""))
        except ValueError:
            print(line, end="")
    found = reports(allocated(), said)
    result = verdict(found)
    print("\n".join(lines(result, len(found))), flush=True)
    document = {
        "bad": result.bad,
        "excluded": {**record.nodes(folder).get("excluded", {}), **result.bad},
        "common": result.common,
        "notes": result.notes,
        "nodes": [asdict(report) for report in found],
    }
    with atomic_write(folder / record.NODES) as file:
        file.write(json.dumps(document, indent=1).encode() + b"\n")
    return result.exit_code


def lines(result: Verdict, count: int) -> Iterable[str]:
    """The verdict for the job's log: one line, and one for what was not looked at."""
    if result.common:
        yield f"node check: not the fault of single nodes: {'; '.join(result.common)}"
    elif result.bad:
        named = "; ".join(f"{node}: {', '.join(faults)}" for node, faults in result.bad.items())
        yield f"node check: {len(result.bad)} of {count} nodes are bad: {named}"
    else:
        yield f"node check: {count} nodes are good"
    if result.notes:
        yield f"node check: {'; '.join(result.notes)}"


def allocated() -> list[str]:
    """Names of the job's nodes, in Slurm's order."""
    command = ["scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
