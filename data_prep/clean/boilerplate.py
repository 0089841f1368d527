"""Lines that belong to the page a text was found on, not to the text: navigation, sharing, cookies, copyright.

Only whole lines go; a paragraph that mentions cookies stays. A line of letters that a document repeats more often than
a refrain would be is kept once.
"""

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

_FILE = Path(__file__).with_name("boilerplate.yaml")
_LONGEST = 120
"""Characters; what is longer is a paragraph."""

_PARTS = re.compile(r"\s*[|>»›•·/,]\s*")
_AROUND = " \t.,:;!?।॥…-–—*#|>»›«‹•·[](){}+→←↓↑▼►▶×"


@dataclass(frozen=True, slots=True)
class Stripped:
    """A document's lines without its boilerplate."""

    lines: list[str]
    listed: int
    """Lines dropped because boilerplate.yaml names them."""
    repeated: int
    """Repetitions dropped."""


def strip(lines: Sequence[str], max_repeats: int, *, listed: bool = True) -> Stripped:
    """Drop boilerplate lines, if `listed`, and the repetitions of lines that occur more than `max_repeats` times."""
    kept = [line for line in lines if not _is_boilerplate(line)] if listed else list(lines)
    often = {line for line, times in Counter(kept).items() if times > max_repeats and _has_letter(line)}
    if not often:
        return Stripped(kept, len(lines) - len(kept), 0)
    first = {line: kept.index(line) for line in often}
    once = [line for index, line in enumerate(kept) if first.get(line, index) == index]
    return Stripped(once, len(lines) - len(kept), len(kept) - len(once))


def _has_letter(line: str) -> bool:
    return any(char.isalpha() for char in line)


def _is_boilerplate(line: str) -> bool:
    if not line or len(line) > _LONGEST:
        return False
    lists = _lists()
    line = line.lower().strip()
    bare = line.strip(_AROUND)
    if not bare:
        return False
    return (
        bare in lists.lines
        or line.startswith(lists.starts)
        or lists.contains.search(line) is not None
        or _is_navigation(bare)
    )


def _is_navigation(line: str) -> bool:
    """Whether the line is a row of links: parts between separators, each one listed."""
    parts = _PARTS.split(line)
    return len(parts) > 1 and all(part.strip(_AROUND) in _lists().lines for part in parts)


@dataclass(frozen=True, slots=True)
class _Lists:
    lines: frozenset[str]
    starts: tuple[str, ...]
    contains: re.Pattern[str]


@functools.cache
def _lists() -> _Lists:
    given: dict[str, str] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    lines, starts, contains = (
        [unicodedata.normalize("NFC", line) for line in given[name].splitlines()]
        for name in ("lines", "starts", "contains")
    )
    return _Lists(frozenset(lines), tuple(starts), re.compile("|".join(map(re.escape, contains))))
