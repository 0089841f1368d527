"""The parity gate between a checkpoint and a Hugging Face folder: NeMo reads the one, transformers the other.

Both get the same tokens. Whole: both models at once. By layer: both sides advance a layer at a time from their own
hidden states, and the logits are compared in blocks of the vocabulary; what is computed and compared is the same.
"""

import shutil
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from recipes.convert.proof import hf_model, parity
from recipes.convert.proof.parity import Parity
from recipes.convert.reading.checkpoint import WEIGHTS, Checkpoint
from recipes.runtime import reference
from recipes.runtime.reference import EMBEDDING, OUTPUT, Weights

BLOCK = 8192
"""Entries of the vocabulary whose logits are compared at once."""


def run(
    source: Checkpoint,
    folder: Path,
    sequences: Sequence[Sequence[int]],
    *,
    mode: Literal["whole", "layers"],
    rounded_to: str | None,
    unpacked: Path,
    output: Path,
) -> dict[str, Any]:
    """Compares, and gives the certificate's figures.

    Args:
        source: The checkpoint.
        folder: The Hugging Face model.
        sequences: Token ids.
        mode: Both models at once, or a layer of each at a time.
        rounded_to: The dtype of what was written, if the conversion cast to it: both sides are rounded to it.
        unpacked: Where the weights of a .nemo lie while megatron-core reads them.
        output: Names the model in errors.

    Raises:
        ParityFailed: They do not compute the same.
    """
    try:
        weights = describe(source, unpack(source, unpacked), rounded_to)
        result = (_whole if mode == "whole" else _by_layer)(weights, folder, sequences)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    return figures(result, output)


def figures(result: Parity, output: Path) -> dict[str, Any]:
    """What the certificate says of a comparison.

    Raises:
        ParityFailed: The models do not compute the same.
    """
    parity.require(result, str(output))
    found = asdict(result)
    del found["first_difference"]
    return {**found, "tolerance": parity.TOLERANCE}


def describe(source: Checkpoint, folder: Path, rounded_to: str | None = None) -> Weights:
    """A checkpoint as `recipes.runtime.reference` takes it, its weights in a folder."""
    return Weights(
        folder=folder,
        config=source.config,
        prefix=source.prefix,
        is_stacked=source.is_stacked,
        rows=source.tensors[EMBEDDING].shape[0],
        rounded_to=rounded_to,
    )


def unpack(source: Checkpoint, folder: Path) -> Path:
    """The folder of the weights; of a .nemo they are unpacked first, since megatron-core reads folders."""
    if source.path.is_dir():
        return next(iter(source.files.values())).path.parent
    with tarfile.open(source.path, "r:") as tar:
        inside = [member for member in tar if member.name.removeprefix("./").startswith(WEIGHTS)]
        tar.extractall(folder, inside, filter="data")
    return folder / WEIGHTS


def _whole(weights: Weights, folder: Path, sequences: Sequence[Sequence[int]]) -> Parity:
    expected = reference.trace(weights, sequences)
    return parity.compare(expected, hf_model.hf_trace(hf_model.load_hf(folder, weights.round), sequences))


def _by_layer(weights: Weights, folder: Path, sequences: Sequence[Sequence[int]]) -> Parity:
    last: list[Tensor] = []

    def stages() -> Iterator[tuple[str, Tensor, Tensor]]:
        ours = reference.trace_by_layer(weights, sequences)
        theirs = hf_model.trace_by_layer(folder, sequences, weights.round)
        for (stage, expected), (_, hidden) in zip(ours, theirs, strict=True):
            last[:] = expected, hidden
            yield stage, expected, hidden

    first = parity.first_difference(stages())
    return parity.compare_logits(_logits(weights, folder, *last), first)


def _logits(weights: Weights, folder: Path, expected: Tensor, hidden: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Both sides' logits in blocks of the vocabulary; neither output layer has a bias."""
    is_tied = bool(weights.config.get("share_embeddings_and_output_weights", True))
    theirs = hf_model.open_table(folder, "model.embed_tokens.weight" if is_tied else "lm_head.weight")
    ours = reference.table(weights, EMBEDDING if is_tied else OUTPUT)
    vocabulary = theirs.shape[0]
    for start in range(0, vocabulary, BLOCK):
        end = min(start + BLOCK, vocabulary)
        yield expected @ weights.round(ours[start:end]).T, hidden @ weights.round(theirs[start:end]).T
