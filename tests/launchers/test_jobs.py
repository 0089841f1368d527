"""Jobs on a real Slurm, whatever befalls them: they go on from their checkpoint, or end and say why.

The ranks are plain (`plain_rank.py`); submit, script, decisions, watchdog and summary are the product's. All runs go at
once, so the module takes as long as its longest story.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from data_prep.errors import UsageError
from recipes.submit import record, slurm, verb
from recipes.submit.script import render
from tests.conftest import REPOSITORY
from tests.launchers.plain_runs import PlainRun, plain_run, until
from tests.slurm_cluster import SlurmCluster, cluster, needs_slurm

pytestmark = [needs_slurm, pytest.mark.slow]

USUAL = "slurm.exclude='n[3-6]'"
SLOW_STEPS = {"seconds": 0.5}
FATES: dict[str, tuple[dict, dict]] = {
    "crashed": (SLOW_STEPS, {"nodes": 1, "site": ("slurm.exclude='n[1-2,4]'",)}),
    "plain": ({}, {}),
    "warned": (SLOW_STEPS, {}),
    "raises": ({"raise_at": 7}, {}),
    "stuck": ({"raise_at": 3, "always": True}, {}),
    "mistaken": ({"exit_at": 3}, {}),
    "stopped": (SLOW_STEPS, {}),
    "hung": ({"hang_at": 7}, {"site": (USUAL, "slurm.hang_minutes=0.1")}),
    "chained": (SLOW_STEPS, {"site": (USUAL, "slurm.requeue=chain")}),
    "preempted": (SLOW_STEPS, {"nodes": 1, "site": ("slurm.sbatch.nodelist=n4", "slurm.partition=low")}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    with cluster(tmp_path_factory.mktemp("slurm"), nodes=6, cpus=32) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", running.environment["SLURM_CONF"])
        patch.chdir(REPOSITORY)
        yield running


@pytest.fixture(scope="module")
def runs(made: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, PlainRun]:
    """All of them, after what befell them."""
    root = tmp_path_factory.mktemp("my runs")
    all_runs: dict[str, PlainRun] = {}
    acts = _acts(made)
    for name, (fate, options) in FATES.items():
        all_runs[name] = plain_run(root / name, fate, **{"site": (USUAL,), **options}).submit()
        _act(acts, all_runs)
    until(lambda: _act(acts, all_runs), run=all_runs["crashed"])
    for run in all_runs.values():
        until(lambda run=run: run.done() or run.ended(), run=run)
    return all_runs


def _acts(made: SlurmCluster) -> dict[str, Callable[[PlainRun], object]]:
    """What is done to a run, by its name."""
    high = ("sbatch", "--partition=high", "--nodelist=n4", "--exclusive", "--output=/dev/null", "--wrap=sleep 2")
    warn = ("scancel", "--batch", "--signal=USR2")
    return {
        "crashed": lambda run: made.crash_node(made.state(run.job)["BatchHost"]),
        "preempted": lambda _run: made.ask(*high),
        "stopped": lambda run: (run.folder / "STOP").touch(),
        "warned": lambda run: (made.ask("scancel", "--batch", "--signal=CONT", run.job), made.ask(*warn, run.job)),
        "chained": lambda run: made.ask(*warn, run.job),
    }


def _act(acts: dict[str, Callable[[PlainRun], object]], all_runs: dict[str, PlainRun]) -> bool:
    """Does it to those that have a checkpoint behind them; True when nothing is left to do."""
    for name in [name for name in acts if name in all_runs and all_runs[name].steps >= 6]:
        acts.pop(name)(all_runs[name])
    return not acts


def test_a_job_ends_as_done_and_says_so(runs: dict[str, PlainRun], made: SlurmCluster) -> None:
    run = runs["plain"]
    assert run.starts == [0]
    done = record.run_record.read_json(run.folder / "DONE")
    assert (done["kind"], done["step"], done["job"]) == ("cpt", 30, run.job)
    assert made.state(run.job)["ExitCode"] == "0:0"


def test_everything_is_written_down_before_slurm_is_asked(runs: dict[str, PlainRun]) -> None:
    folder = runs["plain"].plan.folder
    assert (folder / "job.sbatch").read_text() == render(runs["plain"].plan)
    submitted = record.read(folder)
    assert submitted.job == runs["plain"].job
    assert submitted.git["commit"]
    assert submitted.versions["torch"]
    assert "explicit_log_dir" in (folder / "config.yaml").read_text()


def test_every_rank_has_a_log_that_a_restart_goes_on_in(runs: dict[str, PlainRun]) -> None:
    for rank, node in ((0, "n1"), (1, "n2")):
        text = (runs["warned"].plan.logs / f"rank-{rank:05}.log").read_text()
        assert text.count(f"rank {rank} of 2 on {node}, local 0") == 2


def test_slurms_warning_leads_to_a_checkpoint_and_a_requeue(runs: dict[str, PlainRun]) -> None:
    run = runs["warned"]
    assert len(run.starts) == 2, run.said
    assert run.starts[1] >= 6
    assert run.steps == 30, "a step was lost or done twice"
    assert run.said.count("the run is asked to stop") == 1
    assert "stopped by Slurm's warning before the time limit; checkpoint at step" in run.said


def test_a_crash_resumes_from_the_checkpoint_and_its_first_cause_is_named(runs: dict[str, PlainRun]) -> None:
    run = runs["raises"]
    assert run.starts == [0, 5]
    text = (run.plan.folder / record.FAILURE).read_text()
    assert text.startswith("rank 0 on n1: RuntimeError: the loss of step 7 is a pear [code]")


def test_a_run_that_does_not_advance_ends_after_so_many_starts(runs: dict[str, PlainRun], made: SlurmCluster) -> None:
    run = runs["stuck"]
    assert run.starts == [0, 0]
    assert "2 starts in a row left no checkpoint beyond step 0; the last one failed: rank 0 on n1" in run.ended()
    assert made.state(run.job)["ExitCode"] == "1:0"


def test_a_mistake_is_not_tried_again(runs: dict[str, PlainRun]) -> None:
    assert runs["mistaken"].starts == [0]
    assert (
        "a mistake no retry mends (exit code 2): rank 0 on n1: error: model.optim.lr is a pear."
        in runs["mistaken"].ended()
    )


def test_a_stop_file_ends_the_job_and_not_only_the_start(runs: dict[str, PlainRun]) -> None:
    assert runs["stopped"].starts == [0]
    assert runs["stopped"].ended() == "stopped by the file STOP: somebody wants no training"
    assert not (runs["stopped"].folder / "STOP").exists()


def test_a_hung_run_leaves_its_stacks_and_starts_again(runs: dict[str, PlainRun]) -> None:
    run = runs["hung"]
    assert run.starts == [0, 5]
    stacks = (run.plan.folder / "stacks-1.txt").read_text()
    assert "time.sleep(1000)" in stacks or "in meet_fate" in stacks
    assert "== rank-00001" in stacks
    assert "in wait_for_rank_0" in stacks
    assert "no new step for 0.1 minutes; the stacks of the ranks: " in run.said
    assert "[hang]" in (run.plan.folder / record.FAILURE).read_text()


def test_a_chain_goes_on_in_another_job_and_leaves_none_behind(runs: dict[str, PlainRun], made: SlurmCluster) -> None:
    run = runs["chained"]
    assert len(run.starts) == 2
    jobs = [start["job"] for start in record.starts(run.plan.folder)]
    assert jobs[0] == run.job != jobs[1]
    assert "Restarts=0" in made.ask("scontrol", "show", "job", jobs[0])
    until(lambda: not slurm.queued(run.plan.name), run=run)


def test_preemption_reaches_the_ranks_who_leave_a_checkpoint(runs: dict[str, PlainRun]) -> None:
    run = runs["preempted"]
    assert len(run.starts) == 2
    assert run.steps == 30, "a step was lost or done twice"
    assert "stopped by SIGTERM; checkpoint at step" in run.said


def test_a_node_that_dies_costs_the_steps_since_the_checkpoint(runs: dict[str, PlainRun], made: SlurmCluster) -> None:
    run = runs["crashed"]
    assert run.starts[0] == 0
    assert run.starts[1] in (5, 10)
    assert int(made.state(run.job)["Restarts"]) == 1


def test_a_second_job_of_a_run_is_refused_with_the_first_ones_id(made: SlurmCluster, tmp_path: Path) -> None:
    run = plain_run(tmp_path / "run", {}, site=("slurm.sbatch.begin=now+1hour",)).submit()
    with pytest.raises(UsageError) as error:
        verb.submit(verb.make_plan(run.plan.work, run.plan.cluster, "a100-80gb"))
    assert f"job {run.job} of this run waits or runs already" in str(error.value)
    slurm.cancel(run.job)


def test_what_slurm_refuses_is_not_queued(made: SlurmCluster, tmp_path: Path) -> None:
    run = plain_run(tmp_path / "run", {}, site=("slurm.partition=nowhere",))
    with pytest.raises(slurm.SbatchRefused) as error:
        run.submit()
    assert "invalid partition specified: nowhere" in str(error.value)
    assert (run.plan.folder / "job.sbatch").exists()
    assert slurm.queued(run.plan.name) == []


def test_gpus_are_asked_for_in_both_spellings(made: SlurmCluster, tmp_path: Path) -> None:
    for spelling, option in (("gpus", "--gpus-per-node=a100:4"), ("gres", "--gres=gpu:a100:4")):
        site = (f"slurm.gpus={spelling}", "slurm.gpu_type=a100")
        run = plain_run(tmp_path / spelling, {}, site=site)
        plan = replace(run.plan, work=replace(run.plan.work, gpus_per_node=4))
        script = tmp_path / f"{spelling}.sbatch"
        script.write_text(render(plan))
        assert f"#SBATCH {option}\n" in script.read_text()
        slurm.sbatch(["--test-only", str(script)], os.environ)
    script.write_text(script.read_text().replace("a100:4", "a100:9"))
    with pytest.raises(slurm.SbatchRefused):
        slurm.sbatch(["--test-only", str(script)], os.environ)


def test_the_last_task_of_an_array_requeues_itself_alone(
    made: SlurmCluster, runs: dict[str, PlainRun], tmp_path: Path
) -> None:
    lines = render(runs["plain"].plan).splitlines()
    (requeue,) = [position for position, line in enumerate(lines) if line.startswith("scontrol requeue")]
    head = ["#!/bin/bash", "#SBATCH --array=0-1 --requeue --output=/dev/null"]
    count = f"echo $SLURM_ARRAY_TASK_ID >> {tmp_path}/starts"
    only_last = '[ "$SLURM_ARRAY_TASK_ID" = 1 ] && [ "${SLURM_RESTART_COUNT:-0}" = 0 ] || exit 0; sleep 1'
    (tmp_path / "array.sbatch").write_text("\n".join([*head, count, only_last, *lines[requeue - 1 : requeue + 1]]))
    slurm.sbatch([str(tmp_path / "array.sbatch")], os.environ)
    starts = tmp_path / "starts"
    until(lambda: starts.exists() and starts.read_text().count("1") == 2, run=runs["plain"])
    assert sorted(starts.read_text().split()) == ["0", "1", "1"]


def test_squeue_without_an_answer_stops_the_submit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "slurm.conf").write_text("ClusterName=unreadable and more\n")
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    with pytest.raises(Exception, match="squeue does not answer") as error:
        slurm.queued("any")
    assert "fight with the first over its folder" in str(error.value)


def test_subprocesses_of_the_job_are_gone(made: SlurmCluster, runs: dict[str, PlainRun]) -> None:
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(runs["hung"].folder) not in found
