"""`langadapt fertility CONFIG documents=DIR/documents tokenizers.base=PATH`: what candidate tokenizers make of text.

Tokens a word, characters and bytes a token, and characters without a piece, by language and kind, against English;
then what follows for the context, the token budget and the days of training, and whether the vocabulary is to be
extended, with the rule it was decided by (decision.py). Text is held-out text, which no tokenizer was trained on here.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from data_prep import jsonl
from data_prep.console import make_console
from data_prep.documents import Kind
from data_prep.errors import UsageError
from data_prep.fertility.counts import Counts
from data_prep.fertility.coverage import Coverage
from data_prep.fertility.decision import RULE, Key, Row, Verdict, rows, verdicts
from data_prep.fertility.settings import FertilitySettings, TextFile
from data_prep.files import atomic_write, read_shards
from data_prep.layout import SHARD_SUFFIX, resolve_input
from data_prep.settings import load
from data_prep.vocabulary import Vocabulary
from data_prep.vocabulary import load as load_vocabulary

_BATCH = 256
"""Documents encoded in one call."""

Text = tuple[str, Kind, str]
"""Language, kind, text."""


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """The verb `fertility`.

    Raises:
        UsageError: Wrong configuration, a tokenizer that cannot be read, or no text.
        DataError: A file of text is damaged.
    """
    settings = load(FertilitySettings, configs, overrides)
    vocabularies = {name: load_vocabulary(path.expanduser()) for name, path in settings.tokenizers.items()}
    folders = heldout_folders(settings.documents) if settings.documents else []
    for each in settings.texts:
        jsonl.check_start(resolve_input(each.path), _fault, "error")
    if dry_run:
        print(f"{len(vocabularies)} tokenizers, {len(folders)} datasets, {len(settings.texts)} files")
        return 0
    counts = count(vocabularies, read_texts(settings, folders))
    if not counts:
        raise _no_text(settings.documents)
    measured = rows(counts, settings)
    judged = verdicts(measured, settings)
    console = make_console()
    console.print(table(measured, settings))
    for verdict in judged:
        console.print(sentence(verdict), soft_wrap=True)
    _write(settings, vocabularies, measured, judged)
    console.print(f"wrote {settings.output}", soft_wrap=True)
    return 0


def heldout_folders(documents: Path) -> list[Path]:
    """The held-out sides of a preparation's datasets.

    Raises:
        UsageError: There is none.
    """
    root = documents.expanduser().absolute()
    found = sorted(folder for folder in root.glob("*/heldout") if folder.is_dir())
    if not found:
        raise _no_text(root)
    return found


def _no_text(documents: Path | None) -> UsageError:
    return UsageError(
        "there are no held-out documents in this folder",
        where=f"documents={documents}",
        fix="documents=DIR/documents, where DIR is the output_dir `langadapt prep` wrote to;\n"
        "a small corpus may have none: raise heldout_fraction there, or name files of text under `texts`",
    )


def read_texts(settings: FertilitySettings, folders: Sequence[Path]) -> Iterator[Text]:
    """The beginnings of all datasets and files."""
    for folder in folders:
        documents = read_shards(sorted(folder.glob(f"*{SHARD_SUFFIX}")))
        yield from _beginning(((each.lang, each.kind, each.text) for each in documents), settings.max_characters)
    for file in settings.texts:
        yield from _beginning(_read_file(file), settings.max_characters)


def _read_file(file: TextFile) -> Iterator[Text]:
    for row in jsonl.read(resolve_input(file.path), _fault, "error"):
        if isinstance(row, jsonl.Row):
            yield file.lang, file.kind, row.value["text"]


def _fault(row: dict[str, Any]) -> jsonl.Fault | None:
    text = row.get("text")
    return None if isinstance(text, str) and text.split() else jsonl.Fault("missing_text", 'no words under "text"')


def _beginning(texts: Iterable[Text], most: int) -> Iterator[Text]:
    """Texts until they have `most` characters; the one that reaches it is the last."""
    characters = 0
    for each in texts:
        yield each
        characters += len(each[2])
        if characters >= most:
            return


def count(vocabularies: Mapping[str, Vocabulary], texts: Iterable[Text]) -> dict[Key, Counts]:
    """Sums by tokenizer, language and kind, in that order; text is held a batch at a time."""
    coverage = {name: Coverage(vocabulary) for name, vocabulary in vocabularies.items()}
    found: dict[Key, Counts] = {}
    for (lang, kind), group in itertools.groupby(texts, key=lambda each: each[:2]):
        while batch := [text for *_, text in itertools.islice(group, _BATCH)]:
            for name, vocabulary in vocabularies.items():
                ids = vocabulary.encode(batch)
                counts = found.setdefault((name, lang, kind), Counts())
                counts.fallback += coverage[name].count(batch, ids)
                for text, each in zip(batch, ids, strict=True):
                    counts.add(text, len(each))
    order = {name: place for place, name in enumerate(vocabularies)}
    return dict(sorted(found.items(), key=lambda item: (order[item[0][0]], *item[0][1:])))


def table(measured: Iterable[Row], settings: FertilitySettings) -> Table:
    """One row for each tokenizer, language and kind."""
    title = (
        f"{settings.words:,} words of each language, {settings.tokens_per_second:,.0f} tokens a second, "
        f"context of {settings.context_length:,} tokens"
    )
    result = Table(title=title, title_justify="left")
    for column in ("tokenizer", "language", "kind"):
        result.add_column(column, overflow="fold")
    against = f"x {settings.baseline}"
    for column in ("tok/word", "char/tok", "bytes/tok", "no piece", against, "words/context", "Gtok", "days"):
        result.add_column(column, justify="right", no_wrap=True)
    for row in measured:
        result.add_row(
            row.tokenizer,
            row.lang,
            row.kind,
            f"{row.tokens_per_word:.2f}" + ("" if row.standard_error is None else f"±{row.standard_error:.2f}"),
            f"{row.characters_per_token:.2f}",
            f"{row.bytes_per_token:.2f}",
            f"{row.fallback:.2%}",
            "-" if row.times_baseline is None else f"{row.times_baseline:.2f}",
            f"{row.words_in_context:,}",
            f"{row.tokens_for_words / 1e9:,.1f}",
            f"{row.training_days:,.1f}",
        )
    return result


def sentence(verdict: Verdict) -> str:
    """A verdict in words."""
    word = "GO, extend the vocabulary" if verdict.extend else "NO-GO, keep the vocabulary"
    return f"{verdict.tokenizer}, {verdict.lang}: {word}: {verdict.why}, measured on {verdict.kind} text"


def _write(
    settings: FertilitySettings,
    vocabularies: Mapping[str, Vocabulary],
    measured: Iterable[Row],
    judged: Iterable[Verdict],
) -> None:
    document = {
        "tokenizers": {
            name: {"path": str(each.path), "sha256": each.sha256, "size": each.size, "library": each.library}
            for name, each in vocabularies.items()
        },
        "rows": [asdict(row) for row in measured],
        "verdicts": [asdict(verdict) for verdict in judged],
        "rule": {
            "max_tokens_per_word": settings.max_tokens_per_word,
            "max_fallback": settings.max_fallback,
            "why": RULE,
        },
        "assumed": {
            name: getattr(settings, name)
            for name in ("words", "tokens_per_second", "context_length", "baseline", "max_characters")
        },
    }
    with atomic_write(settings.output.expanduser()) as file:
        file.write(json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n")
