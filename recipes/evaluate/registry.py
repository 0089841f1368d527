"""Which tasks there are, and what a name in `tasks:` stands for: a task, a group or a tag of lm-evaluation-harness.

Reading the harness's own 14,000 tasks costs 7 s of CPU, so that only the folders below are read, and all of them only
for a name found in none of these.
"""

import difflib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data_prep.errors import UsageError

OURS = Path(__file__).with_name("tasks")
UPSTREAM = {
    "mmlu": ("mmlu/default", "en-Latn"),
    "hellaswag": ("hellaswag", "en-Latn"),
    "boolq": ("super_glue/boolq", "en-Latn"),
    "arc_": ("arc", "en-Latn"),
    "belebele_hin_Deva": ("belebele", "hi-Deva"),
    "belebele_hin_Latn": ("belebele", "hi-Latn"),
    "global_piqa_parallel_cloze_hin_deva": ("global_piqa/parallel_cloze", "hi-Deva"),
    "global_piqa_parallel_cloze_hin_latn": ("global_piqa/parallel_cloze", "hi-Latn"),
    "global_piqa_nonparallel_cloze_hin_deva": ("global_piqa/nonparallel_cloze", "hi-Deva"),
    "global_piqa_nonparallel_cloze_hin_latn": ("global_piqa/nonparallel_cloze", "hi-Latn"),
}
"""Beginnings of names of the harness's own tasks: folder, and language, which the harness does not record."""
UNKNOWN_LANG = "und"
"""BCP-47's word for a language nobody named."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A task that a name stands for.

    Attributes:
        name: The task's own.
        path: Its YAML.
        overrides: What the groups that led to it set, e.g. `num_fewshot`.
        groups: The groups that led to it, the outermost first.
    """

    name: str
    path: Path
    overrides: Mapping[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] = ()


def open_manager(names: Sequence[str]) -> Any:
    """A TaskManager that knows the names, and what they stand for."""
    import datasets
    from lm_eval import tasks
    from lm_eval.tasks import TaskManager

    logging.getLogger("lm_eval").setLevel(logging.ERROR)  # what it warns of is checked here, with remedies
    datasets.disable_progress_bars()
    root = Path(tasks.__file__).parent
    folders = sorted({folder for folder, _ in UPSTREAM.values()})
    manager = TaskManager(include_path=[*(root / folder for folder in folders), OURS], include_defaults=False)
    if set(names) <= set(manager.all_tasks):
        return manager
    return TaskManager(include_path=OURS, include_defaults=True)


def resolve(manager: Any, names: Sequence[str]) -> dict[str, Entry]:
    """The tasks that names stand for, each once, by their own names.

    Raises:
        UsageError: A name is unknown, or two groups set one task differently.
    """
    found: dict[str, Entry] = {}
    for name in names:
        for entry in _expand(manager, name, {}, ()):
            known = found.get(entry.name)
            if known and known.overrides != entry.overrides:
                raise UsageError(
                    f"{entry.name} is asked for twice, with {dict(known.overrides)} and with {dict(entry.overrides)}",
                    where="tasks",
                    why="its two scores would have one name",
                    fix=f"leave out {name}, or evaluate it into another output",
                )
            groups = dict.fromkeys((*(known.groups if known else ()), *entry.groups))
            found[entry.name] = replace(entry, groups=tuple(groups))
    return found


def _expand(manager: Any, name: str, overrides: Mapping[str, Any], groups: tuple[str, ...]) -> Iterator[Entry]:
    index = manager.task_index
    if name not in index:
        close = difflib.get_close_matches(name, [*our_names(), *UPSTREAM], n=1)
        raise UsageError(
            f"there is no task or group named {name!r}",
            where="tasks",
            fix=(f"did you mean {close[0]!r}?\n" if close else "")
            + f"ours are {', '.join(our_names())}\nlm-evaluation-harness's: lm-eval ls tasks",
        )
    entry = index[name]
    if name in manager.all_groups:
        for member in entry.cfg["task"]:
            given = {"task": member} if isinstance(member, str) else dict(member)
            child = given.pop("group", None) or given.pop("task")
            given.pop("task", None)
            yield from _expand(manager, child, {**overrides, **given}, (*groups, name))
    elif name in manager.all_tags:
        for child in sorted(entry.tags):
            yield from _expand(manager, child, overrides, (*groups, name))
    else:
        yield Entry(name=name, path=entry.yaml_path, overrides=overrides, groups=groups)


def our_names() -> list[str]:
    """Names of our own tasks and groups."""
    return sorted(path.stem for path in OURS.rglob("*.yaml") if not path.stem.startswith("_"))


def config_of(entry: Entry) -> dict[str, Any]:
    """A task's YAML with its includes and its groups' overrides; functions stay names."""
    from lm_eval.tasks._yaml_loader import load_yaml

    return {**load_yaml(entry.path, resolve_func=False), **entry.overrides}


def lang_of(entry: Entry, config: Mapping[str, Any]) -> str:
    """BCP-47 with script: of a task of ours as its YAML says, of the harness's own by the table above."""
    metadata = config.get("metadata") or {}
    upstream = (lang for start, (_, lang) in UPSTREAM.items() if entry.name.startswith(start))
    return str(metadata.get("lang") or next(upstream, UNKNOWN_LANG))


def averages(manager: Any, groups: Sequence[str]) -> dict[str, dict[str, bool]]:
    """By group: metrics whose mean over its tasks its YAML asks for, and whether a task counts by its items."""
    asked: dict[str, dict[str, bool]] = {}
    for group in groups:
        config = manager.task_index[group].cfg or {}
        listed = config.get("aggregate_metric_list") or []
        asked[group] = {item["metric"]: bool(item.get("weight_by_size", True)) for item in listed}
    return asked
