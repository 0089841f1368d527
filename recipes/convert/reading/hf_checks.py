"""Whether a Hugging Face folder holds the model its settings describe."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from data_prep.errors import DataError, UsageError
from recipes.convert.architectures.base import Architecture, Shape, hf_shape
from recipes.convert.architectures.tensors import hf_tensors, refuse_others
from recipes.convert.torch_records import Located

IGNORED = "rotary_emb.inv_freq"
"""End of names in old .bin files: computed from the settings, and left out by transformers too."""
HEAD = "lm_head.weight"


def read_shape(config: Mapping[str, Any], where: str) -> Shape:
    """The sizes in a config.json.

    Raises:
        DataError: One is missing.
    """
    try:
        return hf_shape(config)
    except KeyError as error:
        raise DataError(
            f"config.json says nothing about {error}", where=where, fix="take the config.json of the publisher"
        ) from error


def check_weights(found: Mapping[str, Located], architecture: Architecture, shape: Shape, where: str) -> list[str]:
    """Raises unless a folder holds exactly the tensors of a model of this architecture and shape.

    Returns:
        Names of what is there and left out, as transformers leaves it out: buffers, a head that is tied.

    Raises:
        DataError: A tensor is missing, has another shape, or is of no such model.
    """
    expected = {tensor.name: tensor.shape for tensor in hf_tensors(architecture, shape)}
    left_out = [name for name in found if name.endswith(IGNORED) or (name == HEAD and shape.tied)]
    refuse_others(
        {name: tensor.shape for name, tensor in found.items() if name not in left_out},
        expected,
        model=f"a {architecture.name} model with this config.json",
        where=where,
        fix="download the folder again; adapters (LoRA) must be merged first: peft's merge_and_unload()",
    )
    return left_out


def stored_dtype(dtypes: Sequence[str], where: str) -> str:
    """The dtype all weights have.

    Args:
        dtypes: Of each tensor that is converted.
        where: Names the folder in errors.

    Raises:
        UsageError: They have several.
    """
    counts = Counter(dtypes)
    if len(counts) > 1:
        raise UsageError(
            f"the weights are of several types: {', '.join(f'{count} {name}' for name, count in counts.items())}",
            where=where,
            why="a .nemo is written in one",
            fix="dtype=fp32 loses nothing, dtype=bf16 takes half the space",
        )
    return next(iter(counts))
