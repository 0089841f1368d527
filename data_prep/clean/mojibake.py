"""UTF-8 that was read as Windows-1252 or Latin-1, once or several times, turned back into what it was.

`à¤¹à¤¿à¤‚à¤¦à¥€` is हिंदी. Repair works on runs of characters that decode as a whole and only to scripts and punctuation
that such runs come from in practice, so that `voilà…”` stays. Bytes that Windows-1252 does not define (0x8d of the
virama among them) survive as control characters in most broken text; where they were lost too, nothing can be
repaired and the document is for the caller to reject.
"""

import re
from dataclasses import dataclass

from data_prep.clean.characters import REPLACEMENT, SUSPECT, Counts

_ROUNDS = 3
"""Text broken more than three times has not been seen."""


def _byte_of() -> dict[str, int]:
    """The byte each character stands for: Windows-1252, with Latin-1 where that is undefined."""
    table = {chr(byte): byte for byte in range(0x80, 0x100)}
    for byte in range(0x80, 0xA0):
        table[bytes([byte]).decode("cp1252", "ignore") or chr(byte)] = byte
    return table


_BYTE_OF = _byte_of()
_TAIL = "[" + "".join(re.escape(char) for char, byte in _BYTE_OF.items() if byte < 0xC0) + "]"

_SECOND = "[" + "".join(re.escape(char) for char, byte in _BYTE_OF.items() if 0x80 <= byte <= 0xAC) + "]"

_SEQUENCE = re.compile(
    f"\u00e0[\u00a4-\u00b7](?:{_TAIL}| )"  # Indic scripts U+0900-0DFF; byte A0 often became a plain space
    f"|\u00e2{_SECOND}{_TAIL}"  # punctuation, currency, arrows, shapes: U+2000-2B3F
    f"|\u00ef(?:\u00bb\u00bf|\u00bf\u00bd)"  # byte order mark, replacement character
    f"|\u00f0\u0178{_TAIL}{_TAIL}|\u00f0\u009f{_TAIL}{_TAIL}"  # emoji
    "|[\u00c2\u00c3][\u0080-\u00bf\u20ac\u0160\u0161\u017d\u017e\u0178\u0192\u2020\u2021\u02c6\u2030\u0152\u0153\u2122]"
)
_RUN = re.compile(f"(?:{_SEQUENCE.pattern})+")
_DOUBLED = re.compile("\u00c3[\u00a0 ](?=\u00c2)")
"""How the first byte of a twice broken Indic letter reads; its space was a no-break space."""

_DOUBLED_TAIL = re.compile(f"[\u00c5\u00c6\u00cb]{_TAIL}")
"""Twice broken, Windows-1252's own letters (Š, œ, ƒ, ˆ) read so; once broken text never has them."""
_CLOSING_QUOTE = re.compile(r"\u00e2\u20ac(?=[\s.,;:!?)]|$)")
"""What is left of a closing quotation mark whose third byte, 0x9d, was lost."""

_LOST = re.compile("\u00e0[\u00a4\u00a5]|\u00e2\u20ac")


@dataclass(frozen=True, slots=True)
class Repaired:
    """A text after repair."""

    text: str
    repaired: bool
    damage: int
    """Characters that are still damaged: cut sequences and replacement characters."""


def repair(text: str, counts: Counts) -> Repaired:
    """Undo mojibake where there is any.

    Args:
        text: Any text, before its control characters are removed: they may be bytes of letters.
        counts: Its characters (characters.count): without a suspect letter nothing is searched.
    """
    mended = _mend(text) if counts.of(SUSPECT) else text
    damage = len(_LOST.findall(mended)) if counts.of(SUSPECT) else 0
    damage += mended.count("\ufffd") if counts.of(REPLACEMENT) or mended != text else 0
    return Repaired(text=mended, repaired=mended != text, damage=damage)


def _mend(text: str) -> str:
    for _ in range(_ROUNDS):
        mended, doubled = _DOUBLED.subn("\u00c3\u00a0", text)
        if doubled:
            mended = _DOUBLED_TAIL.sub(_decode, mended)
        mended = _RUN.sub(_decode_run, mended)
        if mended == text:
            break
        text = mended
    return _CLOSING_QUOTE.sub("\u201d", text)


def _decode_run(match: re.Match[str]) -> str:
    """The run decoded, sequence by sequence: one that is no UTF-8 stays as it is."""
    return _SEQUENCE.sub(_decode, match[0])


def _decode(match: re.Match[str]) -> str:
    run = match[0]
    raw = bytes(0xA0 if char == " " else _BYTE_OF[char] for char in run)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return run
