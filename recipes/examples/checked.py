"""The rows of a training file one by one, each with what the run will learn of it or why it cannot."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from data_prep import jsonl
from data_prep.instruct.shapes import Value
from data_prep.jsonl import BadRow, Fault
from recipes.examples.readers import Example, PairReader, Reader
from recipes.examples.settings import ExampleSettings
from recipes.examples.templates import Piece
from recipes.examples.tokens import Encode, Tokens, tokenised

BATCH_ROWS = 512
LISTED = 20
"""Places of each reason that a summary names; the rejects file has all."""

_DETAILS = {
    "too_long": "more tokens than the sequence length",
    "nothing_to_learn": "no token of an answer within the sequence length",
    "merged_prompt": "the tokenizer merges the end of one part with the start of the next",
    "chosen_equals_rejected": "chosen and rejected have the same tokens within the sequence length",
    "eod_inside": "the end-of-document token stands before the end",
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """One split of a run: its files, and how upstream reads them.

    Attributes:
        split: train, validation or test.
        key: Configuration key that names the files.
        paths: The files as given.
        reader: Rows to examples.
        limit: Tokens an example may have, the last one, which is only predicted, included.
        packed: Whether several examples go into one sequence.
        eod_id: The end-of-document token.
    """

    split: str
    key: str
    paths: tuple[Path, ...]
    reader: Reader
    limit: int
    packed: bool
    eod_id: int


@dataclass(kw_only=True)
class Tally:
    """What was found in the files of one split."""

    read: int = 0
    kept: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    """By reason, truncated ones among them."""
    truncated: int = 0
    tokens: int = 0
    learnt: int = 0
    longest: int = 0
    is_own: bool = True
    """Whether every row is NeMo-Aligner's line and none has to go or to change."""
    places: dict[str, list[str]] = field(default_factory=dict)
    """By reason: `file:line (id): detail` of the first."""
    lengths: list[int] = field(default_factory=list)
    """Tokens a model is given of each kept example, where they are packed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """A row: kept where `example` is there, with a fault where `reason` is."""

    where: str
    row: Value | str
    """As given; a line that cannot be read is text."""
    example: Example | None = None
    tokens: tuple[Tokens, ...] = ()
    reason: str | None = None
    detail: str = ""


def checked(job: Job, encode: Encode, settings: ExampleSettings) -> Iterator[Checked]:
    """Every row of a split's files in order."""
    for path in job.paths:
        rows = jsonl.read(path, lambda _: None, "reject")
        while batch := list(islice(rows, BATCH_ROWS)):
            yield from _judged(job, [_read(job, path, row) for row in batch], encode, settings)


def _read(job: Job, path: Path, row: jsonl.Row | BadRow) -> Checked:
    where = f"{path}:{row.number}"
    if isinstance(row, BadRow):
        raw = row.raw.decode(errors="backslashreplace")
        return Checked(where=where, row=raw, reason="bad_line", detail=row.fault.detail)
    name = row.value.get("id", row.value.get("prompt_id"))
    where += f" (id {name})" if isinstance(name, str | int) else ""
    found = job.reader(row.value)
    if isinstance(found, Fault):
        return Checked(where=where, row=row.value, reason=_code(found), detail=found.detail)
    return Checked(where=where, row=row.value, example=found)


def _code(fault: Fault) -> str:
    """The reason under which a policy is asked: every malformed row is a bad line."""
    return fault.reason if fault.reason in _DETAILS else "bad_line"


def _judged(job: Job, batch: Sequence[Checked], encode: Encode, settings: ExampleSettings) -> Iterator[Checked]:
    examples = [row.example for row in batch if row.example]
    results = iter(tokenised(examples, encode))
    for row in batch:
        yield _verdict(job, row, next(results), encode, settings) if row.example else row


def _verdict(
    job: Job, row: Checked, tokens: Sequence[Tokens | None], encode: Encode, settings: ExampleSettings
) -> Checked:
    assert row.example  # noqa: S101  the caller has seen to it
    reason = fault_of(tokens, job.limit, job.eod_id if job.packed else None)
    whole = tuple(each for each in tokens if each)
    if reason is None:
        return replace(row, tokens=whole)
    if reason == "too_long" and settings.too_long == "truncate":
        return _truncated(job, row, whole, encode)
    return replace(row, example=None, tokens=whole, reason=reason, detail=_DETAILS[reason])


