"""The real toy recipe on a real Slurm: two nodes with one rank each, gloo, TP=2.

Proved by equality: warned, preempted, without a rank, without a node a run ends with every loss of an undisturbed one.
"""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml

from recipes import run_record
from recipes.run_record import RunRecord
from recipes.submit import record
from tests.conftest import CONFIGS, REPOSITORY, SMALL_MODEL, SMALL_RUN
from tests.launchers.plain_runs import wait_until
from tests.slurm_cluster import SlurmCluster, cluster, needs_slurm

pytestmark = [needs_slurm, pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1500)]

STEPS, EVERY = 64, 8
TWO_NODES = (
    "trainer.num_nodes=2",
    "trainer.devices=1",
    "model.tensor_model_parallel_size=2",
    "model.make_vocab_size_divisible_by=128",
    f"trainer.max_steps={STEPS}",
    f"trainer.val_check_interval={EVERY}",
    "model.optim.sched.warmup_steps=2",
)
SITE = ("cluster.slurm.cpus_per_task=1", "cluster.slurm.time=00:30:00", "cluster.slurm.max_tries_without_progress=2")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    with cluster(tmp_path_factory.mktemp("slurm"), nodes=4, cpus=4) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", running.environment["SLURM_CONF"])
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("home")))
        yield running


