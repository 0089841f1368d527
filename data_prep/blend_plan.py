"""The blend as a decision: from token datasets, a budget and wishes to weights, epochs and reasons. No files.

Within a language with T = share x budget tokens to draw, a dataset of n tokens and preference p is read e = c p
times, where c = T / sum(n p) makes the draws add up to T. Its weight in Megatron's blend is n e / budget. Only the
ratio of budget to tokens matters: ten times both gives the same weights and epochs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.documents import KINDS, Kind, Split, primary_language
from data_prep.errors import DataError
from data_prep.vocabulary import locate


@dataclass(frozen=True, kw_only=True)
class BlendSettings:
    """What a blend YAML may say."""

    tokens_dir: Path
    """The `tokens` folder of a data preparation."""
    output: Path
    """The YAML fragment; the plan goes beside it as .json."""
    budget_tokens: int
    """Tokens the training run will draw: steps x global batch x sequence length."""
    language_shares: dict[str, float]
    """Share of the budget by primary language subtag, e.g. {en: 0.5, hi: 0.5}; hi-Deva and hi-Latn are both hi."""
    preference: dict[str, float] = field(default_factory=lambda: {"real": 2.0, "translated": 1.0, "romanized": 0.5})
    """Relative epochs by kind within a language."""
    kinds: tuple[Kind, ...] = KINDS
    """Kinds to take; the others are listed in the plan as left out."""
    max_epochs: float = 4.0
    """No dataset is read more often. Up to about 4 epochs repeated text is nearly worth new text
    (Muennighoff et al. 2023, arXiv 2305.16264)."""
    tokenizer: Path | None = None
    """A tokenizer.model or tokenizer.json; null: the one in `../tokenizer` beside tokens_dir."""

    def __post_init__(self) -> None:
        if self.budget_tokens < 1:
            raise ValueError(
                f"budget_tokens {self.budget_tokens} is not a positive number of tokens\nsteps x batch x length"
            )
        if not self.max_epochs > 0:
            raise ValueError(f"max_epochs {self.max_epochs} is not above 0\nmax_epochs=4 is usual")
        if any(share <= 0 for share in self.language_shares.values()):
            raise ValueError("language_shares must be above 0\nleave a language out instead")
        if not math.isclose(sum(self.language_shares.values()), 1, abs_tol=1e-6):
            total = sum(self.language_shares.values())
            raise ValueError(f"language_shares add up to {total:g}, not 1\ne.g. {{en: 0.5, hi: 0.5}}")
        if unknown := sorted(set(self.preference) - set(KINDS)):
            raise ValueError(f"preference for unknown kind {unknown[0]!r}\nkinds: {', '.join(KINDS)}")
        if wrong := [kind for kind in self.kinds if self.preference.get(kind, 0) <= 0]:
            raise ValueError(f"no positive preference for kind {wrong[0]!r}\nadd it, or leave it out of `kinds`")
        if self.output.suffix != ".yaml":
            raise ValueError(f"output {self.output} does not end in .yaml")

    @property
    def model(self) -> Path:
        """Absolute path of the tokenizer's file."""
        given = (self.tokenizer or self.tokens_dir.parent / "tokenizer").expanduser().absolute()
        return locate(given) or given


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A token dataset on disk."""

    prefix: str
    source: str
    lang: str
    kind: str
    split: Split
    tokens: int
    documents: int
    tokenizer_sha256: str

    @property
    def language(self) -> str:
        """Primary subtag."""
        return primary_language(self.lang)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One dataset in the blend."""

    prefix: str
    source: str
    lang: str
    kind: str
    tokens_available: int
    weight: float
    """Of its list; the weights of a list add up to 1."""
    tokens_drawn: int | None
    """Expected over the whole run; None for validation, which has no budget."""
    epochs: float | None
    why: str


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A dataset that is there but not in the blend."""

    prefix: str
    why: str


@dataclass(frozen=True, kw_only=True)
class BlendPlan:
    """What to train and validate on."""

    budget_tokens: int
    language_shares: dict[str, float]
    preference: dict[str, float]
    max_epochs: float
    train: tuple[Entry, ...]
    validation: tuple[Entry, ...]
    left_out: tuple[LeftOut, ...]


def plan(datasets: Sequence[Dataset], settings: BlendSettings) -> BlendPlan:
    """Decide the blend.

    Raises:
        DataError: A language has no text, or the budget needs more epochs than allowed.
    """
    chosen = [dataset for dataset in datasets if _why_not(dataset, settings) is None]
    epochs = _epochs([dataset for dataset in chosen if dataset.split == "train"], settings)
    _require_cap(epochs, settings)
    return BlendPlan(
        budget_tokens=settings.budget_tokens,
        language_shares=settings.language_shares,
        preference=settings.preference,
        max_epochs=settings.max_epochs,
        train=tuple(_train_entry(dataset, times, settings) for dataset, times in epochs),
        validation=_validation([dataset for dataset in chosen if dataset.split == "heldout"], settings),
        left_out=tuple(
            LeftOut(prefix=dataset.prefix, why=why)
            for dataset in datasets
            if (why := _why_not(dataset, settings)) is not None
        ),
    )


def _why_not(dataset: Dataset, settings: BlendSettings) -> str | None:
    if dataset.language not in settings.language_shares:
        return f"language {dataset.language} has no share"
    if dataset.kind not in settings.kinds:
        return f"kind {dataset.kind} is not in `kinds`"
    return None


def _epochs(datasets: Sequence[Dataset], settings: BlendSettings) -> list[tuple[Dataset, float]]:
    """How often each dataset is read."""
    result: list[tuple[Dataset, float]] = []
    for language, share in settings.language_shares.items():
        own = _of_language(datasets, language, "train")
        wanted = share * settings.budget_tokens
        scale = wanted / sum(dataset.tokens * settings.preference[dataset.kind] for dataset in own)
        result += [(dataset, scale * settings.preference[dataset.kind]) for dataset in own]
    return result


def _of_language(datasets: Sequence[Dataset], language: str, split: Split) -> list[Dataset]:
    own = [dataset for dataset in datasets if dataset.language == language and dataset.tokens > 0]
    if own:
        return own
    fix = {
        "train": f"add a source in this language to the data preparation, or remove {language} from language_shares",
        "heldout": "raise heldout_fraction in the data preparation, e.g. heldout_fraction=0.2, or add documents",
    }
    raise DataError(
        f"no {split} tokens in language {language!r} among the kinds taken",
        where=f"language_shares.{language}",
        why="the blend could not keep the share asked for" if split == "train" else "its loss could not be watched",
        fix=fix[split],
    )


def _require_cap(epochs: Sequence[tuple[Dataset, float]], settings: BlendSettings) -> None:
    limiting, times = max(epochs, key=lambda pair: pair[1])
    if times <= settings.max_epochs * (1 + 1e-9):
        return
    best = math.floor(settings.budget_tokens * settings.max_epochs / times)
    raise DataError(
        f"{settings.budget_tokens:,} tokens need {times:.2f} epochs of {limiting.source} ({limiting.lang}, "
        f"{limiting.kind}), more than max_epochs={settings.max_epochs:g}",
        where=f"{limiting.prefix}: {limiting.tokens:,} tokens",
        why="text read more often than that teaches little and is learnt by heart",
        fix=f"budget_tokens={best} is the most these data reach (fewer steps, or a smaller batch)\n"
        f"max_epochs={math.ceil(times * 100) / 100:g} if the repetition is meant; or add {limiting.language} text",
    )


def _train_entry(dataset: Dataset, times: float, settings: BlendSettings) -> Entry:
    drawn = times * dataset.tokens
    share = settings.language_shares[dataset.language]
    return Entry(
        prefix=dataset.prefix,
        source=dataset.source,
        lang=dataset.lang,
        kind=dataset.kind,
        tokens_available=dataset.tokens,
        weight=drawn / settings.budget_tokens,
        tokens_drawn=round(drawn),
        epochs=times,
        why=f"{dataset.language} gets {share:.0%} of the budget; "
        f"{dataset.kind} has preference {settings.preference[dataset.kind]:g}",
    )


def _validation(datasets: Sequence[Dataset], settings: BlendSettings) -> tuple[Entry, ...]:
    """Held-out text, the languages weighted alike, so that a small language is heard; real text if there is any."""
    entries: list[Entry] = []
    for language in settings.language_shares:
        own = _of_language(datasets, language, "heldout")
        own = [dataset for dataset in own if dataset.kind == "real"] or own
        total = sum(dataset.tokens for dataset in own)
        entries += [
            Entry(
                prefix=dataset.prefix,
                source=dataset.source,
                lang=dataset.lang,
                kind=dataset.kind,
                tokens_available=dataset.tokens,
                weight=dataset.tokens / total / len(settings.language_shares),
                tokens_drawn=None,
                epochs=None,
                why="held-out text; every language weighs the same",
            )
            for dataset in own
        ]
    return tuple(entries)
