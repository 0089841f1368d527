"""Receipts: the JSON beside every output that says what it was made from and what it holds.

A stage whose receipt still matches (same settings, same inputs, same code, outputs in place) is not run again;
receipts chain from the documents to the blend plan, the run record and the model card. Paths in a receipt are
relative to its own folder, so a finished output folder can be moved as a whole.
"""

import functools
import hashlib
import importlib.metadata
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data_prep.documents import Dataset, Document, Record, Reject
from data_prep.errors import DataError
from data_prep.files import atomic_write, sha256_file

Sizes = dict[str, int]
ByKind = dict[str, dict[str, Sizes]]
"""{lang: {kind: {documents, characters, tokens}}}"""


@dataclass
class Tally:
    """Counts of one task while it runs."""

    read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    by: ByKind = field(default_factory=dict)
    counts_tokens: bool = False

    def watch(self, records: Iterable[Record]) -> Iterator[Record]:
        """Pass records on, counting each as kept or dropped."""
        for record in records:
            self.read += 1
            if isinstance(record, Reject):
                self.dropped[record.reason] += 1
            else:
                sizes = self._sizes(record.lang, record.kind)
                sizes["documents"] += 1
                sizes["characters"] += len(record.text)
            yield record

    def add_tokens(self, document: Document, tokens: int) -> None:
        """Count tokens of a document that was kept."""
        self.counts_tokens = True
        self._sizes(document.lang, document.kind)["tokens"] += tokens

    def add(self, dataset: Dataset, *, documents: int, characters: int, tokens: int) -> None:
        """Count documents of one dataset that a task read by itself, kept and tokenised."""
        self.read += documents
        self.counts_tokens = True
        sizes = self._sizes(dataset.lang, dataset.kind)
        for name, value in (("documents", documents), ("characters", characters), ("tokens", tokens)):
            sizes[name] += value

    def add_receipt(self, receipt: "Receipt") -> None:
        """Count what a part of this task's work has counted."""
        self.read += receipt.counts["in"]
        self.dropped.update(receipt.counts["dropped"])
        for lang, kinds in receipt.by.items():
            for kind, counts in kinds.items():
                sizes = self._sizes(lang, kind)
                for name, value in counts.items():
                    sizes[name] += value

    def total(self, what: str) -> int:
        """Sum of `documents`, `characters` or `tokens` over languages and kinds."""
        return sum(sizes[what] for kinds in self.by.values() for sizes in kinds.values())

    def _sizes(self, lang: str, kind: str) -> Sizes:
        return self.by.setdefault(lang, {}).setdefault(kind, {"documents": 0, "characters": 0, "tokens": 0})


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What one task read, wrote and counted."""

    stage: str
    config_hash: str
    code_version: str
    inputs: dict[str, str]
    """{path: sha256}"""
    outputs: dict[str, dict[str, Any]]
    """{path: {bytes, sha256}}"""
    counts: dict[str, Any]
    """{in, kept, dropped: {reason: n}}"""
    documents: int
    characters: int
    """Unicode code points of the kept documents."""
    tokens: int | None
    """None for stages that count no tokens."""
    by: ByKind
    details: dict[str, Any]
    """Facts only this stage knows, e.g. the tokenizer's checksum beside token datasets."""
    seconds: float
    created: str
    """UTC, ISO 8601."""

    @classmethod
    def load(cls, path: Path) -> "Receipt":
        """Read a receipt.

        Raises:
            DataError: It is missing, damaged, or of another layout.
        """
        try:
            return cls(**json.loads(path.read_bytes()))
        except FileNotFoundError:
            what = "this receipt is missing"
        except (OSError, ValueError, TypeError) as error:
            what = f"this receipt cannot be read: {error}"
        raise DataError(
            what,
            where=str(path),
            why="without it nobody knows what its outputs were made from",
            fix="run `langadapt prep` again: it makes what has no valid receipt",
        )

    def write(self, path: Path) -> None:
        """Write atomically, after every output is in place."""
        with atomic_write(path) as file:
            file.write(json.dumps(asdict(self), ensure_ascii=False, indent=1).encode() + b"\n")

    def broken_output(self, folder: Path) -> str | None:
        """The first output that is gone or has another size, in words; None when all are in place."""
        for name, facts in self.outputs.items():
            path = folder / name
            if not path.is_file():
                return f"{path} is missing"
            if path.stat().st_size != facts["bytes"]:
                return f"{path} has {path.stat().st_size} bytes, its receipt says {facts['bytes']}"
        return None

    def changed_input(self, path: Path) -> str | None:
        """The first input that is there with other content, in words; inputs left behind are no fault.

        Only what was written, replaced or renamed after this receipt, which lies at `path`, is read again: hashing
        terabytes of shards takes hours. Change times are the kernel's and cannot be set, so an edit is missed only if
        it was made while the receipt's own task ran, or under a clock turned back.
        """
        written = _touched(path)
        for name, checksum in self.inputs.items():
            given = path.parent / name
            if given.is_file() and _touched(given) >= written and sha256_file(given) != checksum:
                return f"{given} has changed since"
        return None


def _touched(path: Path) -> int:
    """When content, name or owner of a file last changed, in nanoseconds since the epoch."""
    status = path.stat()
    return max(status.st_mtime_ns, status.st_ctime_ns)


def describe_inputs(paths: Sequence[Path], folder: Path) -> dict[str, str]:
    """The `inputs` of a receipt that will lie in `folder`."""
    return {_relative(path, folder): sha256_file(path) for path in paths}


def describe_outputs(paths: Sequence[Path], folder: Path) -> dict[str, dict[str, Any]]:
    """The `outputs` of a receipt that will lie in `folder`."""
    return {_relative(path, folder): {"bytes": path.stat().st_size, "sha256": sha256_file(path)} for path in paths}


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def config_hash(settings: Mapping[str, Any]) -> str:
    """SHA-256 of the settings as canonical JSON."""
    canonical = json.dumps(settings, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


@functools.cache
def code_version(stage: str) -> str:
    """The langadapt version and a digest of the stage's own module or package: an edited rule makes its outputs stale.

    Modules that stages share change with the version.
    """
    return f"{langadapt_version()}+{stage}.{_code_digest(stage)[:8]}"


def _code_digest(stage: str) -> str:
    """SHA-256 of a module, or of the code and data files of a package."""
    package = Path(__file__).with_name(stage)
    if not package.is_dir():
        return sha256_file(package.with_suffix(".py"))
    files = sorted(path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    lines = (f"{path.relative_to(package)} {sha256_file(path)}" for path in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def langadapt_version() -> str:
    """The installed version, or `uninstalled` when run straight from a checkout."""
    try:
        return importlib.metadata.version("langadapt")
    except importlib.metadata.PackageNotFoundError:
        return "uninstalled"


def is_current(path: Path, *, stage: str, settings: Mapping[str, Any], inputs: Sequence[Path]) -> bool:
    """Whether the outputs this receipt describes are what running the stage now would make."""
    try:
        receipt = Receipt.load(path)
    except DataError:
        return False
    return (
        receipt.stage == stage
        and receipt.config_hash == config_hash(settings)
        and receipt.code_version == code_version(stage)
        and all(given.is_file() for given in inputs)
        and receipt.inputs == describe_inputs(inputs, path.parent)
        and receipt.broken_output(path.parent) is None
    )
