"""When wishes cannot be met: which data limit, what can be reached, and what to change."""

import math
from collections.abc import Iterable, Mapping, Sequence

from data_prep.blend.megatron import MOST_DATASETS
from data_prep.blend.records import Dataset, Entry
from data_prep.blend.settings import BlendSettings
from data_prep.documents import KINDS
from data_prep.errors import DataError, UsageError

_ROUNDING = 1e-9
_SHOWN = 3


def reach(dataset: Dataset, settings: BlendSettings) -> float:
    """Most tokens the blend may draw of a dataset."""
    return settings.cap(dataset.source, dataset.kind) * dataset.tokens


def require_known_caps(datasets: Iterable[Dataset], settings: BlendSettings) -> None:
    """Every name in max_epochs_of is a kind or a source.

    Raises:
        UsageError: One is neither; its cap would hold for nothing.
    """
    known = [*KINDS, *sorted({dataset.source for dataset in datasets})]
    if unknown := [name for name in settings.max_epochs_of if name not in known]:
        raise UsageError(
            f"max_epochs_of names {unknown[0]!r}, which is no kind and no source here",
            where=f"max_epochs_of.{unknown[0]}",
            why="the cap would hold for nothing",
            fix=f"kinds and sources: {', '.join(known)}",
        )


def require_reach(
    by_language: Mapping[str, Sequence[Dataset]], shares: Mapping[str, float], settings: BlendSettings
) -> None:
    """Each language has text enough for its share.

    Raises:
        DataError: It has not; the message names what limits, the best budget and what to change.
    """
    reached = {name: math.fsum(reach(dataset, settings) for dataset in own) for name, own in by_language.items()}
    scarce = min(shares, key=lambda name: reached[name] / shares[name])
    if shares[scarce] * settings.budget_tokens > reached[scarce] * (1 + _ROUNDING):
        best = math.floor(reached[scarce] / shares[scarce])
        raise _too_little(scarce, by_language[scarce], best, settings, wanted=shares[scarce] * settings.budget_tokens)


def _too_little(name: str, own: Sequence[Dataset], best: int, settings: BlendSettings, *, wanted: float) -> DataError:
    total = math.fsum(reach(dataset, settings) for dataset in own)
    limiting = sorted(own, key=lambda dataset: -reach(dataset, settings))
    lines = [
        f"{dataset.prefix}: {dataset.tokens:,} tokens x {settings.cap(dataset.source, dataset.kind):g} epochs"
        for dataset in limiting[:_SHOWN]
    ]
    rest = [f"and {len(own) - _SHOWN} more"] if len(own) > _SHOWN else []
    return DataError(
        f"the budget needs {wanted:,.0f} tokens of {name}; read as often as allowed, its datasets give {total:,.0f}",
        where="\n".join([*lines, *rest]),
        why="text read more often than that teaches little and is learnt by heart (arXiv 2305.16264)",
        fix=f"budget_tokens={best} is the most these data reach (fewer steps, or a smaller batch)\n"
        + _more_epochs(own, wanted, settings)
        + f"{(wanted - total) / settings.max_epochs:,.0f} more tokens of {name} at max_epochs={settings.max_epochs:g}",
    )


def _more_epochs(own: Sequence[Dataset], wanted: float, settings: BlendSettings) -> str:
    """The max_epochs that would do, where one can: datasets with caps of their own keep them."""
    free = sum(dataset.tokens for dataset in own if not _has_own_cap(dataset, settings))
    held = math.fsum(reach(dataset, settings) for dataset in own if _has_own_cap(dataset, settings))
    if not free:
        return f"max_epochs_of: caps {wanted / held:.3g} times as high\n"
    return f"max_epochs={math.ceil((wanted - held) / free * 100) / 100:g} if the repetition is meant\n"


def _has_own_cap(dataset: Dataset, settings: BlendSettings) -> bool:
    return not settings.max_epochs_of.keys().isdisjoint((dataset.source, dataset.kind))


def require_few(count: int) -> None:
    """Megatron can number the datasets.

    Raises:
        DataError: It cannot.
    """
    if count > MOST_DATASETS:
        raise DataError(
            f"{count:,} training datasets; Megatron numbers at most {MOST_DATASETS:,}",
            where="data_prefix.train",
            why="megatron-core's BlendedDataset keeps the number of a dataset in 16 bits",
            fix="give small sources one `source` name in the data preparation: they become one dataset",
        )


def too_many_for_the_index(count: int, settings: BlendSettings) -> DataError:
    """No weights near the wishes are safe from upstream's IndexError."""
    return DataError(
        f"{count:,} datasets are too many for {settings.samples:,} samples",
        where=f"budget_tokens={settings.budget_tokens}, sequence_length={settings.sequence_length}",
        why="Megatron rounds each up to whole samples and would stop with `IndexError: ... blend oversamples`",
        fix=f"budget_tokens={10 * count * settings.sequence_length}, ten samples a dataset\n"
        "or give small sources one `source` name in the data preparation: they become one dataset",
    )


def require_caps(entries: Iterable[Entry]) -> None:
    """No draw that was raised for Megatron's index is above its cap.

    Raises:
        DataError: One is, by less than one epoch.
    """
    for entry in entries:
        epochs, cap = entry.epochs or 0, entry.max_epochs or math.inf
        if epochs > cap * (1 + _ROUNDING):
            raise DataError(
                f"Megatron's index needs {epochs:.4g} epochs of this dataset, its cap is {cap:g}",
                where=entry.prefix,
                why="with a little less than whole epochs it would stop with `IndexError: ... blend oversamples`",
                fix=f"max_epochs_of={{{entry.source}: {math.ceil(epochs)}}}\nor a budget_tokens a few per cent smaller",
            )
