"""The blend as a decision: from token datasets, a budget and wishes to weights, epochs and reasons. No files.

Each language gets its share of the budget; its datasets share that by water-filling (data_prep/blend/fill.py): at
least one sample of each, none above its cap, in between as the method says. Only the ratios of budget, sequence length
and tokens matter: ten times all of them gives the same weights and epochs.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from data_prep.blend import fill, limits, megatron
from data_prep.blend.records import BlendPlan, Dataset, Entry, LeftOut, Total
from data_prep.blend.settings import BlendSettings
from data_prep.documents import SPLITS, Split, primary_language
from data_prep.errors import DataError

MOST_WATCHED = 16
"""Held-out datasets of a language. A validation of a few hundred samples hears no more of them, and with hundreds of
datasets upstream's rounding (data_prep/blend/megatron.py) could not be settled: how many samples is NeMo's business."""


def plan(datasets: Sequence[Dataset], settings: BlendSettings) -> BlendPlan:
    """Decide the blend.

    Raises:
        UsageError: A cap is named for what is not there.
        DataError: A language has no text, the budget needs more epochs than allowed, or Megatron could not index it.
    """
    limits.require_known_caps(datasets, settings)
    why_not = {dataset.prefix: why for dataset in datasets if (why := _why_not(dataset, settings))}
    chosen = [dataset for dataset in datasets if dataset.prefix not in why_not]
    shares = _normalised(settings.language_shares or _language_shares(chosen, settings))
    by_language = {
        split: {language: _of_language(datasets, why_not, language, split) for language in shares} for split in SPLITS
    }
    train = _train(by_language["train"], shares, settings)
    monitor = _monitored([each for own in by_language["heldout"].values() for each in own])
    watched = {language: _watched(own) for language, own in by_language["heldout"].items()}
    why_not |= {
        dataset.prefix: f"held out; validated on is the real text of {language}, at most its {MOST_WATCHED} largest"
        for language, own in by_language["heldout"].items()
        for dataset in own
        if dataset not in watched[language]
    }
    return BlendPlan(
        budget_tokens=settings.budget_tokens,
        sequence_length=settings.sequence_length,
        samples=settings.samples,
        method=settings.method,
        language_shares=shares,
        preference=settings.preference,
        max_epochs=settings.max_epochs,
        max_epochs_of=settings.max_epochs_of,
        train=train,
        validation=_validation(list(watched.values())),
        monitor=monitor,
        left_out=tuple(LeftOut(prefix=prefix, why=why) for prefix, why in why_not.items()),
        by_language=_totals(train, lambda entry: primary_language(entry.lang)),
        by_kind=_totals(train, lambda entry: entry.kind),
    )


def _why_not(dataset: Dataset, settings: BlendSettings) -> str | None:
    length, cap = settings.sequence_length, settings.cap(dataset.source, dataset.kind)
    if settings.language_shares and dataset.language not in settings.language_shares:
        return f"language {dataset.language} has no share"
    if dataset.kind not in settings.kinds:
        return f"kind {dataset.kind} is not in `kinds`"
    if dataset.tokens == 0:
        return "it holds no tokens"
    if dataset.split == "train" and dataset.tokens <= length:
        return f"{dataset.tokens:,} tokens are less than one sample of {length:,} and the token that follows it"
    if dataset.split == "train" and cap * dataset.tokens < length:
        return f"{cap:g} epochs of {dataset.tokens:,} tokens are less than one sample of {length:,}"
    return None


def _language_shares(chosen: Iterable[Dataset], settings: BlendSettings) -> dict[str, float]:
    """Each language's tokens by `language_method`, all its datasets taken together."""
    train = [dataset for dataset in chosen if dataset.split == "train"]
    own: dict[str, list[Dataset]] = {}
    for dataset in sorted(train, key=lambda dataset: dataset.language):
        own.setdefault(dataset.language, []).append(dataset)
    limits.require_reach({"all languages": train}, {"all languages": 1.0}, settings)
    tokens = [sum(dataset.tokens for dataset in each) for each in own.values()]
    unimax = settings.language_method == "unimax"
    amounts = fill.fill(
        settings.budget_tokens,
        fill.by_unimax(tokens) if unimax else fill.by_temperature(tokens, settings.temperature),
        [_floor(train, settings.budget_tokens, settings) * len(each) for each in own.values()],
        [math.fsum(limits.reach(dataset, settings) for dataset in each) for each in own.values()],
    )
    return dict(zip(own, amounts, strict=True))


def _normalised(shares: dict[str, float]) -> dict[str, float]:
    whole = math.fsum(shares.values())
    return {language: share / whole for language, share in shares.items()}


def _of_language(datasets: Sequence[Dataset], why_not: Mapping[str, str], language: str, split: Split) -> list[Dataset]:
    """The chosen datasets of a language.

    Raises:
        DataError: There is none; the message tells why those that are there were not.
    """
    own = [dataset for dataset in datasets if dataset.language == language and dataset.split == split]
    chosen = [dataset for dataset in own if dataset.prefix not in why_not]
    if chosen:
        return chosen
    fix = {
        "train": f"add a source in this language to the data preparation, or remove {language} from language_shares",
        "heldout": "raise heldout_fraction in the data preparation, e.g. heldout_fraction=0.2, or add documents",
    }
    raise DataError(
        f"no {split} dataset in language {language!r} can be taken",
        where="\n".join(f"{dataset.prefix}: {why_not[dataset.prefix]}" for dataset in own[:5])
        or f"language_shares.{language}",
        why="the blend could not keep the share asked for" if split == "train" else "its loss could not be watched",
        fix=fix[split],
    )


@dataclass(frozen=True, kw_only=True)
class _Draw:
    """A dataset and how many samples of it the run draws."""

    dataset: Dataset
    samples: float
    why: str


