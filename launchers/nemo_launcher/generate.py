"""A configuration of ours as one that NVIDIA's NeMo-Framework-Launcher takes, so that there is no second truth.

    python launchers/nemo_launcher/generate.py CONFIG.yaml [more.yaml ...] [key=value ...] \
      > .../launcher_scripts/conf/training/nemotron/NAME.yaml

The Launcher hands `training` whole to NeMo's own megatron_gpt_pretraining.py. What its NeMo may not know is left out:
Lightning's Trainer and NeMo's exp_manager refuse keys that are new to them, a model section does not.
"""

import sys
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from recipes import config  # noqa: E402
from recipes.required_keys import EXAMPLES  # noqa: E402

NEWS = """\
# Written by launchers/nemo_launcher/generate.py from {source}: change that file, not this one.
# Goes to launcher_scripts/conf/training/nemotron/ of NeMo-Framework-Launcher; see launchers/nemo_launcher/README.md.
# Launch: python3 main.py 'stages=[training]' training=nemotron/{name} \\
#   training.model.restore_from_path=/models/base.nemo training.model.tokenizer.model=/models/tokenizer.model \\
#   'training.model.data.data_prefix=[1.0,/data/a_document]'
"""

# Of these sections only what the Launcher's own nemotron_4b.yaml sets (commit 26e42fa9), and what NeMo has long read.
TRAINER = (
    *("num_nodes", "devices", "accelerator", "precision", "logger", "enable_checkpointing", "use_distributed_sampler"),
    *("max_epochs", "max_steps", "log_every_n_steps", "val_check_interval", "check_val_every_n_epoch"),
    *("limit_val_batches", "limit_test_batches", "accumulate_grad_batches", "gradient_clip_val"),
)
EXP_MANAGER = (
    *("exp_dir", "name", "create_tensorboard_logger", "create_wandb_logger", "wandb_logger_kwargs"),
    *("resume_if_exists", "resume_ignore_no_checkpoint", "create_checkpoint_callback"),
)
CALLBACK = (
    *("monitor", "save_top_k", "mode", "always_save_nemo", "save_nemo_on_train_end", "filename"),
    "model_parallel_size",
)

# The Launcher resolves these from the root of its own tree.
INTERPOLATED = {
    "exp_manager.explicit_log_dir": "${training.run.results_dir}/results",
    "exp_manager.checkpoint_callback_params.model_parallel_size": "${multiply:${training.model."
    "tensor_model_parallel_size}, ${training.model.pipeline_model_parallel_size}}",
    "model.data.seq_length": "${training.model.encoder_seq_length}",
}
TIME_LIMIT, OWN_LIMIT = "04:00:00", "00:03:45:00"
"""Of a job, and of the run in it: NeMo writes its checkpoint and ends; the next job of that name goes on."""


def main(words: list[str]) -> str:
    """The Launcher's YAML for a command line of ours."""
    configs = [Path(word) for word in words if word.endswith(".yaml") and "=" not in word]
    overrides = [word for word in words if "=" in word or word.startswith("~")]
    ours = OmegaConf.to_container(config.load(configs, overrides, "pretrain", may_be_open=EXAMPLES))
    assert isinstance(ours, dict)  # noqa: S101  a mapping, by its loader
    name = configs[0].stem
    source = configs[0].resolve()
    shown = source.relative_to(REPOSITORY) if source.is_relative_to(REPOSITORY) else source
    text = yaml.safe_dump(section(name, ours), sort_keys=False, allow_unicode=True, width=120)
    return NEWS.format(source=shown, name=name) + text


def section(name: str, ours: dict[str, Any]) -> dict[str, Any]:
    """The group `training` of the Launcher."""
    manager = ours["exp_manager"]
    made = {
        "run": {
            "name": name,
            "results_dir": "${base_results_dir}/${.name}",
            "time_limit": TIME_LIMIT,
            "dependency": "singleton",
        },
        "trainer": {key: ours["trainer"][key] for key in TRAINER},
        "exp_manager": {
            **{key: manager[key] for key in EXP_MANAGER},
            "max_time_per_run": OWN_LIMIT,
            "checkpoint_callback_params": {key: manager["checkpoint_callback_params"][key] for key in CALLBACK},
        },
        "model": ours["model"],
    }
    for key in EXAMPLES:
        _open(made, key)
    for key, value in INTERPOLATED.items():
        *path, last = key.split(".")
        _at(made, path)[last] = value
    return made


def _open(made: dict[str, Any], key: str) -> None:
    """Leaves a value to the user that our configuration leaves to them."""
    *path, last = key.split(".")
    if path and path[0] in made and last in (section := _at(made, path)) and section[last] is None:
        section[last] = "???" if key != "model.tokenizer.type" else None


def _at(made: dict[str, Any], path: list[str]) -> dict[str, Any]:
    for part in path:
        made = made.get(part) or {} if isinstance(made, dict) else {}
    return made if isinstance(made, dict) else {}


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:]))
