"""The tasks of an evaluation: resolved, loaded, run model by model, each run kept so that a killed one goes on."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data_prep.files import sha256_file
from data_prep.receipts import config_hash, langadapt_version
from recipes.evaluate import choices, harness, registry, results, task_data
from recipes.evaluate.models import checksums
from recipes.evaluate.registry import Entry
from recipes.evaluate.settings import EvaluateSettings
from recipes.evaluate.task_data import LoadedTask


@dataclass(frozen=True, kw_only=True)
class Benchmarks:
    """What the names in `tasks:` stand for.

    Attributes:
        manager: lm-evaluation-harness's TaskManager.
        entries: The tasks by name.
    """

    manager: Any
    entries: dict[str, Entry]

    @classmethod
    def open(cls, settings: EvaluateSettings) -> "Benchmarks":
        """Finds the tasks, and the local files of those that read any.

        Raises:
            UsageError: A name is unknown, or a task has no local file to be scored on.
        """
        if settings.data_dir is not None:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
        manager = registry.open_manager(settings.tasks)
        entries = registry.resolve(manager, settings.tasks)
        if settings.data_dir is not None:
            for entry in entries.values():
                task_data.local_data(entry, registry.config_of(entry), settings.data_dir)
        return cls(manager=manager, entries=entries)

    def load(self, settings: EvaluateSettings) -> list[LoadedTask]:
        """All tasks with their data, before any model is."""
        return [
            task_data.load_task(
                self.manager,
                entry,
                data_dir=settings.data_dir,
                num_fewshot=settings.num_fewshot,
                seq_length=settings.seq_length,
            )
            for entry in self.entries.values()
        ]

    def data(self, settings: EvaluateSettings) -> dict[str, dict[str, str]]:
        """Checksums of the tasks' local files, by task."""
        return {name: task_data.local_checksums(entry, settings.data_dir) for name, entry in self.entries.items()}


def code() -> dict[str, str]:
    """Versions and checksums of what turns a model and items into scores."""
    here = Path(__file__).parent
    modules = [here / f"{name}.py" for name in ("harness", "generated", "metrics", "sources", "statistics")]
    files = [*sorted(path for path in registry.OURS.rglob("*") if path.is_file()), *modules]
    sums = {path.relative_to(here).as_posix(): sha256_file(path) for path in files if "__pycache__" not in path.parts}
    return {"langadapt": langadapt_version(), "lm_eval": version("lm_eval"), **sums}


def run_model(
    settings: EvaluateSettings, loaded: list[LoadedTask], *, name: str, model: Any, tokenizer: Any
) -> tuple[dict[str, results.Record], bool]:
    """One model on all tasks, but for those whose results lie there already.

    Returns:
        Records by task, and whether the chat template was used.
    """
    chat = harness.uses_chat(tokenizer, chat=settings.chat, model=name)
    lm = harness.wrap(model, tokenizer, batch_size=settings.batch_size, seq_length=settings.seq_length)
    folder, weights, made_by = results.items_folder(settings.output), checksums(settings.folders[name]), code()
    records: dict[str, results.Record] = {}
    for task in loaded:
        identity = config_hash({**_decides(settings, task), "chat": chat, "model": weights, "code": made_by})
        found = results.read_record(folder, name, task.entry.name, identity)
        if found is None:
            choices.check_choices(lm, task, model=name, chat=chat)
            run = harness.run_task(
                lm, task, chat=chat, limit=settings.limit, samples=settings.bootstrap_samples, seed=settings.seed
            )
            found = results.write_run(folder, name, task.entry.name, identity, run)
        records[task.entry.name] = found
        print(f"evaluate: {name}: {_line(task, found)}", flush=True)
    return records, chat


def _decides(settings: EvaluateSettings, task: LoadedTask) -> dict[str, Any]:
    """What of the settings one task's result depends on."""
    return {
        "task": task.entry.name,
        "overrides": dict(task.entry.overrides),
        "data": task_data.local_checksums(task.entry, settings.data_dir),
        "num_fewshot": task.num_fewshot,
        "limit": settings.limit,
        "seq_length": settings.seq_length,
        "dtype": settings.dtype,
        "bootstrap_samples": settings.bootstrap_samples,
        "seed": settings.seed,
    }


def _line(task: LoadedTask, record: Mapping[str, Any]) -> str:
    score = record["scores"][task.headline]
    error = "" if score["standard_error"] is None else f" ± {score['standard_error']:.3f}"
    cut = f", {record['truncated']} prompts longer than the model reads" if record["truncated"] else ""
    return f"{task.entry.name}: {task.headline} {score['value']:.3f}{error}, {record['items']} items{cut}"
