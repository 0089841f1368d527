"""Questions and answers: from files, from the item logs of `langadapt evaluate`, or from models asked here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep import jsonl
from data_prep.console import progress
from data_prep.errors import DataError
from data_prep.receipts import config_hash
from data_prep.translate.cache import Cache, key_of
from recipes.evaluate.generation import Prompt, generate
from recipes.evaluate.models import checksums, open_models

_QUESTION = ("question",)
_REFERENCE = ("reference", "target")
_ANSWER = ("answer", "prediction")
"""Names in files of one's own, and in item logs."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked.

    Attributes:
        text: The question.
        reference: A true answer, where there is one.
    """

    text: str
    reference: str | None = None


Questions = dict[str, Question]
"""By id."""
Answers = dict[str, str]
"""One model's, by id of the question."""


def read_questions(path: Path) -> Questions:
    """The questions of a file.

    Raises:
        UsageError: There is no such file.
        DataError: A line is no question, or an id stands twice.
    """
    found: Questions = {}
    for number, row in _rows(path, _QUESTION):
        question = _question(row)
        name = _id(row, question)
        if name in found:
            raise _twice(path, number, name)
        found[name] = question
    return found


def read_answers(path: Path, questions: Questions) -> Answers:
    """One model's answers; questions that stand beside them join `questions`.

    Raises:
        UsageError: There is no such file.
        DataError: A line is no answer, has no question, or one id stands for two.
    """
    found: Answers = {}
    for number, row in _rows(path, _ANSWER):
        own = _question(row) if _pick(row, _QUESTION) else None
        name = _id(row, own)
        if name in found:
            raise _twice(path, number, name)
        question = own or questions.get(name)
        if question is None:
            raise DataError(
                f"there is no question to this answer: no field `question`, and no id {name!r} elsewhere",
                where=f"{path}:{number}",
                fix="questions=FILE.jsonl with `id`, `question` and `reference` on each line",
            )
        questions[name] = _same(name, questions.get(name, question), question, f"{path}:{number}")
        found[name] = str(_pick(row, _ANSWER))
    return found


def require_references(questions: Mapping[str, Question]) -> None:
    """Raises DataError where a question has no true answer to be graded by."""
    if without := [name for name, question in questions.items() if question.reference is None]:
        raise DataError(
            f"{len(without)} of {len(questions)} questions have no reference answer",
            where=f"id {without[0]!r}",
            why="kind=reference grades beside a true answer",
            fix="add `reference` (in item logs: `target`) to each line, or kind=open to grade without",
        )


def generate_answers(name: str, folder: Path, questions: Questions, store: Cache, max_new_tokens: int) -> Answers:
    """A model's answers through its chat template, greedy; each is kept in `store` as it comes.

    Raises:
        UsageError: The folder holds no model, or one without a chat template.
    """
    weights = config_hash(checksums(folder))

    def key(question: Question) -> str:
        return json.dumps([weights, question.text, max_new_tokens])

    missing = [question for question in questions.values() if key(question) not in store]
    if missing:
        ((_, model, tokenizer),) = open_models({name: folder})
        with progress(f"{name} answers", len(missing)) as bar:
            for question in missing:
                answer = generate(model, tokenizer, Prompt(lang="und", user=question.text), max_new_tokens)
                store.put({key(question): answer})
                bar.advance()
    return {each: store.get(key(question)) or "" for each, question in questions.items()}


def _same(name: str, known: Question, new: Question, where: str) -> Question:
    """What two files say of one question, which may have its reference in one of them only."""
    references = {each.reference for each in (known, new) if each.reference is not None}
    if known.text != new.text or len(references) > 1:
        raise DataError(
            f"the id {name!r} stands for another {'question' if known.text != new.text else 'reference'} elsewhere",
            where=where,
            why="answers to different questions would be compared",
            fix="give the files of one task, or leave `id` out: equal questions then get equal ids",
        )
    return known if known.reference is not None else new


def _rows(path: Path, needed: tuple[str, ...]) -> list[tuple[int, dict[str, Any]]]:
    def fault(row: dict[str, Any]) -> jsonl.Fault | None:
        text = _pick(row, needed)
        if text is None or (needed == _QUESTION and not text.strip()):  # a model may have answered nothing
            fields = ", ".join(list(row)[:8]) or "none"
            return jsonl.Fault("missing", f"no text in {' or '.join(needed)}; fields here: {fields}")
        return None

    jsonl.require_file(path)
    rows = []
    for row in jsonl.read(path, fault, "reject"):
        if isinstance(row, jsonl.BadRow):
            raise DataError(row.fault.detail, where=f"{path}:{row.number}", fix="mend the line or take it out")
        rows.append((row.number, row.value))
    return rows


def _pick(row: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The text under the first of the names that holds one."""
    return next((row[name] for name in names if isinstance(row.get(name), str)), None)


def _question(row: Mapping[str, Any]) -> Question:
    return Question(text=_pick(row, _QUESTION) or "", reference=_pick(row, _REFERENCE))


def _id(row: Mapping[str, Any], question: Question | None) -> str:
    given = row.get("id")
    return str(given) if given is not None else key_of(question.text if question else "")


def _twice(path: Path, number: int, name: str) -> DataError:
    return DataError(
        f"the id {name!r} stands twice in this file",
        where=f"{path}:{number}",
        why="one of the two would be left out",
        fix="take one of the lines out, or give each its own `id`",
    )
