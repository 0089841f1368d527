"""Marks that come in pairs: which pieces belong together, and where emphasis can open and close."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

_EMPHASIS = frozenset(("*", "**", "***", "_", "__", "___", "~~"))
_TAG_NAME = re.compile(r"<(?P<close>/?)(?P<name>[A-Za-z][\w:-]*|\d{1,4})(?:\s[^<>]*)?(?P<empty>/?)>")


def pairs(pieces: Sequence[str]) -> dict[int, int]:
    """Which of these pieces, in the order of the source, belong together: opening to closing index.

    Emphasis and brackets were paired by `scan`, which protects no single one and nests no equal ones: so they are told
    from their text alone. Tags are paired by name; single ones are in no pair.
    """
    found: dict[int, int] = {}
    stacks: dict[str, list[tuple[str, int]]] = {"mark": [], "tag": []}
    waiting: Counter[tuple[str, str]] = Counter()
    for number, piece in enumerate(pieces):
        family, name, side = _side(piece.strip(" "))
        if side == "alone":
            continue
        stack = stacks[family]
        if waiting[family, name] and side != "open":
            while True:
                other, opening = stack.pop()
                waiting[family, other] -= 1
                if other == name:
                    found[opening] = number
                    break
        elif side != "close":
            stack.append((name, number))
            waiting[family, name] += 1
    return found


def _side(piece: str) -> tuple[str, str, str]:
    """Family, name and side (open, close, either, alone) of a piece."""
    if piece in _EMPHASIS:
        return "mark", piece, "either"
    if piece in ("[", "!["):
        return "mark", "[", "open"
    if piece.startswith(("](", "][")):
        return "mark", "[", "close"
    tag = _TAG_NAME.fullmatch(piece)
    if not tag or tag["empty"]:
        return "", "", "alone"
    return "tag", tag["name"].lower(), "close" if tag["close"] else "open"


def flanks(mark: str, before: str, after: str) -> tuple[bool, bool]:
    """Whether an emphasis mark between two characters can open and can close (CommonMark 0.31, section 6.2).

    Args:
        mark: `*`, `_` or `~`.
        before: The character before, empty at the start.
        after: The character behind, empty at the end.
    """
    left = not _is_space(after) and (not _is_punctuation(after) or _is_space(before) or _is_punctuation(before))
    right = not _is_space(before) and (not _is_punctuation(before) or _is_space(after) or _is_punctuation(after))
    if mark == "_":
        return left and (not right or _is_punctuation(before)), right and (not left or _is_punctuation(after))
    return left, right


def _is_space(char: str) -> bool:
    return not char or char.isspace()


def _is_punctuation(char: str) -> bool:
    return bool(char) and unicodedata.category(char)[0] in "PS"
