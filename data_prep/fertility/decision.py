"""From counts to what they mean, and to a verdict by RULE. No files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data_prep.documents import KINDS, Kind
from data_prep.fertility.counts import Counts
from data_prep.fertility.settings import FertilitySettings

RULE = """\
A vocabulary is to be extended for a language whose text takes more than max_tokens_per_word tokens a word, or of \
whose characters more than max_fallback have no piece; a language is judged by its real text where there is any. \
The limit of 2.0 is our choice between two known cases: the paper kept its tokenizer at 1.7 (arXiv 2410.14815; Gemma's \
had 1.98, Llama's 2.64), and Nanda-10B extended Llama 3's at 2.61 and came to 1.19 (arXiv 2504.06011). Nothing is \
known in between, and an extension does not always pay (TituLLMs, for Bangla). The limit of 1 % is our choice: in \
bytes, a character of an Indic script takes three tokens."""

SECONDS_A_DAY = 86_400

Key = tuple[str, str, Kind]
"""Tokenizer, language, kind."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One tokenizer on the text of one language and kind."""

    tokenizer: str
    lang: str
    kind: Kind
    documents: int
    words: int
    characters: int
    bytes: int
    tokens: int
    tokens_per_word: float
    standard_error: float | None
    """Of tokens_per_word over documents; None for one document."""
    characters_per_token: float
    bytes_per_token: float
    fallback: float
    """Share of characters that no piece holds whole."""
    times_baseline: float | None
    """Tokens a word against the same kind, or else real text, of the baseline language; None where there is none."""
    words_in_context: int
    tokens_for_words: int
    """That the words to be trained on make."""
    training_days: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a tokenizer needs more pieces for a language."""

    tokenizer: str
    lang: str
    kind: Kind
    """The text it was judged by."""
    extend: bool
    why: str


def rows(counts: Mapping[Key, Counts], settings: FertilitySettings) -> list[Row]:
    """What the counts mean, one row for each."""
    return [_row(key, each, _baseline(key, counts, settings), settings) for key, each in counts.items()]


def _baseline(key: Key, counts: Mapping[Key, Counts], settings: FertilitySettings) -> float | None:
    """Tokens a word of the baseline language's best kind, by the same tokenizer."""
    tokenizer = key[0]
    found = (counts.get((tokenizer, settings.baseline, kind)) for kind in KINDS)
    return next((each.tokens_per_word for each in found if each), None)


def _row(key: Key, counts: Counts, baseline: float | None, settings: FertilitySettings) -> Row:
    tokenizer, lang, kind = key
    fertility = counts.tokens_per_word
    error = counts.standard_error
    tokens_for_words = fertility * settings.words
    return Row(
        tokenizer=tokenizer,
        lang=lang,
        kind=kind,
        documents=counts.documents,
        words=counts.words,
        characters=counts.characters,
        bytes=counts.bytes,
        tokens=counts.tokens,
        tokens_per_word=round(fertility, 4),
        standard_error=None if error is None else round(error, 4),
        characters_per_token=round(counts.characters / counts.tokens, 4),
        bytes_per_token=round(counts.bytes / counts.tokens, 4),
        fallback=round(counts.fallback / counts.characters, 6),
        times_baseline=round(fertility / baseline, 4) if baseline else None,
        words_in_context=int(settings.context_length / fertility),
        tokens_for_words=round(tokens_for_words),
        training_days=round(tokens_for_words / settings.tokens_per_second / SECONDS_A_DAY, 3),
    )


def verdicts(measured: Sequence[Row], settings: FertilitySettings) -> list[Verdict]:
    """One for each tokenizer and language but the baseline."""
    by_language: dict[tuple[str, str], list[Row]] = {}
    for row in measured:
        by_language.setdefault((row.tokenizer, row.lang), []).append(row)
    best = (min(each, key=lambda row: KINDS.index(row.kind)) for each in by_language.values())
    return [_judge(row, settings) for row in best if row.lang != settings.baseline]


def _judge(row: Row, settings: FertilitySettings) -> Verdict:
    findings = (
        (row.tokens_per_word, settings.max_tokens_per_word, "{:.2f}", "tokens a word"),
        (row.fallback, settings.max_fallback, "{:.2%}", "of characters without a piece"),
    )
    why = [
        f"{form.format(value)} {what} ({'above' if value > most else 'at most'} {form.format(most)})"
        for value, most, form, what in findings
    ]
    return Verdict(
        tokenizer=row.tokenizer,
        lang=row.lang,
        kind=row.kind,
        extend=any(value > most for value, most, *_ in findings),
        why=", ".join(why),
    )
