"""Stage tokenizer: train a SentencePiece model on the train documents, or take a ready tokenizer of either kind.

In a model trained here special tokens have the ids of the published Nemotron tokenizer, and the newline is a token of
its own: in the chat template a response follows "Assistant" and a newline, and must never merge with it. Encoding
then decoding returns the text exactly, byte for byte, but for U+2581, which SentencePiece uses for the space.
"""

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

from data_prep import bpe, vocabulary
from data_prep.documents import Document, Record
from data_prep.errors import DataError, UsageError
from data_prep.files import atomic_write, read_shards
from data_prep.flow import PRODUCT, DocumentShards, documents_shards, finished_datasets
from data_prep.layout import receipt_path
from data_prep.prep_settings import PrepSettings
from data_prep.receipts import Receipt, Tally
from data_prep.tasks import Stage, Step, Task, Written
from data_prep.vocabulary import Vocabulary

UNK, PAD, BOS, EOS = 0, 1, 2, 3
EXTRA_IDS = tuple(f"<extra_id_{number}>" for number in range(8))
"""Ids 4 to 11; the chat template uses the first two."""


def stage(settings: PrepSettings) -> Stage:
    """One task: the tokenizer is shared by all datasets."""
    model = settings.tokenizer_file
    ready = vocabulary.find(settings.tokenizer.input) if settings.tokenizer.input else None
    finished = documents_shards(settings, finished_datasets(settings))
    shards = tuple(each.train for each in finished)
    share = 1.0 if ready else _training_share(settings, finished)
    task = Task(
        name=model.name,
        settings={} if ready else {"vocab_size": settings.tokenizer.vocab_size, "share": share},
        inputs=vocabulary.files(ready) if ready else shards,
        receipt=receipt_path(model),
        read=functools.partial(_read_share, () if ready else shards, share),
        write=functools.partial(_write_model, model, ready, settings.tokenizer.vocab_size),
    )
    return Stage(name="tokenizer", steps=(Step(name="train", tasks=(task,)),))


def _training_share(settings: PrepSettings, finished: tuple[DocumentShards, ...]) -> float:
    """The share of the documents that holds about `max_characters`, by the receipts of both sides."""
    layout = settings.layout
    receipts = (Receipt.load(layout.stage_receipt(PRODUCT, each.dataset.name, each.name)) for each in finished)
    return bpe.share(sum(receipt.characters for receipt in receipts), settings.tokenizer.max_characters)


def _read_share(shards: tuple[Path, ...], share: float) -> Iterator[Document]:
    return bpe.take(read_shards(shards), share)


def check(settings: PrepSettings) -> None:
    """Refuse a ready model that cannot serve, before any work."""
    ready = settings.tokenizer.input
    if ready is None:
        return
    loaded = vocabulary.load(ready)
    if settings.instruct.chat or settings.instruct.preferences:
        require_chat_tokens(loaded)


def require_chat_tokens(loaded: Vocabulary) -> None:
    """Raise UsageError unless the turn markers of the chat template are single tokens."""
    turns = EXTRA_IDS[:2]
    split = [token for token, ids in zip(turns, loaded.encode_prompts(turns), strict=True) if len(ids) != 1]
    if split:
        raise UsageError(
            f"this tokenizer cuts {', '.join(split)} into pieces",
            where=str(loaded.path),
            why="these mark the turns of a chat; as several tokens they cannot end a response",
            fix="use a tokenizer that has them, or leave out instruct.chat and instruct.preferences",
        )


def train(texts: Iterable[str], vocab_size: int) -> bytes:
    """Train BPE with byte fallback; equal texts give an equal model.

    Args:
        texts: Whole documents, newlines and all.
        vocab_size: Entries at most; training stops earlier when no pair of pieces is left to merge.

    Raises:
        DataError: There is no text, or more distinct characters than entries.
    """
    refusal = DataError(
        "SentencePiece cannot train on these documents",
        where=f"tokenizer.vocab_size={vocab_size}",
        fix=f"tokenizer.vocab_size={2 * vocab_size}, or more text",
    )
    return bpe.train(
        texts,
        vocab_size,
        refusal,
        byte_fallback=True,
        split_digits=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        unk_id=UNK,
        pad_id=PAD,
        bos_id=BOS,
        eos_id=EOS,
        user_defined_symbols=[*EXTRA_IDS, "\n"],
    )


def _write_model(model: Path, ready: Path | None, vocab_size: int, records: Iterable[Record], _tally: Tally) -> Written:
    _remove_other_kind(model)
    if ready:
        list(records)  # none: a ready model reads no documents
        itself, *beside = vocabulary.files(ready)
        contents = {model: itself.read_bytes()} | {model.with_name(file.name): file.read_bytes() for file in beside}
    else:
        contents = {model: train(_texts(records), vocab_size)}
    for path, content in contents.items():
        with atomic_write(path) as file:
            file.write(content)
    loaded = vocabulary.load(model)
    return Written(
        outputs=tuple(contents),
        details={
            "sha256": loaded.sha256,
            "vocab_size": loaded.size,
            "asked_vocab_size": None if ready else vocab_size,
            "eod_id": loaded.eod_id,
        },
    )


def _remove_other_kind(model: Path) -> None:
    """A tokenizer of an earlier run, which `blend` would find here too."""
    other = model.with_suffix(".json" if model.suffix == ".model" else ".model")
    for path in (*vocabulary.files(other), receipt_path(other)):
        path.unlink(missing_ok=True)


def _texts(records: Iterable[Record]) -> Iterator[str]:
    return (record.text for record in records if isinstance(record, Document))