def fault_of(tokens: Sequence[Tokens | None], limit: int, eod_id: int | None) -> str | None:
    """Why an example cannot be learnt as it is, if so.

    Args:
        tokens: Of each of its texts.
        limit: Tokens a text may have.
        eod_id: The token that may only stand at the end, of examples that are packed.
    """
    whole = [each for each in tokens if each]
    if len(whole) < len(tokens):
        return "merged_prompt"
    if any(not each.learnt[1:].any() for each in whole):
        return "nothing_to_learn"
    if eod_id is not None and any((each.ids[:-1] == eod_id).any() for each in whole):
        return "eod_inside"
    if any(len(each.ids) > limit for each in whole):
        # An example that would be cut before its first learnt token has nothing left, whatever the policy on length.
        return "too_long" if all(each.learnt[1:limit].any() for each in whole) else "nothing_to_learn"
    if len(whole) == 2 and np.array_equal(whole[0].ids, whole[1].ids):
        return "chosen_equals_rejected"
    return None


def _truncated(job: Job, row: Checked, tokens: tuple[Tokens, ...], encode: Encode) -> Checked:
    """The row cut at the end: SFT's by upstream or when it is packed; a pair's answers here, upstream would zero it."""
    assert row.example  # noqa: S101
    if not isinstance(job.reader, PairReader):
        cut = tuple(Tokens(each.ids[: job.limit], each.learnt[: job.limit]) for each in tokens)
        return replace(row, tokens=cut, reason="too_long", detail="cut at the end")
    answers = [_shortened(pieces, encode, job.limit - len(job.reader.after)) for pieces in row.example.texts]
    found = job.reader.shortened(row.example, answers)
    if isinstance(found, Fault):
        return replace(row, example=None, tokens=(), reason=_code(found), detail=f"once cut: {found.detail}")
    again = tokenised([found], encode)[0]
    if reason := fault_of(again, job.limit, None):
        return replace(row, example=None, tokens=(), reason=reason, detail=f"once cut: {_DETAILS[reason]}")
    return replace(
        row, example=found, tokens=tuple(each for each in again if each), reason="too_long", detail="answers cut"
    )


def _shortened(pieces: Sequence[Piece], encode: Encode, limit: int) -> str:
    """The longest start of an answer, in steps of a few characters, that fits with its prompt."""
    prompt, answer = str(pieces[0].text), str(pieces[1].text)
    length = len(encode([prompt + answer])[0])
    while length > limit and answer:
        too_many = (length - limit) / length * len(prompt + answer)
        answer = answer[: max(0, len(answer) - max(1, int(too_many / 2)))]
        length = len(encode([prompt + answer])[0])
    return answer


def count(tally: Tally, row: Checked, *, packed: bool) -> None:
    """Adds a row to what was found."""
    tally.read += 1
    if row.reason:
        tally.faults[row.reason] += 1
        places = tally.places.setdefault(row.reason, [])
        if len(places) < LISTED:
            places.append(f"{row.where}: {row.detail}")
    lengths = [len(each.ids) for each in row.tokens]
    tally.longest = max(tally.longest, *lengths, 0)
    if row.example is None:
        tally.is_own = False
        return
    tally.kept += 1
    tally.truncated += row.reason is not None
    tally.is_own &= row.example.is_own
    tally.tokens += sum(lengths)
    tally.learnt += sum(int(each.learnt[1:].sum()) for each in row.tokens)
    if packed:
        tally.lengths.append(lengths[0] - 1)


def as_summary(tally: Tally) -> dict[str, Any]:
    """Counts for the summary and the run record."""
    dropped = Counter(tally.faults)
    dropped["too_long"] -= tally.truncated
    return {
        "read": tally.read,
        "kept": tally.kept,
        "dropped": dict(sorted((+dropped).items())),
        "truncated": tally.truncated,
        "tokens": tally.tokens,
        "learnt_tokens": tally.learnt,
        "longest": tally.longest,
        "places": tally.places,
    }


def reject(row: Checked) -> Value:
    """A dropped or cut row as it is kept."""
    action = "truncated" if row.example else "dropped"
    return {"reason": row.reason, "action": action, "where": row.where, "detail": row.detail, "row": row.row}
