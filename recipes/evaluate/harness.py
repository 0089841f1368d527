"""Runs one task on one model with lm-evaluation-harness, and takes scores and item logs from what it returns."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.errors import UsageError
from recipes.evaluate import generated
from recipes.evaluate.statistics import Values, bootstrap
from recipes.evaluate.task_data import LoadedTask

Scores = dict[str, dict[str, float | None]]
"""{metric: {value, standard_error}}"""


@dataclass(frozen=True, kw_only=True)
class TaskRun:
    """What a model made of a task.

    Attributes:
        scores: By metric.
        signature: Of the headline metric, where it has one.
        truncated: Items whose prompt was longer than the model reads, and lost its beginning.
        items: One line each of the log.
    """

    scores: Scores
    signature: str | None
    truncated: int
    items: list[dict[str, Any]]


def wrap(model: Any, tokenizer: Any, *, batch_size: int, seq_length: int) -> Any:
    """The model as the harness takes one."""
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size, max_length=seq_length)


def uses_chat(tokenizer: Any, *, chat: str | bool, model: str) -> bool:
    """Whether this model's prompts go through its chat template.

    Raises:
        UsageError: They shall, and it has none.
    """
    if chat is True and tokenizer.chat_template is None:
        raise UsageError(
            "this model has no chat template",
            where=f"models.{model}",
            why="chat=true puts every prompt through it",
            fix="chat=auto, which uses the templates there are, or chat=false",
        )
    return tokenizer.chat_template is not None if chat == "auto" else bool(chat)


def run_task(lm: Any, loaded: LoadedTask, *, chat: bool, limit: int | None, samples: int, seed: int) -> TaskRun:
    """Scores a model on a task.

    Args:
        lm: From `wrap`.
        loaded: The task with its data.
        chat: Whether prompts go through the chat template.
        limit: Items, the first ones; None for all.
        samples: Of the bootstrap.
        seed: Of the bootstrap and the worked examples, which are the same for every model.
    """
    from lm_eval.evaluator import evaluate

    name, task = loaded.entry.name, loaded.task
    task.set_fewshot_seed(seed)
    with bars_on_terminals():
        found = evaluate(
            lm=lm,
            task_dict={"tasks": {name: task}},
            limit=limit,
            bootstrap_iters=samples,
            log_samples=True,
            apply_chat_template=chat,
            fewshot_as_multiturn=True,
        )
    lines = found["samples"][name]
    lines = [line for line in lines if line["filter"] == lines[0]["filter"]]
    items = [_item(loaded, line) for line in lines]
    return TaskRun(
        scores={
            **_scores(found["results"][name], lines, samples=samples, seed=seed),
            **_f1_macro(loaded, items, samples=samples, seed=seed),
        },
        signature=generated.signature(_column(lines, loaded.headline))
        if _is_pair(lines[0].get(loaded.headline))
        else None,
        truncated=count_truncated(lm, task),
        items=items,
    )


@contextlib.contextmanager
def bars_on_terminals() -> Iterator[None]:
    """Keeps the harness's progress bars, which it cannot be asked to leave out, from filling a log."""
    if sys.stderr.isatty():
        yield
        return
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stderr(nowhere):
        yield


def _scores(results: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], *, samples: int, seed: int) -> Scores:
    """Values of the harness; its standard errors for means, ours for corpus metrics."""
    scores: Scores = {}
    for key, value in results.items():
        metric, comma, kept = key.partition(",")
        if not comma or metric.endswith("_stderr") or metric in scores:
            continue
        error = results.get(f"{metric}_stderr,{kept}")
        if _is_pair(lines[0].get(metric)):
            error = generated.standard_error(_column(lines, metric), samples=samples, seed=seed)
        scores[metric] = {"value": _number(value), "standard_error": _number(error)}
    return scores


def _number(value: Any) -> float | None:
    return round(float(value), 6) if isinstance(value, int | float | np.number) else None


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 3 and value[0] in generated.NAMES


def _column(lines: Sequence[Mapping[str, Any]], metric: str) -> list[generated.Pair]:
    return [line[metric] for line in lines]


def _item(loaded: LoadedTask, line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the log: choices by their number, texts as they are, with the question for whoever judges them."""
    values: dict[str, float] = {}
    for metric in line["metrics"]:
        if _is_pair(line[metric]):
            values.update((metric, round(score, 4)) for score in generated.item_scores([line[metric]]))
        elif (number := _number(line[metric])) is not None:
            values[metric] = number
    chooses = loaded.task.OUTPUT_TYPE == "multiple_choice"
    # What a judge is shown: no examples, no chat template.
    question = {} if chooses else {"question": loaded.task.doc_to_text(line["doc"])}
    return {
        "id": line["doc_hash"],
        "index": line["doc_id"],
        "prompt_hash": line["prompt_hash"],
        **question,
        "target": line["target"],
        "prediction": _chosen(loaded, line) if chooses else str(line["filtered_resps"][0]).strip(),
        "metrics": values,
    }


def _chosen(loaded: LoadedTask, line: Mapping[str, Any]) -> int:
    """Number of the choice that the headline metric takes."""
    choices = loaded.task.doc_to_choice(line["doc"])
    likelihoods = np.asarray([answer[0] for answer in line["filtered_resps"][: len(choices)]])
    if loaded.headline == "acc_norm":
        likelihoods = likelihoods / [len(choice) for choice in choices]
    return int(np.argmax(likelihoods))


def _f1_macro(loaded: LoadedTask, items: Sequence[Mapping[str, Any]], *, samples: int, seed: int) -> Scores:
    """Mean F1 of the labels, for tasks whose choices are the same in every item and whose YAML asks for it."""
    if not (loaded.task.config.metadata or {}).get("f1"):
        return {}
    labels = len(loaded.task.doc_to_choice(loaded.task.task_docs[0]))
    cells = np.zeros((len(items), labels * labels))
    for row, item in zip(cells, items, strict=True):
        row[int(item["target"]) * labels + int(item["prediction"])] = 1

    def statistic(means: Values) -> Values:
        table = means.reshape(*means.shape[:-1], labels, labels)
        right = np.diagonal(table, axis1=-2, axis2=-1)
        both = table.sum(axis=-1) + table.sum(axis=-2)
        return np.asarray((2 * right / np.where(both == 0, 1, both)).mean(axis=-1))

    found = bootstrap(cells, statistic, samples=samples, seed=seed)
    return {"f1_macro": {"value": _number(found.value), "standard_error": _number(found.standard_error)}}


def count_truncated(lm: Any, task: Any) -> int:
    """Items of the last run with a prompt that the model could not read whole.

    A text has at most as many tokens as bytes and one to open it, so that short ones need not be cut into tokens.
    """
    found = set()
    for request in task.instances:
        prompt, rest = request.args[:2]
        if isinstance(rest, str):
            text, room = prompt + rest, lm.max_length + 1
        else:
            text, room = prompt, lm.max_length - int(rest.get("max_gen_toks", lm.max_gen_toks))
        if len(text.encode()) >= room and len(lm.tok_encode(text)) > room:
            found.add(request.doc_id)
    return len(found)
