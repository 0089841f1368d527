"""A stage as tasks with one receipt each, and the rule for what must run again.

A stage module says what to read, how to change it and how to write it, in plain functions over Documents; this
module decides what is done already, and data_prep/executor.py runs the rest on datatrove.
"""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.documents import Document, Record, Reject
from data_prep.errors import UsageError
from data_prep.files import shard_writer
from data_prep.receipts import (
    Receipt,
    Tally,
    code_version,
    config_hash,
    describe_inputs,
    describe_outputs,
    is_current,
)

if TYPE_CHECKING:
    from data_prep.executor.run import Execution

Transform = Callable[[Document], Record]


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a task's writer left on disk."""

    outputs: tuple[Path, ...]
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One unit of work: done or not done, never half done. Functions must be picklable."""

    name: str
    group: str = ""
    """Tasks of one group, e.g. the shards of a dataset, share a row of the stage's table."""
    settings: Mapping[str, Any]
    """All that shapes the output besides the inputs and the code."""
    inputs: tuple[Path, ...]
    receipt: Path
    read: Callable[[], Iterable[Record]]
    write: Callable[[Iterable[Record], Tally], Written]
    spent: Path | None = None
    """Folder of side files that nobody needs once this task's receipt is there: removed then."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Tasks that may run side by side, and the transforms their documents pass through."""

    name: str
    tasks: tuple[Task, ...]
    transforms: tuple[Transform, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Steps that run one after another; `name` is also the name of the module or package they come from."""

    name: str
    steps: tuple[Step, ...]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks of all steps."""
        return tuple(task for step in self.steps for task in step.tasks)

    def is_current(self, task: Task) -> bool:
        """Whether the task's outputs are in place and up to date."""
        return is_current(task.receipt, stage=self.name, settings=task.settings, inputs=task.inputs)


Done = list[tuple[Task, Receipt]]


def run_step(stage: Stage, step: Step, *, execution: "Execution", logs: Path) -> Done:
    """Run the tasks of a step that are not current; return those with their new receipts."""
    from data_prep.executor.run import execute, wait_for_earlier_jobs

    wait_for_earlier_jobs(execution, logs)
    current = {task.receipt for task in step.tasks if stage.is_current(task)}
    todo = tuple(task for task in step.tasks if task.receipt not in current)
    for task in step.tasks:
        if task.receipt in current:
            remove_spent(task)
        else:
            _require_inputs(stage.name, task)
    if todo:
        execute(
            f"{stage.name} {step.name}",
            stage.name,
            todo,
            step.transforms,
            execution=execution,
            logs=logs,
            is_done=stage.is_current,
        )
    return [(task, Receipt.load(task.receipt)) for task in todo]


def no_records() -> Iterable[Record]:
    """What a task without documents reads."""
    return ()


def finish(stage: str, task: Task, records: Iterable[Record]) -> Receipt:
    """Write one task's outputs, then its receipt."""
    started = time.monotonic()
    task.receipt.unlink(missing_ok=True)
    inputs = describe_inputs(task.inputs, task.receipt.parent)
    tally = Tally()
    written = task.write(tally.watch(records), tally)
    kept = tally.total("documents")
    receipt = Receipt(
        stage=stage,
        config_hash=config_hash(task.settings),
        code_version=code_version(stage),
        inputs=inputs,
        outputs=describe_outputs(written.outputs, task.receipt.parent),
        counts={"in": tally.read, "kept": kept, "dropped": dict(sorted(tally.dropped.items()))},
        documents=kept,
        characters=tally.total("characters"),
        tokens=tally.total("tokens") if tally.counts_tokens else None,
        by=tally.by,
        details=written.details,
        seconds=round(time.monotonic() - started, 3),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    receipt.write(task.receipt)
    remove_spent(task)
    return receipt


def remove_spent(task: Task) -> None:
    """Remove what a finished task has used up; a run killed between its receipt and here leaves the rest of it."""
    if task.spent and task.spent.is_dir():
        shutil.rmtree(task.spent)


def write_shard(kept: Path, rejects: Path, records: Iterable[Record], _tally: Tally) -> Written:
    """Write one shard and its rejects; both are written even when empty: what is missing was never run."""
    with shard_writer(kept) as write, split_off_rejects(records, rejects) as documents:
        for document in documents:
            write(document.to_json())
    return Written(outputs=(kept, rejects))


@contextlib.contextmanager
def split_off_rejects(records: Iterable[Record], rejects: Path) -> Iterator[Iterator[Document]]:
    """The documents among some records; rejects go to their shard, which appears when the block ends well."""
    with shard_writer(rejects) as write:
        yield _documents(records, write)


def _documents(records: Iterable[Record], write_reject: Callable[[str], None]) -> Iterator[Document]:
    for record in records:
        if isinstance(record, Reject):
            write_reject(record.to_json())
        else:
            yield record


def _require_inputs(stage: str, task: Task) -> None:
    missing = [path for path in task.inputs if not path.is_file()]
    if missing:
        raise UsageError(
            f"stage {stage} has nothing to read for {task.name}",
            where=str(missing[0]),
            why="an earlier stage makes this file, and has not run in this output folder",
            fix="leave out `stage=...`: prep runs every stage in order and skips what is done",
        )
