"""The folder a conversion makes: whether there is room, its small files, and how it gets its name."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_prep.errors import LangadaptError
from data_prep.files import atomic_write, fsync_folder


def require_space(folder: Path, needed: int) -> None:
    """Raises before anything is written where the disk cannot hold it.

    Raises:
        LangadaptError: It cannot.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise LangadaptError(
            f"the converted model takes {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free",
            where=str(folder),
            why="the disk would be full before the model is whole",
            fix=f"make room (df -h {folder.parent}), or output=ELSEWHERE",
        )


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON file, atomically."""
    with atomic_write(path) as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")


def publish(unfinished: Path, output: Path) -> None:
    """Gives the finished folder its name; an earlier conversion of the same checkpoint makes room."""
    fsync_folder(unfinished)
    earlier = output.with_name(f".{output.name}.earlier")
    if output.exists():
        output.replace(earlier)
    unfinished.replace(output)
    shutil.rmtree(earlier, ignore_errors=True)
    fsync_folder(output.parent)
