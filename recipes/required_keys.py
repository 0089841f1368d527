"""Values a training configuration cannot do without."""

from collections.abc import Collection, Iterator
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from data_prep.errors import UsageError
from recipes.known_keys import Schema

# What to write for a mandatory value that is still open.
EXAMPLES = {
    "exp_manager.explicit_log_dir": "runs/cpt",
    "model.data.data_prefix": "[1.0,data/tokens/train/web.hi-Deva.real_text_document]",
    "model.tokenizer.model": "data/tokenizer/tokenizer.model",
    "model.tokenizer.type": "data/tokenizer",
    "model.restore_from_path": "runs/cpt/checkpoints/cpt.nemo",
    "pretrained_checkpoint.restore_from_path": "runs/sft/checkpoints/sft.nemo",
    "model.data.train_ds.file_path": "data/instruct/sft.train.jsonl",
    "model.data.validation_ds.file_path": "data/instruct/sft.validation.jsonl",
    "model.data.data_prefix.train": "[data/instruct/dpo.train.jsonl]",
    "model.data.data_prefix.validation": "[data/instruct/dpo.validation.jsonl]",
    "model.data.data_prefix.test": "[data/instruct/dpo.validation.jsonl]",
}

_EVERY_RUN = (
    "trainer.devices",
    "trainer.num_nodes",
    "exp_manager.explicit_log_dir",
    "model.tensor_model_parallel_size",
    "model.pipeline_model_parallel_size",
    "model.encoder_seq_length",
    "model.optim.name",
    "model.optim.lr",
)
_BATCHES = ("model.micro_batch_size", "model.global_batch_size", "model.data.seq_length", "model.data.data_prefix")
_INTERVALS = ("max_epochs", "max_steps", "val_check_interval", "save_interval")
_EXAMPLE_SET = ("file_path", "global_batch_size", "micro_batch_size", "max_seq_length", "label_key")

# What a configuration must set, whichever files it is made of: the checks and the drivers read it.
REQUIRED: dict[Schema, tuple[str, ...]] = {
    "pretrain": (
        *_EVERY_RUN,
        *_BATCHES,
        "trainer.max_steps",
        "model.num_layers",
        "model.hidden_size",
        "model.ffn_hidden_size",
        "model.num_attention_heads",
        "model.max_position_embeddings",
        "model.tokenizer.model",
    ),
    "sft": (
        *_EVERY_RUN,
        *(f"trainer.sft.{name}" for name in _INTERVALS),
        *(f"model.data.{part}.{name}" for part in ("train_ds", "validation_ds") for name in _EXAMPLE_SET),
        "model.restore_from_path",
        "model.data.chat",
    ),
    "dpo": (
        *_EVERY_RUN,
        *_BATCHES,
        *(f"trainer.dpo.{name}" for name in _INTERVALS),
        *(f"model.data.data_prefix.{split}" for split in ("train", "validation", "test")),
        "pretrained_checkpoint.restore_from_path",
    ),
}


def require_values(cfg: DictConfig, configs: list[Path], schema: Schema, may_be_open: Collection[str] = ()) -> None:
    """Refuse a configuration that leaves values open (`???`), or lacks one that every run needs.

    Args:
        cfg: The configuration, interpolations unresolved.
        configs: The files it was made of, for the error.
        schema: Which upstream main it is for.
        may_be_open: Keys that may be null all the same.

    Raises:
        UsageError: All open values at once, each with an example.
    """
    values = dict(_leaves(OmegaConf.to_container(cfg), ""))
    sections = {key.rpartition(".")[0] for key in values}
    missing = [key for key, value in values.items() if value == "???"]
    needed = [key for key in REQUIRED[schema] if key not in may_be_open]
    missing += [key for key in needed if values.get(key) is None and key not in sections]
    if missing:
        raise UsageError(
            f"{len(missing)} mandatory value{'s' if len(missing) > 1 else ''} not set: {', '.join(missing)}",
            where=" + ".join(map(str, configs)),
            fix="\n".join(f"{key}={EXAMPLES.get(key, 'VALUE')}" for key in missing),
        )


def _leaves(node: object, prefix: str) -> Iterator[tuple[str, object]]:
    """Dotted key and value of everything that holds no keys itself."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _leaves(value, f"{prefix}.{name}".lstrip("."))
    else:
        yield prefix, node
