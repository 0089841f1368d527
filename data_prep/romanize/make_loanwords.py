"""Make loanwords.tsv: how English words may be written in Devanagari.

    python -m data_prep.romanize.make_loanwords CMUDICT > data_prep/romanize/loanwords.tsv

CMUDICT is the pronouncing dictionary's `cmudict.dict` (BSD-2-Clause). loanwords.txt names the words, frequent ones
first; `word=देवनागरी` adds a spelling that does not follow from the pronunciation. Run by hand when either changes.
"""

import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from data_prep.romanize.letters import canonical
from data_prep.romanize.lexicon import key

_MOST = 24
"""Spellings kept for one pronunciation, the likely ones first."""

_SHORT, _ROUNDED = 5, ("AA", "AO")
"""Words of fewer sounds are often Hindi words too: hall is written हॉल, since हाल has its own meaning."""

_HEADER = """\
# English word, Devanagari keys (lexicon.key). Made by make_loanwords.py from loanwords.txt and the pronunciations of
# the CMU Pronouncing Dictionary, Copyright (C) 1993-2015 Carnegie Mellon University. All rights reserved.
# Redistribution and use in source and binary forms, with or without modification, are permitted provided that
# redistributions retain this notice. This work was supported in part by DARPA (USA), the National Science Foundation
# (USA) and the Speech Consortium at Carnegie Mellon University. It is provided by Carnegie Mellon University "as is"
# without any warranty.
"""

_CONSONANTS = {
    "B": "ब",
    "CH": "च",
    "D": "ड",
    "DH": "द",
    "F": "फ",
    "G": "ग",
    "HH": "ह",
    "JH": "ज",
    "K": "क",
    "L": "ल",
    "M": "म",
    "N": "न",
    "NG": "नग",
    "P": "प",
    "R": "र",
    "S": "स",
    "SH": "श",
    "T": "ट",
    "TH": "थ",
    "V": "व",
    "W": "व",
    "Y": "य",
}
_VOWELS = {
    "AA": "ॉ ा",
    "AE": "ै े",
    "AO": "ॉ ो ा",
    "AW": "ाु",
    "AY": "ाि",
    "EH": "े ै",
    "EY": "े",
    "IH": "ि",
    "IY": "ि",
    "OW": "ो",
    "OY": "ॉि",
    "UH": "ु",
    "UW": "ु",
}
_BY_LETTER = {"a": ["", "ै", "ा"], "e": ["", "े"], "i": ["ि", ""], "o": ["", "ो", "ॉ"], "u": ["", "ु"], "y": ["ि", ""]}
"""How an unstressed vowel is written: often after its letter."""


def variants(english: str, sounds: list[str]) -> list[str]:
    """Keys of the ways to write one pronunciation, the likely ones first.

    Args:
        english: The English spelling, lower case.
        sounds: In ARPAbet, vowels with their stress.
    """
    letters = _vowel_letters(english, sounds)
    options = [_options(sounds, index, letters[index]) for index in range(len(sounds))]
    ranked = sorted(itertools.product(*map(range, map(len, options))), key=lambda picks: (sum(picks), picks))
    found = dict.fromkeys(
        key("".join(option[pick] for option, pick in zip(options, picks, strict=True))) for picks in ranked[: 4 * _MOST]
    )
    return list(found)[:_MOST]


def _vowel_letters(english: str, sounds: list[str]) -> list[str]:
    """The letters of each vowel sound; empty for consonants, and where letters and sounds do not match in number."""
    groups = re.findall("[aeiouy]+", english)
    vowels = [index for index, sound in enumerate(sounds) if sound[-1].isdigit()]
    letters = [""] * len(sounds)
    if len(groups) >= len(vowels):
        for index, group in zip(vowels, groups, strict=False):
            letters[index] = group
    return letters


