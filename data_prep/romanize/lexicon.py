"""Words whose spelling no rule gives: frequent Hindi words, and loans from English.

hindi.tsv     word, usual spelling (empty: by rule, though it sounds like an English word), other spellings
loanwords.tsv English word, how it may be written in Devanagari, as keys; made by make_loanwords.py
"""

import functools
import re
from pathlib import Path

from data_prep.romanize.letters import CHANDRABINDU, VIRAMA, canonical

_FOLDER = Path(__file__).parent

_WITHOUT_NUKTA = str.maketrans("\u095b\u095e", "जफ")
"""Only za and fa: the other letters with a nukta write no English sound, so they keep Hindi words apart."""
_MERGED = str.maketrans("ीूईऊॅऍष", "िुइउैऐश") | {ord(CHANDRABINDU): "ं"}
_AS_SIGNS = str.maketrans("आइउएऐओऔऑ", "ािुेैोौॉ")
_NASAL = re.compile(f"[ङञणन]{VIRAMA}(?=[क-ह])|म{VIRAMA}(?=[पफबभ])")
_DOUBLED = re.compile(f"([क-ह]){VIRAMA}(?=\\1)")


def key(word: str) -> str:
    """What all Devanagari spellings of one English word have in common.

    Nukta, vowel length, doubled consonants, viramas and the way a nasal is written vary from writer to writer.

    Args:
        word: In single letters (letters.canonical).
    """
    word = word.translate(_WITHOUT_NUKTA).translate(_MERGED)
    word = _DOUBLED.sub("", _NASAL.sub("ं", word))
    word = re.sub("ं(?=[पफबभ])", "म", word).replace("ं", "न").translate(_AS_SIGNS).replace(VIRAMA, "")
    word = re.sub("ि(?=[ाेोॉैौ])", "िय", word).replace("ाय", "ाि").replace("ॉय", "ॉि")
    return re.sub("ुव?(?=[ाेोॉि])", "ुव", word)


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
