"""What a data preparation YAML may say (nemo_configs/data/sample.yaml is one, commented)."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from data_prep.audit.settings import AuditSettings
from data_prep.clean.settings import CleanSettings
from data_prep.decontaminate.settings import DecontaminateSettings
from data_prep.dedup.settings import DedupSettings
from data_prep.documents import Dataset
from data_prep.executor.run import Execution
from data_prep.executor.settings import ExecutorName, RaySettings, SlurmSettings
from data_prep.flow import written_by
from data_prep.ingest.settings import IngestSettings, SourceSettings
from data_prep.instruct.settings import InstructSettings
from data_prep.layout import Layout, resolve_input
from data_prep.perplexity.settings import PerplexitySettings
from data_prep.romanize.settings import RomanizeSettings
from data_prep.tokenize.settings import TokenizeSettings
from data_prep.translate.settings import TranslateSettings
from data_prep.vocabulary import find

OnBad = Literal["error", "reject"]
StageName = Literal[
    "ingest",
    "clean",
    "translate",
    "dedup",
    "decontaminate",
    "perplexity",
    "split",
    "romanize",
    "tokenizer",
    "tokenize",
    "instruct",
    "audit",
]


@dataclass(frozen=True, kw_only=True)
class TokenizerSettings:
    """The tokenizer all token datasets share."""

    model: Path | None = None
    """A ready one: a SentencePiece tokenizer.model, or a Hugging Face folder or its tokenizer.json. null trains a
    SentencePiece model on the train documents."""
    vocab_size: int = 32_000
    """Entries to train for; a small corpus may give fewer. Not used with `model`."""
    max_characters: int = 200_000_000
    """Most text to train on, since SentencePiece holds it in memory; documents are chosen by a hash of their id."""

    def __post_init__(self) -> None:
        if self.max_characters < 1:
            raise ValueError(f"max_characters {self.max_characters} leaves nothing to train on\ne.g. 200000000")
        if self.vocab_size < MIN_VOCABULARY:
            raise ValueError(
                f"vocab_size {self.vocab_size} leaves no room for text: {MIN_VOCABULARY - 1} entries are special "
                f"tokens and single bytes\ntokenizer.vocab_size=4096 suits a few megabytes, 32000 and more a corpus"
            )

    @property
    def input(self) -> Path | None:
        """Absolute path of the ready model, if one is given."""
        return resolve_input(self.model) if self.model else None


MIN_VOCABULARY = 12 + 1 + 256 + 1
"""Special tokens, the newline, every byte, and one piece of text."""


@dataclass(frozen=True, kw_only=True)
class PrepSettings:
    """A whole data preparation."""

    output_dir: Path
    sources: tuple[SourceSettings, ...]
    stage: StageName | None = None
    """Run this stage alone; null runs all in order."""
    executor: ExecutorName = "local"
    """One machine, a Slurm cluster (array jobs) or Ray."""
    workers: int = 1
    """Tasks at once: processes on one machine, array elements on a cluster."""
    slurm: SlurmSettings = field(default_factory=SlurmSettings)
    ray: RaySettings = field(default_factory=RaySettings)
    heldout_fraction: float = 0.1
    """Share of documents kept from training, to measure bits per byte on."""
    on_bad_line: OnBad = "error"
    """reject: count bad lines and keep them with their reason, instead of stopping at the first."""
    ingest: IngestSettings = field(default_factory=IngestSettings)
    clean: CleanSettings = field(default_factory=CleanSettings)
    translate: TranslateSettings = field(default_factory=TranslateSettings)
    dedup: DedupSettings = field(default_factory=DedupSettings)
    decontaminate: DecontaminateSettings = field(default_factory=DecontaminateSettings)
    perplexity: PerplexitySettings = field(default_factory=PerplexitySettings)
    romanize: RomanizeSettings = field(default_factory=RomanizeSettings)
    tokenizer: TokenizerSettings = field(default_factory=TokenizerSettings)
    tokenize: TokenizeSettings = field(default_factory=TokenizeSettings)
    instruct: InstructSettings = field(default_factory=InstructSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("there are no sources\nlist at least one JSONL file under `sources:`")
        if not 0 < self.heldout_fraction < 1:
            raise ValueError(f"heldout_fraction {self.heldout_fraction} is not between 0 and 1\ne.g. 0.1")
        if self.workers < 1:
            raise ValueError(f"workers {self.workers} is less than one process\ne.g. workers=2")
        datasets = [source.dataset for source in self.sources]
        datasets += [*self.translated_datasets(), *written_by(self, "romanize")]
        (dataset, count), *_ = Counter(datasets).most_common(1)
        if count > 1:
            raise ValueError(
                f"{count} sources would all be written to {dataset.name}\n"
                "give each its own `source` name, or join the files into one"
            )

    @property
    def layout(self) -> Layout:
        """Where everything goes."""
        return Layout(self.output_dir.expanduser().absolute())

    @property
    def tokenizer_file(self) -> Path:
        """The tokenizer that is trained, or copied from where `tokenizer.model` says."""
        ready = self.tokenizer.input
        return self.layout.tokenizer if ready is None else self.layout.tokenizer.with_suffix(find(ready).suffix)

    @property
    def execution(self) -> Execution:
        """Where tasks run."""
        endpoint = self.translate.engine.endpoint if self.translate.engine else None
        keys = (endpoint.key_variable,) if endpoint and endpoint.key_variable else ()
        return Execution(
            executor=self.executor, workers=self.workers, slurm=self.slurm, ray=self.ray, key_variables=keys
        )

    def is_enabled(self, stage: str) -> bool:
        """Whether a stage runs; those without a switch always do."""
        return bool(getattr(getattr(self, stage, None), "enabled", True))

    def translated_datasets(self) -> tuple[Dataset, ...]:
        """What `translate` makes of the sources, in their order."""
        return tuple(
            Dataset(source=each.source, lang=self.translate.to_lang, kind="translated") for each in self.to_translate()
        )

    def to_translate(self) -> tuple[Dataset, ...]:
        """The real datasets that are translated."""
        rules = self.translate
        return tuple(
            source.dataset
            for source in self.sources
            if rules.enabled
            and (source.lang, source.kind) == (rules.from_lang, "real")
            and (rules.sources is None or source.source in rules.sources)
        )
