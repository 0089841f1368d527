"""What a blend YAML may say."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from data_prep.documents import KINDS, Kind

Method = Literal["preference", "unimax", "temperature"]


@dataclass(frozen=True, kw_only=True)
class BlendSettings:
    """What a blend YAML may say."""

    tokens_dir: Path
    """The `tokens` folder of a data preparation."""
    output: Path
    """The YAML fragment; the plan goes beside it as .json, its picture as .html."""
    budget_tokens: int
    """Tokens the training run will draw: steps x global batch x sequence length."""
    language_shares: dict[str, float] | None
    """Share of the budget by primary language subtag, e.g. {en: 0.5, hi: 0.5}; hi-Deva and hi-Latn are both hi.
    null: `language_method` shares it among all languages there are."""
    language_method: Literal["unimax", "temperature"] = "unimax"
    """Read only without language_shares."""
    sequence_length: int = 4096
    """Tokens of one sample, `model.encoder_seq_length` of the run: Megatron draws whole samples. Nemotron-Mini-4B's."""
    method: Method = "preference"
    """How the datasets of a language share its tokens (data_prep/blend/fill.py)."""
    preference: dict[str, float] = field(default_factory=lambda: {"real": 2.0, "translated": 1.0, "romanized": 0.5})
    """Relative epochs by kind within a language; read by `method: preference`."""
    temperature: float = 3.33
    """T of weights ~ tokens^(1/T), read by the method of that name. 1 is proportional, more favours the small.
    3.33 is 1 / 0.3, the exponent of XLM-R (arXiv 1911.02116), mT5 and GPT-NeoX (`weighted_sampler_alpha`);
    NeMo's launcher takes 1.43, which is 1 / 0.7."""
    kinds: tuple[Kind, ...] = KINDS
    """Kinds to take; the others are listed in the plan as left out."""
    max_epochs: float = 4.0
    """No dataset is read more often. Up to about 4 epochs repeated text is nearly worth new text
    (Muennighoff et al. 2023, arXiv 2305.16264)."""
    max_epochs_of: dict[str, float] = field(default_factory=dict)
    """Other caps by kind or source, e.g. {romanized: 1, wiki: 8}; a source's counts before its kind's."""
    tokenizer: Path | None = None
    """A tokenizer.model, or a Hugging Face folder or its tokenizer.json; null: `../tokenizer` beside tokens_dir."""

    def __post_init__(self) -> None:
        if self.sequence_length < 2:
            raise ValueError(f"sequence_length {self.sequence_length} is below 2\n4096 is Nemotron-Mini-4B's")
        if self.budget_tokens < self.sequence_length:
            raise ValueError(
                f"budget_tokens {self.budget_tokens} is less than one sample of {self.sequence_length} tokens\n"
                "steps x batch x sequence_length; sequence_length is the run's model.encoder_seq_length"
            )
        if wrong := [cap for cap in (self.max_epochs, *self.max_epochs_of.values()) if not cap > 0]:
            raise ValueError(f"max_epochs {wrong[0]} is not above 0\nmax_epochs=4 is usual")
        if not self.temperature > 0:
            raise ValueError(f"temperature {self.temperature} is not above 0\n1 is proportional, 3.33 is usual")
        if self.output.suffix != ".yaml":
            raise ValueError(f"output {self.output} does not end in .yaml")
        self._check_preference()
        if self.language_shares is not None:
            _check_shares(self.language_shares)

    def _check_preference(self) -> None:
        if unknown := sorted(set(self.preference) - set(KINDS)):
            raise ValueError(f"preference for unknown kind {unknown[0]!r}\nkinds: {', '.join(KINDS)}")
        missing = [kind for kind in self.kinds if not self.preference.get(kind, 0) > 0]
        if missing and self.method == "preference":
            raise ValueError(f"no positive preference for kind {missing[0]!r}\nadd it, or leave it out of `kinds`")

    @property
    def tokenizer_input(self) -> Path:
        """Absolute path of the tokenizer or its folder."""
        return (self.tokenizer or self.tokens_dir.parent / "tokenizer").expanduser().absolute()

    @property
    def samples(self) -> int:
        """Samples the run draws."""
        return self.budget_tokens // self.sequence_length

    def cap(self, source: str, kind: str) -> float:
        """Most epochs of a dataset."""
        return self.max_epochs_of.get(source, self.max_epochs_of.get(kind, self.max_epochs))


def _check_shares(shares: dict[str, float]) -> None:
    if any(not share > 0 for share in shares.values()):
        raise ValueError("language_shares must be above 0\nleave a language out instead")
    if not math.isclose(sum(shares.values()), 1, abs_tol=1e-6):
        raise ValueError(f"language_shares add up to {sum(shares.values()):g}, not 1\ne.g. {{en: 0.5, hi: 0.5}}")
