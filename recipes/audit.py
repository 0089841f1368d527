"""`langadapt audit RUN_FOLDER`: what the model saw, not what we hoped.

A weight in a blend is a wish. What a run read stands in Megatron's blending index: sample i of the run belongs to
dataset `dataset_index[i]`, and a run that has consumed n samples has read the first n of it, whatever its restarts
(NeMo's sampler counts on from the consumed samples). Counted here from the file the run itself used, in pieces of a
memory map, and put beside the plan of `langadapt blend`: at the end of every pre-training and continued pre-training
into the run record, and by this verb for one that is still running or was killed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from data_prep.console import make_console
from data_prep.errors import DataError, UsageError
from data_prep.layout import receipt_path
from data_prep.receipts import Receipt
from data_prep.settings import load
from recipes import run_record
from recipes.run_record import RunRecord

NOTE_NAME = "record/blend_index.json"
_CHUNK = 1 << 22
"""Samples counted at once: numpy.bincount makes 8 bytes of each."""
_MOST_ROWS = 40
"""Of datasets in the table; the record has all."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One dataset of the blend as Megatron built it; `tokens` are those of one epoch of its training documents."""

    prefix: str
    weight: float
    tokens: int


@dataclass(frozen=True, kw_only=True)
class BlendIndex:
    """What `recipes.runtime.blend_index` notes when a run starts to train.

    Attributes:
        sequence_length: Tokens of a sample.
        samples: In the whole index; Megatron makes a few more than the run needs.
        order: NeMo's `dataloader_type`.
        dataset_index: The .npy with the number of the dataset of each sample, int16; None where there is one dataset.
        sources: The datasets, in the order of their numbers.
    """

    sequence_length: int
    samples: int
    order: str
    dataset_index: str | None
    sources: tuple[Source, ...]

    def as_dict(self) -> dict[str, Any]:
        """For the note."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a run read of one dataset; planned values are of the whole plan, None where there was none."""

    prefix: str
    source: str | None
    lang: str | None
    kind: str | None
    tokens_available: int
    samples: int
    tokens_planned: int | None
    tokens_seen: int
    epochs_planned: float | None
    epochs: float


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """The verb: counts anew and prints; the record of a run that has ended holds the same figures."""
    settings = load(AuditSettings, configs, overrides)
    for folder in settings.run_folder:
        record = run_record.read(folder)
        if record is None:
            raise UsageError(
                "This is no run folder: it has no run record.",
                where=str(folder),
                fix="name the exp_manager.explicit_log_dir of a pretrain or cpt run",
            )
        if not dry_run:
            report(folder, of_run(folder, record))
    return 0


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """What may be told to `audit`."""

    run_folder: tuple[Path, ...]

    def __post_init__(self) -> None:
        if not self.run_folder:
            raise ValueError("no run folder is named\nlangadapt audit runs/demo/cpt")


def of_run(folder: Path, record: RunRecord) -> list[Seen]:
    """What the run in a folder has read up to now; all phases of a run that has some.

    Empty where no note was written: SFT and DPO read their examples epoch by epoch, a run killed at its start nothing.
    """
    if record.phases:
        parts = run_record.phase_folders(folder)
        return merged([of_run(part, found) for part in parts if (found := run_record.read(part)) is not None])
    path = folder / NOTE_NAME
    if not path.exists():
        return []
    index = read_note(path)
    consumed = consumed_samples(run_record.read_metrics(folder), record)
    return compare(index, count(index, consumed, path), record.blend)


def consumed_samples(metrics: Sequence[dict[str, float]], record: RunRecord) -> int:
    """Samples behind the last step: NeMo's own count, and whole batches for steps after the last line logged."""
    counted = [(int(line["step"]) + 1, int(line["consumed_samples"])) for line in metrics if "consumed_samples" in line]
    step, samples = counted[-1] if counted else (0, 0)
    return samples + max(0, record.steps - step) * int(record.config["model"]["global_batch_size"])


def read_note(path: Path) -> BlendIndex:
    """The note.

    Raises:
        DataError: It is damaged.
    """
    values = run_record.read_json(path)
    try:
        sources = tuple(Source(**each) for each in values.pop("sources"))
        return BlendIndex(**values, sources=sources)
    except (KeyError, TypeError) as error:
        raise DataError(
            f"this is no note on a blending index: {error!r}",
            where=str(path),
            fix="start the run's command again: it writes a new one",
        ) from None


