"""The extended tokenizer: the base's pieces as they are, with their ids, and new ones behind them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data_prep.errors import UsageError

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

# sentencepiece_model.proto: TrainerSpec.ModelType and ModelProto.SentencePiece.Type.
_BPE = 2
_NORMAL = 1


@dataclass(frozen=True, kw_only=True)
class Extension:
    """A base tokenizer and what it became.

    Attributes:
        base: Content of its tokenizer.model.
        model: Content of the extended one.
        pieces: The new pieces in the order of their ids, the first of which is the base's vocabulary size.
        left_out: Learnt pieces that were not added, by reason.
    """

    base: bytes
    model: bytes
    pieces: tuple[str, ...]
    left_out: Counter[str]


def extend(base: bytes, pieces: Sequence[str]) -> Extension:
    """Append pieces to a BPE model, scored below all of its own, so that its own merges come first.

    A piece is `unreachable`, and left out, where the extended model would never produce it: its own text is cut in
    another way.
    """
    reachable, left_out = list(pieces), Counter[str]()
    while lost := set(_unreachable(_append(base, reachable), reachable)):  # what was built from a lost one may go too
        left_out["unreachable"] += len(lost)
        reachable = [piece for piece in reachable if piece not in lost]
    return Extension(base=base, model=_append(base, reachable), pieces=tuple(reachable), left_out=left_out)


def known_pieces(model: bytes) -> frozenset[str]:
    """The text of every piece of a model."""
    return frozenset(piece.piece for piece in _proto(model).pieces)


def processor(model: bytes) -> "SentencePieceProcessor":
    """A model, loaded."""
    from sentencepiece import SentencePieceProcessor

    return SentencePieceProcessor(model_proto=model)


def bare(model: bytes) -> "SentencePieceProcessor":
    """The model without a space put before or taken from the text: a piece's own text is encoded as it stands."""
    proto = _proto(model)
    proto.normalizer_spec.add_dummy_prefix = False
    proto.normalizer_spec.remove_extra_whitespaces = False
    return processor(proto.SerializeToString())


def require_bpe(model: bytes, where: str) -> None:
    """Raise UsageError unless the model joins pieces by score: only then do new ones leave the old ones alone."""
    kind = _proto(model).trainer_spec
    if kind.model_type != _BPE:
        raise UsageError(
            f"this tokenizer is of type {kind.ModelType.Name(kind.model_type)}",
            where=where,
            why="only in a BPE model do new pieces with lower scores leave the encoding of other text as it was",
            fix="use a base model with a SentencePiece BPE tokenizer, or keep its vocabulary",
        )


def _append(base: bytes, pieces: Sequence[str]) -> bytes:
    proto = _proto(base)
    lowest = min(piece.score for piece in proto.pieces)
    for index, piece in enumerate(pieces, start=1):
        proto.pieces.add(piece=piece, score=lowest - index, type=_NORMAL)
    proto.trainer_spec.vocab_size = len(proto.pieces)
    serialized: bytes = proto.SerializeToString()
    return serialized


def _unreachable(model: bytes, pieces: Sequence[str]) -> list[str]:
    extended = bare(model)
    first = extended.get_piece_size() - len(pieces)
    encoded = extended.encode(list(pieces))
    return [piece for index, piece in enumerate(pieces) if encoded[index] != [first + index]]


def _proto(model: bytes) -> Any:
    from sentencepiece import sentencepiece_model_pb2

    return sentencepiece_model_pb2.ModelProto.FromString(model)
