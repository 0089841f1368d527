"""Which language a text is in, by its function words.

Tells Hindi from Marathi, Nepali, Sanskrit, Bodo, Maithili and Bhojpuri, and romanised Hindi from English.

Function words are a third to a half of running text in all of these, few lists hold them, and a list can be read and
extended by somebody who knows the language. Each recognised word speaks for every language that has it; the
confidence of a language is the share of recognised words it explains. A list of keywords or noise has hardly any.
"""

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

_LEXICON_FILE = Path(__file__).with_name("function_words.yaml")


@dataclass(frozen=True, slots=True)
class Identification:
    """How well a text fits the language it is said to be in."""

    confidence: float
    """Share of the recognised words that the language explains, 0 to 1."""
    best: str
    """The language that explains most of them."""
    function_word_share: float
    """Share of all words that are function words of the language."""
    distinct: int
    """How many different function words of the language occur."""


@dataclass(frozen=True, slots=True)
class _Lexicon:
    """Function words of the languages of one script."""

    languages: tuple[str, ...]
    words: dict[str, frozenset[str]]
    """The languages that have a word."""
    endings: dict[str, frozenset[str]]
    lengths: tuple[int, ...]
    """Lengths of the endings, longest first."""


def knows(lang: str) -> bool:
    """Whether there are function words of this language."""
    return lang in _lists()


def identify(words: Sequence[str], lang: str) -> Identification:
    """Compare `lang` with the other languages of its script.

    Args:
        words: The text's words without punctuation, in lower case.
        lang: A language `knows` answers yes to.
    """
    lexicon = _lexicon(lang.split("-")[1])
    found = Counter(word for word in words if word in lexicon.words)
    votes: Counter[frozenset[str]] = Counter()
    for word, times in found.items():
        votes[lexicon.words[word]] += times
    if lexicon.lengths:
        votes.update(_ending_votes([word for word in words if word not in lexicon.words], lexicon))
    explained = dict.fromkeys(lexicon.languages, 0)
    for languages, times in votes.items():
        for language in languages:
            explained[language] += times
    own = [word for word in found if lang in lexicon.words[word]]
    return Identification(
        confidence=explained[lang] / max(votes.total(), 1),
        best=max(explained, key=lambda language: (explained[language], language == lang)),
        function_word_share=sum(found[word] for word in own) / max(len(words), 1),
        distinct=len(own),
    )


def _ending_votes(words: Sequence[str], lexicon: _Lexicon) -> Counter[frozenset[str]]:
    votes: Counter[frozenset[str]] = Counter()
    for word, times in Counter(words).items():
        for length in lexicon.lengths:
            languages = lexicon.endings.get(word[-length:]) if len(word) > length else None
            if languages:
                votes[languages] += times
                break
    return votes


@functools.cache
def _lexicon(script: str) -> _Lexicon:
    lists = {lang: both for lang, both in _lists().items() if lang.endswith(f"-{script}")}
    endings = _owners({lang: both.get("endings", "") for lang, both in lists.items()})
    return _Lexicon(
        languages=tuple(lists),
        words=_owners({lang: both["words"] for lang, both in lists.items()}),
        endings=endings,
        lengths=tuple(sorted({len(ending) for ending in endings}, reverse=True)),
    )


def _owners(lists: dict[str, str]) -> dict[str, frozenset[str]]:
    """The languages whose list holds a word."""
    owners: dict[str, set[str]] = {}
    for lang, words in lists.items():
        for word in words.split():
            owners.setdefault(word, set()).add(lang)
    return {word: frozenset(langs) for word, langs in owners.items()}


@functools.cache
def _lists() -> dict[str, dict[str, str]]:
    lists: dict[str, dict[str, str]] = yaml.safe_load(_LEXICON_FILE.read_text(encoding="utf-8"))
    return lists
