"""Parallelism changes where numbers are computed, not which: losses agree across layouts, resharding and kills.

Every run starts from the same .nemo, sees the same samples and ends after 24 steps, in fp32 over gloo. One process is
the reference. A resumed run of the same layout repeats its losses exactly; across layouts sums are taken in another
order, and Adam amplifies the rounding: 1.5e-5 was measured after 20 steps (docs/portable_ground.md).
The forgetting monitor reads held-out sets in the same runs: it has to say the same under every layout, too.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_prep.files import sha256_file
from recipes import convert, run_record
from recipes.checkpoints import last
from tests.conftest import CONFIGS, REPOSITORY, SMALL_MODEL, SMALL_RUN, kill_behind_last_step, weights

pytestmark = pytest.mark.slow

STEPS = 24
ACROSS_LAYOUTS = 5e-5
BF16 = 2e-2
"""Largest difference of a loss; bf16 keeps three digits of a product."""
LAYOUTS = {
    "one process": (1, ()),
    "TP=2": (2, ("model.tensor_model_parallel_size=2",)),
    "TP=2 with sequence parallel": (2, ("model.tensor_model_parallel_size=2", "model.sequence_parallel=true")),
    "PP=2": (2, ("model.pipeline_model_parallel_size=2",)),
    "DP=2": (2, ()),
    "bf16": (1, ("trainer.precision=bf16",)),
    "bf16 with TP=2": (2, ("trainer.precision=bf16", "model.tensor_model_parallel_size=2")),
    "bf16 with PP=2": (2, ("trainer.precision=bf16", "model.pipeline_model_parallel_size=2")),
}


@pytest.fixture(scope="module")
def command(prepared, small_base):
    """The cpt command of a layout in a folder."""

    def words(layout: str, folder: Path) -> list[str]:
        devices, overrides = LAYOUTS[layout]
        return [
            "cpt",
            str(CONFIGS / "cpt" / "tiny.yaml"),
            str(prepared.blend),
            *SMALL_MODEL,
            *SMALL_RUN,
            f"trainer.max_steps={STEPS}",
            "trainer.val_check_interval=8",
            "model.optim.sched.warmup_steps=2",
            "langadapt.monitor.every_n_steps=8",
            "langadapt.monitor.sequences=3",
            f"model.restore_from_path={small_base}",
            f"trainer.devices={devices}",
            "model.tensor_model_parallel_size=1",
            *overrides,
            f"exp_manager.explicit_log_dir={folder}",
        ]

    return words


@pytest.fixture(scope="module")
def reference_run(command, langadapt, tmp_path_factory) -> Path:
    """The folder of the uninterrupted run in one process."""
    folder = tmp_path_factory.mktemp("reference")
    langadapt(*command("one process", folder))
    return folder


@pytest.fixture(scope="module")
def reference(reference_run) -> list[float]:
    """Losses of the uninterrupted run in one process."""
    return losses(reference_run)


@pytest.fixture(scope="module")
def reference_readings(reference_run) -> dict[str, list[float]]:
    """What the monitor read in it."""
    return readings(reference_run)


@pytest.fixture(scope="module")
def killed_in_one_process(command, tmp_path_factory) -> Path:
    """A run folder left by a kill -9 between the checkpoint of step 8 and the end."""
    folder = tmp_path_factory.mktemp("killed")
    kill_after_step(command("one process", folder), folder, 10)
    return folder


def losses(folder: Path) -> list[float]:
    """Loss of every step; fails if one is missing."""
    curve = run_record.losses(run_record.read_metrics(folder))
    assert [step for step, _ in curve] == list(range(1, STEPS + 1))
    return [loss for _, loss in curve]


def readings(folder: Path) -> dict[str, list[float]]:
    """Bits per byte of every curve, and its change in per cent, before step 1 and after 8, 16 and 24."""
    entries = [entry for entry in run_record.read_metrics(folder) if "monitor/seconds" in entry]
    assert [entry["step"] + 1 for entry in entries] == [0, 8, 16, 24]
    names = [name for name in entries[0] if name.startswith(("monitor/bits_per_byte/", "monitor/change/"))]
    assert {f"monitor/change/{lang}" for lang in ("en-Latn", "hi-Deva", "hi-Latn")} < set(names)
    return {name: [entry[name] for entry in entries] for name in names}


def assert_same_readings(found: dict[str, list[float]], expected: dict[str, list[float]]) -> None:
    """Within the tolerance of the losses; the changes are per cent."""
    assert found.keys() == expected.keys()
    for name, values in found.items():
        scale = 100 if name.startswith("monitor/change/") else 1
        assert values == pytest.approx(expected[name], abs=scale * ACROSS_LAYOUTS, rel=0), name


def kill_after_step(words: list[str], folder: Path, step: int) -> None:
    """Starts a run and kills its whole process group as soon as the step is logged."""
    process = subprocess.Popen(
        [sys.executable, "-m", "recipes.cli", *words],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.time() + 120
    while len(run_record.losses(run_record.read_metrics(folder))) < step:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.time() < deadline, "the run did not get that far"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert run_record.read(folder).status == "running"


@pytest.mark.parametrize(
    "layout", ["bf16", *(pytest.param(f"bf16 with {cut}", marks=pytest.mark.long) for cut in ("TP=2", "PP=2"))]
)
def test_bf16_stays_near_fp32_and_is_not_fp32(layout, command, langadapt, reference, tmp_path) -> None:
    """Upstream's mixed precision asks for CUDA: without our patches a CPU trains in fp32 and says nothing."""
    langadapt(*command(layout, tmp_path))
    differences = [abs(here - there) for here, there in zip(losses(tmp_path), reference, strict=True)]
    assert 1e-5 < max(differences) < BF16


