"""`langadapt prep CONFIG output_dir=DIR`: run the data stages in order, skipping what is done.

    langadapt prep nemo_configs/data/sample.yaml output_dir=runs/demo/data
    langadapt prep nemo_configs/data/sample.yaml output_dir=runs/demo/data stage=tokenize

A stage whose receipts still match is skipped with one line; every stage that ran ends with one table.
"""

import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from data_prep import ingest, instruct, romanize, tokenize, tokenizer
from data_prep.console import make_console
from data_prep.prep_settings import PrepSettings
from data_prep.receipts import Receipt
from data_prep.settings import load
from data_prep.tasks import Stage, Task, run_stage


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """The verb `prep`.

    Raises:
        UsageError: Wrong configuration or missing files, before any work.
        DataError: Input that cannot be used.
    """
    settings = load(PrepSettings, configs, overrides)
    check(settings)
    console = make_console()
    stages = [stage for stage in plan(settings) if settings.stage in (None, stage.name)]
    if dry_run:
        _print_plan(console, settings, stages)
        return 0
    for stage in stages:
        _run(console, settings, stage)
    return 0


def check(settings: PrepSettings) -> None:
    """All that can be refused before any work: files, first lines, tokenizer, leftovers."""
    ingest.check(settings)
    instruct.check(settings)
    tokenizer.check(settings)
    tokenize.check(settings)


def plan(settings: PrepSettings) -> list[Stage]:
    """Every stage with its tasks, in order."""
    return [module.stage(settings) for module in (ingest, romanize, tokenizer, tokenize, instruct)]


def _run(console: Console, settings: PrepSettings, stage: Stage) -> None:
    started = time.monotonic()
    done = run_stage(stage, workers=settings.workers, logs=settings.layout.logs(stage.name))
    skipped = len(stage.tasks) - len(done)
    if skipped:
        console.print(f"{stage.name}: {skipped} of {len(stage.tasks)} up to date, skipped")
    if done:
        console.print(stage_table(stage.name, done, time.monotonic() - started))


def stage_table(name: str, done: list[tuple[Task, Receipt]], seconds: float) -> Table:
    """What went in, what came out and what was left out, one row a task."""
    table = Table(title=f"{name} ({seconds:.1f} s)", title_justify="left")
    table.add_column("output", overflow="fold")
    for column in ("in", "kept", "characters", "tokens", "seconds"):
        table.add_column(column, justify="right")
    table.add_column("dropped by reason")
    for task, receipt in done:
        dropped = receipt.counts["dropped"]
        table.add_row(
            task.name,
            f"{receipt.counts['in']:,}",
            f"{receipt.counts['kept']:,}",
            f"{receipt.characters:,}",
            "-" if receipt.tokens is None else f"{receipt.tokens:,}",
            f"{receipt.seconds:.1f}",
            ", ".join(f"{reason} {count:,}" for reason, count in dropped.items()) or "none",
        )
    return table


def _print_plan(console: Console, settings: PrepSettings, stages: list[Stage]) -> None:
    """What a run would do, without doing it."""
    console.print(asdict(settings))
    for stage in stages:
        for task in stage.tasks:
            state = "up to date" if stage.is_current(task) else "to do"
            console.print(f"{stage.name}: {task.name}: {state}")
