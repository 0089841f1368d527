"""Which stage makes which dataset, and what each stage therefore reads.

Document stages run in the order of `CHAIN`. A stage that is switched off, or does not handle a dataset, is stepped
over: the next one reads what the latest earlier stage left. Shards are found by their receipts, so a file without
one, half-written or foreign, is never read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.documents import Dataset, Split, primary_language
from data_prep.files import read_shard
from data_prep.layout import RECEIPT_SUFFIX, SHARD_SUFFIX, Layout
from data_prep.receipts import Receipt
from data_prep.tasks import Task, write_shard

if TYPE_CHECKING:
    from data_prep.prep_settings import PrepSettings

CHAIN = ("ingest", "clean", "translate", "dedup", "decontaminate", "perplexity", "split", "romanize")
"""Stages that write documents, in order."""

PRODUCT = "documents"
"""Where `split` and `romanize` write: a folder named after what it holds, not after them."""


def folder_of(stage: str) -> str:
    """The folder in the output folder that a document stage writes to."""
    return PRODUCT if stage in ("split", "romanize") else stage


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One file of documents on its way through the stages."""

    dataset: Dataset
    path: Path

    @property
    def name(self) -> str:
        """The file's name without its suffix, the same in every stage."""
        return self.path.name.removesuffix(SHARD_SUFFIX)


@dataclass(frozen=True, kw_only=True)
class DocumentShards:
    """Both sides of one finished shard."""

    dataset: Dataset
    name: str
    train: Path
    heldout: Path

    def side(self, split: Split) -> Path:
        """The file of one side."""
        return self.train if split == "train" else self.heldout


def written_by(settings: "PrepSettings", stage: str) -> tuple[Dataset, ...]:
    """The datasets a stage writes, in the order of the sources."""
    if stage == "ingest":
        return tuple(source.dataset for source in settings.sources)
    if stage == "translate":
        return settings.translated_datasets()
    if stage == "perplexity":
        rules = settings.perplexity
        return _enabled(settings, stage, lambda each: each.lang == rules.lang and each.kind in rules.kinds)
    if stage == "romanize":
        return tuple(dict.fromkeys(romanized(each) for each in to_romanize(settings)))
    return _enabled(settings, stage, lambda _: True)


def _enabled(settings: "PrepSettings", stage: str, handles: Any) -> tuple[Dataset, ...]:
    if not settings.is_enabled(stage):
        return ()
    return tuple(each for each in known_before(settings, stage) if handles(each))


def known_before(settings: "PrepSettings", stage: str) -> tuple[Dataset, ...]:
    """Every dataset that exists when a stage starts."""
    earlier = CHAIN[: CHAIN.index(stage)]
    makers = [name for name in ("ingest", "translate", "romanize") if name in earlier]
    return tuple(each for name in makers for each in written_by(settings, name))


def to_romanize(settings: "PrepSettings") -> tuple[Dataset, ...]:
    """Finished datasets that get romanised children."""
    rules = settings.romanize
    if not rules.enabled:
        return ()
    return tuple(
        each for each in known_before(settings, "split") if each.lang in rules.engines and each.kind in rules.kinds
    )


def romanized(dataset: Dataset) -> Dataset:
    """The dataset of the romanised children of a dataset; those of one source share it."""
    return Dataset(source=dataset.source, lang=f"{primary_language(dataset.lang)}-Latn", kind="romanized")


def finished_datasets(settings: "PrepSettings") -> tuple[Dataset, ...]:
    """Every dataset that is tokenised and blended."""
    return written_by(settings, "split") + written_by(settings, "romanize")


def shards_into(settings: "PrepSettings", stage: str) -> tuple[Shard, ...]:
    """What a stage reads: each dataset as the latest earlier stage left it; nothing while that has not run."""
    datasets = known_before(settings, stage)
    return tuple(
        Shard(dataset=dataset, path=path)
        for dataset in datasets
        for path in _shards(settings.layout, _maker(settings, stage, dataset), dataset)
    )


def characters_into(settings: "PrepSettings", stage: str, datasets: Iterable[Dataset]) -> int:
    """Characters of some of the datasets a stage reads."""
    folders = [settings.layout.folder(_maker(settings, stage, each), each.name) for each in datasets]
    return sum(Receipt.load(path).characters for folder in folders for path in folder.glob(f"*{RECEIPT_SUFFIX}"))


def _maker(settings: "PrepSettings", stage: str, dataset: Dataset) -> str:
    """The latest stage before `stage` that writes `dataset`."""
    earlier = CHAIN[: CHAIN.index(stage)]
    return next(name for name in reversed(earlier) if dataset in written_by(settings, name))


def _shards(layout: Layout, stage: str, dataset: Dataset) -> list[Path]:
    folder = layout.folder(stage, dataset.name)
    receipts = sorted(folder.glob(f"*{RECEIPT_SUFFIX}"))
    names = (name for path in receipts for name in Receipt.load(path).outputs)
    return sorted(folder / name for name in names if "/" not in name and name.endswith(SHARD_SUFFIX))


def documents_shards(settings: "PrepSettings", datasets: tuple[Dataset, ...]) -> tuple[DocumentShards, ...]:
    """The finished shards of some datasets."""
    layout = settings.layout
    return tuple(
        DocumentShards(
            dataset=dataset,
            name=name,
            train=layout.document_shard(dataset.name, "train", name),
            heldout=layout.document_shard(dataset.name, "heldout", name),
        )
        for dataset in datasets
        for name in _receipt_names(layout.folder(PRODUCT, dataset.name))
    )


def _receipt_names(folder: Path) -> list[str]:
    return sorted(path.name.removesuffix(RECEIPT_SUFFIX) for path in folder.glob(f"*{RECEIPT_SUFFIX}"))


def shard_task(
    settings: "PrepSettings",
    stage: str,
    shard: Shard,
    *,
    shaping: Mapping[str, Any],
    extra_inputs: tuple[Path, ...] = (),
    dataset: Dataset | None = None,
) -> Task:
    """The task that reads one shard and writes what is kept of it, the rejects and the receipt.

    Args:
        settings: The whole preparation.
        stage: Whose task it is.
        shard: What it reads.
        shaping: The settings that shape the output.
        extra_inputs: Files the transforms read, e.g. a model: when they change the shard is made anew.
        dataset: What it writes, if not the dataset it reads.
    """
    name, layout = (dataset or shard.dataset).name, settings.layout
    kept = layout.stage_shard(stage, name, shard.name)
    return Task(
        name=f"{name}/{shard.name}",
        group=name,
        settings=shaping,
        inputs=(shard.path, *extra_inputs),
        receipt=layout.stage_receipt(stage, name, shard.name),
        read=partial(read_shard, shard.path),
        write=partial(write_shard, kept, layout.rejects(stage, name, shard.name)),
    )
