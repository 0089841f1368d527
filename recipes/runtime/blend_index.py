"""Which of Megatron's index files a run's samples come from, written down when it starts to train.

Megatron finds its cached indices by a hash of all settings; only the datasets themselves know theirs. What is noted
here lets `recipes.audit` count afterwards, without Megatron, in the very files the run read.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback

from data_prep.files import atomic_write
from recipes.audit import NOTE_NAME, BlendIndex, Source


class NoteBlendIndex(Callback):
    """Rank 0 writes the note; costs nothing but a look at the datasets' lengths."""

    def __init__(self, run_folder: Path) -> None:
        self.run_folder = run_folder

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        """The datasets are built, the first batch is not read yet."""
        if trainer.is_global_zero:
            write(describe(module._train_ds, module.cfg.data, self.run_folder), self.run_folder)  # noqa: SLF001


def describe(dataset: Any, data: Any, run_folder: Path) -> BlendIndex:
    """The note on a training dataset of megatron-core 0.10.0.

    Args:
        dataset: A BlendedDataset, or the GPTDataset that stands alone where the blend is one prefix without weight.
        data: NeMo's `model.data`.
        run_folder: Takes a copy of the blending index where Megatron keeps none (`index_mapping_dir: null`).
    """
    is_blend = hasattr(dataset, "datasets")
    parts = dataset.datasets if is_blend else [dataset]
    weights = dataset.weights if is_blend else [1.0]
    whole = sum(weights)
    sources = [
        Source(prefix=part.dataset_path, weight=weight / whole, tokens=_tokens(part))
        for part, weight in zip(parts, weights, strict=True)
    ]
    return BlendIndex(
        sequence_length=data.seq_length,
        samples=len(dataset),
        order=data.dataloader_type,
        dataset_index=str(_dataset_index(dataset, run_folder)) if is_blend else None,
        sources=tuple(sources),
    )


def _tokens(part: Any) -> int:
    """Tokens of one epoch: of the documents that splits_string gives to training; they stand together."""
    first, last = int(part.indices[0]), int(part.indices[-1])
    return int(np.sum(part.dataset.sequence_lengths[first : last + 1], dtype=np.int64))


def _dataset_index(blend: Any, run_folder: Path) -> Path:
    """The file that holds the number of the dataset of each sample (blended_dataset.py, _build_indices)."""
    if cache := blend.config.path_to_cache:
        name = f"{blend.unique_description_hash}-{type(blend).__name__}-{blend.split.name}-dataset_index.npy"
        return Path(cache).absolute() / name
    path = run_folder.absolute() / "record" / "dataset_index.npy"
    with atomic_write(path) as stream:
        np.save(stream, blend.dataset_index)
    return path


def write(index: BlendIndex, run_folder: Path) -> None:
    """Replaces the run folder's note."""
    with atomic_write(run_folder / NOTE_NAME) as stream:
        stream.write(json.dumps(index.as_dict(), indent=1, ensure_ascii=False).encode() + b"\n")
