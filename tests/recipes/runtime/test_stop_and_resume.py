"""A run ends early with a checkpoint of its step and goes on exactly; a kill at any moment leaves one that goes on.

Proved by equality: every loss, every validation loss and every count of consumed samples of the stopped, killed and
resumed run is the number of the run that nobody interrupted.
"""

import contextlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest

from recipes import checkpoints, run_record
from tests.conftest import CONFIGS, REPOSITORY, SMALL_MODEL, SMALL_RUN

STEPS, EVERY, BATCH = 24, 8, 4
TWO_RANKS = ("trainer.devices=2", "model.tensor_model_parallel_size=2", "model.make_vocab_size_divisible_by=128")
ONE_SECOND = "exp_manager.max_time_per_run=00:00:00:01"  # start-up takes longer, so it makes one step


@dataclass(frozen=True)
class Run:
    """A training command in a folder, to be started, disturbed and read."""

    words: tuple[str, ...]
    folder: Path
    launcher: tuple[str, ...] = ()

    def start(self, *overrides: str) -> subprocess.Popen:
        command = [*(self.launcher or (sys.executable,)), "-m", "recipes.cli", *self.words, *overrides]
        log = self.folder.with_suffix(".log").open("a")
        words = [*command, f"exp_manager.explicit_log_dir={self.folder}"]
        return subprocess.Popen(words, cwd=REPOSITORY, stdout=log, stderr=subprocess.STDOUT)

    def finish(self, process: subprocess.Popen, code: int) -> str:
        """Waits for the end; returns what was printed so far."""
        process.wait(timeout=300)
        said = self.folder.with_suffix(".log").read_text()
        assert process.returncode == code, said[-3000:]
        return said

    def disturb(self, act: Callable[[subprocess.Popen], None], *, after: int = 2, code: int = 75) -> str:
        """Starts, acts once so many further steps are logged, and waits for the end."""
        process, done = self.start(), len(self.losses())
        until(lambda: len(self.losses()) >= done + after, process)
        act(process)
        return self.finish(process, code)

    def entries(self) -> list[dict[str, float]]:
        """Those of steps, without the monitor's baseline before the first."""
        return [entry for entry in run_record.read_metrics(self.folder) if entry["step"] >= 0]

    def losses(self) -> list[tuple[int, float]]:
        return run_record.losses(self.entries())

    def numbers(self) -> list[tuple[float | None, ...]]:
        """Per step: training loss, validation loss, consumed samples, learning rate."""
        names = ("reduced_train_loss", "train/loss", "val_loss", "val/loss", "consumed_samples")
        names += ("train/consumed_samples", "lr", "train/lr")
        return [tuple(entry.get(name) for name in names) for entry in self.entries()]

    def saved(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "checkpoints").iterdir())


def until(is_so: Callable[[], bool], process: subprocess.Popen) -> None:
    """Waits, looking every millisecond."""
    deadline = time.time() + 240
    while not is_so():
        assert process.poll() is None, "the run ended too early"
        assert time.time() < deadline, "the run did not get that far"
        time.sleep(0.001)


def send(number: signal.Signals) -> Callable[[subprocess.Popen], None]:
    return lambda process: process.send_signal(number)


def family(process: subprocess.Popen) -> list[psutil.Process]:
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


def send_to_all(process: subprocess.Popen) -> None:
    """As Slurm sends a signal: to every process of the job, those that read data included."""
    for each in family(process):
        if "resource_tracker" not in " ".join(each.cmdline()):
            each.send_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def pretraining(prepared) -> Callable[..., Run]:
    """A pre-training of 24 steps with validation and checkpoint every 8."""

    def run(folder: Path, *overrides: str, launcher: tuple[str, ...] = ()) -> Run:
        words = [
            *("pretrain", str(CONFIGS / "cpt" / "tiny_base.yaml"), str(prepared.blend), *SMALL_MODEL, *SMALL_RUN),
            *(f"trainer.max_steps={STEPS}", f"trainer.val_check_interval={EVERY}"),
            *("model.optim.sched.warmup_steps=2", f"model.data.index_mapping_dir={folder.parent / 'index'}"),
        ]
        return Run((*words, *overrides), folder, launcher)

    return run


@pytest.fixture(scope="module")
def reference(pretraining, tmp_path_factory) -> Run:
    """The run nobody interrupted."""
    run = pretraining(tmp_path_factory.mktemp("reference") / "run")
    run.finish(run.start(), 0)
    return run


