"""Ranks on this machine: a failing one is named with its exit code and where to read on."""

import dataclasses
import signal
import subprocess
import sys

import pytest

from data_prep.errors import UsageError
from recipes import launch


def test_a_failing_rank_is_named_with_its_exit_code(tmp_path) -> None:
    with pytest.raises(launch.RankFailed) as failed:
        launch.run_ranks(["cpt", "nowhere.yaml"], 2, tmp_path / "ranks")
    message = str(failed.value)
    assert "of 2 ended with exit code 2; the others were stopped." in message
    assert "start the same command again to resume" in message
    assert failed.value.exit_code == 1


def test_the_last_line_of_a_failed_rank_is_shown(tmp_path) -> None:
    log = tmp_path / "run" / "attempt_0" / "1" / "stderr.log"
    log.parent.mkdir(parents=True)
    log.write_text("Traceback ...\nValueError: too many heads\n\n")
    assert launch.last_words(tmp_path, 1) == f"{log}\nValueError: too many heads"
    assert launch.last_words(tmp_path, 2) == str(tmp_path)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"RANK": "0"}, True),
        ({"SLURM_PROCID": "3", "SLURM_NTASKS": "8"}, True),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, False),
    ],
    ids=["plain shell", "torchrun", "srun", "interactive shell on one node"],
)
def test_what_is_a_rank(monkeypatch, environment, expected) -> None:
    for name in ("RANK", "SLURM_PROCID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launch.is_rank() is expected


def test_git_state_names_the_commit_of_this_checkout() -> None:
    state = launch.git_state()
    assert state == {} or len(str(state["commit"])) == 40


def test_a_run_on_several_nodes_is_not_started_from_one_process(monkeypatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(UsageError, match="16 nodes cannot be started from one process") as refused:
        launch.check_world(128, 16, dry_run=False)
    assert "torchrun --nnodes 16 --nproc-per-node 8" in str(refused.value)
    launch.check_world(128, 16, dry_run=True)


def test_ranks_of_another_number_are_refused(monkeypatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    launch.check_world(2, 1, dry_run=False)
    with pytest.raises(UsageError, match="The launcher started 2 ranks, the config asks for 4"):
        launch.check_world(4, 1, dry_run=False)


def test_sigterm_is_taken_from_torchruns_agent_where_it_can_be() -> None:
    from torch.distributed.launcher.api import LaunchConfig

    assert launch._left_to_us(LaunchConfig) == {"signals_to_handle": "SIGINT,SIGHUP,SIGQUIT"}
    older = dataclasses.make_dataclass("LaunchConfig", ["min_nodes"])
    assert launch._left_to_us(older) == {}


def test_a_rank_whose_command_has_ended_ends_at_once() -> None:
    orphan = "import os; from recipes import launch; os.environ[launch.CHILD] = '1'; launch.die_with_parent()"
    assert subprocess.run([sys.executable, "-c", orphan], check=False).returncode == -signal.SIGKILL
