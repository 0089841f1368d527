"""Reads a judge's reply strictly: one JSON object with exactly the keys asked for, bare or in a Markdown fence.

Nothing is guessed at: an object with text around it is as invalid as none, because a judge that does not keep to the
form is seen in the counts, and a number picked out of prose is not seen anywhere.
"""

import json
import math
import re
from typing import Any, Literal

from recipes.evaluate.judge.prompts import AXES

Grades = dict[str, float]
Verdict = Literal["A", "B", "tie"]
VERDICTS: tuple[Verdict, ...] = ("A", "B", "tie")
LOWEST, HIGHEST = 1, 5

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n?```", re.DOTALL)


class InvalidReplyError(Exception):
    """A reply that says nothing usable.

    Args:
        reason: Short code, counted.
        detail: What exactly, for the judge when it is asked again.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def read_grades(content: str) -> Grades:
    """A number from 1 to 5 for every axis.

    Raises:
        InvalidReplyError: Anything else.
    """
    found = _object(content, AXES)
    for axis, grade in found.items():
        if isinstance(grade, bool) or not isinstance(grade, int | float):
            raise InvalidReplyError("not_a_number", f'"{axis}" is not a number')
        if not (math.isfinite(grade) and LOWEST <= grade <= HIGHEST):
            raise InvalidReplyError("out_of_range", f'"{axis}" is not between {LOWEST} and {HIGHEST}')
    return {axis: float(found[axis]) for axis in AXES}


def read_verdict(content: str) -> Verdict:
    """Which answer is better.

    Raises:
        InvalidReplyError: Anything else than one of the three verdicts.
    """
    found = _object(content, ("verdict",))["verdict"]
    for verdict in VERDICTS:
        if found == verdict:
            return verdict
    raise InvalidReplyError("no_verdict", '"verdict" is none of "A", "B", "tie"')


def _object(content: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """The JSON object of a reply, with exactly these keys."""
    text = content.strip()
    if fenced := _FENCED.fullmatch(text):
        text = fenced[1]
    if "{" not in text:
        raise InvalidReplyError("no_json", "there is no JSON object in it")
    try:
        pairs = json.loads(text, object_pairs_hook=list)
        found = dict(pairs)
    except (ValueError, TypeError, RecursionError):
        raise InvalidReplyError("bad_json", "it is not one JSON object without anything around it") from None
    if missing := [key for key in keys if key not in found]:
        raise InvalidReplyError("missing_key", f'the key "{missing[0]}" is missing')
    if len(pairs) != len(keys):
        raise InvalidReplyError("extra_key", f"it has keys besides {', '.join(keys)}, or one twice")
    return found
