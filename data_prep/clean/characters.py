"""What kinds of characters a text holds, counted in one vectorised pass.

Every other module asks this count first and does its own, slower work only where there is something to do: a text
without control characters, joiners or mojibake letters is never searched for them.
"""

import functools
import unicodedata
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SCRIPT_BLOCKS: dict[str, tuple[tuple[int, int], ...]] = {
    "Latn": ((0x0041, 0x024F), (0x1E00, 0x1EFF)),
    "Deva": ((0x0900, 0x097F), (0xA8E0, 0xA8FF), (0x1CD0, 0x1CFF)),
    "Beng": ((0x0980, 0x09FF),),
    "Guru": ((0x0A00, 0x0A7F),),
    "Gujr": ((0x0A80, 0x0AFF),),
    "Orya": ((0x0B00, 0x0B7F),),
    "Taml": ((0x0B80, 0x0BFF),),
    "Telu": ((0x0C00, 0x0C7F),),
    "Knda": ((0x0C80, 0x0CFF),),
    "Mlym": ((0x0D00, 0x0D7F),),
    "Sinh": ((0x0D80, 0x0DFF),),
    "Olck": ((0x1C50, 0x1C7F),),
    "Mtei": ((0xABC0, 0xABFF), (0xAAE0, 0xAAFF)),
    "Arab": ((0x0600, 0x06FF), (0x0750, 0x077F), (0x0870, 0x08FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFC)),
    "Thai": ((0x0E00, 0x0E7F),),
    "Tibt": ((0x0F00, 0x0FFF),),
    "Mymr": ((0x1000, 0x109F),),
    "Ethi": ((0x1200, 0x139F),),
    "Khmr": ((0x1780, 0x17FF),),
    "Grek": ((0x0370, 0x03FF), (0x1F00, 0x1FFF)),
    "Cyrl": ((0x0400, 0x052F),),
    "Armn": ((0x0530, 0x058F),),
    "Hebr": ((0x0590, 0x05FF),),
    "Geor": ((0x10A0, 0x10FF),),
    "Hang": ((0x1100, 0x11FF), (0xAC00, 0xD7AF)),
    "Jpan": ((0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF)),
}
"""Unicode blocks by ISO 15924 code; Han characters count as Jpan."""

INDIC_SCRIPTS = ("Deva", "Beng", "Guru", "Gujr", "Orya", "Taml", "Telu", "Knda", "Mlym", "Sinh", "Olck", "Mtei")

SPACE, DIGIT, SYMBOL, UNCLEAN, JOINER, SUSPECT, REPLACEMENT, OTHER = range(8)
"""Classes of characters; UNCLEAN is what normalize.py removes or replaces, SUSPECT what starts mojibake, OTHER is
letters and marks outside `SCRIPT_BLOCKS`, private use and unassigned. Scripts follow."""

_SCRIPT_CLASS = {script: OTHER + 1 + index for index, script in enumerate(SCRIPT_BLOCKS)}
_CLASSES = OTHER + 1 + len(SCRIPT_BLOCKS)

MOJIBAKE_LEADS = "\u00c2\u00c3\u00e0\u00e2\u00ef\u00f0"
"""How the first byte of UTF-8 reads in Windows-1252, for Indic letters, punctuation, accents, BOM and emoji."""

_BY_CATEGORY = {"Z": SPACE, "N": DIGIT, "P": SYMBOL, "S": SYMBOL}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many characters of each class a text has."""

    by_class: npt.NDArray[np.int64]
    total: int

    def of(self, kind: int) -> int:
        """Characters of one class."""
        return int(self.by_class[kind])

    def script(self, script: str) -> int:
        """Letters and marks of a script; 0 for one not in `SCRIPT_BLOCKS`."""
        return self.of(_SCRIPT_CLASS[script]) if script in _SCRIPT_CLASS else 0

    @property
    def letters(self) -> int:
        """Letters and marks of any script."""
        return int(self.by_class[OTHER:].sum())

    def script_share(self, script: str) -> float:
        """Share of a script among letters and marks."""
        return self.script(script) / max(self.letters, 1)

    def main_script(self) -> str:
        """The script with most letters, for messages."""
        return max(SCRIPT_BLOCKS, key=self.script)

    def foreign_share(self, script: str) -> float:
        """Share of letters that are neither Latin nor Indic nor of `script`, among all characters (Setu's measure)."""
        familiar = {"Latn", script, *INDIC_SCRIPTS}
        return (self.letters - sum(map(self.script, familiar))) / max(self.total, 1)


def count(text: str) -> Counts:
    """Count the characters of a text by class."""
    codes = code_points(text)
    return Counts(by_class=np.bincount(_table()[codes], minlength=_CLASSES), total=len(text))


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """The text as an array; half a surrogate pair counts as its own code point."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


@functools.cache
def _table() -> npt.NDArray[np.uint8]:
    """The class of every code point."""
    table = np.full(0x110000, OTHER, dtype=np.uint8)
    for code in (*range(0x10000), *range(0x1F000, 0x1FB00), *range(0xE0000, 0xE0080)):
        table[code] = _class_of(chr(code))
    for script, blocks in SCRIPT_BLOCKS.items():
        for first, last in blocks:
            block = table[first : last + 1]
            block[block == OTHER] = _SCRIPT_CLASS[script]
    table[[ord(char) for char in MOJIBAKE_LEADS]] = SUSPECT
    table[0xFFFD] = REPLACEMENT
    table[[0x200C, 0x200D]] = JOINER
    return table


def _class_of(char: str) -> int:
    category = unicodedata.category(char)
    if char in "\n\t ":
        return SPACE
    if category in ("Cc", "Cf", "Cs") or category[0] == "Z":
        return UNCLEAN
    return _BY_CATEGORY.get(category[0], OTHER)
