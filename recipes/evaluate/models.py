"""The models of an evaluation: Hugging Face folders, checked, opened and told apart by their content."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data_prep.errors import UsageError
from data_prep.files import sha256_file


def check_model(name: str, folder: Path, seq_length: int) -> None:
    """Raises UsageError unless `folder` holds a model that reads `seq_length` tokens."""
    config = folder / "config.json"
    if not config.is_file():
        raise UsageError(
            "this is not a Hugging Face model folder: it has no config.json",
            where=f"models.{name}={folder}",
            fix=f"langadapt convert to-hf model=CHECKPOINT.nemo output={folder}",
        )
    limit = json.loads(config.read_bytes()).get("max_position_embeddings", seq_length)
    if seq_length > limit:
        raise UsageError(
            f"seq_length={seq_length}, but {name} was trained on {limit} tokens at most",
            where=str(config),
            why="predictions past that length say nothing about the model",
            fix=f"seq_length={limit}",
        )


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that has a say in what the model computes; its certificate and its card have none."""
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("."))
    return {path.name: sha256_file(path) for path in files if path.name not in ("parity.json", "README.md")}


def open_models(folders: Mapping[str, Path], dtype: str = "float32") -> Iterator[tuple[str, Any, Any]]:
    """Each model in that type of torch's with its tokenizer, one in memory at a time.

    Raises:
        UsageError: transformers cannot load a folder, or its tokenizer has no end-of-document token.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    for name, folder in folders.items():
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
            model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=getattr(torch, dtype)).to(device).eval()
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise UsageError(
                f"transformers cannot load this model: {str(error).splitlines()[0]}",
                where=f"models.{name}={folder}",
                fix="convert it again: langadapt convert to-hf",
            ) from error
        if tokenizer.eos_token_id is None:
            raise UsageError(
                "this tokenizer has no end-of-document token",
                where=f"models.{name}={folder}",
                why="documents are scored as they were trained on, after the end of another",
                fix="set eos_token in tokenizer_config.json",
            )
        yield name, model, tokenizer
        del model
