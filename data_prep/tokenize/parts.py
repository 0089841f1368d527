"""What a task of each step writes: the tokens of one shard, and the tokens of a dataset."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from loguru import logger

from data_prep import vocabulary
from data_prep.documents import Dataset, Document, Record
from data_prep.errors import DataError
from data_prep.files import read_shard
from data_prep.indexed_dataset import LONGEST_DOCUMENT, dataset_writer, merge_datasets, remove_dataset
from data_prep.layout import append_suffix, receipt_path
from data_prep.receipts import Receipt, Tally
from data_prep.tasks import Written
from data_prep.tokenize.encoder import Encoder, Ids, Proved, Reference
from data_prep.tokenize.gigatoken_source import Refused
from data_prep.vocabulary import Vocabulary

BATCH_CHARACTERS = 1 << 20
"""Documents are encoded and written together until they hold this many: few enough to stay in the processor's cache."""


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """How a document becomes tokens."""

    tokenizer: Path
    add_bos: bool

    def frame(self, loaded: Vocabulary) -> tuple[Ids, Ids]:
        """What stands before and after every document."""
        before = [loaded.bos_id] if self.add_bos else []
        return np.array(before, dtype=np.uint32), np.array([loaded.eod_id], dtype=np.uint32)

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
    used = {"encoder": encoder.library, "checked_texts": encoder.checked, "fallback": encoder.fallback}
    return Written(outputs=_pair(prefix), details=asdict(counts) | used)


def _encode(prefix: Path, shard: Path, tokens: Tokens, loaded: Vocabulary, encoder: Encoder) -> _Counts:
    bos, eod = tokens.frame(loaded)
    counts = _Counts()
    with dataset_writer(prefix, loaded.dtype) as add:
        for batch in _batches(read_shard(shard)):
            texts = [document.text for document in batch]
            ids = encoder.encode(texts)
            lengths = np.fromiter(map(len, ids), np.int64, len(ids)) + len(bos) + 1
            _refuse_too_long(batch, lengths, shard)
            add(np.concatenate(list(chain.from_iterable((bos, each, eod) for each in ids))), lengths)
            counts.documents += len(batch)
            counts.characters += sum(map(len, texts))
            counts.tokens += int(lengths.sum())
    return counts


def _batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    batch, characters = [], 0
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _refuse_too_long(batch: Sequence[Document], lengths: "np.ndarray[Any, np.dtype[np.int64]]", shard: Path) -> None:
    longest = int(lengths.argmax())
    if lengths[longest] > LONGEST_DOCUMENT:
        raise DataError(
            f"document {batch[longest].id} has {lengths[longest]:,} tokens",
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
