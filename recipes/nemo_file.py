"""What can be read of a .nemo checkpoint without unpacking it: its model config and its tokenizer."""

import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from omegaconf import DictConfig, OmegaConf

from data_prep.errors import DataError, UsageError

MODEL_CONFIG = "model_config.yaml"


def read_model_config(path: Path, key: str) -> DictConfig:
    """The `model` section a checkpoint was trained with.

    Args:
        path: A .nemo file.
        key: The configuration key that names it, for the errors.

    Raises:
        UsageError: There is no such file.
        DataError: It is no tar, is cut short, or holds no model config.
    """
    with _open(path, key) as tar:
        for member in tar:
            if Path(member.name).name == MODEL_CONFIG and (stream := tar.extractfile(member)):
                return cast("DictConfig", OmegaConf.create(stream.read().decode()))
    raise DataError(
        f"{path} holds no {MODEL_CONFIG}",
        where=key,
        why="it is a tar file, but no NeMo checkpoint",
        fix=f"{key}=CHECKPOINT.nemo, such as checkpoints/megatron_gpt.nemo of an earlier run",
    )


def read_tokenizer(path: Path, key: str, name: str = "tokenizer.model") -> bytes | None:
    """The tokenizer inside a checkpoint, None where it holds none of that name; errors as in `read_model_config`."""
    with _open(path, key) as tar:
        for member in tar:
            if member.name.endswith(name) and (stream := tar.extractfile(member)):
                return stream.read()
    return None


def read_cut(path: Path, key: str) -> tuple[int, int] | None:
    """Tensor and pipeline size of a checkpoint in NeMo's old format, a file a rank; None for a distributed checkpoint.

    Errors as in `read_model_config`. The folders are nemo/utils/model_utils.py's, inject_model_parallel_rank.
    """
    with _open(path, key) as tar:
        files = [Path(member.name) for member in tar if Path(member.name).name == "model_weights.ckpt"]
    ranks = [re.search(r"(?:mp|tp)_rank_(\d+)(?:_pp_rank_(\d+))?", str(file.parent)) for file in files]
    numbers = [(int(rank[1]), int(rank[2] or 0)) if rank else (0, 0) for rank in ranks]
    return (max(tensor for tensor, _ in numbers) + 1, max(pipe for _, pipe in numbers) + 1) if numbers else None


@contextmanager
def _open(path: Path, key: str) -> Iterator[tarfile.TarFile]:
    if not path.is_file():
        found = "is a folder, not a .nemo file" if path.is_dir() else "does not exist"
        raise UsageError(
            f"the checkpoint {path} {found}",
            where=key,
            fix=f"pack it: tar -cf {path}.nemo -C {path} ." if path.is_dir() else f"{key}=PATH, of {_beside(path)}",
        )
    try:
        with tarfile.open(path) as tar:
            yield tar
    except (tarfile.TarError, EOFError) as error:
        raise DataError(
            f"{path} is not a whole .nemo file",
            where=key,
            why=f"a .nemo file is a tar file; reading it failed: {error}",
            fix="copy or download it again",
        ) from error


def _beside(path: Path) -> str:
    """The checkpoints in the folder of a path that does not exist."""
    found = sorted(path.parent.glob("*.nemo"))
    return "the .nemo files there: " + ", ".join(map(str, found)) if found else "an existing .nemo file"
