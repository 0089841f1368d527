"""The part: gathers answers, has them judged, writes one JSON and one line a judgement, prints a table."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data_prep.errors import DataError
from data_prep.files import atomic_write
from data_prep.receipts import langadapt_version
from data_prep.settings import load
from data_prep.translate.cache import Cache
from recipes.evaluate.judge.asking import Judge, Outcome
from recipes.evaluate.judge.endpoint import Endpoint, check_key
from recipes.evaluate.judge.items import (
    Answers,
    Questions,
    generate_answers,
    read_answers,
    read_questions,
    require_references,
)
from recipes.evaluate.judge.prompts import fill, prompt_hash, template
from recipes.evaluate.judge.results import Both, faults, graded, paired, served, usage, winner
from recipes.evaluate.judge.settings import JudgeSettings
from recipes.evaluate.judge.tables import show
from recipes.evaluate.judge.verdicts import Grades, read_grades, read_verdict
from recipes.evaluate.models import check_model


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a kind of judgement comes to.

    Attributes:
        figures: For the output file.
        lines: One a judgement, for the file of items.
        unanswered: Judgements without a reply, by reason.
    """

    figures: dict[str, Any]
    lines: list[dict[str, Any]]
    unanswered: dict[str, int]


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Judges; 1 where judgements have no reply, which the same command asks for again."""
    settings = load(JudgeSettings, configs, overrides)
    check_key(settings.endpoint)
    text = template(settings.kind, settings.prompt)
    questions, answers = _read(settings)
    if dry_run:
        print(_plan(settings, questions, answers))
        return 0
    start = time.monotonic()
    with Cache(settings.replies_folder) as store:
        for name, folder in settings.models.items():
            answers[name] = generate_answers(name, folder, questions, store, settings.max_new_tokens)
        judge = Judge(Endpoint(settings.endpoint), store, settings.attempts, settings.endpoint.concurrency)
        judged = (_pairs if settings.kind == "pairs" else _grades)(settings, judge, text, questions, answers)
    result = {**_about(settings, judge, text), **judged.figures, "seconds": round(time.monotonic() - start, 1)}
    _write(settings, result, judged.lines)
    show(result)
    if judged.unanswered:
        reasons = ", ".join(f"{reason} {count}" for reason, count in judged.unanswered.items())
        print(f"judge: some judgements have no reply ({reasons}); the same command asks for these alone")
    return 1 if judged.unanswered else 0


def _read(settings: JudgeSettings) -> tuple[Questions, dict[str, Answers]]:
    """What the files hold; the models' folders are only looked at."""
    questions: Questions = read_questions(settings.questions) if settings.questions else {}
    answers = {name: read_answers(path, questions) for name, path in settings.answers.items()}
    for name, folder in settings.models.items():
        check_model(name, folder, 1)
    if settings.kind == "reference":
        require_references(questions)
    return questions, answers


def _plan(settings: JudgeSettings, questions: Questions, answers: Mapping[str, Answers]) -> str:
    names = ", ".join(
        f"{name} ({len(answers[name]) if name in answers else f'to answer {len(questions)}'})"
        for name in settings.names
    )
    by = f"by {settings.endpoint.model} at {settings.endpoint.base_url}"
    return f"judge: kind={settings.kind}, answers of {names}, {by}; nothing was run"


def _grades(
    settings: JudgeSettings, judge: Judge, text: str, questions: Questions, answers: Mapping[str, Answers]
) -> Judged:
    """Every answer by itself."""
    places = [(model, name) for model, given in answers.items() for name in given]
    prompts = [
        fill(
            text,
            {
                "question": questions[name].text,
                "reference": questions[name].reference or "",
                "answer": answers[model][name],
            },
        )
        for model, name in places
    ]
    outcomes = judge.judge_all(prompts, read_grades)
    models: dict[str, dict[str, Outcome[Grades]]] = {model: {} for model in answers}
    for (model, name), outcome in zip(places, outcomes, strict=True):
        models[model][name] = outcome
    lines = [
        {"id": name, "model": model, "grades": outcome.value, **_log(outcome)}
        for (model, name), outcome in zip(places, outcomes, strict=True)
    ]
    figures = graded(models, samples=settings.bootstrap_samples, seed=settings.seed)
    return Judged(figures=figures, lines=lines, unanswered=faults(outcomes)["unanswered"])


def _pairs(
    settings: JudgeSettings, judge: Judge, text: str, questions: Questions, answers: Mapping[str, Answers]
) -> Judged:
    """Both answers to each question, in both orders.

    Raises:
        DataError: The two models have answered no question in common.
    """
    one, other = settings.names
    shared = [name for name in answers[one] if name in answers[other]]
    if not shared:
        raise DataError(
            "the two models have answered no question in common: no `id` is in both",
            where=f"{one}, {other}",
            fix="give answers to the same questions, or leave `id` out of both files",
        )
    prompts = []
    for name in shared:
        first, second = answers[one][name], answers[other][name]
        for a, b in ((first, second), (second, first)):
            prompts.append(fill(text, {"question": questions[name].text, "answer_a": a, "answer_b": b}))
    outcomes = judge.judge_all(prompts, read_verdict)
    pairs: list[Both] = list(zip(outcomes[::2], outcomes[1::2], strict=True))
    lines = [_pair_line(name, both) for name, both in zip(shared, pairs, strict=True)]
    unpaired = {model: len(given) - len(shared) for model, given in answers.items()}
    figures = {
        "models": [one, other],
        "unpaired": unpaired,
        "pairs": paired(pairs, samples=settings.bootstrap_samples, seed=settings.seed),
    }
    return Judged(figures=figures, lines=lines, unanswered=faults(outcomes)["unanswered"])


def _pair_line(name: str, both: Both) -> dict[str, Any]:
    worth, agree = winner(both)
    orders = [{"verdict": outcome.value, **_log(outcome)} for outcome in both]
    return {"id": name, "worth_to_first": worth, "orders_agree": agree, "orders": orders}


def _log(outcome: Outcome[Any]) -> dict[str, Any]:
    return {
        "invalid": outcome.invalid,
        "unanswered": outcome.unanswered,
        "replies": [reply.content for reply in outcome.replies],
    }


def _about(settings: JudgeSettings, judge: Judge, text: str) -> dict[str, Any]:
    """Who judged, told what, at what cost."""
    endpoint, replies = settings.endpoint, list(judge.used.values())
    return {
        "kind": settings.kind,
        "judge": {
            "model": endpoint.model,
            "served": served(replies),
            "base_url": endpoint.base_url,
            "temperature": endpoint.temperature,
            "max_tokens": endpoint.max_tokens,
            "attempts": settings.attempts,
            "prompt": str(settings.prompt) if settings.prompt else "built in",
            "prompt_sha256": prompt_hash(text),
        },
        "usage": usage(replies, endpoint.price),
        "asked_in_this_run": judge.asked,
        "sources": {name: str(path.absolute()) for name, path in {**settings.answers, **settings.models}.items()},
        "items_file": settings.items.name,
        "versions": {"langadapt": langadapt_version(), "openai": version("openai")},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _write(settings: JudgeSettings, result: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> None:
    with atomic_write(settings.items) as file:
        file.writelines(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
    with atomic_write(settings.output) as file:
        file.write(json.dumps(result, ensure_ascii=False, indent=1).encode() + b"\n")
