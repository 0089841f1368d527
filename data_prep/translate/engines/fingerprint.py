"""What a model's name stands for, so that a model changed under the same name does not pass for the old one."""

import hashlib
from pathlib import Path

from data_prep.files import sha256_file
from data_prep.layout import resolve_input


def fingerprint(model: str) -> str:
    """Digest of a folder's files, or the name of a model on the hub (its revision is pinned beside it)."""
    folder = resolve_input(Path(model))
    if not folder.is_dir():
        return model
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = (f"{path.relative_to(folder).as_posix()} {sha256_file(path)}" for path in files)
    return "folder " + hashlib.sha256("\n".join(lines).encode()).hexdigest()
