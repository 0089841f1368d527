"""Characters for which a tokenizer has no piece, and which it spells in bytes or loses as unknown.

Three ways to do without a piece:

    byte fallback       pieces <0xE0> <0xA4> <0x95> for the bytes of a character (SentencePiece, and its kind of BPE)
    byte-level BPE      every piece is a run of bytes, so a character may be cut: it has no piece when the piece that
                        holds its first byte does not hold its last
    unknown             one token for one or more characters, whose text is lost
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from data_prep.vocabulary import Vocabulary

_BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")


class Coverage:
    """Counts the characters of texts that a tokenizer has no piece for."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        if vocabulary.is_sentencepiece:
            processor = vocabulary.backend
            pieces = map(processor.id_to_piece, range(vocabulary.size))
            self._without_piece = np.fromiter(map(_begins_in_byte_piece, pieces), np.uint8)
            self._unknown: int | None = processor.unk_id()
        else:
            settings = json.loads(vocabulary.path.read_bytes())
            self._without_piece = np.fromiter(_of_json(vocabulary, settings), np.uint8)
            self._unknown = _unknown_id(vocabulary, settings["model"])

    def count(self, texts: Sequence[str], ids: Sequence[Sequence[int]]) -> int:
        """Characters without a piece in texts that were encoded to these ids."""
        spelled = sum(int(self._without_piece[np.asarray(each, dtype=np.int64)].sum()) for each in ids)
        lost = (self._lost(text) for text, each in zip(texts, ids, strict=True) if self._unknown in each)
        return spelled + sum(lost)

    def _lost(self, text: str) -> int:
        """Characters of a text that become unknown."""
        backend = self._vocabulary.backend
        if self._vocabulary.is_sentencepiece:
            pieces = zip(backend.encode(text), backend.encode(text, out_type=str), strict=True)
            return sum(len(piece) for token, piece in pieces if token == self._unknown)
        encoding = backend.encode(text, add_special_tokens=False)
        spans = zip(encoding.ids, encoding.offsets, strict=True)
        return sum(end - begin for token, (begin, end) in spans if token == self._unknown)


def _begins_in_byte_piece(piece: str) -> bool:
    """Whether a piece stands for the first byte of a character."""
    found = _BYTE_PIECE.fullmatch(piece)
    return found is not None and not _continues(int(found[1], 16))


def _continues(byte: int) -> bool:
    """Whether a byte of UTF-8 is a character's second or later one: 10xxxxxx."""
    return byte & 0b1100_0000 == 0b1000_0000


def _of_json(vocabulary: Vocabulary, settings: dict[str, Any]) -> Iterator[bool]:
    pieces = map(vocabulary.backend.id_to_token, range(vocabulary.size))
    if settings["model"].get("byte_fallback"):
        return map(_begins_in_byte_piece, pieces)
    if "ByteLevel" in json.dumps([settings.get("pre_tokenizer"), settings.get("decoder")]):
        added = {token["content"] for token in settings.get("added_tokens", ())}
        byte_of = {character: byte for byte, character in enumerate(_byte_level_alphabet())}
        return (piece not in added and _is_cut(bytes(byte_of[character] for character in piece)) for piece in pieces)
    return (False for _ in pieces)


def _is_cut(piece: bytes) -> bool:
    """Whether the last character that begins in a piece does not end in it."""
    first = next((at for at in reversed(range(len(piece))) if not _continues(piece[at])), None)
    return first is not None and len(piece) - first < _utf8_length(piece[first])


def _utf8_length(first: int) -> int:
    return 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4


def _byte_level_alphabet() -> list[str]:
    """The characters that byte-level BPE writes the bytes 0 to 255 with, as GPT-2 chose them.

    Printable characters of Latin-1 stand for themselves; the other bytes, in order, for U+0100 and up.
    """
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(256 + others.index(byte)) for byte in range(256)]


def _unknown_id(vocabulary: Vocabulary, model: dict[str, Any]) -> int | None:
    if model["type"] == "Unigram":
        unknown: int | None = model.get("unk_id")
    else:
        token = model.get("unk_token")
        unknown = vocabulary.backend.token_to_id(token) if token is not None else None
    return unknown
