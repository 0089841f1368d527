"""Small corpora as stage ingest leaves them, and the stage run on them without worker processes."""

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.dedup.settings import DedupSettings
from data_prep.dedup.stage import stage
from data_prep.documents import Dataset, Document
from data_prep.files import open_binary
from data_prep.layout import Layout
from data_prep.prep_settings import PrepSettings, SourceSettings
from data_prep.receipts import Receipt
from data_prep.tasks import Task, finish, write_shard

REAL = Dataset(source="web", lang="hi-Deva", kind="real")
OTHER = Dataset(source="wiki", lang="hi-Deva", kind="real")
TRANSLATED = Dataset(source="edu", lang="hi-Deva", kind="translated")

Shards = Sequence[Sequence[tuple[str, str]]]
"""Documents (id, text) of each shard of a dataset."""

WORDS = (
    "नदी",
    "पहाड़",
    "धान",
    "पानी",
    "धूप",
    "गाँव",
    "खेत",
    "बाज़ार",
    "किताब",
    "सड़क",
    "रेल",
    "घर",
    "आँगन",
    "पेड़",
    "पक्षी",
    "बादल",
)


def words(seed: object, count: int) -> list[str]:
    """`count` words of Hindi with numbers that make chance n-grams rare; equal seeds give equal words."""
    draw = random.Random(str(seed))
    return [draw.choice(WORDS) + draw.choice(WORDS) + draw.choice(WORDS) for _ in range(count)]


def text(seed: object, count: int = 200) -> str:
    return " ".join(words(seed, count))


def make(folder: Path, corpus: Mapping[Dataset, Shards], **rules: Any) -> PrepSettings:
    """Write the shards and receipts of stage ingest; the datasets are sources in the order given."""
    layout = Layout(folder)
    for dataset, shards in corpus.items():
        for place, shard in enumerate(shards):
            _write(layout, dataset, f"{place:05d}", [document(dataset, *pair) for pair in shard])
    sources = tuple(
        SourceSettings(path=Path("unused.jsonl"), lang=each.lang, kind=each.kind, source=each.source, license="CC0-1.0")
        for each in corpus
    )
    from data_prep.clean.settings import CleanSettings

    return PrepSettings(
        output_dir=folder, sources=sources, dedup=DedupSettings(**rules), clean=CleanSettings(enabled=False)
    )


def document(dataset: Dataset, name: str, content: str) -> Document:
    return Document(
        id=name,
        text=content,
        lang=dataset.lang,
        kind=dataset.kind,
        source=dataset.source,
        license="CC0-1.0",
        parent_id=None,
        group=name,
    )


def _write(layout: Layout, dataset: Dataset, shard: str, documents: Iterable[Document]) -> None:
    kept, rejects = layout.stage_shard("ingest", dataset.name, shard), layout.rejects("ingest", dataset.name, shard)
    task = Task(
        name=shard,
        settings={},
        inputs=(),
        receipt=layout.stage_receipt("ingest", dataset.name, shard),
        read=tuple,
        write=lambda records, tally: write_shard(kept, rejects, records, tally),
    )
    finish("ingest", task, documents)


def run(settings: PrepSettings) -> list[str]:
    """Run what is not current; the names of the tasks that ran."""
    ran = []
    planned = stage(settings)
    for step in planned.steps:
        for task in step.tasks:
            if not planned.is_current(task):
                finish(planned.name, task, task.read())
                ran.append(task.name)
    return ran


def kept(settings: PrepSettings) -> list[str]:
    """Ids of the kept documents, dataset by dataset."""
    return [row["id"] for row in _rows(settings.layout.root / "dedup", "[!_]*")]


def all_rejects(settings: PrepSettings) -> list[dict[str, str]]:
    """The rejects as written, dataset by dataset."""
    return _rows(settings.layout.root / "rejects" / "dedup", "*")


def rejects(settings: PrepSettings) -> dict[str, tuple[str, str]]:
    """{id: (reason, where)}."""
    return {row["id"]: (row["reason"], row["where"]) for row in all_rejects(settings)}


def _rows(folder: Path, datasets: str) -> list[dict[str, Any]]:
    shards = sorted(folder.glob(f"{datasets}/*.jsonl.zst"))
    return [json.loads(line) for path in shards for line in open_binary(path)]


def details(settings: PrepSettings) -> dict[str, Any]:
    return Receipt.load(settings.layout.side("dedup", "clusters") / "clusters.receipt.json").details


def digest(settings: PrepSettings) -> dict[str, str]:
    """Checksums of all that the stage wrote but receipts, whose times differ."""
    root = settings.layout.root
    files = (path for part in ("dedup", "rejects/dedup") for path in (root / part).rglob("*") if path.suffix != ".json")
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()
    }
