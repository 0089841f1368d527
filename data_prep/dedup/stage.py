"""Stage dedup as tasks: see the package's docstring for its four steps.

Every task has a receipt of its own, so a killed run goes on where it was. Later steps are inputs of each other by the
receipts of the side files, not by the files: those are hashed once, when they are written.
"""

from collections.abc import Iterable
from dataclasses import asdict, replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.dedup import index as side_files
from data_prep.dedup import verdicts
from data_prep.dedup.candidates import Comparison, find_pairs, write_pairs
from data_prep.dedup.clusters import judge
from data_prep.dedup.index import FIRST_BAND_ROW, ID_ROW, Hashing, Index, IndexedShard
from data_prep.dedup.minhash import banding
from data_prep.documents import KINDS, Document, Record
from data_prep.files import read_shard
from data_prep.flow import Shard, shard_task, shards_into
from data_prep.layout import RECEIPT_SUFFIX, SHARD_SUFFIX, receipt_path
from data_prep.receipts import Receipt, Tally
from data_prep.tasks import Stage, Step, Task, Written, no_records

if TYPE_CHECKING:
    from data_prep.prep_settings import PrepSettings

NAME = "dedup"


def stage(settings: "PrepSettings") -> Stage:
    """The four steps; no steps while there are no shards to read."""
    shards = by_preference(shards_into(settings, NAME))
    if not shards:
        return Stage(name=NAME, steps=())
    plan = _Plan(settings, shards)
    return Stage(
        name=NAME,
        steps=(
            Step(name="signatures", tasks=tuple(map(plan.sign, shards, plan.index.shards))),
            Step(name="candidates", tasks=plan.compare()),
            Step(name="clusters", tasks=(plan.judge(),)),
            Step(name="documents", tasks=tuple(map(plan.drop, shards, plan.index.shards))),
        ),
    )


def by_preference(shards: Iterable[Shard]) -> tuple[Shard, ...]:
    """The better kind first, then as they come: sources in the order of the YAML, shards in the order of names."""
    return tuple(sorted(shards, key=lambda shard: KINDS.index(shard.dataset.kind)))


def make_index(folder: Path, shards: Iterable[Shard]) -> Index:
    """Number the documents of all shards, as many as their receipts say."""
    first, indexed = 0, []
    for shard in shards:
        count = Receipt.load(shard.path.with_name(f"{shard.name}{RECEIPT_SUFFIX}")).documents
        base = folder / shard.dataset.name / shard.name
        indexed.append(IndexedShard(dataset=shard.dataset, base=base, first=first, count=count))
        first += count
    return Index(shards=tuple(indexed))


class _Plan:
    """What the tasks of the steps share."""

    def __init__(self, settings: "PrepSettings", shards: tuple[Shard, ...]) -> None:
        self.settings, self.rules = settings, settings.dedup
        self.index = make_index(settings.layout.side(NAME, "signatures"), shards)
        bands, rows = banding(self.rules.threshold)
        self.hashing = Hashing(ngram=self.rules.ngram, bands=bands, rows=rows)
        self.order = [f"{shard.dataset.name}/{shard.name}" for shard in shards]
        self.signed = tuple(receipt_path(each.base) for each in self.index.shards)

    def sign(self, shard: Shard, indexed: IndexedShard) -> Task:
        """Hash the documents of one shard."""
        return Task(
            name=f"signatures {shard.dataset.name}/{shard.name}",
            group=shard.dataset.name,
            settings=asdict(self.hashing),
            inputs=(shard.path,),
            receipt=receipt_path(indexed.base),
            read=partial(read_shard, shard.path),
            write=partial(write_signatures, indexed, self.hashing),
        )

    def compare(self) -> tuple[Task, ...]:
        """Find pairs, for ids and each band, in so many ranges of keys that a task's documents fit into memory."""
        parts = max(1, ceil(self.index.documents / self.rules.documents_per_task))
        rows = [ID_ROW, *range(FIRST_BAND_ROW, FIRST_BAND_ROW + self.hashing.bands)]
        return tuple(
            self._compare(Comparison(row=row, part=part, parts=parts, threshold=self.rules.threshold))
            for row in rows
            for part in range(parts)
        )

    def _compare(self, what: Comparison) -> Task:
        output = self._pairs_folder(what.row) / f"{what.part:05d}.pairs"
        return Task(
            name=f"candidates {output.parent.name}/{what.part:05d}",
            group="candidates",
            settings={**asdict(what), **asdict(self.hashing), "order": self.order},
            inputs=self.signed,
            receipt=receipt_path(output),
            read=no_records,
            write=partial(write_candidates, self.index, output, what),
        )

    def _pairs_folder(self, row: int) -> Path:
        name = "ids" if row == ID_ROW else f"band_{row - FIRST_BAND_ROW:02d}"
        return self.settings.layout.side(NAME, "candidates") / name

    def judge(self) -> Task:
        """Decide what is dropped."""
        compared = self.compare()
        pairs = tuple(task.receipt.with_name(task.receipt.name.removesuffix(RECEIPT_SUFFIX)) for task in compared)
        ids = tuple(path for path in pairs if path.parent.name == "ids")
        outputs = tuple(map(self._verdicts, self.index.shards))
        return Task(
            name="clusters",
            settings={"order": self.order, "threshold": self.rules.threshold},
            inputs=(*self.signed, *pairs),
            receipt=self.settings.layout.side(NAME, "clusters") / f"clusters{RECEIPT_SUFFIX}",
            read=no_records,
            write=partial(write_clusters, self.index, ids, pairs[len(ids) :], outputs, self.rules.threshold),
        )

    def _verdicts(self, indexed: IndexedShard) -> Path:
        folder = self.settings.layout.side(NAME, "clusters") / indexed.dataset.name
        return folder / f"{indexed.base.name}{SHARD_SUFFIX}"

    def drop(self, shard: Shard, indexed: IndexedShard) -> Task:
        """Write what is kept of one shard."""
        judged = self._verdicts(indexed)
        task = shard_task(self.settings, NAME, shard, shaping={}, extra_inputs=(judged,))
        return replace(task, read=partial(verdicts.read_judged, shard.path, judged))


def write_signatures(shard: IndexedShard, hashing: Hashing, records: Iterable[Record], _tally: Tally) -> Written:
    """What a task of step `signatures` does."""
    documents = (record for record in records if isinstance(record, Document))
    return Written(outputs=side_files.write_shard(shard, documents, hashing), details=asdict(hashing))


def write_candidates(
    index: Index, output: Path, what: Comparison, _records: Iterable[Record], _tally: Tally
) -> Written:
    """What a task of step `candidates` does."""
    pairs = find_pairs(index, what)
    write_pairs(output, pairs)
    return Written(outputs=(output,), details={"pairs": len(pairs.leaders), "undecided": pairs.undecided})


def write_clusters(
    index: Index,
    id_pairs: tuple[Path, ...],
    pairs: tuple[Path, ...],
    outputs: tuple[Path, ...],
    threshold: float,
    _records: Iterable[Record],
    _tally: Tally,
) -> Written:
    """What the task of step `clusters` does."""
    judged = judge(index, id_pairs, pairs, threshold)
    for shard, path in zip(index.shards, outputs, strict=True):
        verdicts.write_verdicts(index, shard, path, judged)
    return Written(outputs=outputs, details=verdicts.summary(index, judged))