def _train(
    by_language: dict[str, list[Dataset]], shares: dict[str, float], settings: BlendSettings
) -> tuple[Entry, ...]:
    limits.require_reach(by_language, shares, settings)
    draws = [draw for language, own in by_language.items() for draw in _draws(own, shares[language], settings)]
    draws.sort(key=lambda draw: -draw.samples)
    limits.require_few(len(draws))
    tokens = [draw.dataset.tokens for draw in draws]
    samples = [draw.samples for draw in draws]
    settled = megatron.settle(samples, tokens, settings.sequence_length, settings.samples)
    if settled is None:
        raise limits.too_many_for_the_index(len(draws), settings)
    whole = math.fsum(settled)
    entries = [
        _entry(draw, after / whole, settings, raised=after > draw.samples * (1 + 1e-9))
        for draw, after in zip(draws, settled, strict=True)
    ]
    limits.require_caps(entries)
    return tuple(sorted(entries, key=lambda entry: -entry.weight))


def _draws(own: Sequence[Dataset], share: float, settings: BlendSettings) -> list[_Draw]:
    """What the datasets of one language give to its share of the budget."""
    caps = [limits.reach(dataset, settings) for dataset in own]
    total = share * settings.budget_tokens
    floor = _floor(own, total, settings)
    amounts = fill.fill(total, _paces(own, settings), [floor] * len(own), caps)
    return [
        _Draw(
            dataset=dataset,
            samples=amount / settings.budget_tokens * settings.samples,
            why=f"{dataset.language} gets {100 * share:.3g}% of the budget; {_wish(dataset, settings)}"
            + _bound(dataset, amount, floor, settings),
        )
        for dataset, amount in zip(own, amounts, strict=True)
    ]


def _floor(own: Sequence[Dataset], total: float, settings: BlendSettings) -> float:
    """Tokens every dataset gets: one sample, or equal parts of one where there are not enough for all."""
    return min(settings.sequence_length, total / len(own))


def _paces(own: Sequence[Dataset], settings: BlendSettings) -> list[float]:
    tokens = [dataset.tokens for dataset in own]
    if settings.method == "unimax":
        return fill.by_unimax(tokens)
    if settings.method == "temperature":
        return fill.by_temperature(tokens, settings.temperature)
    return fill.by_preference(tokens, [settings.preference[dataset.kind] for dataset in own])


def _wish(dataset: Dataset, settings: BlendSettings) -> str:
    if settings.method == "unimax":
        return "the same tokens of each dataset"
    if settings.method == "temperature":
        return f"weights as tokens^{1 / settings.temperature:.3g}"
    return f"{dataset.kind} has preference {settings.preference[dataset.kind]:g}"


def _bound(dataset: Dataset, amount: float, floor: float, settings: BlendSettings) -> str:
    """What kept a dataset from what the method wished."""
    if amount >= limits.reach(dataset, settings) * (1 - 1e-9):
        return f"; held at its cap of {settings.cap(dataset.source, dataset.kind):g} epochs"
    if amount > floor * (1 + 1e-9):
        return ""
    lifted = floor == settings.sequence_length
    return f"; lifted to one sample of {floor:,.0f} tokens" if lifted else "; less than a sample, which may mean none"


def _entry(draw: _Draw, weight: float, settings: BlendSettings, *, raised: bool) -> Entry:
    drawn = weight * settings.budget_tokens
    more = f"; raised from {draw.samples:.1f} samples: Megatron's index might not hold those" if raised else ""
    return Entry(
        prefix=draw.dataset.prefix,
        source=draw.dataset.source,
        lang=draw.dataset.lang,
        kind=draw.dataset.kind,
        tokens_available=draw.dataset.tokens,
        weight=weight,
        tokens_drawn=round(drawn),
        epochs=drawn / draw.dataset.tokens,
        max_epochs=settings.cap(draw.dataset.source, draw.dataset.kind),
        why=draw.why + more,
    )


def _monitored(heldout: Sequence[Dataset]) -> tuple[str, ...]:
    """Prefixes of what the forgetting monitor reads: the largest datasets of each language and kind."""
    groups: dict[tuple[str, str], list[Dataset]] = {}
    for dataset in sorted(heldout, key=lambda dataset: -dataset.tokens):
        groups.setdefault((dataset.lang, dataset.kind), []).append(dataset)
    return tuple(each.prefix for _, own in sorted(groups.items()) for each in own[:MOST_WATCHED])


def _watched(own: Sequence[Dataset]) -> list[Dataset]:
    """The largest held-out datasets of a language: of real text, or of any where there is none."""
    best = [dataset for dataset in own if dataset.kind == "real"] or own
    return sorted(best, key=lambda dataset: -dataset.tokens)[:MOST_WATCHED]


def _validation(by_language: Sequence[Sequence[Dataset]]) -> tuple[Entry, ...]:
    """Held-out text, the languages weighted alike, so that a small language is heard."""
    entries = [
        Entry(
            prefix=dataset.prefix,
            source=dataset.source,
            lang=dataset.lang,
            kind=dataset.kind,
            tokens_available=dataset.tokens,
            weight=dataset.tokens / sum(each.tokens for each in own) / len(by_language),
            tokens_drawn=None,
            epochs=None,
            max_epochs=None,
            why="held-out text; every language weighs the same",
        )
        for own in by_language
        for dataset in own
    ]
    return tuple(sorted(entries, key=lambda entry: -entry.weight))


def _totals(entries: Sequence[Entry], group: Callable[[Entry], str]) -> dict[str, Total]:
    names = dict.fromkeys(map(group, entries))
    return {name: Total.of([entry for entry in entries if group(entry) == name]) for name in names}
