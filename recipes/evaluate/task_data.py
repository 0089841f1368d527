"""Loads tasks with their data, from the hub or from `data_dir`, and refuses what would make a score untrue."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from data_prep.errors import UsageError
from data_prep.files import sha256_file
from recipes.evaluate.registry import Entry, config_of, lang_of

_SPLITS = ("test_split", "validation_split", "training_split", "fewshot_split")
PACKAGED = "sources.packaged"
"""Reads the items of our own sets; how their YAML names it."""
Scoring = Literal["continuation", "letter", "generation"]


@dataclass(frozen=True, kw_only=True)
class LoadedTask:
    """A task of the harness with its data, and what its YAML says of it.

    Attributes:
        entry: Where it comes from.
        task: lm-evaluation-harness's own object.
        lang: BCP-47 with script.
        scoring: What a prediction is: the likeliest whole answer, the likeliest letter or word, or generated text.
        headline: The metric that stands for the task in tables.
        num_fewshot: Worked examples before each item.
    """

    entry: Entry
    task: Any
    lang: str
    scoring: Scoring
    headline: str
    num_fewshot: int


def load_task(
    manager: Any, entry: Entry, *, data_dir: Path | None, num_fewshot: int | None, seq_length: int
) -> LoadedTask:
    """A task with its data.

    Raises:
        UsageError: Its data are not there, its worked examples would come from the items it is scored on, or what it
            lets a model write leaves no room for a prompt.
    """
    config = config_of(entry)
    check_room(entry.name, config, seq_length)
    chosen = config.get("num_fewshot") or 0 if num_fewshot is None else num_fewshot
    local = {} if data_dir is None else local_data(entry, config, data_dir)
    spec = {**entry.overrides, **local, "task": entry.name, "num_fewshot": chosen}
    try:
        task = manager.load({"group": "langadapt", "task": [spec]})["tasks"][entry.name]
    except Exception as error:  # datasets and huggingface_hub raise two dozen kinds for data that are not to be had
        raise _unreadable(entry, config, data_dir, error) from error
    check_fewshot(entry.name, task, chosen)
    metrics = [str(metric) for metric in task.aggregation()]
    metadata = config.get("metadata") or {}
    return LoadedTask(
        entry=entry,
        task=task,
        lang=lang_of(entry, config),
        scoring=metadata.get("scoring") or _scoring_of(task),
        headline=metadata.get("headline")
        or next((name for name in ("acc_norm", "acc") if name in metrics), metrics[0]),
        num_fewshot=chosen,
    )


def local_data(entry: Entry, config: Mapping[str, Any], data_dir: Path) -> dict[str, Any]:
    """What of a task's config changes when its splits are data_dir/TASK/SPLIT.jsonl; nothing for items of this package.

    Splits without a file are taken off the config, so that a task without worked examples needs its test split only.

    Raises:
        UsageError: The split it is scored on has no file.
    """
    if str(config.get("custom_dataset")).endswith(PACKAGED):
        return {}
    folder = data_folder(entry, config, data_dir)
    files = {config[key]: folder / f"{config[key]}.jsonl" for key in _SPLITS if config.get(key)}
    there = {split: str(path) for split, path in files.items() if path.is_file()}
    scored = config.get("test_split") or config.get("validation_split")
    if scored not in there:
        raise UsageError(
            f"{entry.name} has no items: there is no such file",
            where=str(folder / f"{scored}.jsonl"),
            why="with data_dir= a task reads data_dir/TASK/SPLIT.jsonl, one JSON object a line (docs/evaluation.md)",
            fix="put the source's own records there, leave the task out, or data_dir=null to read the hub",
        )
    dropped = {key: None for key in _SPLITS if config.get(key) and config[key] not in there}
    source = {"dataset_path": "json", "dataset_name": None, "custom_dataset": None}
    return {**source, "dataset_kwargs": {"data_files": there}, **dropped}


def data_folder(entry: Entry, config: Mapping[str, Any], data_dir: Path) -> Path:
    """Where a task's local data lie; tasks that score the same items in two ways share a folder."""
    return data_dir / str((config.get("metadata") or {}).get("data") or entry.name)


def local_checksums(entry: Entry, data_dir: Path | None) -> dict[str, str]:
    """SHA-256 of a task's local files; nothing for data of the hub."""
    if data_dir is None:
        return {}
    folder = data_folder(entry, config_of(entry), data_dir)
    return {path.name: sha256_file(path) for path in sorted(folder.glob("*.jsonl"))}


def check_room(name: str, config: Mapping[str, Any], seq_length: int) -> None:
    """Raises UsageError where a model of `seq_length` tokens could not read a prompt and write an answer."""
    answer = int((config.get("generation_kwargs") or {}).get("max_gen_toks", 0))
    if answer >= seq_length:
        raise UsageError(
            f"{name} writes up to {answer} tokens, which leaves no room for a prompt",
            where=f"seq_length={seq_length}",
            fix=f"leave {name} out, or seq_length={2 * answer} with a model that reads as many",
        )


def check_fewshot(name: str, task: Any, shots: int) -> None:
    """Raises UsageError where worked examples would come from the split that is scored, or are too few."""
    if shots == 0 or task.fewshot_cfg.samples is not None:
        return
    config = task.config
    scored = config.test_split or config.validation_split
    drawn = task.fewshot_cfg.split or config.training_split or config.validation_split or config.test_split
    if drawn == scored:
        raise UsageError(
            f"{name} has no worked examples but those of its {scored} split, on which it is scored",
            where=f"num_fewshot={shots}",
            why="a model that has seen items of the test scores higher than it should",
            fix="num_fewshot=0, or data_dir=FOLDER with a split for examples (docs/evaluation.md)",
        )
    if (there := len(task.fewshot_docs())) < shots:
        raise UsageError(
            f"{name} has {there} worked examples in its {drawn} split, {shots} are asked for",
            where=f"num_fewshot={shots}",
            fix=f"num_fewshot={there}",
        )


def _scoring_of(task: Any) -> Scoring:
    """Of a task of the harness's own: choices of one character are letters."""
    if task.OUTPUT_TYPE != "multiple_choice":
        return "generation"
    choices = task.doc_to_choice(task.task_docs[0])
    return "letter" if all(len(choice.strip()) == 1 for choice in choices) else "continuation"


def _unreadable(entry: Entry, config: Mapping[str, Any], data_dir: Path | None, error: Exception) -> UsageError:
    from huggingface_hub import constants

    source = config.get("dataset_kwargs") or {}
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    if data_dir is not None:
        return UsageError(
            f"cannot read the data of {entry.name}: {reason}",
            where=str(data_folder(entry, config, data_dir)),
            why="each line has to be a JSON object with the fields of the source (docs/evaluation.md)",
            fix="look at the first line of each file",
        )
    offline = "HF_HUB_OFFLINE forbids to ask the hub: HF_HUB_OFFLINE=0 langadapt evaluate ...\n"
    return UsageError(
        f"cannot read the data of {entry.name}: {reason}",
        where=str(config.get("dataset_path") or source.get("repo") or source.get("url")),
        why="without data_dir= a task reads the Hugging Face hub",
        fix=(offline if constants.HF_HUB_OFFLINE else "")
        + f"data_dir=FOLDER with FOLDER/{data_folder(entry, config, Path()).name}/SPLIT.jsonl (docs/evaluation.md)",
    )
