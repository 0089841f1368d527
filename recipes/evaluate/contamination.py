"""Part `contamination` of verb `evaluate`: which evaluation items stand in the training text, and what they are worth.

    langadapt evaluate contamination nemo_configs/eval/tiny.yaml documents=runs/demo/data/documents \
        output=runs/demo/evaluation.json

takes the words of the evaluation itself, looks for the n-grams of its tasks in the training shards beside the held-out
ones, and writes contamination.json beside its output. Where that output is there, every model's score on all items
stands beside its score on those that no training document touches.
"""

import json
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from rich.table import Table

from data_prep.console import make_console
from data_prep.decontaminate.eval_files import Row
from data_prep.decontaminate.eval_items import Item, item_of, read_items
from data_prep.decontaminate.index import build_index
from data_prep.decontaminate.settings import DecontaminateSettings, EvalSet
from data_prep.errors import DataError, UsageError
from data_prep.files import atomic_write
from data_prep.receipts import langadapt_version
from data_prep.settings import load
from recipes.evaluate import overlap, registry
from recipes.evaluate.benchmarks import Benchmarks
from recipes.evaluate.item_logs import Evaluation, distinct, item_id, points, read_evaluation, scored, unit_of
from recipes.evaluate.settings import EvaluateSettings
from recipes.evaluate.statistics import bootstrap, mean, standard_error_of_mean
from recipes.evaluate.task_data import LoadedTask

TRAIN = "*/train/*.jsonl.zst"
NAME = "contamination.json"


