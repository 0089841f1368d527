"""What a data preparation YAML may say (nemo_configs/data/sample.yaml is one, commented)."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_prep.documents import Kind, dataset_name
from data_prep.layout import Layout, resolve_input

OnBad = Literal["error", "reject"]
StageName = Literal["ingest", "romanize", "tokenizer", "tokenize", "instruct"]


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """One JSONL file of documents that share language, kind, source and licence."""

    path: Path
    """.jsonl, .jsonl.gz or .jsonl.zst; relative paths start at the repository root."""
    lang: str
    """BCP-47 with script: hi-Deva, en-Latn."""
    kind: Kind
    source: str
    """Short name of the collection; names folders and prefixes."""
    license: str
    text_field: str = "text"
    id_field: str | None = "id"
    """null: documents are named after their line number."""
    group_field: str | None = None
    """Field that parallel documents share, so that all fall on one side of the train/held-out split."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z]{2,3}-[A-Z][a-z]{3}", self.lang):
            raise ValueError(
                f"lang {self.lang!r} is not a language with its script\ne.g. lang: hi-Deva, hi-Latn or en-Latn"
            )
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", self.source):
            raise ValueError(
                f"source {self.source!r} names folders\nuse letters, digits, `-` and `_`, e.g. source: my_corpus"
            )

    @property
    def dataset(self) -> str:
        """Name of everything made from this source."""
        return dataset_name(self.source, self.lang, self.kind)

    @property
    def input(self) -> Path:
        """Absolute path."""
        return resolve_input(self.path)


@dataclass(frozen=True, kw_only=True)
class RomanizeSettings:
    """Romanised children of the real Devanagari Hindi documents."""

    enabled: bool = True


@dataclass(frozen=True, kw_only=True)
class TokenizerSettings:
    """The SentencePiece model all token datasets share."""

    model: Path | None = None
    """A ready tokenizer.model; null trains one on the train documents."""
    vocab_size: int = 32_000
    """Entries to train for; a small corpus may give fewer. Not used with `model`."""

    def __post_init__(self) -> None:
        if self.vocab_size < MIN_VOCABULARY:
            raise ValueError(
                f"vocab_size {self.vocab_size} leaves no room for text: {MIN_VOCABULARY - 1} entries are special "
                f"tokens and single bytes\ntokenizer.vocab_size=4096 suits a few megabytes, 32000 and more a corpus"
            )

    @property
    def input(self) -> Path | None:
        """Absolute path of the ready model, if one is given."""
        return resolve_input(self.model) if self.model else None


@dataclass(frozen=True, kw_only=True)
class InstructSettings:
    """Chat examples for SFT and preference pairs for DPO, written in NeMo-Aligner's formats."""

    chat: Path | None = None
    preferences: Path | None = None
    max_length: int = 4096
    """Tokens of prompt and response together; no more than the training sequence length. 4096 is Nemotron-Mini's
    context. Upstream truncates longer SFT examples and zeroes longer DPO pairs."""
    on_long: Literal["error", "drop"] = "error"
    validation_fraction: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"validation_fraction {self.validation_fraction} is not between 0 and 1\ne.g. 0.1")
        if self.max_length < 1:
            raise ValueError(f"max_length {self.max_length} leaves no room for an example\ne.g. 4096")


MIN_VOCABULARY = 12 + 1 + 256 + 1
"""Special tokens, the newline, every byte, and one piece of text."""


@dataclass(frozen=True, kw_only=True)
class PrepSettings:
    """A whole data preparation."""

    output_dir: Path
    sources: tuple[SourceSettings, ...]
    stage: StageName | None = None
    """Run this stage alone; null runs all in order."""
    workers: int = 1
    """Processes per stage."""
    heldout_fraction: float = 0.1
    """Share of documents kept from training, to measure bits per byte on."""
    on_bad_line: OnBad = "error"
    """reject: count bad lines and keep them with their reason, instead of stopping at the first."""
    romanize: RomanizeSettings = RomanizeSettings()
    tokenizer: TokenizerSettings = TokenizerSettings()
    instruct: InstructSettings = InstructSettings()

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("there are no sources\nlist at least one JSONL file under `sources:`")
        if not 0 < self.heldout_fraction < 1:
            raise ValueError(f"heldout_fraction {self.heldout_fraction} is not between 0 and 1\ne.g. 0.1")
        if self.workers < 1:
            raise ValueError(f"workers {self.workers} is less than one process\ne.g. workers=2")
        (name, count), *_ = Counter(dataset for dataset, _ in self.datasets()).most_common(1)
        if count > 1:
            raise ValueError(
                f"{count} sources would all be written to {name}\n"
                "give each its own `source` name, or join the files into one"
            )

    @property
    def layout(self) -> Layout:
        """Where everything goes."""
        return Layout(self.output_dir.expanduser().absolute())

    def romanized_sources(self) -> tuple[SourceSettings, ...]:
        """The sources that get a romanised child."""
        if not self.romanize.enabled:
            return ()
        return tuple(source for source in self.sources if (source.lang, source.kind) == ("hi-Deva", "real"))

    def datasets(self) -> list[tuple[str, SourceSettings]]:
        """Every dataset this configuration makes, with the source it comes from."""
        own = [(source.dataset, source) for source in self.sources]
        return own + [(romanized_dataset(source), source) for source in self.romanized_sources()]


def romanized_dataset(source: SourceSettings) -> str:
    """Name of the romanised child of a source."""
    return dataset_name(source.source, "hi-Latn", "romanized")