@pytest.fixture(scope="module")
def two_ranks_reference(pretraining, tmp_path_factory) -> Run:
    """The same at TP=2, whose sums are taken in another order."""
    run = pretraining(tmp_path_factory.mktemp("two_ranks") / "run", *TWO_RANKS)
    run.finish(run.start(), 0)
    return run


def assert_the_same(run: Run, reference: Run) -> None:
    assert run.numbers() == reference.numbers()
    assert run_record.read(run.folder).status == "done"
    assert [name for name in run.saved() if checkpoints.UNFINISHED in name] == []


def test_consumed_samples_and_validations_of_the_reference_are_all_there(reference) -> None:
    assert [entry["consumed_samples"] for entry in reference.entries()] == [BATCH * n for n in range(1, STEPS + 1)]
    assert [entry["step"] + 1 for entry in reference.entries() if "val_loss" in entry] == [8, 16, 24]


def test_time_limit_signal_and_stop_file_end_a_run_that_goes_on_exactly(pretraining, reference, tmp_path) -> None:
    run = pretraining(tmp_path / "run")
    said = run.finish(run.start(ONE_SECOND), 75)
    assert "stopped after 1 of 24 steps, asked by the time limit exp_manager.max_time_per_run=00:00:00:01." in said
    assert run.saved() == ["megatron_gpt--val_loss=0.00-step=1-consumed_samples=4.0-last"]

    said = run.disturb(send(signal.SIGTERM))
    steps = run_record.read(run.folder).steps
    assert f"stopped after {steps} of 24 steps, asked by SIGTERM." in said
    assert checkpoints.newest(run.folder).name.endswith(f"-step={steps}-consumed_samples={steps * BATCH}.0-last")
    assert f"where: {checkpoints.newest(run.folder)}" in said

    said = run.finish(start_and_touch(run, "STOP"), 75)
    assert "STOP, made while the run started, is kept for its first step" in said
    assert f"stopped after {steps + 1} of 24 steps, asked by the file STOP." in said
    assert not (run.folder / "STOP").exists()

    said = run.finish(start_and_touch(run, "SAVE"), 0)
    assert f"SAVE is obeyed by the checkpoint of step {steps + 2}\n" in said
    assert_the_same(run, reference)


def start_and_touch(run: Run, name: str) -> subprocess.Popen:
    """Makes a file once the run has looked for one, before exp_manager moves all files of the folder away."""
    record = run.folder / run_record.FILE_NAME
    before = record.stat().st_mtime_ns
    process = run.start()
    until(lambda: record.stat().st_mtime_ns != before, process)
    (run.folder / name).touch()
    return process


def test_a_save_file_leaves_a_checkpoint_of_a_run_that_goes_on(pretraining, reference, tmp_path) -> None:
    run = pretraining(tmp_path / "run")
    process = run.start()
    until(lambda: bool(list(run.folder.glob("nemo_log_*"))), process)  # behind exp_manager, before the first step
    (run.folder / "SAVE").touch()
    until(lambda: not (run.folder / "SAVE").exists(), process)
    assert checkpoints.last(run.folder)[0] == 1
    assert "SAVE is obeyed by the checkpoint of step 1\n" in run.finish(process, 0)
    assert_the_same(run, reference)


def kill(process: subprocess.Popen) -> None:
    """Kills the command alone, and after it the helpers it leaves behind, for this machine's memory."""
    relatives = family(process)[1:]
    process.kill()
    process.wait()
    for left_behind in psutil.wait_procs(relatives, timeout=1)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            left_behind.kill()


def kill_at(run: Run, is_so: Callable[[], bool]) -> None:
    process = run.start()
    until(is_so, process)
    kill(process)


def markers(run: Run, pattern: str) -> list[Path]:
    return list((run.folder / "checkpoints").glob(pattern + checkpoints.UNFINISHED))


def test_kills_inside_a_checkpoint_and_of_an_index_leave_a_run_that_goes_on(pretraining, reference, tmp_path) -> None:
    run = pretraining(tmp_path / "run")
    kill_at(run, lambda: bool(markers(run, "*step=8-*-last")))
    assert "-last-unfinished" in "".join(run.saved())
    index = max((tmp_path / "index").glob("*shuffle_index.npy"), key=lambda path: path.stat().st_size)
    index.write_bytes(index.read_bytes()[:-1])  # what a kill leaves that comes while it is written
    kill_at(run, lambda: bool(markers(run, "*step=16-*")))
    said = run.finish(run.start(), 0)
    assert "to megatron_gpt--val_loss=7.77-step=8-consumed_samples=32.0-last: the run goes on from it" in said
    assert f"removed {index}: it was cut short" in said
    assert_the_same(run, reference)
    assert np.load(index, mmap_mode="r").size > 0


