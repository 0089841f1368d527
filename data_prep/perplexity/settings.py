"""What a preparation may say about stage perplexity."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from data_prep.documents import Kind
from data_prep.layout import resolve_input

TokenizerKind = Literal["sentencepiece", "wordpiece", "words"]

LONGEST_ORDER = 6
"""kenlm as pip builds it goes no further."""


@dataclass(frozen=True, kw_only=True)
class PerplexitySettings:
    """Drop the synthetic documents an n-gram model of trusted real text finds least likely.

    Nemotron-4-Mini-Hindi dropped about 2 % of its translations so; order, toolkit and threshold are not published.
    """

    enabled: bool = False
    lang: str = "hi-Deva"
    """The language that is filtered, and whose real text the model learns."""
    kinds: tuple[Kind, ...] = ("translated",)
    """What is filtered."""
    trusted: tuple[str, ...] | None = None
    """Sources whose real documents the model learns from; null: all."""
    train_share: float = 1.0
    """Share of the trusted documents to learn from, chosen by a hash of their group; a few GB of text are plenty."""
    heldout_fraction: float = 0.05
    """Share of the trusted documents the model never sees: they show the perplexity of real text."""
    order: int = 5
    """Words of the longest n-grams."""
    prune: tuple[int, ...] = ()
    """Leave out n-grams that occur this often or less, a number for each order from 1, the last for all longer ones;
    [0, 0, 1] shrinks the model of a large corpus several times."""
    tokenizer: TokenizerKind = "sentencepiece"
    """What the model counts: pieces of a SentencePiece model trained on the trusted text, pieces of `vocab_file`
    (the paper took MuRIL's), or words and punctuation marks."""
    vocab_size: int = 2_000
    """Pieces of the SentencePiece model. Short pieces see wrong spelling best: with 2,000 a corrupted text had the
    higher perplexity in 92 % of the pairs, with 16,000 in 90 %, with words in 86 %."""
    vocab_file: Path | None = None
    """A cased WordPiece vocabulary, one piece a line, e.g. vocab.txt of google/muril-base-cased."""
    of: Literal["synthetic", "real_heldout"] = "synthetic"
    """Whose percentile is the threshold."""
    percentile: float = 98.0
    """Documents above this percentile are dropped. 98 of `synthetic` drops 2 % as the paper does; 80 of
    `real_heldout` drops what is less likely than four fifths of real text, as BhashaKritika does."""
    compare: dict[str, Path] = field(default_factory=dict)
    """Other texts to score beside these, e.g. human translations: name -> JSONL with a field `text`. Never learnt."""
    memory: str = "2G"
    """What lmplz may use for sorting; more is faster."""

    def __post_init__(self) -> None:
        if "real" in self.kinds:
            raise ValueError(
                "kinds includes real, but the model learns from real text and would judge what it knows\n"
                "kinds=[translated]"
            )
        if not 2 <= self.order <= LONGEST_ORDER:
            raise ValueError(f"order {self.order} is not between 2 and {LONGEST_ORDER}\ne.g. 5")
        if list(self.prune) != sorted(self.prune) or (self.prune and self.prune[0] != 0):
            raise ValueError(
                f"prune {list(self.prune)} must start with 0 and never decrease: a kept n-gram needs its parts\n"
                "e.g. [0, 0, 1]"
            )
        if len(self.prune) > self.order:
            raise ValueError(f"prune {list(self.prune)} names more than {self.order} orders\ne.g. [0, 0, 1]")
        if (self.tokenizer == "wordpiece") != (self.vocab_file is not None):
            raise ValueError(
                "tokenizer: wordpiece and vocab_file belong together\n"
                "give both, or tokenizer=sentencepiece, which trains its own"
            )
        self._check_numbers()

    def _check_numbers(self) -> None:
        if not 0 < self.percentile < 100:
            raise ValueError(f"percentile {self.percentile} is not between 0 and 100\n98 drops 2 %")
        if not 0 < self.train_share <= 1:
            raise ValueError(f"train_share {self.train_share} is not above 0 and at most 1\ne.g. 0.1")
        if not 0 < self.heldout_fraction < 1:
            raise ValueError(f"heldout_fraction {self.heldout_fraction} is not between 0 and 1\ne.g. 0.05")
        for name in self.compare:
            if name in SERIES or not name.replace("-", "_").isidentifier():
                raise ValueError(
                    f"compare has a text named {name!r}\n"
                    f"names are letters, digits, `-` and `_`, and not {' or '.join(SERIES)}"
                )

    @property
    def vocab_input(self) -> Path | None:
        """Absolute path of the WordPiece vocabulary."""
        return resolve_input(self.vocab_file) if self.vocab_file else None

    @property
    def compare_inputs(self) -> dict[str, Path]:
        """Absolute paths of the texts to compare with."""
        return {name: resolve_input(path) for name, path in self.compare.items()}


SYNTHETIC, REAL_HELDOUT = "synthetic", "real_heldout"
SERIES = (SYNTHETIC, REAL_HELDOUT)
"""Names of the two sets of documents that are always scored."""
