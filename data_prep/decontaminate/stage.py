"""Stage decontaminate: index of the evaluation sets, matches by shard, one verdict, then the documents.

_index/      ngrams.npy, texts.jsonl.zst, index.json; index.receipt.json counts items and n-grams of each set
_matches/    <dataset>/<shard>.jsonl.zst: documents with evaluation n-grams
_verdict/    documents.npy, common_ngrams.npy; verdict.receipt.json counts items found and documents of each set
"""

from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.decontaminate.decontaminator import Decontaminator
from data_prep.decontaminate.eval_files import files
from data_prep.decontaminate.eval_items import read_items
from data_prep.decontaminate.index import build_index, index_files
from data_prep.decontaminate.matches import write_matches
from data_prep.decontaminate.settings import DecontaminateSettings
from data_prep.decontaminate.verdict import verdict_files, write_verdict
from data_prep.documents import Record
from data_prep.flow import Shard, shard_task, shards_into
from data_prep.layout import RECEIPT_SUFFIX, SHARD_SUFFIX
from data_prep.receipts import Tally
from data_prep.tasks import Stage, Step, Task, Written, no_records

if TYPE_CHECKING:
    from data_prep.prep_settings import PrepSettings

NAME = "decontaminate"

_CHECKED_ITEMS = 100


def check(settings: "PrepSettings") -> None:
    """Refuse evaluation sets that are missing or cannot be read, by their first items."""
    for eval_set in settings.decontaminate.eval_sets:
        for _ in islice(read_items(eval_set), _CHECKED_ITEMS):
            pass


def stage(settings: "PrepSettings") -> Stage:
    """The tasks over all shards that are there."""
    shards = shards_into(settings, NAME)
    if not shards:
        return Stage(name=NAME, steps=())
    side = partial(settings.layout.side, NAME)
    index, verdict = side("index"), side("verdict")
    matches = tuple(side("matches") / shard.dataset.name / f"{shard.name}{SHARD_SUFFIX}" for shard in shards)
    documents = tuple(
        shard_task(settings, NAME, shard, shaping={}, extra_inputs=(*index_files(index), *verdict_files(verdict)))
        for shard in shards
    )
    return Stage(
        name=NAME,
        steps=(
            Step(name="index", tasks=(_index_task(settings.decontaminate, index),)),
            Step(
                name="matches",
                tasks=tuple(_matches_task(*pair, index) for pair in zip(shards, matches, strict=True)),
            ),
            Step(name="verdict", tasks=(_verdict_task(settings.decontaminate, matches, index, verdict),)),
            Step(name="documents", tasks=documents, transforms=(Decontaminator(index=index, verdict=verdict),)),
        ),
    )


def _index_task(settings: DecontaminateSettings, folder: Path) -> Task:
    shaping = asdict(settings)
    del shaping["max_documents"]
    return Task(
        name="index",
        settings=shaping,
        inputs=tuple(chain.from_iterable(files(each.input) for each in settings.eval_sets)),
        receipt=folder / f"index{RECEIPT_SUFFIX}",
        read=no_records,
        write=partial(_write_index, settings, folder),
    )


def _write_index(settings: DecontaminateSettings, folder: Path, _records: Iterable[Record], _tally: Tally) -> Written:
    index = build_index(
        chain.from_iterable(map(read_items, settings.eval_sets)),
        ngram=settings.ngram,
        min_words=settings.min_words,
        max_items=settings.max_items,
    )
    return Written(outputs=index.save(folder), details=index.report)


def _matches_task(shard: Shard, output: Path, index: Path) -> Task:
    return Task(
        name=f"matches of {shard.dataset.name}/{shard.name}",
        group=f"matches of {shard.dataset.name}",
        settings={},
        inputs=(shard.path, *index_files(index)),
        receipt=output.with_name(f"{shard.name}{RECEIPT_SUFFIX}"),
        read=no_records,
        write=partial(write_matches, shard.path, index, output),
    )


def _verdict_task(settings: DecontaminateSettings, matches: tuple[Path, ...], index: Path, folder: Path) -> Task:
    return Task(
        name="verdict",
        settings={"max_documents": settings.max_documents},
        inputs=(*matches, *index_files(index)),
        receipt=folder / f"verdict{RECEIPT_SUFFIX}",
        read=no_records,
        write=partial(write_verdict, matches, index, folder, settings.max_documents),
    )