def _options(sounds: list[str], index: int, letters: str) -> list[str]:
    sound = sounds[index]
    before = sounds[index - 1] if index else ""
    after = sounds[index + 1] if index + 1 < len(sounds) else ""
    if not sound[-1].isdigit():
        return _consonant(sound, before, after)
    options = _vowel(sound, before, after, letters)
    if len(sounds) < _SHORT and after != "R":
        return options[:1] if sound[:2] in _ROUNDED else [each for each in options if each != "ा" or sound[:2] != "AE"]
    return options


def _consonant(sound: str, before: str, after: str) -> list[str]:
    if sound == "Z":
        return ["ज", "स"]
    if sound == "ZH":
        return ["ज", "श"]
    if sound == "NG" and after[:1] in ("G", "K"):
        return ["न"]
    if sound == "Y" and before and after.startswith("AH"):
        return ["िय", "य"]
    return [_CONSONANTS[sound]]


def _vowel(sound: str, before: str, after: str, letters: str) -> list[str]:
    name, stressed = sound[:2], sound[2] != "0"
    if name == "AH":
        return _short_a(before, after, letters, stressed=stressed)
    if name == "ER":
        ending = {"o": ["ॉर", "ोर"], "a": ["ार"]}.get(letters[:1], []) if not stressed else []
        return ["र" if before else "अर", *ending]
    options = _VOWELS[name].split()
    if name == "AE":
        options += ["ा"] * (after in ("N", "S", "F", "TH")) + ["अ"] * (not before)
    elif name == "AW" and after.startswith("ER"):
        options += ["ाव"]
    elif name == "AA" and letters == "a" and after == "R":
        options = ["ा"]
    elif name == "AA" and letters[:1] == "o":
        options = ["ॉ", "ो", "ा"]
    elif name == "IH" and not stressed and letters[:1] in ("a", "e"):
        options += ["े", "ै", ""]
    elif name == "UW" and before in ("N", "T", "D", "S", "L"):
        options += ["यु"]
    elif name == "EH" and after == "R":
        options += ["ेय"]
    return options


def _short_a(before: str, after: str, letters: str, *, stressed: bool) -> list[str]:
    if before.startswith("IY"):
        return ["या", "य"] if not after else ["य", "यो", "या"]
    if stressed:
        return ["अ"] if not before else ["", *(["ॉ", "ो"] if letters[:1] == "o" else [])]
    if before == "Y":
        return ["ा"] if not after else ["", "ो"]
    by_letter = [sign for letter in letters[:2] for sign in _BY_LETTER[letter] if sign]
    if not before:
        return ["अ", "ै", "े", *by_letter]
    return ["ा", *by_letter] if not after else ["", *by_letter]


def read_cmudict(path: Path) -> dict[str, list[list[str]]]:
    """Word -> its pronunciations."""
    words: dict[str, list[list[str]]] = {}
    for line in path.read_text("utf-8").splitlines():
        word, *sounds = line.split("#")[0].split()
        words.setdefault(re.sub(r"\(\d+\)$", "", word), []).append(sounds)
    return words


def rows(words: list[str], dictionary: dict[str, list[list[str]]]) -> Iterator[str]:
    """The rows of loanwords.tsv, in the order of the words."""
    keys: dict[str, dict[str, None]] = {}
    for word in words:
        english, _, devanagari = word.partition("=")
        found = keys.setdefault(english, {})
        if devanagari:
            found |= dict.fromkeys(key(canonical(each)) for each in devanagari.split("|"))
        for sounds in dictionary.get(english, []):
            found |= dict.fromkeys(variants(english, sounds))
    taken: set[str] = set()
    for english, found in keys.items():
        free = [each for each in found if each not in taken]
        taken.update(free)
        if free:
            yield f"{english}\t{' '.join(free)}"


def main() -> None:
    """Print the file."""
    words = Path(__file__).with_name("loanwords.txt").read_text("utf-8").split()
    print(_HEADER, end="")
    for row in rows(words, read_cmudict(Path(sys.argv[1]))):
        print(row)


if __name__ == "__main__":
    main()
