"""What makes two runs the same run: settings that shape the result, and the content of the files it reads."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from data_prep.files import sha256_file
from data_prep.layout import receipt_path
from recipes import config
from recipes.known_keys import OWN_SECTION

# Keys that say how a run is laid out over devices, not what it computes: a run may resume with others.
LAYOUT_KEYS = (
    "trainer.devices",
    "trainer.num_nodes",
    "model.tensor_model_parallel_size",
    "model.pipeline_model_parallel_size",
    "model.sequence_parallel",
    "model.micro_batch_size",
    "model.data.train_ds.micro_batch_size",
    "model.data.validation_ds.micro_batch_size",
    "model.dpo.log_prob_forward_micro_batch_size",
    "model.make_vocab_size_divisible_by",
    "exp_manager",
    "langadapt.plan",
    "langadapt.draw",
    "langadapt.monitor",
    "langadapt.stop",
)
FILE_KEYS = (
    "model.restore_from_path",
    "model.restore_from_ckpt",
    "pretrained_checkpoint.restore_from_path",
    "model.tokenizer.model",
    "model.data.train_ds.file_path",
    "model.data.validation_ds.file_path",
    "langadapt.examples.template",
)


def input_hashes(settings: DictConfig) -> dict[str, str]:
    """SHA-256 of every file a run reads; a token dataset stands for itself by its receipt."""
    paths = [Path(value) for key in FILE_KEYS if isinstance(value := OmegaConf.select(settings, key), str)]
    paths += [_dataset_file(prefix) for prefix in data_prefixes(settings)]
    return {str(path): sha256_file(path) for path in sorted(set(paths)) if path.is_file()}


def data_prefixes(settings: DictConfig) -> list[str]:
    """Every dataset `model.data.data_prefix` names."""
    return list(_strings(OmegaConf.select(settings, "model.data.data_prefix")))


def _strings(value: Any) -> Iterator[str]:
    """The paths in a data_prefix of any of upstream's forms: a path, [weight, path, ...], or either by split."""
    if isinstance(value, str):
        yield value
    elif OmegaConf.is_config(value):
        for item in value.values() if OmegaConf.is_dict(value) else value:
            yield from _strings(item)


def _dataset_file(prefix: str) -> Path:
    receipt = receipt_path(Path(prefix))
    return receipt if receipt.is_file() else Path(prefix if Path(prefix).is_file() else f"{prefix}.idx")


def identity(settings: DictConfig, inputs: dict[str, str]) -> str:
    """Hash of what a run computes from what, whatever the layout and wherever the files lie."""
    copy = DictConfig(OmegaConf.to_container(settings, resolve=True))
    for key in (*LAYOUT_KEYS, *FILE_KEYS, "model.data.index_mapping_dir"):
        parent, _, name = key.rpartition(".")
        section = OmegaConf.select(copy, parent) if parent else copy
        if OmegaConf.is_dict(section):
            section.pop(name, None)
    if not copy.get(OWN_SECTION):  # all in it is layout: as if it were absent
        copy.pop(OWN_SECTION, None)
    if (prefixes := OmegaConf.select(copy, "model.data.data_prefix")) is not None:
        OmegaConf.update(copy, "model.data.data_prefix", _without_paths(prefixes), merge=False)
    return config.config_hash(DictConfig({"settings": copy, "inputs": sorted(inputs.values())}))


def _without_paths(value: Any) -> Any:
    """A data_prefix with its weights alone; the datasets' content is among the inputs."""
    if OmegaConf.is_dict(value):
        return {name: _without_paths(item) for name, item in value.items()}
    if OmegaConf.is_list(value):
        return [_without_paths(item) for item in value]
    return None if isinstance(value, str) else value


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Dotted keys whose values differ, layout keys left out."""
    if path in LAYOUT_KEYS:
        return []
    if path == OWN_SECTION:
        before, after = before or {}, after or {}
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(set(before) | set(after))
        return [
            found for key in keys for found in differences(before.get(key), after.get(key), f"{path}.{key}".lstrip("."))
        ]
    return [] if before == after else [path]
