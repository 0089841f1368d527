"""`langadapt prep CONFIG [STAGE] output_dir=DIR`: run the data stages in order, skipping what is done.

    langadapt prep nemo_configs/data/sample.yaml output_dir=runs/demo/data
    langadapt prep nemo_configs/data/sample.yaml dedup output_dir=runs/demo/data

A stage is planned when the earlier ones have run, because only then is known which shards there are. What its receipts
still describe is skipped with one line; every step that ran ends with one table.
"""

import time
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from types import ModuleType

from rich.console import Console
from rich.table import Table

from data_prep import split, tokenizer
from data_prep.audit import stage as audit
from data_prep.clean import stage as clean
from data_prep.console import make_console
from data_prep.decontaminate import stage as decontaminate
from data_prep.dedup import stage as dedup
from data_prep.errors import UsageError
from data_prep.files import lock
from data_prep.flow import CHAIN, folder_of, written_by
from data_prep.ingest import stage as ingest
from data_prep.instruct import stage as instruct
from data_prep.layout import RECEIPT_SUFFIX
from data_prep.perplexity import stage as perplexity
from data_prep.prep_settings import PrepSettings
from data_prep.receipts import Receipt
from data_prep.romanize import stage as romanize
from data_prep.settings import load
from data_prep.tasks import Done, Stage, run_step
from data_prep.tokenize import stage as tokenize
from data_prep.translate import stage as translate

STAGES: dict[str, ModuleType] = {
    "ingest": ingest,
    "clean": clean,
    "translate": translate,
    "dedup": dedup,
    "decontaminate": decontaminate,
    "perplexity": perplexity,
    "split": split,
    "romanize": romanize,
    "tokenizer": tokenizer,
    "tokenize": tokenize,
    "instruct": instruct,
    "audit": audit,
}
"""In order. Each has `stage(settings)`; `check(settings)` where something can be refused before any work; and
`notices(settings)` where it does less than a user may expect, a line each."""


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """The verb `prep`.

    Raises:
        UsageError: Wrong configuration or missing files, before any work.
        DataError: Input that cannot be used.
    """
    settings = load(PrepSettings, configs, overrides)
    if not dry_run:
        settings.execution.warm_up()
    check(settings)
    console = make_console()
    for line in notices(settings):
        console.print(line, soft_wrap=True)
    if dry_run:
        _print_plan(console, settings)
        return 0
    with hold(settings.layout.root):
        if settings.stage and settings.stage != "audit":  # which also tells of a half-finished folder
            _require_earlier(settings, settings.stage)
        for name in chosen(settings):
            _run(console, settings, STAGES[name].stage(settings))
    if "audit" in chosen(settings):
        console.print(f"open {audit.audit_page(settings.layout)}", soft_wrap=True)
    return 0


def hold(folder: Path) -> AbstractContextManager[None]:
    """Keep other preparations out of an output folder."""
    return lock(
        folder,
        ".lock",
        what="another process is writing into this folder",
        why="two would overwrite each other's files",
        fix="wait for it, stop it, or choose another output_dir",
    )


def chosen(settings: PrepSettings) -> list[str]:
    """The stages this run is about, in order."""
    return [name for name in STAGES if settings.stage in (None, name) and settings.is_enabled(name)]


def check(settings: PrepSettings) -> None:
    """All that can be refused before any work: files, first lines, models, leftovers."""
    settings.execution.check()
    for name, module in STAGES.items():
        if hasattr(module, "check") and settings.is_enabled(name):
            module.check(settings)


def notices(settings: PrepSettings) -> list[str]:
    """What the chosen stages do less than a user may expect."""
    having = [name for name in chosen(settings) if hasattr(STAGES[name], "notices")]
    return [f"{name}: {line}" for name in having for line in STAGES[name].notices(settings)]


