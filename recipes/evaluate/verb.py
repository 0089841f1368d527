"""The verb: checks everything that can be checked, evaluates one model after the other, writes one JSON."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data_prep.documents import Document
from data_prep.files import atomic_write, sha256_file
from data_prep.receipts import config_hash, langadapt_version
from data_prep.settings import load
from recipes.evaluate import benchmarks, held_out, registry, results, tables
from recipes.evaluate.benchmarks import Benchmarks
from recipes.evaluate.bits_per_byte import tally
from recipes.evaluate.generation import Prompt, generate
from recipes.evaluate.models import check_model, checksums, open_models
from recipes.evaluate.settings import EvaluateSettings
from recipes.evaluate.task_data import LoadedTask

VERSIONS = ("torch", "transformers", "tokenizers")
PLACES = ("models", "model", "documents", "data_dir", "output", "batch_size")
"""Settings that say where things lie, whose content counts instead, or how fast."""


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Evaluates, or says that it is done already."""
    settings = load(EvaluateSettings, configs, overrides)
    shards = held_out.find_shards(settings.documents) if settings.documents else []
    for name, folder in settings.folders.items():
        check_model(name, folder, settings.seq_length)
    if not settings.tasks:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    found = Benchmarks.open(settings) if settings.tasks else None
    if dry_run:
        names = ", ".join(f"{name} ({folder})" for name, folder in settings.folders.items())
        tasks = f" and {len(found.entries)} tasks" if found else ""
        print(f"evaluate: {names} on {len(shards)} held-out shards{tasks}; nothing was run")
        return 0
    identity = identify(settings, shards, found)
    if is_current(settings.output, identity):
        print(f"evaluate: done already, {settings.output}")
        return 0
    result = evaluate(settings, held_out.read_texts(shards), found)
    with atomic_write(settings.output) as file:
        file.write(json.dumps({**result, "identity": identity}, ensure_ascii=False, indent=1).encode() + b"\n")
    tables.show(result)
    return 0


def identify(settings: EvaluateSettings, shards: Sequence[Path], found: Benchmarks | None) -> str:
    """Hash of the settings and of the content of every local input, wherever it lies."""
    models = {name: checksums(folder) for name, folder in settings.folders.items()}
    parts: dict[str, Any] = {
        "settings": {name: value for name, value in asdict(settings).items() if name not in PLACES},
        "models": models,
        "documents": {f"{path.parents[1].name}/{path.name}": sha256_file(path) for path in shards},
        "code": langadapt_version(),
    }
    if found:
        parts |= {"data": found.data(settings), "code": benchmarks.code()}
    return config_hash(parts)


def is_current(output: Path, identity: str) -> bool:
    """Whether the output is of this very evaluation."""
    try:
        return bool(json.loads(output.read_bytes())["identity"] == identity)
    except (OSError, ValueError, KeyError, TypeError):
        return False


@dataclass
class _Collected:
    """What the models gave so far, by model."""

    bits: dict[str, list[float]] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    records: dict[str, dict[str, results.Record]] = field(default_factory=dict)
    chat: dict[str, bool] = field(default_factory=dict)
    answers: dict[str, list[str]] = field(default_factory=dict)


def evaluate(settings: EvaluateSettings, texts: Sequence[Document], found: Benchmarks | None) -> dict[str, Any]:
    """Everything the output file holds but its identity."""
    start = time.monotonic()
    loaded = found.load(settings) if found else []
    collected = _Collected()
    for name, model, tokenizer in open_models(settings.folders, settings.dtype):
        _evaluate_model(settings, collected, texts, loaded, name=name, model=model, tokenizer=tokenizer)
    return {
        **_held_out_figures(settings, texts, collected),
        **(_task_figures(settings, loaded, collected, found) if found else {}),
        "generations": samples(settings.generate.prompts, collected.answers),
        "models": {name: str(folder.absolute()) for name, folder in settings.folders.items()},
        "seq_length": settings.seq_length,
        "dtype": settings.dtype,
        "versions": {
            "langadapt": langadapt_version(),
            **{name: version(name) for name in (*VERSIONS, *(["lm_eval", "datasets"] if found else []))},
        },
        "seconds": round(time.monotonic() - start, 1),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _evaluate_model(
    settings: EvaluateSettings,
    collected: _Collected,
    texts: Sequence[Document],
    loaded: list[LoadedTask],
    *,
    name: str,
    model: Any,
    tokenizer: Any,
) -> None:
    if settings.documents:
        collected.bits[name], collected.tokens[name] = held_out.bits_of(
            model,
            tokenizer,
            texts,
            size=settings.seq_length,
            tokens_per_batch=settings.tokens_per_batch,
            label=name,
        )
        print(f"evaluate: {name}: {len(texts)} documents, {collected.tokens[name]} tokens", flush=True)
    if name in settings.generating:
        limit, penalty = settings.generate.max_new_tokens, settings.generate.repetition_penalty
        collected.answers[name] = [
            generate(model, tokenizer, prompt, limit, penalty) for prompt in settings.generate.prompts
        ]
    if loaded:
        collected.records[name], collected.chat[name] = benchmarks.run_model(
            settings, loaded, name=name, model=model, tokenizer=tokenizer
        )


def _held_out_figures(settings: EvaluateSettings, texts: Sequence[Document], collected: _Collected) -> dict[str, Any]:
    if not settings.documents:
        return {}
    scored = held_out.scored(texts, collected.bits)
    return {**tally(scored, samples=settings.bootstrap_samples, seed=settings.seed), "tokens": collected.tokens}


def _task_figures(
    settings: EvaluateSettings, loaded: list[LoadedTask], collected: _Collected, found: Benchmarks
) -> dict[str, Any]:
    tasks = results.task_figures(loaded, collected.records)
    groups = dict.fromkeys(group for task in tasks.values() for group in task["groups"])
    return {
        "tasks": tasks,
        "groups": results.group_figures(tasks, registry.averages(found.manager, list(groups))),
        "items_folder": results.items_folder(settings.output).name,
        "chat": collected.chat,
        "limit": settings.limit,
        "seed": settings.seed,
    }


def samples(prompts: Sequence[Prompt], answers: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """One entry a prompt, with the answer of every model that wrote one."""
    return [
        {
            "lang": prompt.lang,
            "kind": "chat" if prompt.user else "text",
            "prompt": prompt.shown,
            "system": prompt.system,
            "answers": [{"model": name, "text": texts[index]} for name, texts in answers.items()],
        }
        for index, prompt in enumerate(prompts)
    ]
