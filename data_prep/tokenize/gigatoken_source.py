"""A tokenizer in the form gigatoken reads, a `tokenizer.json`, such that it encodes as the reference does.

Control tokens are left out of it, so that they stay plain text. SentencePiece normalises and adds its first space by
itself: gigatoken would add one after every user-defined symbol, and normalises some combining marks differently.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from data_prep import sentencepiece_model
from data_prep.sentencepiece_model import BPE, NORMAL, SPACE, UNUSED, USER_DEFINED
from data_prep.vocabulary import Vocabulary

Prepare = Callable[[str], str]


class Refused(Exception):
    """Why a tokenizer is not encoded by gigatoken."""


def read(vocabulary: Vocabulary) -> tuple[str, Prepare | None]:
    """The tokenizer.json, and what is done to a text before it is encoded.

    Raises:
        Refused: It is of a kind gigatoken has no encoder for.
    """
    if not vocabulary.is_sentencepiece:
        return _of_json(msgspec.json.decode(vocabulary.path.read_bytes())), None
    proto = sentencepiece_model.read_proto(vocabulary.path.read_bytes())
    if found := ", ".join(_obstacles(proto)):
        raise Refused(f"gigatoken has no encoder for this SentencePiece model: {found}")
    return _of_sentencepiece(proto), _preparation(vocabulary.backend, proto.normalizer_spec)


def _of_json(settings: dict[str, Any]) -> str:
    plain = [token for token in settings.get("added_tokens", ()) if not token["special"]]
    if settings.get("normalizer") and (found := next((each["content"] for each in plain if each["normalized"]), None)):
        raise Refused(f"gigatoken looks for the added token {found!r} before it normalises, the tokenizer after it")
    settings |= {"added_tokens": plain, "post_processor": None, "truncation": None, "padding": None}
    return msgspec.json.encode(settings).decode()


def _obstacles(proto: Any) -> Iterator[str]:
    if proto.trainer_spec.model_type != BPE:
        yield "it is not of type BPE"
    if not proto.trainer_spec.byte_fallback:
        yield "it has no byte fallback"
    if proto.trainer_spec.treat_whitespace_as_suffix or not proto.normalizer_spec.escape_whitespaces:
        yield "it writes spaces in another way"
    if any(piece.type == UNUSED for piece in proto.pieces):
        yield "it has unused pieces"
    if any(piece.type == USER_DEFINED and {" ", SPACE} & set(piece.piece) for piece in proto.pieces):
        yield "a user-defined symbol contains a space"


def _of_sentencepiece(proto: Any) -> str:
    normal = {piece.piece: piece.score for piece in proto.pieces if piece.type == NORMAL}
    added = [
        {"id": number, "content": piece.piece, "special": False, "normalized": False}
        | dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
        for number, piece in enumerate(proto.pieces)
        if piece.type == USER_DEFINED
    ]
    model = {
        "type": "BPE",
        "unk_token": proto.pieces[proto.trainer_spec.unk_id].piece,
        "fuse_unk": True,
        "byte_fallback": True,
        "vocab": {piece.piece: number for number, piece in enumerate(proto.pieces)},
        "merges": sentencepiece_model.merges(normal),
    }
    spaces = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    settings = {"version": "1.0", "added_tokens": added, "normalizer": spaces, "model": model}
    return msgspec.json.encode(settings).decode()


def _preparation(processor: Any, normalizer: Any) -> Prepare | None:
    if normalizer.precompiled_charsmap or normalizer.remove_extra_whitespaces:
        normalize: Prepare = processor.normalize
        return normalize
    return _add_space if normalizer.add_dummy_prefix else None


def _add_space(text: str) -> str:
    return f" {text}" if text else text