@dataclass(frozen=True, kw_only=True)
class ContaminationSettings(EvaluateSettings):
    """The evaluation's own settings, of which models are not needed here, and what counts as an item found."""

    seq_length: int = 2
    """Not needed here."""
    eval_sets: tuple[EvalSet, ...] = ()
    """Evaluation sets in local files, besides the tasks."""
    ngram: int = DecontaminateSettings.ngram
    """Words in a row that mark an item; as prep's decontamination, 13."""
    min_words: int = DecontaminateSettings.min_words
    """A text of an item shorter than `ngram` is looked for whole if it has this many words."""
    max_items: int = DecontaminateSettings.max_items
    """n-grams of more different eval texts than this are boilerplate and mark nothing."""
    max_documents: int = DecontaminateSettings.max_documents
    """n-grams in more training documents than this are common phrases and mark nothing."""

    def __post_init__(self) -> None:
        DecontaminateSettings(
            enabled=False,
            eval_sets=self.eval_sets,
            **{name: getattr(self, name) for name in ("ngram", "min_words", "max_items", "max_documents")},
        )
        if not self.eval_sets and not self.tasks:
            raise ValueError(
                "nothing to look for\ntasks=[NAME], or eval_sets: [{name: mmlu_hi, path: data/mmlu_hi.jsonl}]"
            )


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Searches, prints tables and writes one JSON; contamination is a finding, not a failure."""
    settings = load(ContaminationSettings, configs, overrides)
    shards = find_shards(settings.documents)
    found = Benchmarks.open(settings) if settings.tasks else None
    report = settings.output.with_name(NAME)
    if dry_run:
        sets = f"{len(settings.eval_sets)} files and {len(found.entries) if found else 0} tasks"
        print(f"evaluate contamination: {len(shards)} training shards, {sets}; nothing was read")
        return 0
    result = examine(settings, shards, found)
    with atomic_write(report) as file:
        file.write(json.dumps(result, ensure_ascii=False, indent=1).encode() + b"\n")
    print_tables(result)
    print(f"evaluate contamination: {report}")
    return 0


def find_shards(documents: Path | None) -> list[Path]:
    """The training shards under a `documents` folder.

    Raises:
        UsageError: There are none.
    """
    shards = sorted(documents.glob(TRAIN)) if documents else []
    if not shards:
        raise UsageError(
            "there are no training documents",
            where=f"documents={documents}",
            why=f"looked for {TRAIN}",
            fix="documents=DIR/documents of a data preparation: langadapt prep CONFIG output_dir=DIR",
        )
    return shards


def noting_ids(items: Iterable[Item], ids: dict[str, set[str]]) -> Iterator[Item]:
    """Pass items on and remember their ids by set."""
    for item in items:
        ids.setdefault(item.eval_set, set()).add(item.id)
        yield item


def task_items(loaded: Iterable[LoadedTask], weighted: Collection[str]) -> Iterator[Item]:
    """The items of tasks under the ids of their logs; a group that counts as one task is one set."""
    for task in loaded:
        unit = unit_of(task.entry.groups, weighted, task.entry.name)
        documents = list(task.task.eval_docs)
        for name, document in zip(distinct(map(document_hash, documents)), documents, strict=True):
            where = item_id(unit, task.entry.name, name)
            yield item_of(EvalSet(name=unit, path=Path(task.entry.name)), Row(where, document))


def document_hash(document: Mapping[str, Any]) -> str:
    """What lm-evaluation-harness 0.4.13 logs as `doc_hash` (evaluator.evaluate)."""
    from lm_eval.utils import handle_non_serializable, hash_string

    found: str = hash_string(json.dumps(document, indent=2, default=handle_non_serializable, ensure_ascii=False))
    return found


def examine(settings: ContaminationSettings, shards: list[Path], found: Benchmarks | None) -> dict[str, Any]:
    """Everything the output file holds."""
    start = time.monotonic()
    ids: dict[str, set[str]] = {}
    items = chain.from_iterable(map(read_items, settings.eval_sets))
    if found:
        groups = {group for entry in found.entries.values() for group in entry.groups}
        averages = registry.averages(found.manager, sorted(groups))
        weighted = {group for group, by_items in averages.items() if any(by_items.values())}
        items = chain(items, task_items(found.load(settings), weighted))
    index = build_index(
        noting_ids(items, ids), ngram=settings.ngram, min_words=settings.min_words, max_items=settings.max_items
    )
    settings.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.output.parent, prefix=".contamination-") as name:
        index.save(Path(name) / "index")
        searched = overlap.search(shards, Path(name) / "index", Path(name) / "matches")
        overlaps = overlap.tally(index, searched, settings.max_documents)
    return {
        "ngram": settings.ngram,
        "min_words": settings.min_words,
        "documents": sum(shard.documents for shard in searched),
        "shards": len(shards),
        **overlaps,
        "scores": scores(settings, overlaps["sets"], ids),
        "seconds": round(time.monotonic() - start, 1),
        "version": langadapt_version(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def scores(
    settings: ContaminationSettings, sets: Mapping[str, Any], ids: Mapping[str, set[str]]
) -> dict[str, dict[str, Any]]:
    """By task and model the score on all items, on clean ones and on touched ones; empty before an evaluation."""
    if not settings.output.is_file():
        return {}
    evaluation = read_evaluation(settings.output)
    return {
        task: {
            model: split_score(evaluation, task, model, ids[task], set(found["touched_items"]), settings)
            for model in evaluation.tasks[task]["scores"]
        }
        for task, found in sets.items()
        if task in evaluation.tasks
    }


def split_score(
    evaluation: Evaluation,
    task: str,
    model: str,
    known: set[str],
    touched: set[str],
    settings: EvaluateSettings,
) -> dict[str, Any]:
    """A model's headline score on all items, on those that no training document touches, and on the others.

    Raises:
        DataError: The log has items that were not looked for.
    """
    log = evaluation.log(model, task)
    if strangers := log.keys() - known:
        raise DataError(
            f"{len(strangers)} of {len(log)} evaluated items were not looked for, e.g. {min(strangers)}",
            where=f"task {task}, model {model} of {evaluation.path}",
            why="an item that was not looked for would pass as clean",
            fix="look for the data the evaluation read: the same tasks and data_dir",
        )
    metric = evaluation.tasks[task]["headline"]
    parts = {
        "all": list(log.values()),
        "clean": [item for name, item in log.items() if name not in touched],
        "touched": [item for name, item in log.items() if name in touched],
    }
    result: dict[str, Any] = {"metric": metric, "points": points(metric)}
    for name, items in parts.items():
        result[name] = {"items": len(items), "value": None, "standard_error": None}
        if items:
            part = scored(items, metric)
            found = bootstrap(part.rows, part.statistic, samples=settings.bootstrap_samples, seed=settings.seed)
            is_mean = part.statistic is mean  # whose error the evaluation states by the formula, too
            error = standard_error_of_mean(part.rows[:, 0]) if is_mean else found.standard_error
            result[name] |= {"value": found.value, "standard_error": error}
    return result


def print_tables(result: Mapping[str, Any]) -> None:
    """A row for each set, source and kind, then scores."""
    console = make_console()
    title = f"evaluation items with {result['ngram']} words in a row in {result['documents']:,} training documents"
    table = Table(title=title, title_justify="left")
    for heading in ("set", "source", "kind"):
        table.add_column(heading)
    for heading in ("items", "too short", "touched", "share", "documents"):
        table.add_column(heading, justify="right")
    for name, found in result["sets"].items():
        counts = (found["items"], found["too_short"], found["touched"])
        table.add_row(
            name, "", "", *(f"{count:,}" for count in counts), f"{found['share']:.1%}", f"{found['documents']:,}"
        )
        for source, kinds in found["by"].items():
            for kind, part in kinds.items():
                table.add_row("", source, kind, "", "", f"{part['items']:,}", "", f"{part['documents']:,}")
    console.print(table)
    if result["scores"]:
        console.print(_score_table(result["scores"]))


def _score_table(scores: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(title="scores on all items and on clean ones", title_justify="left")
    for heading in ("task", "model", "metric"):
        table.add_column(heading)
    for heading in ("all", "clean", "clean items", "touched", "touched items"):
        table.add_column(heading, justify="right")
    for task, models in scores.items():
        for model, parts in models.items():
            counts = (f"{parts[name]['items']:,}" for name in ("clean", "touched"))
            clean, touched = (_cell(parts[name]) for name in ("clean", "touched"))
            clean_items, touched_items = counts
            table.add_row(task, model, parts["metric"], _cell(parts["all"]), clean, clean_items, touched, touched_items)
    return table


def _cell(part: Mapping[str, Any]) -> str:
    if part["value"] is None:
        return "-"
    error = part["standard_error"]
    return f"{part['value']:.3f}" + ("" if error is None else f" ± {error:.3f}")
