"""How many bytes of text each token stands for: what a loss per token is divided by to compare tokenizers.

Counted from the pieces, not from decoded text: a window may begin or end inside a document, or inside a character.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from data_prep.sentencepiece_model import BYTE, NORMAL, SPACE, USER_DEFINED, read_proto
from data_prep.vocabulary import Vocabulary

Counts = np.ndarray[Any, np.dtype[np.int32]]

NO_TEXT = -1
"""Of control tokens (end of document, unknown): no byte of a document becomes one."""
_BYTE_PIECE = re.compile(r"<0x[0-9A-F]{2}>")


def table(vocabulary: Vocabulary) -> Counts:
    """UTF-8 bytes of each id, or NO_TEXT."""
    counts = np.full(vocabulary.size, NO_TEXT, dtype=np.int32)
    pieces = _sentencepiece(vocabulary) if vocabulary.is_sentencepiece else _json(vocabulary)
    for number, count in pieces:
        counts[number] = count
    return counts


def count(ids: Counts, before: Counts, vocabulary: Vocabulary) -> Counts:
    """Bytes of each token of a stream, or NO_TEXT.

    Some tokenizers put a space before every document that its text does not have; it is not counted.

    Args:
        ids: Tokens, of any shape.
        before: The token before each, of the same shape; that of a document's first is a control token.
        vocabulary: What the ids belong to.
    """
    counts = table(vocabulary)
    added = max(0, int(counts[vocabulary.encode(["a"])[0]].clip(min=0).sum()) - 1)
    of_text = counts[ids]
    starts = (counts[before] == NO_TEXT) & (of_text > 0)
    return np.where(starts, of_text - added, of_text)


def _sentencepiece(vocabulary: Vocabulary) -> Iterator[tuple[int, int]]:
    for number, piece in enumerate(read_proto(vocabulary.path.read_bytes()).pieces):
        if piece.type == BYTE:
            yield number, 1
        elif piece.type in (NORMAL, USER_DEFINED):
            yield number, len(piece.piece.replace(SPACE, " ").encode())


def _json(vocabulary: Vocabulary) -> Iterator[tuple[int, int]]:
    settings = json.loads(vocabulary.path.read_bytes())
    added = {token["id"]: token for token in settings["added_tokens"]}
    by_bytes = '"ByteLevel"' in json.dumps([settings["pre_tokenizer"], settings["decoder"]])
    unknown = settings["model"].get("unk_token")
    for piece, number in vocabulary.backend.get_vocab(with_added_tokens=True).items():
        if number in added:
            special = added[number]["special"] and not _BYTE_PIECE.fullmatch(piece)
            yield number, NO_TEXT if special else _bytes(piece)
        elif piece != unknown:
            yield number, len(piece) if by_bytes else _bytes(piece)


def _bytes(piece: str) -> int:
    return 1 if _BYTE_PIECE.fullmatch(piece) else len(piece.replace(SPACE, " ").encode())
