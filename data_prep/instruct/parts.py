"""What a task of each step writes: the examples of one part of a file, and a set, which is its parts one after another.

A part has the files of a set, below `instruct/_parts/<set>/`, and goes when the set is whole.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.documents import Record, split_of
from data_prep.errors import DataError
from data_prep.files import atomic_write
from data_prep.layout import SHARD_SUFFIX, append_suffix, receipt_path
from data_prep.receipts import Receipt, Tally
from data_prep.tasks import Written, split_off_rejects

PART_BYTES = 4 << 20
"""Bytes of the user's file, packed or not, for which a part more is made."""
MAX_PARTS = 64
"""Every part passes over all lines: more of them would spend their time on that."""


def count_parts(path: Path) -> int:
    """In how many parts a file is worked on: by its size alone, so that any number of workers makes the same."""
    return max(1, min(MAX_PARTS, path.stat().st_size // PART_BYTES))


@dataclass(frozen=True, kw_only=True)
class SetFiles:
    """Where the examples of a set, or of a part of one, are written."""

    train: Path
    validation: Path
    rejects: Path

    @classmethod
    def of_part(cls, prefix: Path) -> "SetFiles":
        """Those of a part; `prefix` is the folder of its set and its name."""
        endings = {"train": ".train.jsonl", "validation": ".validation.jsonl", "rejects": f".rejects{SHARD_SUFFIX}"}
        return cls(**{name: append_suffix(prefix, ending) for name, ending in endings.items()})

    def __iter__(self) -> Iterator[Path]:
        return iter((self.train, self.validation, self.rejects))


def write_part(files: SetFiles, validation_fraction: float, records: Iterable[Record], _tally: Tally) -> Written:
    """What a task of step `parts` does: each example to its side of the split."""
    counts = {"train": 0, "heldout": 0}
    with (
        atomic_write(files.train) as train,
        atomic_write(files.validation) as validation,
        split_off_rejects(records, files.rejects) as documents,
    ):
        for document in documents:
            split = split_of(document.group, validation_fraction)
            counts[split] += 1
            (train if split == "train" else validation).write(document.text.encode() + b"\n")
    return Written(outputs=tuple(files), details={"train": counts["train"], "validation": counts["heldout"]})


def write_set(
    name: str, files: SetFiles, parts: Sequence[Path], fraction: float, _records: Iterable[Record], tally: Tally
) -> Written:
    """What a task of step `examples` does: append the parts, rejects too: zstd reads frame after frame."""
    receipts = [Receipt.load(receipt_path(part)) for part in parts]
    counts = {split: sum(receipt.details[split] for receipt in receipts) for split in ("train", "validation")}
    _require_both(name, counts, fraction)
    for receipt in receipts:
        tally.add_receipt(receipt)
    for output, pieces in zip(files, zip(*map(SetFiles.of_part, parts), strict=True), strict=True):
        with atomic_write(output) as file:
            for piece in pieces:
                with piece.open("rb") as source:
                    shutil.copyfileobj(source, file, 1 << 20)
    return Written(outputs=tuple(files), details=counts)


def _require_both(name: str, counts: dict[str, int], fraction: float) -> None:
    if not all(counts.values()):
        raise DataError(
            f"{name}: {counts['train']} training and {counts['validation']} validation examples",
            where=f"instruct.validation_fraction={fraction}",
            why="NeMo-Aligner needs at least one of each",
            fix="instruct.validation_fraction=0.3, or more examples",
        )
