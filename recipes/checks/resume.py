"""What a run goes on from: NeMo takes step, optimizer and schedule from a checkpoint, whatever the config says."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from data_prep.errors import UsageError
from data_prep.vocabulary import load as load_tokenizer
from recipes.checks.ground import DISTRIBUTED_OPTIMIZERS
from recipes.model_shape import padded_vocab_size

# Restored from the checkpoint (lightning restores the optimizer's groups and every attribute of NeMo's scheduler).
SCHEDULE_KEYS = (
    *(f"trainer.{section}.{name}" for section in ("sft", "dpo") for name in ("max_steps", "max_epochs")),
    "trainer.max_steps",
    "model.optim.lr",
    "model.optim.sched",
)
MODEL_KEYS = ("model.restore_from_path", "pretrained_checkpoint.restore_from_path")


def check_start(cfg: DictConfig) -> None:
    """Refuses keys that start a run from a training checkpoint with a schedule nobody has configured.

    Raises:
        UsageError: The run would not follow its configuration, from its start or after its first restart.
    """
    model = cfg.model
    if model.get("restore_from_ckpt") is not None:
        raise UsageError(
            "`langadapt` does not read model.restore_from_ckpt",
            where=f"model.restore_from_ckpt={model.restore_from_ckpt}",
            why="the run would start from other weights",
            fix="~model.restore_from_ckpt model.restore_from_path=CHECKPOINT.nemo",
        )
    if model.get("resume_from_checkpoint") is not None and not model.get("reset_lr"):
        raise UsageError(
            "model.resume_from_checkpoint brings its own schedule",
            where=f"model.resume_from_checkpoint={model.resume_from_checkpoint}",
            why="step, optimizer, lr, min_lr and max_steps are the checkpoint's; this configuration's are not read",
            fix="to finish that run: exp_manager.explicit_log_dir=ITS_FOLDER and its own configuration\n"
            "to train on with this schedule: model.resume_from_checkpoint=null model.restore_from_path=CHECKPOINT.nemo",
        )
    if model.get("reset_lr"):
        _check_reset(cfg)


def _check_reset(cfg: DictConfig) -> None:
    """NeMo 2.1.0, megatron_gpt_model.py line 456 (what it needs) and line 829 (once a process)."""
    is_distributed = OmegaConf.select(cfg, "model.optim.name") in DISTRIBUTED_OPTIMIZERS
    if not is_distributed or not cfg.model.get("megatron_amp_O2"):
        raise UsageError(
            "model.reset_lr needs a distributed optimizer and megatron_amp_O2",
            where=f"model.reset_lr=true, model.optim.name={cfg.model.optim.name}, "
            f"model.megatron_amp_O2={cfg.model.get('megatron_amp_O2', False)}",
            why="NeMo stops without them",
            fix="model.reset_lr=false: a run from model.restore_from_path has a fresh schedule anyway",
        )
    if cfg.exp_manager.get("resume_if_exists"):
        raise UsageError(
            "model.reset_lr would start the schedule again at every restart",
            where="model.reset_lr=true, exp_manager.resume_if_exists=true",
            why="NeMo resets the rate at the first step of every process, so also after a stop or a crash",
            fix="model.reset_lr=false: a run from model.restore_from_path has a fresh schedule anyway",
        )


def schedule_change(stage: str, before: dict[str, Any], after: DictConfig, folder: Path) -> UsageError | None:
    """The error for a run that is started again with another schedule; None where the schedule is the same.

    Args:
        stage: Of the run in the folder.
        before: Its configuration.
        after: The configuration it is started with now.
        folder: The run folder.
    """
    old = OmegaConf.create(before)
    changes = {
        key: pair
        for top in SCHEDULE_KEYS
        for key, pair in _changes(top, OmegaConf.select(old, top), OmegaConf.select(after, top)).items()
    }
    if any(key.startswith(("trainer.sft.", "trainer.dpo.")) for key in changes):
        changes.pop("trainer.max_steps", None)  # Lightning's copy of the same value
    if not changes:
        return None
    source = next((key for key in MODEL_KEYS if OmegaConf.select(after, key) is not None), MODEL_KEYS[0])
    listed = ", ".join(f"{key} {was} -> {now}" for key, (was, now) in changes.items())
    back = " ".join(f"{key}={'null' if was is None else was}" for key, (was, _) in changes.items())
    return UsageError(
        f"the run folder holds a {stage} run with another schedule: {listed}",
        where=str(folder),
        why="NeMo restores optimizer and schedule from the checkpoint and reads these keys at its first start only"
        + _beyond(old, changes),
        fix=f"{back}, to end the run as it began\n"
        f"or train on from its final model with the new schedule: exp_manager.explicit_log_dir={folder}-2 "
        f"{source}={folder}/checkpoints/{OmegaConf.select(old, 'exp_manager.name')}.nemo",
    )


def _changes(key: str, was: Any, now: Any) -> dict[str, tuple[Any, Any]]:
    """Old and new value of every key at and below one that differs."""
    if OmegaConf.is_dict(was) or OmegaConf.is_dict(now):
        names = dict.fromkeys([*(was or {}), *(now or {})])
        pairs = [(f"{key}.{name}", (was or {}).get(name), (now or {}).get(name)) for name in names]
        return {found: pair for each in pairs for found, pair in _changes(*each).items()}
    return {} if was == now else {key: (was, now)}


def _beyond(old: DictConfig, changes: dict[str, tuple[Any, Any]]) -> str:
    """What steps after the old schedule's end would be trained with."""
    longer = [was for key, (was, now) in changes.items() if key.endswith("max_steps") and now and was and now > was > 0]
    min_lr = OmegaConf.select(old, "model.optim.sched.min_lr")
    return f":\nall steps after {longer[0]} would train at min_lr {min_lr:g}" if longer and min_lr is not None else ""


