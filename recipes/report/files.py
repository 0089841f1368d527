"""JSON files of a run: read with the keys a report needs, and made strict for its own."""

import json
import math
from pathlib import Path
from typing import Any

from data_prep.errors import DataError

Facts = dict[str, Any]
RUNS = ("base", "cpt", "sft", "dpo")
"""Stages that train, in order: the names of their folders and of the models they leave."""


def read_json(path: Path, *needed: str) -> Facts | None:
    """The object a file holds, or None where there is no file.

    Raises:
        DataError: It is no JSON object with these keys.
    """
    if not path.exists():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged(path, error) from error
    if not isinstance(value, dict):
        raise _damaged(path, TypeError("it holds no JSON object"))
    if missing := [key for key in needed if key not in value]:
        raise _damaged(path, ValueError(f"it lacks {', '.join(missing)}"))
    return value


def strict(value: Any) -> Any:
    """The value with None for every number that is not finite."""
    if isinstance(value, dict):
        return {key: strict(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [strict(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"this file of the run cannot be read: {error}",
        where=str(path),
        why="a report on a damaged file would state what nobody measured",
        fix="remove it and run its stage again, then langadapt report",
    )
