"""Stage audit: the receipts and the heads of some shards -> audit/audit.json and audit/audit.html.

Memory: the receipts, about 2 kB a shard, and a few hundred texts of 300 characters, whatever the size of the corpus.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.audit import facts, page, sources
from data_prep.documents import Record
from data_prep.errors import UsageError
from data_prep.files import atomic_write
from data_prep.layout import Layout, receipt_path
from data_prep.receipts import Tally
from data_prep.tasks import Stage, Step, Task, Written, no_records

if TYPE_CHECKING:
    from data_prep.prep_settings import PrepSettings

NAME = "audit"


def audit_page(layout: Layout) -> Path:
    """The page to open."""
    return layout.root / NAME / "audit.html"


def check(settings: "PrepSettings") -> None:
    """Refuse to audit nothing.

    Raises:
        UsageError: The stage is run alone and no stage has finished anything.
    """
    if settings.stage == NAME and not sources.all_paths(settings):
        raise UsageError(
            "there is nothing to audit",
            where=str(settings.layout.root),
            why="the audit reads the receipts of the other stages, and none has written one here",
            fix="run all stages: leave out the stage 'audit'\nor name a prepared folder: output_dir=DIR",
        )


def stage(settings: "PrepSettings") -> Stage:
    """One task; none while there is nothing to read."""
    inputs = sources.all_paths(settings)
    return Stage(name=NAME, steps=(Step(name="page", tasks=(_task(settings, inputs),)),) if inputs else ())


def _task(settings: "PrepSettings", inputs: tuple[Path, ...]) -> Task:
    shaping = {
        **asdict(settings.audit),
        "sources": facts.sources_table(settings),
        "settings": facts.settings_table(settings),
        "off": [stage for stage in facts.STAGES if not settings.is_enabled(stage)],
    }
    return Task(
        name="page",
        settings=shaping,
        inputs=inputs,
        receipt=receipt_path(audit_page(settings.layout)),
        read=no_records,
        write=partial(write_audit, settings),
    )


def write_audit(settings: "PrepSettings", _records: Iterable[Record], _tally: Tally) -> Written:
    """The facts and their page; neither holds a time, so equal corpora have equal audits."""
    found = facts.collect(settings)
    html = audit_page(settings.layout)
    data = html.with_suffix(".json")
    with atomic_write(data) as file:
        file.write(json.dumps(found, ensure_ascii=False, indent=1).encode() + b"\n")
    with atomic_write(html) as file:
        file.write(page.render(found).encode())
    return Written(outputs=(html, data))