@pytest.mark.slow
@pytest.mark.long
def test_a_validation_due_right_behind_a_resume_is_made_with_its_checkpoint(pretraining, tmp_path) -> None:
    run = pretraining(tmp_path / "run", "trainer.max_steps=3", "trainer.val_check_interval=2")
    run.finish(run.start(ONE_SECOND), 75)
    run.finish(run.start(), 0)
    assert [entry["step"] + 1 for entry in run.entries() if "val_loss" in entry] == [2]
    assert [name for name in run.saved() if "step=2-" in name and not name.endswith("-last")]


def test_a_loss_that_rises_for_good_stops_a_run_and_sets_its_checkpoints_aside(pretraining, tmp_path) -> None:
    rule = ("langadapt.stop.max_loss_increase=1", "langadapt.stop.window=4", "langadapt.stop.patience=2")
    rate = ("model.optim.lr=0.5", "model.optim.sched.warmup_steps=20", "trainer.gradient_clip_val=100")
    run = pretraining(tmp_path / "run", *rule, *rate, "trainer.val_check_interval=2")
    said = run.finish(run.start(), 1)
    assert "The run was stopped: at step " in said
    assert ", for 2 steps more than 1 above " in said
    first_bad = len(run.losses()) - 1  # its weights gave the first of the two high losses, or came later
    kept = [int(name.split("step=")[1].split("-")[0]) for name in run.saved()]
    assert max(kept) < first_bad
    assert f"last good checkpoint: {checkpoints.newest(run.folder)}" in said


@pytest.mark.slow
@pytest.mark.long
def test_a_loss_that_is_no_number_stops_two_ranks_with_one_message(pretraining, tmp_path) -> None:
    run = pretraining(tmp_path / "run", *TWO_RANKS, "model.optim.lr=1e30")
    said = run.finish(run.start(), 1)
    assert said.count("The run was stopped: at step 2 the loss is nan.") == 1
    assert "last good checkpoint: none" in said
    assert "Rank" not in said


@pytest.mark.slow
@pytest.mark.long
def test_weights_that_are_no_numbers_get_no_checkpoint(pretraining, tmp_path) -> None:
    run = pretraining(tmp_path / "run", "model.optim.lr=1e38", "model.optim.weight_decay=1e38", "trainer.max_steps=1")
    said = run.finish(run.start("model.optim.sched.warmup_steps=0", "trainer.val_check_interval=1"), 1)
    assert "The run was stopped: at step 1 weights are not finite." in said
    assert checkpoints.newest(run.folder) is None


@pytest.mark.slow
@pytest.mark.long
def test_kills_at_random_moments_never_lose_a_run(pretraining, reference, tmp_path) -> None:
    delays = random.Random(1)
    run = pretraining(tmp_path / "run")
    for _ in range(5):
        process = run.start()
        until(lambda: (run.folder / "record" / "lock").exists(), process)
        time.sleep(delays.uniform(0, 12))
        kill(process)
    run.finish(run.start(), 0)
    assert_the_same(run, reference)


@pytest.mark.slow
@pytest.mark.long
def test_kills_inside_checkpoints_of_two_ranks_leave_a_run_that_goes_on(pretraining, reference, tmp_path) -> None:
    run = pretraining(tmp_path / "run", *TWO_RANKS)
    for pattern in ("*step=16-*-last", "*step=16-*-last", "*step=24-*"):  # written, then removed
        kill_at(run, lambda pattern=pattern: bool(markers(run, pattern)))
    run.finish(run.start(), 0)
    assert [loss for _, loss in run.losses()] == pytest.approx([loss for _, loss in reference.losses()], abs=5e-5)
    assert [entry["consumed_samples"] for entry in run.entries()] == [BATCH * n for n in range(1, STEPS + 1)]