def check_layout_change(before: dict[str, Any], cfg: DictConfig, folder: Path) -> None:
    """A run may go on under another layout; its checkpoints must load there.

    Weights, and the optimizer as NeMo 2.1.0 saves it by default, are stored by parameter and cut anew when they are
    loaded. With dist_ckpt_parallel_dist_opt=false mcore_distributed_optim is stored as the ranks held it
    (nemo/core/optim/mcore_optim.py line 59, `dp_zero_gather_scatter`).

    Raises:
        UsageError: They would not.
    """
    old = OmegaConf.create(before)
    was, now = (
        tuple(OmegaConf.select(each, f"model.{name}_model_parallel_size") or 1 for name in ("tensor", "pipeline"))
        for each in (old, cfg)
    )
    is_by_parameter = cfg.model.get("dist_ckpt_parallel_dist_opt", True)
    is_ours = OmegaConf.select(cfg, "model.optim.name") == "mcore_distributed_optim"
    if was != now and is_ours and not is_by_parameter:
        raise UsageError(
            f"the run's checkpoints do not go from tensor {was[0]} x pipeline {was[1]} "
            f"to tensor {now[0]} x pipeline {now[1]}",
            where=f"{folder}: model.dist_ckpt_parallel_dist_opt=false",
            why="the optimizer's state is stored as the ranks held it, not by parameter",
            fix=f"model.tensor_model_parallel_size={was[0]} model.pipeline_model_parallel_size={was[1]}\n"
            "or model.dist_ckpt_parallel_dist_opt=true in the next run, from its start",
        )
    _check_rows(old, cfg, folder)


def _check_rows(old: DictConfig, cfg: DictConfig, folder: Path) -> None:
    """The embedding tables keep their rows; a run from a .nemo has been compared with that already."""
    path = OmegaConf.select(cfg, "model.tokenizer.model")
    if not isinstance(path, str) or cfg.model.get("restore_from_path") is not None:
        return
    vocabulary = load_tokenizer(Path(path)).size
    divisors = [OmegaConf.select(each, "model.make_vocab_size_divisible_by") or 128 for each in (old, cfg)]
    tensors = [OmegaConf.select(each, "model.tensor_model_parallel_size") or 1 for each in (old, cfg)]
    was, now = (padded_vocab_size(vocabulary, *pair) for pair in zip(divisors, tensors, strict=True))
    if was == now:
        return
    divides = f"model.make_vocab_size_divisible_by={was // tensors[1]}\nor " if was % tensors[1] == 0 else ""
    back = f"model.tensor_model_parallel_size={tensors[0]} model.make_vocab_size_divisible_by={divisors[0]}"
    raise UsageError(
        f"a vocabulary of {vocabulary} is padded to {now} rows here, in the run's checkpoints to {was}",
        where=f"{folder}: model.make_vocab_size_divisible_by={divisors[1]}, "
        f"model.tensor_model_parallel_size={tensors[1]}",
        why="its embedding tables do not fit",
        fix=divides + back,
    )
