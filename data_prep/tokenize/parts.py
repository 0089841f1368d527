"""What a task of each step writes: the tokens of one shard, and the tokens of a dataset."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from loguru import logger

from data_prep import vocabulary
from data_prep.documents import Dataset, Record
from data_prep.errors import DataError
from data_prep.files import read_shard
from data_prep.indexed_dataset import LONGEST_DOCUMENT, dataset_writer, merge_datasets, remove_dataset
from data_prep.layout import append_suffix, receipt_path
from data_prep.receipts import Receipt, Tally
from data_prep.tasks import Written
from data_prep.tokenize.encoder import Encoder, Proved, Reference
from data_prep.tokenize.gigatoken_model import Encoded, Lengths
from data_prep.tokenize.gigatoken_source import Refused
from data_prep.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """How a document becomes tokens."""

    tokenizer: Path
    add_bos: bool

    def frame(self, encoded: Encoded, loaded: Vocabulary) -> Encoded:
        """The same documents, each with its end-of-document token and, where wanted, its first one."""
        ids, lengths = encoded.ids, encoded.lengths
        if self.add_bos and loaded.bos_id is not None:
            ids, lengths = np.insert(ids, np.cumsum(lengths) - lengths, loaded.bos_id), lengths + 1
        return replace(encoded, ids=np.insert(ids, np.cumsum(lengths), loaded.eod_id), lengths=lengths + 1)

    def details(self, loaded: Vocabulary, dataset: Dataset) -> dict[str, Any]:
        """What a receipt says about the ids."""
        return {
            "tokenizer_sha256": loaded.sha256,
            "vocab_size": loaded.size,
            "bos_id": loaded.bos_id if self.add_bos else None,
            "eod_id": loaded.eod_id,
            "dtype": loaded.dtype,
            "source": dataset.source,
            "lang": dataset.lang,
            "kind": dataset.kind,
        }


@dataclass
class _Counts:
    """Of one part; they become counts of the stage when the dataset is written, so that nothing is counted twice."""

    documents: int = 0
    characters: int = 0
    tokens: int = 0


def write_part(prefix: Path, shard: Path, tokens: Tokens, _records: Iterable[Record], _tally: Tally) -> Written:
    """What a task of step `parts` does: encode the documents of one shard, each with its end-of-document token.

    The shard is read here, not handed over by the executor, whose carriers cost a third of a fast encoder's time.
    """
    loaded = vocabulary.load(tokens.tokenizer)
    try:
        encoder: Encoder = Proved(loaded)
        counts = _encode(prefix, shard, tokens, loaded, encoder)
    except Refused as found:
        logger.info("{}: {} encodes instead", found, loaded.library)
        encoder = Reference(loaded, str(found))
        counts = _encode(prefix, shard, tokens, loaded, encoder)
    logger.info("{}: {} texts compared with {}", encoder.library, encoder.checked, loaded.library)
    used = {"encoder": encoder.library, "checked_texts": encoder.checked, "fallback": encoder.fallback}
    return Written(outputs=_pair(prefix), details=asdict(counts) | used)


def _encode(prefix: Path, shard: Path, tokens: Tokens, loaded: Vocabulary, encoder: Encoder) -> _Counts:
    counts = _Counts()
    with dataset_writer(prefix, loaded.dtype) as add:
        for encoded in encoder.encode_shard(shard):
            framed = tokens.frame(encoded, loaded)
            _refuse_too_long(framed.lengths, counts.documents, shard)
            add(framed.ids, framed.lengths)
            counts.documents += len(framed.lengths)
            counts.characters += framed.characters
            counts.tokens += len(framed.ids)
    return counts


def _refuse_too_long(lengths: Lengths, earlier: int, shard: Path) -> None:
    longest = int(lengths.argmax())
    if lengths[longest] > LONGEST_DOCUMENT:
        document = next(islice(read_shard(shard), earlier + longest, None))
        raise DataError(
            f"document {document.id} has {lengths[longest]:,} tokens",
            where=str(shard),
            why=f"Megatron's index keeps the length of a document in 31 bits: at most {LONGEST_DOCUMENT:,} tokens",
            fix="cut the document in the source, or leave it out with a smaller ingest.max_document_bytes",
        )


def write_dataset(
    prefix: Path,
    parts: Sequence[Path],
    dataset: Dataset,
    tokens: Tokens,
    _records: Iterable[Record],
    tally: Tally,
) -> Written:
    """What a task of step `datasets` does: append the parts. No documents, no files: Megatron cannot open them."""
    found = [Receipt.load(receipt_path(part)).details for part in parts]
    sums = {name: sum(part[name] for part in found) for name in ("documents", "characters", "tokens")}
    tally.add(dataset, **sums)
    details = tokens.details(vocabulary.load(tokens.tokenizer), dataset) | _encoders(dataset, found)
    filled = [part for part, facts in zip(parts, found, strict=True) if facts["documents"]]
    if not filled:
        remove_dataset(prefix)
        return Written(outputs=(), details=details)
    merge_datasets(prefix, filled)
    return Written(outputs=_pair(prefix), details=details)


def _encoders(dataset: Dataset, parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Which encoder how many parts were made with, and why it was not the fast one; that is said aloud, too."""
    fallbacks = Counter(part["fallback"] for part in parts if part["fallback"])
    for why, count in sorted(fallbacks.items()):
        logger.warning("{}: {} of {} shards encoded slowly: {}", dataset.name, count, len(parts), why)
    return {
        "encoders": dict(sorted(Counter(part["encoder"] for part in parts).items())),
        "checked_texts": sum(part["checked_texts"] for part in parts),
        "fallbacks": dict(sorted(fallbacks.items())),
    }


def _pair(prefix: Path) -> tuple[Path, Path]:
    return append_suffix(prefix, ".bin"), append_suffix(prefix, ".idx")
