"""Stage split: the documents that passed every stage -> a train and a held-out side, the corpus itself.

It comes after deduplication, so that no copy of a held-out text is trained on, and decides by the group alone, so that
parallel texts, translations and romanised children stay on one side.
"""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from data_prep.documents import Dataset, Record, split_of
from data_prep.files import read_shard, shard_writer
from data_prep.flow import PRODUCT, Shard, shards_into
from data_prep.layout import Layout
from data_prep.receipts import Tally
from data_prep.tasks import Stage, Step, Task, Written, split_off_rejects

if TYPE_CHECKING:
    from data_prep.prep_settings import PrepSettings


def stage(settings: "PrepSettings") -> Stage:
    """One task per shard."""
    tasks = tuple(_task(settings, shard) for shard in shards_into(settings, "split"))
    return Stage(name="split", steps=(Step(name="documents", tasks=tasks),))


def _task(settings: "PrepSettings", shard: Shard) -> Task:
    name, layout = shard.dataset.name, settings.layout
    return Task(
        name=f"{name}/{shard.name}",
        group=name,
        settings={"heldout_fraction": settings.heldout_fraction},
        inputs=(shard.path,),
        receipt=layout.stage_receipt(PRODUCT, name, shard.name),
        read=partial(read_shard, shard.path),
        write=partial(write_documents, layout, "split", shard.dataset, shard.name, settings.heldout_fraction),
    )


def write_documents(
    layout: Layout,
    stage: str,
    dataset: Dataset,
    shard: str,
    heldout_fraction: float,
    records: Iterable[Record],
    _tally: Tally,
) -> Written:
    """Both sides and the rejects of one shard. Empty shards are written too: what is missing was never run."""
    train, heldout = (layout.document_shard(dataset.name, side, shard) for side in ("train", "heldout"))
    rejects = layout.rejects(stage, dataset.name, shard)
    counts = {"train": 0, "heldout": 0}
    with (
        shard_writer(train) as write_train,
        shard_writer(heldout) as write_heldout,
        split_off_rejects(records, rejects) as documents,
    ):
        write = {"train": write_train, "heldout": write_heldout}
        for document in documents:
            side = split_of(document.group, heldout_fraction)
            counts[side] += 1
            write[side](document.to_json())
    return Written(outputs=(train, heldout, rejects), details=counts)
