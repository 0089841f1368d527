"""Verb `report`: one page and one JSON about a run.

`langadapt report workdir=DIR` reads the receipts, run records, evaluation and parity proof below DIR and writes
DIR/report.json and DIR/report.html. It works on a run that is not finished and says which part has not run.
"""

from dataclasses import dataclass
from pathlib import Path

from data_prep.errors import UsageError
from data_prep.files import atomic_write
from data_prep.settings import load


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """What the verb may be told."""

    workdir: Path
    """The folder of a run: data/, blend/, base/, cpt/, sft/, dpo/, hf/, evaluation.json."""


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Writes both files and prints the headline."""
    from recipes.report import facts, page, wording

    workdir = load(ReportSettings, configs, overrides).workdir.expanduser()
    collected = facts.collect(workdir)
    if collected.report.is_empty:
        raise UsageError(
            f"{workdir} holds no part of a run" if workdir.is_dir() else f"there is no folder {workdir}",
            where="workdir",
            why="a report reads data/, blend/, base/, cpt/, sft/, dpo/, hf/ and evaluation.json inside it",
            fix="langadapt demo --workdir runs/demo, then workdir=runs/demo",
        )
    if dry_run:
        print(f"report: {workdir} can be read; report.json and report.html would be written there")
        return 0
    pages = {
        "report.json": collected.report.to_json(),
        "report.html": page.render(collected, workdir.resolve().name),
    }
    for name, text in pages.items():
        with atomic_write(workdir / name) as stream:
            stream.write(text.encode(errors="replace"))
    print(f"report: {wording.headline(collected.report)} {(workdir / 'report.html').resolve()}")
    return 0
