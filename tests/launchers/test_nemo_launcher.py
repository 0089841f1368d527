"""The files for NeMo-Framework-Launcher, composed in its own groups; its keys are what `nemo_launcher_keys/` lists."""

import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from recipes.config import load
from recipes.known_keys import known_keys
from recipes.required_keys import EXAMPLES
from tests.conftest import CONFIGS, REPOSITORY

FOLDER = REPOSITORY / "launchers" / "nemo_launcher"
KEYS = Path(__file__).with_name("nemo_launcher_keys")
NAME = "nemotron_mini_4b_hindi"

# What the Launcher's config.yaml sets as far as these groups look at it.
ROOT = """\
defaults:
  - _self_
  - cluster: bcm
  - data_preparation: null
  - training: null
stages: [data_preparation, training]
launcher_scripts_path: /opt/launcher
data_dir: ${launcher_scripts_path}/data
base_results_dir: ${launcher_scripts_path}/results
"""
OPEN = (
    "training.model.restore_from_path=/models/base.nemo",
    "training.model.tokenizer.model=/models/tokenizer.model",
    "training.model.data.data_prefix=[1.0,/data/a]",
    "data_preparation.raw_dataset_files=[/data/a.jsonl]",
    "data_preparation.tokenizer_model=/models/tokenizer.model",
)


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> DictConfig:
    """Our files among the Launcher's, as its main composes them."""
    conf = tmp_path_factory.mktemp("conf")
    shutil.copytree(FOLDER / "conf", conf, dirs_exist_ok=True)
    (conf / "cluster").mkdir()
    (conf / "cluster" / "bcm.yaml").write_text("partition: null\n")
    (conf / "config.yaml").write_text(ROOT)
    OmegaConf.register_new_resolver("multiply", lambda x, y: x * y, replace=True)
    OmegaConf.register_new_resolver("divide_ceil", lambda x, y: math.ceil(x / y), replace=True)
    with initialize_config_dir(config_dir=str(conf), version_base="1.2"):
        chosen = [f"training=nemotron/{NAME}", f"data_preparation=generic/{NAME}", *OPEN]
        return compose("config", overrides=chosen)


def leaves(node: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(node, dict) or not node:
        return {prefix: node}
    return {
        key: value
        for name, child in node.items()
        for key, value in leaves(child, f"{prefix}.{name}".lstrip(".")).items()
    }


def keys_of(name: str) -> set[str]:
    return {line for line in (KEYS / name).read_text().splitlines() if not line.startswith("#")}


def test_every_interpolation_resolves_in_the_launchers_tree(launcher: DictConfig) -> None:
    values = OmegaConf.to_container(launcher, resolve=True, throw_on_missing=True)
    assert values["training"]["exp_manager"]["explicit_log_dir"] == f"/opt/launcher/results/{NAME}/results"
    assert values["training"]["exp_manager"]["checkpoint_callback_params"]["model_parallel_size"] == 2
    assert values["training"]["run"]["time_limit"] == "04:00:00"
    assert values["data_preparation"]["preprocessed_dir"] == f"/opt/launcher/data/{NAME}/preprocessed"


def test_model_batch_and_schedule_are_those_of_our_own_config(launcher: DictConfig) -> None:
    ours = load([CONFIGS / "cpt" / f"{NAME}.yaml"], [], "pretrain", may_be_open=EXAMPLES)
    theirs = leaves(OmegaConf.to_container(launcher.training, resolve=True))
    own = leaves(OmegaConf.to_container(ours))
    given = {word.partition("=")[0].removeprefix("training.") for word in OPEN}
    shared = [key for key in theirs if not key.startswith("run.") and key not in given]
    different = {key: (theirs[key], own.get(key, "absent")) for key in shared if theirs[key] != own.get(key, "absent")}
    assert different == {
        "exp_manager.explicit_log_dir": (f"/opt/launcher/results/{NAME}/results", None),
        "exp_manager.max_time_per_run": ("00:03:45:00", "absent"),
    }
    for key in ("model.global_batch_size", "model.optim.lr", "model.optim.sched.min_lr", "trainer.max_steps"):
        assert key in shared


def test_keys_are_the_launchers_or_nemos_own(launcher: DictConfig) -> None:
    nemo = known_keys("pretrain")
    training = set(leaves(OmegaConf.to_container(launcher.training))) - keys_of("nemotron_4b.txt")
    assert sorted(key for key in training if not nemo.has(key)) == []
    data = set(leaves(OmegaConf.to_container(launcher.data_preparation)))
    assert sorted(data - keys_of("custom_dataset.txt")) == []


def test_the_trainer_and_exp_manager_take_no_key_that_the_launchers_nemo_may_not_know(launcher: DictConfig) -> None:
    known = keys_of("nemotron_4b.txt") | {
        "trainer.check_val_every_n_epoch",  # Lightning's, of old
        "exp_manager.max_time_per_run",  # NeMo's StatelessTimer, since 1.8
        "exp_manager.create_tensorboard_logger",  # the Launcher's own peft/nemotron/sft.yaml sets it
    }
    strict = {key for key in leaves(OmegaConf.to_container(launcher.training)) if not key.startswith("model.")}
    assert sorted(strict - known) == []


def test_values_that_only_the_user_knows_are_open() -> None:
    text = OmegaConf.load(FOLDER / "conf" / "training" / "nemotron" / f"{NAME}.yaml")
    opened = [
        key
        for key in ("restore_from_path", "tokenizer.model", "data.data_prefix")
        if OmegaConf.is_missing(*parent(text.model, key))
    ]
    assert opened == ["restore_from_path", "tokenizer.model", "data.data_prefix"]


def parent(section: DictConfig, key: str) -> tuple[DictConfig, str]:
    above, _, name = key.rpartition(".")
    return (OmegaConf.select(section, above) if above else section), name


def generate(*words: object) -> str:
    command = [sys.executable, str(FOLDER / "generate.py"), *map(str, words)]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=True).stdout


def test_the_shipped_file_is_what_its_command_writes() -> None:
    shipped = FOLDER / "conf" / "training" / "nemotron" / f"{NAME}.yaml"
    assert generate(CONFIGS / "cpt" / f"{NAME}.yaml") == shipped.read_text()


def test_a_users_blend_and_layout_go_into_the_file(tmp_path: Path) -> None:
    blend = tmp_path / "blend.yaml"
    blend.write_text("model:\n  data:\n    data_prefix: [0.3, /data/hi, 0.7, /data/en]\n")
    made = OmegaConf.create(generate(CONFIGS / "cpt" / f"{NAME}.yaml", blend, "trainer.num_nodes=4"))
    assert made.trainer.num_nodes == 4
    assert list(made.model.data.data_prefix) == [0.3, "/data/hi", 0.7, "/data/en"]