def _require_earlier(settings: PrepSettings, wanted: str) -> None:
    """Refuse to run a stage alone on what an earlier one has not finished: it would see only a part."""
    for name in list(STAGES)[: list(STAGES).index(wanted)]:
        if not settings.is_enabled(name):
            continue
        stage: Stage = STAGES[name].stage(settings)
        waiting = [task for task in stage.tasks if not stage.is_current(task)]
        if waiting or (name in CHAIN and not stage.tasks and written_by(settings, name)):
            raise UsageError(
                f"stage {wanted} has nothing to read yet: stage {name} has not finished",
                where=str(waiting[0].receipt if waiting else settings.layout.root / name),
                why="an earlier stage makes what it reads, and is out of date or has not run in this output folder",
                fix=f"leave out the stage {wanted!r}: prep runs every stage in order and skips what is done",
            )


def _run(console: Console, settings: PrepSettings, stage: Stage) -> None:
    """Run every step of a stage and say what happened."""
    if not stage.tasks:
        console.print(f"{stage.name}: nothing to do")
    for step in stage.steps:
        started = time.monotonic()
        title = stage.name if len(stage.steps) == 1 else f"{stage.name} {step.name}"
        done = run_step(stage, step, execution=settings.execution, logs=settings.layout.logs(stage.name, step.name))
        skipped = len(step.tasks) - len(done)
        if skipped:
            console.print(f"{title}: {skipped} of {len(step.tasks)} up to date, skipped")
        if done and not any(receipt.counts["in"] for _, receipt in done):
            console.print(f"{title}: {len(done)} tasks in {time.monotonic() - started:.1f} s")
        elif done:
            console.print(stage_table(title, done, time.monotonic() - started))
    _remove_leftovers(console, settings, stage)


def _remove_leftovers(console: Console, settings: PrepSettings, stage: Stage) -> None:
    """Delete shards that no task of this stage makes any more, e.g. after an input file was taken away."""
    if stage.name not in CHAIN:
        return
    expected = {task.receipt for task in stage.tasks}
    for dataset in written_by(settings, stage.name):
        for path in sorted(settings.layout.folder(folder_of(stage.name), dataset.name).glob(f"*{RECEIPT_SUFFIX}")):
            if path not in expected:
                for output in Receipt.load(path).outputs:
                    (path.parent / output).unlink(missing_ok=True)
                path.unlink()
                console.print(f"{stage.name}: removed {path}: what it was made from is no longer there", soft_wrap=True)


def stage_table(title: str, done: Done, seconds: float) -> Table:
    """What went in, what came out and what was left out, one row a dataset."""
    table = Table(title=f"{title} ({seconds:.1f} s)", title_justify="left")
    table.add_column("output", overflow="fold")
    for column in ("in", "kept", "characters", "tokens", "seconds"):
        table.add_column(column, justify="right")
    table.add_column("dropped by reason")
    for group, pairs in groupby(done, key=lambda pair: pair[0].group or pair[0].name):
        receipts = [receipt for _, receipt in pairs]
        dropped = sum((Counter(receipt.counts["dropped"]) for receipt in receipts), Counter[str]())
        tokens = [receipt.tokens for receipt in receipts if receipt.tokens is not None]
        table.add_row(
            group,
            f"{sum(receipt.counts['in'] for receipt in receipts):,}",
            f"{sum(receipt.counts['kept'] for receipt in receipts):,}",
            f"{sum(receipt.characters for receipt in receipts):,}",
            f"{sum(tokens):,}" if tokens else "-",
            f"{sum(receipt.seconds for receipt in receipts):.1f}",
            ", ".join(f"{reason} {count:,}" for reason, count in sorted(dropped.items())) or "none",
        )
    return table


def _print_plan(console: Console, settings: PrepSettings) -> None:
    """What a run would do, without doing it."""
    console.print(asdict(settings))
    for name, module in STAGES.items():
        if not settings.is_enabled(name):
            console.print(f"{name}: off")
        elif settings.stage in (None, name):
            stage: Stage = module.stage(settings)
            for task in stage.tasks:
                console.print(f"{name}: {task.name}: {'up to date' if stage.is_current(task) else 'to do'}")
            if not stage.tasks:
                console.print(f"{name}: planned when the stages before it have run")
