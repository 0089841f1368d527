"""Index files that a kill cut short: megatron-core and NeMo take a file that is there for a whole one, and stop on it.

They are caches and built anew where one is missing.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

from recipes.run_identity import data_prefixes


def tidy(settings: DictConfig) -> list[str]:
    """Removes damaged index files of the data a run reads.

    Returns:
        One sentence for each, to be printed.
    """
    damaged = [path for path in sorted(set(_index_files(settings))) if not _is_whole(path)]
    for path in damaged:
        path.unlink(missing_ok=True)
    return [f"removed {path}: it was cut short; it is built anew" for path in damaged]


def _index_files(settings: DictConfig) -> Iterator[Path]:
    """Index files of megatron-core's datasets and of NeMo's JSONL datasets.

    megatron-core 0.10.0, datasets/gpt_dataset.py and blended_dataset.py; NeMo 2.1.0, text_memmap_dataset.py.
    """
    mapping = OmegaConf.select(settings, "model.data.index_mapping_dir")
    if mapping:
        yield from Path(mapping).rglob("*.npy")
    for prefix in data_prefixes(settings):
        yield from Path(prefix, "cache").rglob("*.npy")
    for part in ("train_ds", "validation_ds"):
        text = OmegaConf.select(settings, f"model.data.{part}.file_path")
        if text:
            yield from Path(text).parent.glob(f"{Path(text).name}.idx.*")


def _is_whole(path: Path) -> bool:
    if path.suffix == ".info":
        return path.read_bytes().endswith(b".")  # a pickle's last byte
    try:
        np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError):
        return False
    return True
