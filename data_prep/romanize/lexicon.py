"""Words whose spelling no rule gives: frequent Hindi words, and loans from English.

hindi.tsv     word, usual spelling (empty: by rule, though it sounds like an English word), other spellings
loanwords.tsv English word, how it may be written in Devanagari, as keys; made by make_loanwords.py
"""

import functools
import re
from pathlib import Path

from data_prep.romanize.letters import CHANDRABINDU, VIRAMA, canonical

_FOLDER = Path(__file__).parent

_MERGED = str.maketrans(f"ीूईऊॅऍष\u095b\u095e{CHANDRABINDU}", "िुइउैऐशजफं")
"""Of the letters with a nukta only za and fa: the others write no English sound, so they keep Hindi words apart."""
_AS_SIGNS = str.maketrans("आइउएऐओऔऑ", "ािुेैोौॉ", VIRAMA)
_NASAL = re.compile(f"[ङञणन]{VIRAMA}(?=[क-ह])|म{VIRAMA}(?=[पफबभ])")
_LABIAL = re.compile("ं(?=[पफबभ])")
_GLIDE_Y = re.compile("ि(?=[ाेोॉैौ])")
_GLIDE_V = re.compile("ुव?(?=[ाेोॉि])")
_DOUBLED = re.compile(f"([क-ह]){VIRAMA}(?=\\1)")


def key(word: str) -> str:
    """What all Devanagari spellings of one English word have in common.

    Nukta, vowel length, doubled consonants, viramas and the way a nasal is written vary from writer to writer.

    Args:
        word: In single letters (letters.canonical).
    """
    word = word.translate(_MERGED)
    if VIRAMA in word:
        word = _DOUBLED.sub("", _NASAL.sub("ं", word))
    if "ं" in word:
        word = _LABIAL.sub("म", word).replace("ं", "न")
    word = word.translate(_AS_SIGNS)
    if "ि" in word or "य" in word:
        word = _GLIDE_Y.sub("िय", word).replace("ाय", "ाि").replace("ॉय", "ॉि")
    return _GLIDE_V.sub("ुव", word) if "ु" in word else word


@functools.cache
def hindi_words() -> dict[str, tuple[str, ...]]:
    """Word -> spellings, the usual one first; none where the rules decide."""
    rows = (line.split("\t") for line in _lines("hindi.tsv"))
    return {canonical(word): tuple(filter(None, [usual, *others.split("|")])) for word, usual, others in rows}


@functools.cache
def loanwords() -> dict[str, str]:
    """Key -> English spelling; the earlier row wins a key that two words share."""
    words: dict[str, str] = {}
    for line in _lines("loanwords.tsv"):
        english, keys = line.split("\t")
        for each in keys.split():
            words.setdefault(each, english)
    return words


def spellings(word: str) -> tuple[str, ...]:
    """The listed spellings of a word in single letters, the usual one first; none when the rules decide."""
    listed = hindi_words().get(word)
    if listed is not None:
        return listed
    english = loanwords().get(key(word))
    return (english,) if english else ()


def _lines(name: str) -> list[str]:
    lines = (_FOLDER / name).read_text("utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]
