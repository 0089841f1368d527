"""The script for 16 and for 128 nodes, run by bash with stand-ins for Slurm's commands: what srun is told."""

import os
import subprocess
from pathlib import Path

import pytest

from recipes.submit import record, verb
from tests.conftest import REPOSITORY
from tests.launchers.plain_runs import plain_run

GPUS = 8

# srun notes its words and what the ranks inherit; the node list is expanded as scontrol does it.
STAND_INS = {
    "srun": 'printf "%s\\n" "$@" >"$NOTES/srun"; env | grep -E "^(MASTER|SLURM)" >"$NOTES/environment"',
    "scontrol": 'case "$*" in "show hostnames "*) seq -f "node%04g" "$COUNT" ;; "show node node0001") '
    'echo "NodeName=node0001 Arch=x86_64 NodeAddr=10.0.0.17 NodeHostName=node0001" ;; esac',
    "getent": '[ "$RESOLVES" = yes ] && echo "10.0.0.1 $2"',
    "squeue": "true",
}


def run_script(folder: Path, nodes: int, *, resolves: bool) -> tuple[list[str], dict[str, str], str]:
    """Srun's words, the variables of the ranks, and what the script said."""
    run = plain_run(
        folder / "my run", {}, nodes=nodes, ranks=GPUS, site=("slurm.requeue=false", "slurm.hang_minutes=0")
    )
    verb.save(run.plan)
    programs = folder / "bin"
    programs.mkdir()
    for name, text in STAND_INS.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "NOTES": str(folder),
        "COUNT": str(nodes),
        "RESOLVES": "yes" if resolves else "no",
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NODELIST": f"node[0001-{nodes:04}]",
        "SLURM_NNODES": str(nodes),
    }
    words = ["bash", str(run.plan.folder / record.SCRIPT)]
    done = subprocess.run(
        words, env=os.environ | environment, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120
    )
    told = dict(line.split("=", 1) for line in (folder / "environment").read_text().splitlines())
    return (folder / "srun").read_text().splitlines(), told, done.stdout + done.stderr


@pytest.mark.parametrize("nodes", [16, 128])
def test_srun_gets_every_rank_a_log_of_its_own_and_rank_0_is_on_the_first_node(tmp_path: Path, nodes: int) -> None:
    words, told, said = run_script(tmp_path, nodes, resolves=True)
    assert f"--nodes={nodes}" in words
    assert f"--ntasks={nodes * GPUS}" in words
    assert f"--ntasks-per-node={GPUS}" in words
    assert f"--output={tmp_path}/my run/slurm/0/log/rank-%5t.log" in words  # up to 99,999 ranks sort by name
    assert told["MASTER_ADDR"] == "node0001"
    assert told["MASTER_PORT"] == str(10000 + 4711 * 7 % 20000)
    assert "start 1, job 4711" in said
    assert "no rank left a message" in said  # what became of the ranks is decided by what they left


def test_a_first_node_whose_name_is_unknown_is_reached_by_its_address(tmp_path: Path) -> None:
    _, told, said = run_script(tmp_path, 16, resolves=False)
    assert told["MASTER_ADDR"] == "10.0.0.17"
    assert "node0001 has no address by its name, its NodeAddr 10.0.0.17 is taken" in said
