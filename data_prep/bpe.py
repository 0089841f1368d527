"""Byte-pair models by SentencePiece, for the tokenizer and for the pieces of the perplexity model.

SentencePiece holds the text it trains on in memory, about 15 bytes a character, so both train on a bounded share of
the documents.
"""

import io
from collections.abc import Iterable, Iterator
from typing import Any

from data_prep.documents import Document, split_of
from data_prep.errors import DataError

_LONGEST_TEXT = 1 << 30
"""Bytes; SentencePiece's own limit of 4,192 would skip longer ones without a word."""


def train(texts: Iterable[str], vocab_size: int, refusal: DataError, **options: Any) -> bytes:
    """A model of some texts, with every character and no normalisation; equal texts give an equal model.

    Args:
        texts: Whole documents or lines.
        vocab_size: Entries at most; training stops earlier when no pair of pieces is left to merge.
        refusal: What to raise, with SentencePiece's reason, when there is no text or too little for the entries.
        options: Further ones of SentencePieceTrainer.
    """
    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            hard_vocab_limit=False,
            character_coverage=1.0,
            normalization_rule_name="identity",
            max_sentence_length=_LONGEST_TEXT,
            minloglevel=2,
            **options,
        )
    except RuntimeError as error:
        raise DataError(refusal.what, where=refusal.where, why=" ".join(str(error).split()), fix=refusal.fix) from error
    return model.getvalue()


def share(characters: int, most: int) -> float:
    """The share of documents that holds about `most` of the characters."""
    return min(1.0, most / max(characters, 1))


def take(documents: Iterable[Document], share: float) -> Iterator[Document]:
    """Documents whose id falls into the share: a function of the id alone, so that reruns train the same model."""
    return (document for document in documents if share == 1 or split_of(document.id, share) == "heldout")
