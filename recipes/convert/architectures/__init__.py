"""What each supported architecture is called and how it is laid out, on both sides: megatron-core and transformers.

    nemotron, llama   settings: NeMo's `model` section <-> config.json, and what cannot be said on the other side
    tensors           which rows of which Megatron tensor are which Hugging Face tensor, readable in both directions
    base              the sizes of a model, and what a module such as `nemotron` has to give

Pure functions of settings and sizes; nothing here reads a weight.
"""

from collections.abc import Mapping
from typing import Any

from data_prep.errors import UsageError
from recipes.convert.architectures.base import Architecture
from recipes.convert.architectures.llama import LLAMA
from recipes.convert.architectures.nemotron import NEMOTRON

ARCHITECTURES = (NEMOTRON, LLAMA)


def of_nemo(config: Mapping[str, Any], where: str) -> Architecture:
    """The architecture of NeMo's `model` section.

    Raises:
        UsageError: None of them computes what the model of these settings does; names what is in the way.
    """
    faults = {architecture.name: architecture.nemo_obstacles(config) for architecture in ARCHITECTURES}
    nearest = min(ARCHITECTURES, key=lambda architecture: len(faults[architecture.name]))
    if not (found := faults[nearest.name]):
        return nearest
    raise UsageError(
        f"this is not a {nearest.name} model: {', '.join(found)}",
        where=where,
        why=f"{nearest.hf_class} has no such variant; the converted model would compute something else",
        fix="convert a model trained with nemo_configs/model/*, or use NeMo's converter for its architecture",
    )


def of_hf(config: Mapping[str, Any], where: str) -> Architecture:
    """The architecture of a Hugging Face config.json.

    Raises:
        UsageError: Not one of ours, or with settings that NeMo 2.1 cannot express.
    """
    architecture = next((each for each in ARCHITECTURES if each.model_type == config.get("model_type")), None)
    if architecture is None:
        raise UsageError(
            f"a model of type {config.get('model_type')!r} cannot be converted",
            where=where,
            fix=f"give one of type {' or '.join(each.model_type for each in ARCHITECTURES)}",
        )
    if found := architecture.hf_obstacles(config):
        raise UsageError(
            f"NeMo 2.1 cannot express this {architecture.name} model: {', '.join(found)}",
            where=where,
            why="the converted model would compute something else",
            fix=architecture.hf_remedy(config),
        )
    return architecture
