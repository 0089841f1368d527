"""Whether a run's checkpoints are such that a second start can go on from them."""

from omegaconf import DictConfig

from data_prep.errors import UsageError
from recipes import stopping
from recipes.known_keys import Schema

CALLBACK = "exp_manager.checkpoint_callback_params"

# On a resume NeMo and NeMo-Aligner read from the checkpoint's name how far the run had come, and take what they do not
# find for zero (megatron_base_model.py, _extract_consumed_samples_from_ckpt; nemo_aligner/utils/utils.py).
IN_THE_NAME: dict[Schema, tuple[str, ...]] = {
    "pretrain": ("step", "consumed_samples"),
    "sft": ("step", "consumed_samples", "epoch"),
    "dpo": ("step", "consumed_samples", "epoch"),
}


def check_resume(cfg: DictConfig, schema: Schema) -> None:
    """A stopped run can be continued exactly, and its time limit is one.

    Args:
        cfg: The whole configuration.
        schema: Which upstream main it is for.

    Raises:
        UsageError: A setting would make the second start begin anew, repeat samples, or stop at once.
    """
    _check_checkpoints(cfg, schema)
    _check_time_limit(cfg)


def _check_checkpoints(cfg: DictConfig, schema: Schema) -> None:
    manager = cfg.exp_manager
    params = manager.get("checkpoint_callback_params") or {}
    needed = {
        "exp_manager.create_checkpoint_callback": (manager.get("create_checkpoint_callback", True), True),
        "exp_manager.resume_if_exists": (manager.get("resume_if_exists", False), True),
        f"{CALLBACK}.save_last": (params.get("save_last", True), True),
        f"{CALLBACK}.save_weights_only": (params.get("save_weights_only", False), False),
        f"{CALLBACK}.async_save": (params.get("async_save", False), False),
    }
    wrong = {key: wanted for key, (value, wanted) in needed.items() if bool(value) is not wanted}
    if wrong:
        raise UsageError(
            "a stopped run could not be continued",
            where=", ".join(wrong),
            why="the next start goes on from the last checkpoint, which must be there, whole and with its optimizer",
            fix=" ".join(f"{key}={str(wanted).lower()}" for key, wanted in wrong.items()),
        )
    name = params.get("filename")
    missing = [field for field in IN_THE_NAME[schema] if name is not None and f"{{{field}}}" not in name]
    if missing:
        raise UsageError(
            f"the checkpoints' name holds no {' and no '.join(missing)}: {name}",
            where=f"{CALLBACK}.filename",
            why="upstream reads from it how far a run has come; not found, the same samples are trained on again",
            fix=f"{CALLBACK}.filename='{name}" + "".join(f"-{{{field}}}" for field in missing) + "'",
        )


def _check_time_limit(cfg: DictConfig) -> None:
    limit, over_all = cfg.exp_manager.get("max_time_per_run"), cfg.trainer.get("max_time")
    if limit:
        stopping.seconds(limit)
    if over_all and over_all != limit:
        raise UsageError(
            f"trainer.max_time is {over_all}",
            where="trainer.max_time",
            why="in pre-training it counts all starts together, so a run past it stops at every start; "
            "NeMo-Aligner's trainers do not read it",
            fix=f"trainer.max_time=null exp_manager.max_time_per_run={over_all}",
        )
