"""Finished segments on disk: append-only files, each with one writer.

    <cache>/<engine and languages, hashed>/engine.json          what the hash stands for
    <cache>/<engine and languages, hashed>/<part>-of-<parts>    one line a segment: key, tab, translation as JSON

A line is written with the batch it belongs to, so a killed run loses the batches under way and nothing else. One file
per task, not one database: tasks of a Slurm array share a file system on which file locks, and therefore SQLite, are
not safe. A run with another number of parts still finds what earlier ones finished, because a key's part is its
value modulo that number: only files that can hold keys of this part are read.
"""

import fcntl
import functools
import hashlib
import json
import math
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from data_prep.errors import DataError
from data_prep.files import atomic_write
from data_prep.receipts import config_hash

_NAME = re.compile(r"(\d+)-of-(\d+)")
_LINE = re.compile(rb'([0-9a-f]{32})\t".*"\n', re.DOTALL)
_SYNC_SECONDS = 10.0
"""A killed process loses nothing that was written; only a power cut can lose what is not synced."""


_ENCODER = json.JSONEncoder(ensure_ascii=False)
_DECODER = json.JSONDecoder()


@functools.lru_cache(maxsize=1 << 15)
def key_of(segment: str) -> str:
    """The name of a segment: 128 bits of BLAKE2 in hexadecimal, so two segments never share one."""
    return hashlib.blake2b(segment.encode(), digest_size=16).hexdigest()


def part_of(key: str, parts: int) -> int:
    """The part a key belongs to."""
    return int(key[:15], 16) % parts


def cache_folder(cache: Path, identity: Mapping[str, Any]) -> Path:
    """The folder of one engine and direction, made with a description of what its name stands for."""
    folder = cache / config_hash(identity)[:16]
    description = folder / "engine.json"
    if not description.is_file():
        with atomic_write(description) as file:
            file.write(json.dumps(identity, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n")
    return folder


@dataclass
class Cache:
    """The finished segments of one part. Use as a context manager.

    Memory: about 200 bytes per segment of the part (key and place); translations stay on disk.
    """

    folder: Path
    part: int = 0
    parts: int = 1
    _places: dict[str, int] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Read what is finished.

        Raises:
            DataError: Another run writes this file, or a line is damaged.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.part}-of-{self.parts}"
        self._file: IO[bytes] = path.open("ab+")
        self._lock(path)
        for key, place in self._scan():
            self._places[key] = place
        self._synced = time.monotonic()
        self._append(self._finished_elsewhere())
        return self

    def __exit__(self, *_: object) -> None:
        self._sync()
        self._file.close()

    def __contains__(self, segment: str) -> bool:
        return key_of(segment) in self._places

    def __len__(self) -> int:
        return len(self._places)

    def get(self, segment: str) -> str | None:
        """The translation, if it is there."""
        place = self._places.get(key_of(segment))
        if place is None:
            return None
        self._file.seek(place)
        translation: str = _DECODER.raw_decode(self._file.readline().decode(), 33)[0]
        return translation

    def put(self, translations: Mapping[str, str]) -> None:
        """Keep a batch: {segment: translation}."""
        self._append((key_of(segment), _ENCODER.encode(text).encode()) for segment, text in translations.items())
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            self._sync()

    def _append(self, entries: Iterable[tuple[str, bytes]]) -> None:
        place = self._file.seek(0, os.SEEK_END)
        for key, translation in entries:
            line = key.encode() + b"\t" + translation + b"\n"
            self._file.write(line)
            self._places[key] = place
            place += len(line)
        self._file.flush()

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def _lock(self, path: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(
                "another run writes into this file",
                where=str(path),
                why="two writers would mix their lines",
                fix="wait for it to end, or stop it",
            ) from error
        except OSError:  # a file system without locks: nothing else writes here unless started twice by hand
            return

    def _scan(self) -> Iterator[tuple[str, int]]:
        """Keys and places of the whole lines; what a kill left of a last line is cut off."""
        self._file.seek(0)
        place = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                self._file.truncate(place)
                return
            yield _key(line, self._file.name, place), place
            place += len(line)

    def _finished_elsewhere(self) -> Iterator[tuple[str, bytes]]:
        """Entries of this part in the files of runs with another number of parts."""
        for path in sorted(self.folder.glob("*-of-*")):
            match = _NAME.fullmatch(path.name)
            if match is None or int(match[2]) == self.parts:
                continue
            if (int(match[1]) - self.part) % math.gcd(int(match[2]), self.parts) == 0:
                yield from self._entries(path)

    def _entries(self, path: Path) -> Iterator[tuple[str, bytes]]:
        place = 0
        with path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                key = _key(line, str(path), place)
                if part_of(key, self.parts) == self.part and key not in self._places:
                    yield key, line[33:-1]
                place += len(line)


def _key(line: bytes, path: str, place: int) -> str:
    match = _LINE.fullmatch(line)
    if match is None:
        raise DataError(
            f"byte {place} does not start a finished segment: {line[:40]!r}",
            where=path,
            why="what is damaged would be used as if it were whole",
            fix=f"delete {path}: what it held is made again",
        )
    return match[1].decode()
