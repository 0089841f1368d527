"""What a killed conversion had finished: its files are taken over if the same conversion is started again."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.files import atomic_write

NAME = "progress.json"


@dataclass
class Progress:
    """Finished files of an unfinished folder.

    Attributes:
        folder: The hidden folder.
        key: Of the conversion: source, settings and code.
        shards: SHA-256 and bytes by file.
    """

    folder: Path
    key: str
    shards: dict[str, tuple[str, int]] = field(default_factory=dict)

    @classmethod
    def take_over(cls, folder: Path, key: str) -> "Progress":
        """What is there of this very conversion; everything else in the folder is removed."""
        progress = cls(folder=folder, key=key)
        try:
            found = json.loads((folder / NAME).read_bytes())
            shards = found["shards"] if found["key"] == key else {}
        except (OSError, ValueError, KeyError):
            shards = {}
        for name, (digest, size) in shards.items():
            if (path := folder / name).is_file() and path.stat().st_size == size:
                progress.shards[name] = (digest, size)
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            if path.name not in progress.shards and path.name != NAME:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return progress

    def record(self, name: str, digest: str) -> None:
        """Says that a file is whole and on disk."""
        self.shards[name] = (digest, (self.folder / name).stat().st_size)
        with atomic_write(self.folder / NAME) as file:
            file.write(json.dumps({"key": self.key, "shards": self.shards}, indent=2).encode())

    def forget(self) -> None:
        """Removes the note: the folder is about to be published."""
        (self.folder / NAME).unlink(missing_ok=True)
