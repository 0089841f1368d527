"""What a conversion makes: whether there is room, its small files, and who may write it."""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data_prep import files
from data_prep.errors import LangadaptError, UsageError
from data_prep.files import atomic_write
from recipes.convert.proof.certificate import Certificate


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


def another(output: Path, found: Certificate | None, *, made: str) -> UsageError:
    """That an output is there and is no conversion of this source.

    Args:
        output: Its name.
        found: Its certificate.
        made: "folder" or "file".
    """
    held = f"a conversion of {found.source}" if found else "something that is no conversion"
    return UsageError(
        f"the output {made} exists and holds {held}",
        where=str(output),
        why="it would be lost",
        fix=f"output={output.with_stem(f'{output.stem}-2')}\nor remove {output}",
    )


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON file, atomically."""
    with atomic_write(path) as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")


@contextlib.contextmanager
def hold(output: Path, *, made: str, name: str) -> Iterator[Path]:
    """Keeps other conversions out while one is written; yields the hidden name to write under.

    Args:
        output: The name it gets.
        made: "folder" or "file", for the error when another is at it.
        name: What cannot be written when the disk refuses.

    Raises:
        LangadaptError: Another conversion is writing it, or the disk refuses.
    """
    words = {
        "what": f"another conversion is writing this {made}",
        "why": "each would overwrite the other's files",
        "fix": "wait for it, or output=ELSEWHERE",
    }
    with files.lock(output.parent, f".{output.name}.lock", **words):
        try:
            yield output.with_name(f".{output.name}.unfinished")
        except OSError as error:
            raise LangadaptError(
                f"cannot write {name}: {error}", where=str(output), fix="free space, or output=ELSEWHERE"
            ) from error
        finally:
            output.with_name(f".{output.name}.lock").unlink(missing_ok=True)