@dataclass(frozen=True)
class Submitted:
    """One run folder, submitted by the script a user calls, from a folder of the user's own."""

    kind: str
    words: tuple[str, ...]
    folder: Path

    def submit(self) -> str:
        script = REPOSITORY / "launchers" / f"submit_{self.kind}.sh"
        done = subprocess.run(
            [script, *self.words, *SITE], cwd=self.folder.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return record.read(self.folder / "slurm" / "0").job

    @property
    def said(self) -> str:
        return (self.folder / "slurm" / "0" / "log" / "job.log").read_text()

    @property
    def starts(self) -> list[int]:
        return [start["step"] for start in record.starts(self.folder / "slurm" / "0")]

    def losses(self) -> list[tuple[int, float]]:
        return run_record.losses(run_record.read_metrics(self.folder))

    def advance(self, steps: int, *, start: int) -> None:
        """Waits until a start has done so many steps beyond where it began."""

        def has_advanced() -> bool:
            assert not (self.folder / "DONE").exists(), "the run was too quick"
            return len(self.starts) == start and len(self.losses()) >= self.starts[-1] + steps

        wait_until(has_advanced, self.tail)

    def finish(self) -> RunRecord:
        wait_until(lambda: (self.folder / "DONE").exists(), self.tail)
        found = run_record.read(self.folder)
        assert found is not None
        return found

    def tail(self) -> str:
        texts = [path.read_text()[-3000:] for path in (self.folder / "slurm").glob("*/log/*.log")]
        assert not list((self.folder / "slurm").glob("*/ended.json")), texts
        return "\n".join(texts)


@pytest.fixture(scope="module")
def cpt(made, prepared, small_base, tmp_path_factory):
    root = tmp_path_factory.mktemp("my runs")

    def run(name: str, *overrides: str) -> Submitted:
        (root / name).mkdir()
        folder = root / name / "cpt"
        words = [str(CONFIGS / "cpt" / "tiny.yaml"), str(prepared.blend), *SMALL_MODEL, *SMALL_RUN, *TWO_NODES]
        words += [f"model.restore_from_path={small_base}", f"exp_manager.explicit_log_dir='{folder}'", *overrides]
        words += ["langadapt.monitor.every_n_steps=8"]
        return Submitted("cpt", tuple(words), folder)

    return run


@pytest.fixture(scope="module")
def reference(cpt) -> Submitted:
    """The run nobody interrupted."""
    run = cpt("reference")
    run.submit()
    run.finish()
    return run


def ranks_of(run: Submitted) -> list[psutil.Process]:
    """Its rank processes, which hold their number in the environment."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words[1:3] == ["-m", "recipes.cli"] and str(run.folder) in " ".join(
            words
        ):  # srun's own words begin otherwise
            found.append(process)
    return sorted(found, key=lambda process: int(process.environ()["SLURM_PROCID"]))


def test_submit_cpt_trains_on_two_nodes_and_leaves_done(reference: Submitted) -> None:
    found = run_record.read(reference.folder)
    assert found is not None
    assert found.is_done
    assert found.layout["tensor"] == 2
    assert len(reference.losses()) == STEPS
    assert reference.starts == [0]
    assert "2 nodes are good" in reference.said


def test_a_warning_a_preemption_a_dead_rank_and_a_dead_node_cost_steps_and_no_digit(
    cpt, made, reference: Submitted
) -> None:
    run = cpt("disturbed", "cluster.slurm.partition=low")
    job = run.submit()
    run.advance(2, start=1)
    made.ask("scancel", "--batch", "--signal=USR2", job)
    run.advance(2, start=2)
    node = made.state(job)["BatchHost"]
    made.ask("sbatch", "--partition=high", f"--nodelist={node}", "--exclusive", "--output=/dev/null", "--wrap=sleep 2")
    run.advance(EVERY + 1, start=3)
    ranks_of(run)[1].send_signal(signal.SIGKILL)
    run.advance(EVERY + 1, start=4)
    made.crash_node(made.state(job)["BatchHost"])
    found = run.finish()
    assert len(run.starts) == 5
    assert run.starts == sorted(set(run.starts)), "every start began beyond the one before"
    assert run.starts[3] % EVERY == run.starts[4] % EVERY == 0, "at a scheduled checkpoint"
    assert run.losses() == reference.losses()
    assert found.last_loss == run_record.read(reference.folder).last_loss
    assert "stopped by Slurm's warning before the time limit; checkpoint at step" in run.said
    assert "stopped by SIGTERM; checkpoint at step" in run.said
    assert "first failure: " in run.said
    made.start(next(name for name, daemon in made.daemons.items() if daemon.poll() is not None))


def test_a_shard_that_is_killed_is_prepared_again_and_only_it(made: SlurmCluster, tmp_path: Path) -> None:
    folder = tmp_path / "my data"
    words = (
        str(CONFIGS / "data" / "sample.yaml"),
        f"output_dir='{folder}'",
        "stage=ingest",
        "workers=2",
        "slurm.partition=cpu",
        "slurm.poll_seconds=0.5",
        "slurm.mem_per_cpu_gb=1",
    )
    run = Submitted("data", words, folder)
    driver = run.submit()

    def array_task() -> str:
        lines = made.ask("squeue", "--noheader", "--array", "--states=RUNNING", "--format=%i %F").splitlines()
        return next((line.split()[0] for line in lines if line.split()[1] != driver), "")

    wait_until(array_task, run.tail)
    killed = array_task()
    made.ask("scancel", killed)
    wait_until(lambda: (folder / "DONE").exists(), run.tail)
    assert len(run.starts) == 2, run.said
    assert json.loads((folder / "DONE").read_text())["step"] == 4


def test_a_pipeline_runs_by_dependencies_and_a_rerun_does_the_rest(made: SlurmCluster, tmp_path: Path) -> None:
    folder = tmp_path / "my pipeline"
    folder.mkdir()
    config = tmp_path / "pipeline.yaml"
    told = yaml.safe_load((CONFIGS / "pipeline" / "tiny.yaml").read_text())
    for name, stage in told["stages"].items():
        section = {"sft": "trainer.sft", "dpo": "trainer.dpo"}.get(name, "trainer")
        if name in ("base", "cpt", "sft", "dpo"):
            stage["overrides"] += [f"{section}.max_steps=4", f"{section}.val_check_interval=2"]
            stage["overrides"] += ["model.optim.sched.warmup_steps=1"]
        if name.startswith("blend"):
            stage["overrides"] += ["budget_tokens=8192"]
    config.write_text(yaml.safe_dump(told, sort_keys=False))
    command = [REPOSITORY / "launchers" / "submit_pipeline.sh", config, f"folder={folder}", *SITE]

    def submit() -> str:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, env=os.environ)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    submit()
    jobs = {name: entry["job"] for name, entry in json.loads((folder / "pipeline.json").read_text()).items()}
    assert list(jobs) == list(told["stages"])
    (folder / "sft").mkdir(exist_ok=True)
    (folder / "sft" / "STOP").touch()

    def states() -> dict[str, str]:
        return {name: made.state(job)["JobState"] for name, job in jobs.items()}

    wait_until(lambda: not {"PENDING", "RUNNING"} & set(states().values()), lambda: str(states()), seconds=900)
    ended = states()
    assert {name for name, state in ended.items() if state == "COMPLETED"} == {
        *("data", "blend_base", "base", "blend", "cpt", "convert_base")
    }, ended
    assert ended["sft"] == "FAILED"
    assert ended["eval"] == "CANCELLED"

    (folder / "sft" / "STOP").unlink()
    said = submit()
    assert said.count("is done already") == 6
    jobs = {name: json.loads((folder / "pipeline.json").read_text())[name]["job"] for name in jobs}
    wait_until(lambda: (folder / "evaluation.json").exists(), lambda: str(states()), seconds=900)
    assert set(json.loads((folder / "evaluation.json").read_text())["models"]) == {"base", "dpo"}
    wait_until(lambda: states()["eval"] == "COMPLETED", lambda: str(states()))
    assert "is done already" in submit()
