"""Gives a .nemo more rows in its embedding tables and another tokenizer, through NeMo's own loading and saving."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import open_dict

from data_prep.vocabulary_extension.mixtures import grow
from recipes.runtime.inference import restore


def extend(source: Path, output: Path, *, tokenizer: Path, weights: Any, rows: int, dtype: torch.dtype) -> None:
    """Writes `source` with new rows behind those of its vocabulary; every other weight stays as it is.

    Call `ground.prepare()` first. The model is held once, in fp32. Loading it is the peak: 1.6 times 4 bytes a weight
    (2.1 GB, 0.7 of them libraries, for 222 million on a CPU); growing and saving stay below.

    Args:
        source: A .nemo file, saved at any parallel layout.
        output: The .nemo file to write. Meanwhile NeMo puts the weights beside it and in the system's folder for
            temporary files.
        tokenizer: The extended tokenizer.model, which goes into the archive.
        weights: The new rows as sums of old ones, scipy.sparse [new pieces, old vocabulary].
        rows: Of the tables, padding included.
        dtype: To store weights in.
    """
    from nemo.collections.nlp.parts.nlp_overrides import NLPSaveRestoreConnector

    model, config = restore(source)
    for module in (model.model.embedding.word_embeddings, model.model.output_layer):
        if module.weight is not None:  # an output layer that shares the embedding's table has none of its own
            module.weight = _grown(module.weight, weights, rows)
    model.model.to(dtype)
    with open_dict(config):
        config.tokenizer.model = str(tokenizer)
    model.cfg = config  # that of the run that saved it, not of this process
    model.artifacts.pop("tokenizer.model")
    model.register_artifact("tokenizer.model", str(tokenizer))
    NLPSaveRestoreConnector().save_to(model, str(output))


def _grown(table: torch.Tensor, weights: Any, rows: int) -> torch.nn.Parameter:
    grown = grow(table.detach().cpu().numpy().astype(np.float32, copy=False), weights, rows)
    return torch.nn.Parameter(torch.from_numpy(grown).to(table.device), requires_grad=False)
