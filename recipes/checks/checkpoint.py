"""Whether the weights of a checkpoint fit the model that is about to be built."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from omegaconf import DictConfig, OmegaConf

from data_prep.errors import UsageError
from data_prep.vocabulary import JSON_NAME, SENTENCEPIECE_NAME
from recipes import nemo_file
from recipes.model_shape import padded_vocab_size

# What must be equal for a checkpoint's weights to fit a model section.
ARCHITECTURE = (
    "num_layers",
    "hidden_size",
    "ffn_hidden_size",
    "num_attention_heads",
    "num_query_groups",
    "kv_channels",
    "normalization",
    "activation",
    "bias",
    "position_embedding_type",
    "rotary_percentage",
    "share_embeddings_and_output_weights",
    "layernorm_epsilon",
)

# What says how positions are turned: another value is another model, unless the context is made longer on purpose.
POSITIONS = ("rotary_base", "scale_positional_embedding", "seq_len_interpolation_factor")


def merged_model(cfg: DictConfig, key: str) -> DictConfig:
    """The model section NeMo-Aligner makes: that of the checkpoint at `key`, with ours laid over it."""
    source = nemo_file.read_model_config(Path(OmegaConf.select(cfg, key)), key)
    return cast("DictConfig", OmegaConf.merge(source, cfg.model))


def check_checkpoint(model: DictConfig, path: Path, key: str) -> None:
    """The checkpoint holds this architecture, with as many rows in its embedding tables.

    Args:
        model: The model section that will be built.
        path: The .nemo file.
        key: The configuration key that names it.

    Raises:
        UsageError: The weights do not fit.
    """
    source = nemo_file.read_model_config(path, key)
    names = ARCHITECTURE if _is_longer(source, model) else (*ARCHITECTURE, *POSITIONS)
    pairs = {name: (source.get(name), model.get(name)) for name in names}
    different = {name: pair for name, pair in pairs.items() if None not in pair and pair[0] != pair[1]}
    if different:
        raise UsageError(
            "the checkpoint is another model than the configuration: "
            + ", ".join(f"{name} {theirs} (here {ours})" for name, (theirs, ours) in different.items()),
            where=f"{key}={path}",
            fix=" ".join(f"model.{name}={theirs}" for name, (theirs, _) in different.items())
            + "\nor the configuration of that model, or another checkpoint",
        )
    _check_cut(model, path, key)
    for size in vocabulary_sizes(path, key):
        _check_padding(source, model, size)


def _is_longer(source: DictConfig, model: DictConfig) -> bool:
    lengths = source.get("max_position_embeddings"), model.get("max_position_embeddings")
    return None not in lengths and lengths[1] > lengths[0]


def _check_cut(model: DictConfig, path: Path, key: str) -> None:
    """A checkpoint in the old format is loaded at the sizes it was saved with; a distributed one at any."""
    cut = nemo_file.read_cut(path, key)
    here = model.get("tensor_model_parallel_size", 1), model.get("pipeline_model_parallel_size", 1)
    if cut in {None, here}:
        return
    raise UsageError(
        f"the checkpoint is cut for tensor {cut[0]} x pipeline {cut[1]}, the configuration is for "
        f"tensor {here[0]} x pipeline {here[1]}",
        where=f"{key}={path}",
        why="it is in NeMo's old format, a file a rank, which only loads as it was saved",
        fix=f"model.tensor_model_parallel_size={cut[0]} model.pipeline_model_parallel_size={cut[1]}\n"
        "or save it as a distributed checkpoint first: NeMo's megatron_change_num_partitions.py",
    )


def _check_padding(source: DictConfig, model: DictConfig, vocabulary: int) -> None:
    """The tables are padded to the same number of rows, whatever the tensor size was when they were saved.

    Padding rows take part in the softmax, so another number of them is another model; torch from 2.6 on does not
    load it.
    """
    sections = {"checkpoint": source, "here": model}
    divisors = {name: section.get("make_vocab_size_divisible_by", 128) for name, section in sections.items()}
    tensors = {name: section.get("tensor_model_parallel_size", 1) for name, section in sections.items()}
    rows = {name: padded_vocab_size(vocabulary, divisors[name], tensors[name]) for name in sections}
    if rows["checkpoint"] == rows["here"]:
        return
    tensor = tensors["here"]
    sizes = [str(size) for size in range(1, tensor + 1) if rows["checkpoint"] % size == 0]
    raise UsageError(
        f"a vocabulary of {vocabulary} is padded to {rows['here']} rows, in the checkpoint to {rows['checkpoint']}",
        where=f"model.make_vocab_size_divisible_by={divisors['here']}, model.tensor_model_parallel_size={tensor}",
        why="the embedding tables of the checkpoint do not fit",
        fix=f"model.make_vocab_size_divisible_by={rows['checkpoint'] // tensor}"
        if rows["checkpoint"] % tensor == 0
        else f"model.tensor_model_parallel_size={' or '.join(sizes)}",
    )


def vocabulary_sizes(path: Path, key: str) -> Iterator[int]:
    """Entries of each tokenizer inside a checkpoint."""
    for name in (SENTENCEPIECE_NAME, JSON_NAME):
        if tokenizer := nemo_file.read_tokenizer(path, key, name):
            yield _vocabulary_size(tokenizer, name)


def _vocabulary_size(tokenizer: bytes, name: str) -> int:
    """Entries as NeMo counts them, added tokens included."""
    if name == JSON_NAME:
        from tokenizers import Tokenizer

        return int(Tokenizer.from_buffer(tokenizer).get_vocab_size(with_added_tokens=True))
    from sentencepiece import SentencePieceProcessor

    return int(SentencePieceProcessor(model_proto=tokenizer).get_piece_size())
