"""What a translated segment must satisfy. Both sides are masked: protected text is a placeholder.

Reason codes, in the order in which they are looked for: `empty`, `copied`, `script`, `short`, `long`, `repetition`.
Lost placeholders and markup of the engine's own are found where the protected text is put back (assemble.py).
"""

import functools
import unicodedata

import regex

from data_prep.translate.protect import PLACEHOLDER
from data_prep.translate.settings import CheckSettings

_NAME_WORDS = 2
"""A copy of up to so many words may be a name, as `Linux` or `Mahatma Gandhi` in a heading."""

_SLACK = 10
"""Characters added to both sides of the length ratio: a short segment may well double."""

_NOT_LETTERS = regex.compile(r"[^\p{L}\p{M}]+")
_SEVERAL_SCRIPTS = {"Jpan": ("Hani", "Hira", "Kana"), "Kore": ("Hang", "Hani"), "Hans": ("Hani",), "Hant": ("Hani",)}
_DANDA_SCRIPTS = ("Deva", "Beng", "Guru", "Orya")
_LONG_WORD = 24


def tidy(source: str, translation: str, to_lang: str) -> str:
    """The translation in NFC without outer spaces; a pipe that stands for a danda becomes one."""
    text = unicodedata.normalize("NFC", translation).strip()
    if "|" in text and "|" not in source and script_of(to_lang) in _DANDA_SCRIPTS:
        text = text.replace("||", "॥").replace("|", "।")
    return text


def fault(source: str, translation: str, to_lang: str, limits: CheckSettings) -> str | None:
    """The reason code of the first check a tidy translation fails, or None."""
    if not translation:
        return "empty"
    if translation.casefold() == source.casefold():
        return "copied" if len(source.split()) > _NAME_WORDS else None
    if script_share(translation, script_of(to_lang)) < limits.min_script_share:
        return "script"
    return _size_fault(source, translation, limits)


def _size_fault(source: str, translation: str, limits: CheckSettings) -> str | None:
    ratio = (len(translation) + _SLACK) / (len(source) + _SLACK)
    if ratio < limits.min_length_ratio:
        return "short"
    if ratio > limits.max_length_ratio:
        return "long"
    repeated = repetition(translation)
    if repeated > limits.max_repetition and repeated - repetition(source) > limits.max_repetition:
        return "repetition"
    return None


def script_of(lang: str) -> str:
    """`Deva` of hi-Deva."""
    return lang.partition("-")[2]


def script_share(text: str, script: str) -> float:
    """Of the letters and marks outside placeholders, the share in a script; 0 without letters."""
    letters = _NOT_LETTERS.sub("", PLACEHOLDER.sub("", text))
    return len(_other_scripts(script).sub("", letters)) / len(letters) if letters else 0.0


@functools.cache
def _other_scripts(script: str) -> "regex.Pattern[str]":
    names = _SEVERAL_SCRIPTS.get(script, (script,))
    return regex.compile("[^" + "".join(rf"\p{{Script={name}}}" for name in names) + "]+")


def repetition(text: str) -> float:
    """Share of word triples, or of character octets in a very long word, that occurred before in the text.

    A translation model in a loop repeats words or, within one word, syllables; running text does neither.
    """
    words = text.split()
    triples = list(zip(words, words[1:], words[2:], strict=False))
    longest = max(words, key=len, default="")
    octets = [longest[i : i + 8] for i in range(len(longest) - 7)] if len(longest) > _LONG_WORD else []
    return max((1 - len(set(parts)) / len(parts) for parts in (triples, octets) if parts), default=0.0)
