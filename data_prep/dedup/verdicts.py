"""The verdicts on disk: per shard the positions to drop, with the words the rejects say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.dedup.clusters import REASONS, Verdicts
from data_prep.dedup.index import Index, IndexedShard
from data_prep.documents import Document, Record, Reject, compact_json
from data_prep.files import open_binary, read_shard, shard_writer


def write_verdicts(index: Index, shard: IndexedShard, path: Path, verdicts: Verdicts) -> None:
    """The documents of one shard that are dropped, in order."""
    start, stop = np.searchsorted(verdicts.dropped, [shard.first, shard.first + shard.count])
    kept = verdicts.kept[start:stop]
    datasets = [index.shards[place].dataset.name for place in index.shard_of(kept).tolist()]
    columns = zip(
        (verdicts.dropped[start:stop] - shard.first).tolist(),
        verdicts.reasons[start:stop].tolist(),
        index.ids(kept),
        datasets,
        verdicts.similarities[start:stop].tolist(),
        strict=True,
    )
    with shard_writer(path) as write:
        for position, reason, name, dataset, similarity in columns:
            where = f"duplicate of {name} of {dataset}, similarity {similarity:.3f}"
            write(compact_json({"position": position, "reason": REASONS[reason], "where": where}))


def read_judged(shard: Path, verdicts: Path) -> Iterator[Record]:
    """The documents of a shard, the dropped ones as rejects."""
    with open_binary(verdicts) as lines:
        drops = map(json.loads, lines)
        drop = next(drops, None)
        for position, document in enumerate(read_shard(shard)):
            if drop and drop["position"] == position:
                yield _to_reject(document, drop)
                drop = next(drops, None)
            else:
                yield document


def _to_reject(document: Document, drop: dict[str, Any]) -> Reject:
    return Reject(id=document.id, reason=drop["reason"], where=drop["where"], text=document.text)


def summary(index: Index, verdicts: Verdicts) -> dict[str, Any]:
    """What the receipt says: who was dropped for whom, and how large the groups are."""
    sizes = np.unique(verdicts.kept, return_counts=True)[1] + 1
    return {
        "documents": index.documents,
        "clusters": len(sizes),
        "largest_cluster": int(sizes.max(initial=0)),
        "dropped": {reason: _by_kind(index, verdicts, place) for place, reason in enumerate(REASONS)},
        "documents_with_a_pair": verdicts.paired,
        "undecided": verdicts.undecided,
    }


def _by_kind(index: Index, verdicts: Verdicts, reason: int) -> dict[str, int]:
    """{kept kind -> dropped kind: documents} of one reason."""
    kinds = np.array([shard.dataset.kind for shard in index.shards])
    chosen = verdicts.reasons == reason
    kept, dropped = (kinds[index.shard_of(each[chosen])] for each in (verdicts.kept, verdicts.dropped))
    pairs, counts = np.unique(np.stack([kept, dropped]), axis=1, return_counts=True)
    return {f"{one} -> {other}": count for (one, other), count in zip(pairs.T, counts.tolist(), strict=True)}
