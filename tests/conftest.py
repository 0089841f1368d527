"""What tests of the training verbs share: the command line as a process, and a tiny model to start from."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import hypothesis
import pytest

from data_prep.layout import Layout
from recipes import run_record

# A machine that does something else beside is no failure.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

REPOSITORY = Path(__file__).resolve().parents[1]
CONFIGS = REPOSITORY / "nemo_configs"

# A model of two layers and short sequences: a run is mostly start-up. The schedule is the same in every run.
SMALL_MODEL = ("model.num_layers=2", "model.hidden_size=96", "model.ffn_hidden_size=192", "model.kv_channels=16")
SMALL_RUN = (
    "model.encoder_seq_length=64",
    "model.global_batch_size=4",
    "model.micro_batch_size=2",
    "trainer.limit_val_batches=1",
)


def run_langadapt(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs a verb in a process of its own, as a user does; its output is captured."""
    done = subprocess.run(
        [sys.executable, "-m", "recipes.cli", *(str(argument) for argument in arguments)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if check:
        assert done.returncode == 0, f"{' '.join(map(str, arguments))}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    return done


@pytest.fixture(scope="session")
def langadapt() -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line."""
    return run_langadapt


@dataclass(frozen=True)
class Prepared:
    """The sample corpus as token datasets, and a blend fragment for training."""

    data: Layout
    blend: Path


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Prepared:
    """Prep and blend of the sample corpus by the shipped configs."""
    root = tmp_path_factory.mktemp("prepared")
    data, blend = Layout(root / "data"), root / "blend" / "cpt.yaml"
    run_langadapt("prep", CONFIGS / "data" / "sample.yaml", f"output_dir={data.root}")
    run_langadapt("blend", CONFIGS / "data" / "blend_tiny.yaml", f"tokens_dir={data.tokens}", f"output={blend}")
    return Prepared(data=data, blend=blend)


@pytest.fixture(scope="session")
def small_base(prepared, tmp_path_factory) -> Path:
    """A .nemo of two layers after four steps, made by `langadapt pretrain`."""
    folder = tmp_path_factory.mktemp("base")
    run_langadapt(
        "pretrain",
        CONFIGS / "cpt" / "tiny_base.yaml",
        prepared.blend,
        *SMALL_MODEL,
        *SMALL_RUN,
        "trainer.max_steps=4",
        "trainer.val_check_interval=4",
        "model.optim.sched.warmup_steps=1",
        f"exp_manager.explicit_log_dir={folder}",
    )
    return folder / "checkpoints" / "megatron_gpt.nemo"


def kill_behind_last_step(folder: Path) -> Path:
    """Leaves a finished run as a kill while its final model is written does; returns that model, cut short."""
    record = run_record.read(folder)
    assert record is not None
    assert record.model is not None
    model = folder / "checkpoints" / Path(record.model).name
    os.truncate(model, model.stat().st_size // 2)
    replace(record, status="running", model=None).write(folder)
    return model


def weights(model: Path) -> dict[str, bytes]:
    """The tensors' bytes in a .nemo by file; fails if it is not whole."""
    with tarfile.open(model) as tar:
        return {each.name: tar.extractfile(each).read() for each in tar if each.name.endswith(".distcp")}