@pytest.mark.slow
@pytest.mark.long
def test_two_ranks_with_data_workers_stop_at_one_step_whoever_gets_the_signal(
    pretraining, two_ranks_reference, tmp_path
) -> None:
    run = pretraining(tmp_path / "run", *TWO_RANKS, "model.data.num_workers=1")
    assert "asked by SIGTERM." in run.disturb(send(signal.SIGTERM))
    assert "asked by SIGTERM." in run.disturb(send_to_all)
    assert "asked by SIGUSR2." in run.disturb(lambda process: family(process)[-1].parent().send_signal(signal.SIGUSR2))
    run.finish(run.start(), 0)
    assert_the_same(run, two_ranks_reference)


@pytest.mark.slow
@pytest.mark.long
def test_ranks_end_with_the_command_that_runs_them(pretraining, tmp_path) -> None:
    run = pretraining(tmp_path / "run", *TWO_RANKS)
    process = run.start()
    until(lambda: len(run.losses()) >= 2, process)
    ranks = family(process)[1:]
    process.kill()
    process.wait()
    gone, alive = psutil.wait_procs(ranks, timeout=10)
    assert len(gone) >= 2
    assert alive == []


@pytest.mark.slow
@pytest.mark.long
def test_ranks_under_torchrun_stop_together_and_go_on(pretraining, two_ranks_reference, tmp_path) -> None:
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    run = pretraining(tmp_path / "run", *TWO_RANKS, launcher=torchrun)
    said = run.disturb(send(signal.SIGTERM), code=1)  # torchrun's own exit code, whatever the ranks' is
    assert f"stopped after {run_record.read(run.folder).steps} of 24 steps, asked by SIGTERM." in said
    run.finish(run.start(), 0)
    assert_the_same(run, two_ranks_reference)


@pytest.fixture(scope="module")
def alignment(prepared, small_base) -> Callable[..., Run]:
    """An SFT or DPO of 8 steps with validation and checkpoint every 4."""
    instruct = prepared.data.root / "instruct"

    def run(verb: str, folder: Path) -> Run:
        data = {
            "sft": (
                f"model.data.train_ds.file_path={instruct / 'sft.train.jsonl'}",
                f"model.data.validation_ds.file_path={instruct / 'sft.validation.jsonl'}",
                f"model.restore_from_path={small_base}",
            ),
            "dpo": (
                f"model.data.data_prefix.train=[{instruct / 'dpo.train.jsonl'}]",
                f"model.data.data_prefix.validation=[{instruct / 'dpo.validation.jsonl'}]",
                f"pretrained_checkpoint.restore_from_path={small_base}",
            ),
        }
        words = (
            *(verb, str(CONFIGS / verb / "tiny.yaml"), *data[verb], "model.max_position_embeddings=256"),
            "model.optim.sched.warmup_steps=2",
            *(f"trainer.{verb}.max_steps=8", f"trainer.{verb}.val_check_interval=4", f"trainer.{verb}.save_interval=4"),
        )
        return Run(words, folder)

    return run


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("verb", ["sft", "dpo"])
def test_alignment_stops_and_is_killed_and_goes_on_exactly(alignment, verb, tmp_path) -> None:
    reference, run = alignment(verb, tmp_path / "reference"), alignment(verb, tmp_path / "run")
    reference.finish(reference.start(), 0)
    said = run.finish(run.start(ONE_SECOND), 75)
    assert "stopped after 1 of 8 steps, asked by the time limit" in said
    assert "cut short" not in said  # NeMo's index files, which the reference has made
    assert "step=1-" in checkpoints.newest(run.folder).name
    assert "asked by SIGUSR2." in run.disturb(send(signal.SIGUSR2), after=1)
    kill_at(run, lambda: bool(markers(run, "*step=*-last")))
    assert "SAVE is obeyed by the checkpoint of step" in run.disturb(
        lambda _: (run.folder / "SAVE").touch(), after=1, code=0
    )
    assert [loss for _, loss in run.losses()] == [loss for _, loss in reference.losses()]
    due = [number for number in reference.numbers() if number[3] is not None]
    assert [number for number in run.numbers() if number[3] is not None] == due
    assert run_record.read(run.folder).status == "done"


@pytest.mark.slow
@pytest.mark.long
def test_alignment_with_a_bad_loss_stops_without_a_checkpoint(alignment, tmp_path) -> None:
    run = alignment("sft", tmp_path / "run")
    said = run.finish(run.start("model.optim.lr=1e30"), 1)
    assert "The run was stopped: at step " in said
    assert "the loss is nan" in said
    assert checkpoints.newest(run.folder) is None