@pytest.mark.parametrize(
    "layout",
    ["TP=2 with sequence parallel", "PP=2", *(pytest.param(name, marks=pytest.mark.long) for name in ("TP=2", "DP=2"))],
)
def test_every_layout_gives_the_losses_of_one_process(
    layout, command, langadapt, reference, reference_readings, tmp_path
) -> None:
    langadapt(*command(layout, tmp_path))
    assert losses(tmp_path) == pytest.approx(reference, abs=ACROSS_LAYOUTS, rel=0)
    assert_same_readings(readings(tmp_path), reference_readings)
    record = run_record.read(tmp_path)
    assert record.status == "done"
    assert record.layout["tensor"] * record.layout["pipeline"] * record.layout["data"] == 2
    assert converted(last(tmp_path)[1], tmp_path / "hf-folder") == converted(Path(record.model), tmp_path / "hf-nemo")


def converted(model: Path, output: Path) -> str:
    """SHA-256 of the weights as Hugging Face reads them; the folder of a checkpoint holds optimizer states too."""
    assert convert.main([], [f"model={model}", f"output={output}", "parity=false"], dry_run=False) == 0
    return sha256_file(output / "model.safetensors")


def test_the_monitor_leaves_the_losses_as_they_are(command, langadapt, tmp_path) -> None:
    """Bit for bit, with dropout: a reading that drew random numbers would change every later step."""

    def curve(name: str, *overrides: str) -> list[tuple[int, float]]:
        short = ("trainer.max_steps=6", "trainer.val_check_interval=6", "model.hidden_dropout=0.2")
        langadapt(*command("one process", tmp_path / name), *short, *overrides)
        return run_record.losses(run_record.read_metrics(tmp_path / name))

    watched, alone = curve("watched", "langadapt.monitor.every_n_steps=2"), curve("alone", "langadapt.monitor.sets=[]")
    assert watched == alone
    assert len(alone) == 6
    assert run_record.read(tmp_path / "watched").monitor["readings"] == 4
    assert run_record.read(tmp_path / "alone").monitor is None


@pytest.mark.long
def test_ranks_started_by_torchrun_are_the_same_run(command, reference, tmp_path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, "-m", "recipes.cli", *command("DP=2", tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert losses(tmp_path) == pytest.approx(reference, abs=ACROSS_LAYOUTS, rel=0)
    assert run_record.read(tmp_path).status == "done"
    assert done.stdout.count("cpt: 24 steps in") == 1


def test_resume_after_a_kill_repeats_the_uninterrupted_losses(
    command, langadapt, reference, reference_readings, killed_in_one_process, tmp_path
) -> None:
    folder = shutil.copytree(killed_in_one_process, tmp_path / "run")
    said = langadapt(*command("one process", folder)).stdout
    assert losses(folder) == reference
    assert readings(folder) == reference_readings
    assert said.count(" monitor at iteration 0 ") == 0  # the baseline is the first run's


@pytest.mark.long
def test_resume_when_fewer_batches_are_left_than_steps_are_done(command, langadapt, reference, tmp_path) -> None:
    """From step 16 the dataloader has 18 batches: Lightning took batch 18 of the whole run for its last."""
    kill_after_step(command("one process", tmp_path), tmp_path, 17)
    langadapt(*command("one process", tmp_path))
    assert losses(tmp_path) == reference


@pytest.mark.long
def test_a_checkpoint_of_one_process_resumes_at_tp_2(
    command, langadapt, reference, reference_readings, killed_in_one_process, tmp_path
) -> None:
    folder = shutil.copytree(killed_in_one_process, tmp_path / "run")
    langadapt(*command("TP=2", folder))
    assert losses(folder) == pytest.approx(reference, abs=ACROSS_LAYOUTS, rel=0)
    assert_same_readings(readings(folder), reference_readings)


@pytest.mark.long
def test_a_checkpoint_of_tp_2_resumes_in_one_process(command, langadapt, reference, tmp_path) -> None:
    kill_after_step(command("TP=2", tmp_path), tmp_path, 10)
    langadapt(*command("one process", tmp_path))
    assert losses(tmp_path) == pytest.approx(reference, abs=ACROSS_LAYOUTS, rel=0)


@pytest.mark.parametrize("layout", ["one process", pytest.param("TP=2", marks=pytest.mark.long)])
def test_a_run_killed_behind_its_last_step_writes_its_model_at_the_next_start(
    layout, command, langadapt, reference_run, reference, tmp_path
) -> None:
    folder = shutil.copytree(reference_run, tmp_path / "run")
    model = kill_behind_last_step(folder)
    said = langadapt(*command(layout, folder)).stdout
    assert f"removed {model.name}: the run had not ended when it stopped" in said
    assert losses(folder) == reference
    assert run_record.read(folder).status == "done"
    if layout == "one process":
        assert weights(model) == weights(reference_run / "checkpoints" / model.name) != {}
    else:
        assert len(weights(model)) == 2  # a file a rank


def test_a_kill_within_the_last_checkpoint_does_not_keep_a_run_from_its_end(
    command, langadapt, reference_run, reference, tmp_path
) -> None:
    folder = shutil.copytree(reference_run, tmp_path / "run")
    kill_behind_last_step(folder)
    (last,) = (folder / "checkpoints").glob(f"*step={STEPS}-*-last")
    last.with_name(f"{last.name}-unfinished").touch()
    langadapt(*command("one process", folder))
    assert losses(folder) == reference
