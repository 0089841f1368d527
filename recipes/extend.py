"""Verb `extend`: a .nemo and its tokenizer with new pieces for one language.

For a base that needs too many tokens a word. Train on from the result: until then the new rows are guesses.
"""

import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from rich.table import Table

from data_prep import bpe
from data_prep.console import make_console
from data_prep.errors import DataError, UsageError
from data_prep.files import atomic_write, read_shards
from data_prep.layout import RECEIPT_SUFFIX, SHARD_SUFFIX
from data_prep.receipts import Receipt, code_version, config_hash, describe_inputs, describe_outputs, is_current
from data_prep.settings import load
from data_prep.vocabulary_extension import learn, measure, merge, words

STAGE = "vocabulary_extension"


@dataclass(frozen=True, kw_only=True)
class ExtendSettings:
    """What an extension may be told."""

    model: Path
    """The base's .nemo file."""
    documents: Path
    """The `documents` folder of a data preparation: pieces are learnt on its train side, measured on the held-out."""
    lang: str
    """BCP-47 with script, e.g. hi-Deva; new pieces hold letters of this script only."""
    new_pieces: int
    """How many to add at most."""
    initialise: Literal["mean", "aligned"] = "mean"
    """What new rows start from: the mean of the base's pieces, or old pieces used in the same words and contexts."""
    output: Path
    """Folder for tokenizer.model, the extended .nemo and the receipt."""
    max_characters: int = 100_000_000
    """Most text to learn from: different words are held in memory; documents are chosen by a hash of their id."""

    def __post_init__(self) -> None:
        for name, example in (("new_pieces", 8000), ("max_characters", 100_000_000)):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} is {value}, the least is 1\n{name}={example}")


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Extends, or says that it is done already."""
    plan = Plan.prepare(load(ExtendSettings, configs, overrides))
    if plan.is_done():
        print(f"extend: done already, {plan.model}")
        return 0
    if dry_run:
        print(f"extend: {plan.describe()}; nothing was written")
        return 0
    print_table(plan.run(), plan.model)
    return 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An extension whose inputs have been checked."""

    settings: ExtendSettings
    checkpoint: Any
    base: bytes
    """The base's tokenizer.model."""
    train: tuple[Path, ...]
    heldout: tuple[Path, ...]
    """Shards of all languages: text of the others should be encoded as before."""

    @classmethod
    def prepare(cls, settings: ExtendSettings) -> "Plan":
        """Opens the checkpoint and looks at the documents.

        Raises:
            UsageError: A path is wrong, the tokenizer cannot be extended, or there is no text of the language.
            DataError: The checkpoint is damaged.
        """
        from recipes.convert.reading.checkpoint import open_checkpoint
        from recipes.convert.writing.tokenizers import sentencepiece_model
        from recipes.evaluate.held_out import find_shards

        words.word_pattern(settings.lang)
        heldout = find_shards(settings.documents)
        train = find_train_shards(settings.documents, settings.lang)
        checkpoint = open_checkpoint(settings.model)
        base = sentencepiece_model(checkpoint)
        merge.require_bpe(base, f"{settings.model}: {checkpoint.config['tokenizer']['model']}")
        return cls(settings=settings, checkpoint=checkpoint, base=base, train=tuple(train), heldout=tuple(heldout))

    @property
    def tokenizer(self) -> Path:
        """The extended tokenizer.model."""
        return self.settings.output / "tokenizer.model"

    @property
    def model(self) -> Path:
        """The extended .nemo; its name differs from the base's, which may lie in the same folder."""
        return self.settings.output / f"{self.settings.model.stem}_extended.nemo"

    @property
    def receipt(self) -> Path:
        """Written last: without it, nothing counts as done."""
        return self.settings.output / f"extend{RECEIPT_SUFFIX}"

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Everything the outputs depend on."""
        return (self.settings.model, *self.train, *self.heldout)

    @property
    def values(self) -> dict[str, Any]:
        """The settings that shape the outputs."""
        values = asdict(self.settings)
        return {key: values[key] for key in ("lang", "new_pieces", "initialise", "max_characters")}

    @cached_property
    def characters(self) -> int:
        """Of the language's documents, held-out ones included, by their receipts."""
        folders = {shard.parents[1] for shard in self.train}
        receipts = (path for folder in sorted(folders) for path in sorted(folder.glob(f"*{RECEIPT_SUFFIX}")))
        return sum(Receipt.load(path).characters for path in receipts)

    def is_done(self) -> bool:
        """Whether the outputs are what running now would make."""
        return is_current(self.receipt, stage=STAGE, settings=self.values, inputs=self.inputs)

    def describe(self) -> str:
        """One line for the terminal."""
        return (
            f"at most {self.settings.new_pieces} pieces for {self.settings.lang}, learnt on "
            f"{min(self.characters, self.settings.max_characters):,} characters of {len(self.train)} shards"
        )

    def texts(self) -> Iterator[str]:
        """What pieces are learnt from."""
        chosen = bpe.take(read_shards(self.train), bpe.share(self.characters, self.settings.max_characters))
        return (document.text for document in chosen)

    def runs(self) -> Iterator[list[str]]:
        """The words of each text."""
        return words.find_words(self.texts(), self.settings.lang, merge.bare(self.base))

    def run(self) -> Receipt:
        """Writes the tokenizer, the model and the receipt."""
        from recipes.runtime import ground

        started = time.monotonic()
        ground.prepare()  # before any work: an environment without NeMo would fail after it
        ground.quiet_nemo()
        extension = self.extension()
        weights, fallbacks = self.mixture(extension)
        with atomic_write(self.tokenizer) as file:
            file.write(extension.model)
        self.write_model(weights)
        details = {
            **self.values,
            "vocabulary": {"before": weights.shape[1], "after": sum(weights.shape)},
            "rows_from_mean_because_rare": fallbacks,
            "heldout": measure.compare(extension, read_shards(self.heldout)),
        }
        receipt = self.make_receipt(count_pieces(self.settings.new_pieces, extension), details, started)
        receipt.write(self.receipt)
        return receipt

    def make_receipt(self, counts: dict[str, Any], details: dict[str, Any], started: float) -> Receipt:
        """Documents and characters are those pieces were learnt from."""
        sizes = [len(text) for text in self.texts()]
        return Receipt(
            stage=STAGE,
            config_hash=config_hash(self.values),
            code_version=code_version(STAGE),
            inputs=describe_inputs(self.inputs, self.settings.output),
            outputs=describe_outputs((self.tokenizer, self.model), self.settings.output),
            counts=counts,
            documents=len(sizes),
            characters=sum(sizes),
            tokens=None,
            by={},
            details=details,
            seconds=round(time.monotonic() - started, 1),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def extension(self) -> merge.Extension:
        """Learns the pieces and appends them.

        Raises:
            DataError: The text gives none.
        """
        bare = merge.bare(self.base)
        counts = Counter(word for run in self.runs() for word in run)
        pieces = learn.learn(words.cut(counts, bare), merge.known_pieces(self.base), self.settings.new_pieces)
        extension = merge.extend(self.base, pieces)
        if not extension.pieces:
            raise DataError(
                f"no new piece occurs {learn.MIN_COUNT} times in {self.characters:,} characters of documents",
                where=f"documents={self.settings.documents}, lang={self.settings.lang}",
                why="the base already has a piece for every word that occurs, or there is too little text",
                fix="keep the base's vocabulary, or prepare more text",
            )
        return extension

    def mixture(self, extension: merge.Extension) -> tuple[Any, int]:
        """Weights of new rows over old ones, and how many of them are the mean for want of occurrences."""
        from data_prep.vocabulary_extension import mixtures

        if self.settings.initialise == "mean":
            return mixtures.mean(extension), 0
        return mixtures.aligned(extension, self.runs())

    def write_model(self, weights: Any) -> None:
        """Through NeMo, in a hidden folder until it is whole."""
        import torch

        from recipes.convert.architectures.tensors import EMBEDDING
        from recipes.model_shape import padded_vocab_size
        from recipes.runtime import vocabulary

        config = self.checkpoint.config
        divisor, tensor = config.get("make_vocab_size_divisible_by", 128), config.get("tensor_model_parallel_size", 1)
        unfinished = self.settings.output / ".unfinished"
        unfinished.mkdir(exist_ok=True)
        try:
            vocabulary.extend(
                self.settings.model,
                unfinished / self.model.name,
                tokenizer=self.tokenizer.absolute(),
                weights=weights,
                rows=padded_vocab_size(sum(weights.shape), divisor, tensor),
                dtype=getattr(torch, self.checkpoint.tensors[EMBEDDING].dtype),
            )
            (unfinished / self.model.name).replace(self.model)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def count_pieces(asked: int, extension: merge.Extension) -> dict[str, Any]:
    """`counts` of the receipt; what was asked is what was added and what was left out."""
    too_rare = asked - len(extension.pieces) - extension.left_out.total()
    left_out = {"too_rare": too_rare, **extension.left_out}
    return {
        "asked": asked,
        "added": len(extension.pieces),
        "left_out": {reason: count for reason, count in left_out.items() if count},
    }


def find_train_shards(documents: Path, lang: str) -> Sequence[Path]:
    """The train shards of a language under a `documents` folder.

    Raises:
        UsageError: There are none.
    """
    shards = sorted(documents.glob(f"*.{lang}.*/train/*{SHARD_SUFFIX}"))
    if not shards:
        langs = sorted({folder.name.split(".")[-2] for folder in documents.glob("*.*.*")})
        raise UsageError(
            f"there are no train documents in {lang}",
            where=f"documents={documents}",
            why=f"the languages there: {', '.join(langs)}",
            fix=f"lang={langs[0]}" if langs else "documents=DIR/documents of `langadapt prep`",
        )
    return shards


def print_table(receipt: Receipt, model: Path) -> None:
    """Held-out documents before and after, by language."""
    counts = receipt.counts
    left_out = ", ".join(f"{count} {reason}" for reason, count in counts["left_out"].items())
    table = Table(
        title=f"extend: {counts['added']} of {counts['asked']} pieces added"
        + (f" ({left_out})" if left_out else "")
        + f", {receipt.details['rows_from_mean_because_rare']} rows from the mean as too rare -> {model}"
        + f" ({receipt.seconds:.0f} s)",
        title_justify="left",
    )
    for name in ("held-out", "words", "tokens per word", "extended", "tokens replaced"):
        table.add_column(name, justify="left" if name == "held-out" else "right")
    for lang, figures in receipt.details["heldout"].items():
        per_word = figures["tokens_per_word"]
        table.add_row(
            lang,
            f"{figures['words']:,}",
            f"{per_word['before']:.3f}",
            f"{per_word['after']:.3f}",
            f"{100 * figures['replaced_share']:.2f} %",
        )
    make_console().print(table)