def count(index: BlendIndex, consumed: int, note: Path) -> list[int]:
    """Samples of each dataset among the first `consumed`.

    Raises:
        DataError: The index is gone, is shorter than what was consumed, or was not read in order.
    """
    if index.order != "single" or consumed > index.samples:
        raise DataError(
            f"{consumed:,} samples were consumed of an index of {index.samples:,}, in the order `{index.order}`",
            where=str(note),
            why="only samples read one after the other, once, can be told from the index",
            fix="model.data.dataloader_type=single",
        )
    if index.dataset_index is None:
        return [consumed]
    counts = np.zeros(len(index.sources), np.int64)
    try:
        numbers = np.load(index.dataset_index, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise DataError(
            f"Megatron's blending index cannot be read: {error}",
            where=f"{index.dataset_index}, named in {note}",
            why="it alone says which sample came from which dataset",
            fix="restore it, or start the run's command again before its last step: Megatron builds it anew",
        ) from None
    for start in range(0, consumed, _CHUNK):
        counts += np.bincount(numbers[start : min(start + _CHUNK, consumed)], minlength=len(counts))
    return [int(each) for each in counts]


def compare(index: BlendIndex, samples: Sequence[int], plan: dict[str, Any] | None) -> list[Seen]:
    """Each dataset's samples as tokens and epochs, beside the plan's.

    A training sample of Megatron's holds `sequence_length` tokens to predict; the one token more that it reads is the
    next sample's first.
    """
    planned = {entry["prefix"]: entry for entry in (plan or {}).get("train", ())}
    return [
        _seen(source, count, count * index.sequence_length, planned.get(source.prefix))
        for source, count in zip(index.sources, samples, strict=True)
    ]


def _seen(source: Source, samples: int, tokens: int, entry: dict[str, Any] | None) -> Seen:
    names = entry or _receipt_details(source.prefix)
    return Seen(
        prefix=source.prefix,
        **{key: names.get(key) for key in ("source", "lang", "kind")},
        tokens_available=source.tokens,
        samples=samples,
        tokens_planned=entry["tokens_drawn"] if entry else None,
        tokens_seen=tokens,
        epochs_planned=entry["epochs"] if entry else None,
        epochs=tokens / source.tokens,
    )


def _receipt_details(prefix: str) -> dict[str, Any]:
    path = receipt_path(Path(prefix))
    return Receipt.load(path).details if path.is_file() else {}


def merged(phases: Iterable[Sequence[Seen]]) -> list[Seen]:
    """The sums over phases, dataset by dataset in the order of their first appearance."""
    rows: dict[str, Seen] = {}
    for seen in (each for phase in phases for each in phase):
        before = rows.get(seen.prefix)
        rows[seen.prefix] = seen if before is None else replace(before, **_sums(before, seen))
    return list(rows.values())


def _sums(one: Seen, other: Seen) -> dict[str, Any]:
    pairs = {
        field.name: (getattr(one, field.name), getattr(other, field.name))
        for field in fields(Seen)
        if field.name not in ("prefix", "source", "lang", "kind", "tokens_available")
    }
    return {name: None if None in pair else sum(pair) for name, pair in pairs.items()}


def report(folder: Path, seen: Sequence[Seen]) -> None:
    """Prints the table, or why there is none."""
    if seen:
        make_console().print(table(seen))
    else:
        print(f"audit: {folder} has read nothing yet, or its stage has no blend")


def table(seen: Sequence[Seen]) -> Table:
    """Datasets by falling share, then languages and kinds."""
    table = Table(title="what the model saw, from Megatron's blending index", title_justify="left")
    table.add_column("dataset", overflow="fold")
    for column in ("tokens", "planned", "seen", "of plan", "epochs planned", "epochs seen"):
        table.add_column(column, justify="right")
    for row in sorted(seen, key=lambda row: -row.tokens_seen)[:_MOST_ROWS]:
        name = ".".join(filter(None, (row.source, row.lang, row.kind))) or row.prefix
        table.add_row(name, *_cells([row]))
    if len(seen) > _MOST_ROWS:
        table.add_row(f"{len(seen) - _MOST_ROWS:,} more in the record", *[""] * 6)
    for key in ("lang", "kind"):
        table.add_section()
        for group in sorted({str(getattr(row, key)) for row in seen}):
            table.add_row(f"all {group}", *_cells([row for row in seen if str(getattr(row, key)) == group]))
    return table


def _cells(rows: Sequence[Seen]) -> list[str]:
    available, seen = sum(row.tokens_available for row in rows), sum(row.tokens_seen for row in rows)
    plans = [row.tokens_planned for row in rows if row.tokens_planned is not None]
    planned = sum(plans) if len(plans) == len(rows) else None
    return [
        f"{available:,}",
        "" if planned is None else f"{planned:,}",
        f"{seen:,}",
        "" if not planned else f"{seen / planned:.1%}",
        "" if planned is None else f"{planned / available:.2f}",
        f"{seen / available:.2f}",
    ]
