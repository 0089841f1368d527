"""How each family of translation models wants its segments: tags, prefixes, forced first tokens.

Read, not copied: the model cards of NLLB, MADLAD-400 and IndicTrans2, and IndicTransToolkit's processor.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from data_prep.documents import primary_language
from data_prep.translate.languages import flores_code
from data_prep.translate.settings import Family


def _as_is(text: str) -> str:
    return text


@dataclass(frozen=True, kw_only=True)
class Handover:
    """What surrounds a model of some family."""

    before: Callable[[str], str] = _as_is
    """Segment -> what the tokenizer reads."""
    after: Callable[[str], str] = _as_is
    """What the tokenizer decodes -> translation."""
    first_token: str | None = None
    """The target language as the first token of every translation."""
    target_vocabulary: bool = False
    """Source and target have vocabularies of their own, and the tokenizer must be told which one it decodes."""


def handover(family: Family, tokenizer: Any, from_lang: str, to_lang: str) -> Handover:
    """The handover of a family; sets the tokenizer's source language where that is its way.

    Raises:
        ValueError: The language has no code in this family.
    """
    if family == "madlad":
        return Handover(before=_Prefix(f"<2{primary_language(to_lang)}> "))
    if family == "nllb":
        tokenizer.src_lang = flores_code(from_lang)
        return Handover(first_token=flores_code(to_lang))
    if family == "indictrans2":
        tags = _Prefix(f"{flores_code(from_lang)} {flores_code(to_lang)} ")
        return Handover(before=lambda text: tags(space_out(text)), after=close_up, target_vocabulary=True)
    return Handover()


@dataclass(frozen=True)
class _Prefix:
    prefix: str

    def __call__(self, text: str) -> str:
        return self.prefix + text


_PUNCTUATION = re.compile(r"""([!"$%&()*+,/:;=?@\[\]^`{}|~।॥]|\.(?=\s|$)|(?<=\w)'(?=\s|$))""")
_INSIDE_NUMBER = re.compile(r"(?<=\d) ([.,:/]) (?=\d)")


def space_out(text: str) -> str:
    """Punctuation as words of its own, which is what IndicTrans2 was trained on (Moses tokenisation of English)."""
    spaced = " ".join(_PUNCTUATION.sub(r" \1 ", text).split())
    return _INSIDE_NUMBER.sub(r"\1", spaced)


_NO_SPACE_BEFORE = re.compile(r"\s+([,.!?:;%)\]}।॥])")
_NO_SPACE_AFTER = re.compile(r"([(\[{])\s+")


def close_up(text: str) -> str:
    """The reverse for the translation: no space before closing, none after opening punctuation."""
    return _NO_SPACE_AFTER.sub(r"\1", _NO_SPACE_BEFORE.sub(r"\1", text)).strip()
