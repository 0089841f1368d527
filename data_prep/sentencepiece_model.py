"""What a SentencePiece BPE model is made of, for libraries that build the same encoder from its pieces."""

from typing import Any

# sentencepiece_model.proto: ModelProto.SentencePiece.Type and TrainerSpec.ModelType.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
BPE = 2
SPACE = "\u2581"
"""What a space is inside SentencePiece."""


def read_proto(model: bytes) -> Any:
    """The parsed content of a tokenizer.model."""
    from sentencepiece import sentencepiece_model_pb2

    return sentencepiece_model_pb2.ModelProto.FromString(model)


def merges(scores: dict[str, float]) -> list[tuple[str, str]]:
    """Every way to join two pieces into a third, the best-scored result first.

    SentencePiece joins the neighbours whose joined piece has the highest score, leftmost first; byte-pair encoders by
    rank join the pair that stands first in this list, leftmost first. Scores of a BPE model are distinct, so both pick
    the same piece.

    Args:
        scores: Score of each normal piece.
    """
    ranked = sorted(scores, key=lambda piece: -scores[piece])
    return [
        (left, right)
        for piece in ranked
        for cut in range(1, len(piece))
        if (left := piece[:cut]) in scores and (right := piece[cut:]) in scores
    ]
