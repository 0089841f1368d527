"""The receipts an audit is made from, found below the output folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.documents import SPLITS, Dataset
from data_prep.flow import CHAIN, finished_datasets, folder_of, written_by
from data_prep.layout import RECEIPT_SUFFIX, SHARD_SUFFIX, Layout, receipt_path
from data_prep.receipts import Receipt

if TYPE_CHECKING:
    from data_prep.prep_settings import PrepSettings


@dataclass(frozen=True, kw_only=True)
class Found:
    """One receipt with its place."""

    stage: str
    dataset: str
    path: Path
    receipt: Receipt

    @property
    def rejects(self) -> Path | None:
        """The shard of what was left out."""
        named = (name for name in self.receipt.outputs if "rejects" in Path(name).parts)
        return next((self.path.parent / name for name in named), None)

    def documents(self, split: str) -> Path:
        """The shard of one side of finished documents."""
        return self.path.parent / split / f"{self.path.name.removesuffix(RECEIPT_SUFFIX)}{SHARD_SUFFIX}"


def stage_receipts(settings: "PrepSettings", stage: str) -> Iterator[Found]:
    """What a document stage has finished, by dataset in the order of the sources and by shard."""
    for dataset in dict.fromkeys(written_by(settings, stage)):
        folder = settings.layout.folder(folder_of(stage), dataset.name)
        yield from _load(stage, dataset.name, folder.glob(f"*{RECEIPT_SUFFIX}"))


def instruct_receipts(layout: Layout) -> Iterator[Found]:
    """What stage instruct has finished."""
    for path in sorted((layout.root / "instruct").glob(f"*{RECEIPT_SUFFIX}")):
        yield from _load("instruct", path.name.removesuffix(RECEIPT_SUFFIX), [path])


def token_receipts(settings: "PrepSettings", dataset: Dataset) -> dict[str, Path]:
    """The receipts of the token datasets that are there, by side of the split."""
    paths = {split: receipt_path(settings.layout.prefix(dataset.name, split)) for split in SPLITS}
    return {split: path for split, path in paths.items() if path.is_file()}


def side_files(layout: Layout) -> dict[str, Path]:
    """Files with the corpus-wide findings of stages, those that are there."""
    files = {
        "dedup": layout.side("dedup", "clusters") / f"clusters{RECEIPT_SUFFIX}",
        "contamination": layout.side("decontaminate", "verdict") / f"verdict{RECEIPT_SUFFIX}",
        "perplexity": layout.side("perplexity", "threshold") / "threshold.json",
    }
    return {name: path for name, path in files.items() if path.is_file()}


def all_paths(settings: "PrepSettings") -> tuple[Path, ...]:
    """Every file the facts come from: when one changes, the audit is made anew."""
    found = [each.path for stage in CHAIN for each in stage_receipts(settings, stage)]
    found += [each.path for each in instruct_receipts(settings.layout)]
    for dataset in finished_datasets(settings):
        found += token_receipts(settings, dataset).values()
    switched_on = (path for name, path in side_files(settings.layout).items() if settings.is_enabled(STAGE_OF[name]))
    return (*found, *switched_on)


STAGE_OF = {"dedup": "dedup", "contamination": "decontaminate", "perplexity": "perplexity"}
"""Whose findings the side files hold."""


def _load(stage: str, dataset: str, paths: "Iterator[Path] | list[Path]") -> Iterator[Found]:
    for path in sorted(paths):
        yield Found(stage=stage, dataset=dataset, path=path, receipt=Receipt.load(path))
