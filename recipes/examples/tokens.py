"""Texts of examples -> their token ids and which of them are learnt, as NeMo's dataset classes make them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from data_prep.tokenize.encoder import Proved
from data_prep.tokenize.gigatoken_model import Ids
from data_prep.tokenize.gigatoken_source import Refused
from data_prep.vocabulary import Vocabulary
from recipes.examples.readers import Example, Joining
from recipes.examples.templates import Piece, Pieces

Encode = Callable[[Sequence[str]], list[Ids]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Result = TypeVar("Result")

AHEAD = "\0"
"""NeMo puts it before a turn that it tokenises alone, so that SentencePiece adds no space (gpt_sft_chat_dataset.py)."""


class Tokens(NamedTuple):
    """A tokenised text.

    Attributes:
        ids: [tokens].
        learnt: [tokens], True where the token is to be predicted.
    """

    ids: Ids
    learnt: Mask


def with_encoder(vocabulary: Vocabulary, work: Callable[[Encode, str], Result]) -> Result:
    """What `work` makes of the fastest encoder that is exact, and its name; done anew if that turns out to differ.

    A Hugging Face tokenizer encodes by itself: gigatoken would take the special tokens of a template for plain text.
    """
    reason = ""
    if vocabulary.is_sentencepiece:
        try:
            proved = Proved(vocabulary)
            return work(proved.encode, proved.library)
        except Refused as refused:
            reason = f" ({refused})"

    def encode(texts: Sequence[str]) -> list[Ids]:
        return [np.asarray(ids, dtype=np.uint32) for ids in vocabulary.encode_prompts(texts)]

    return work(encode, vocabulary.library + reason)


def tokenised(examples: Sequence[Example], encode: Encode) -> list[list[Tokens | None]]:
    """Tokens of every text of every example; None where pieces merge, so that a loss mask would be off.

    Each different text is encoded once: names, headers and prompts come again and again.
    """
    wanted = {AHEAD: None}
    for example in examples:
        for pieces in example.texts:
            wanted |= dict.fromkeys(_to_encode(pieces, example.joining))
    table = dict(zip(wanted, encode(list(wanted)), strict=True))
    return [[_joined(pieces, example.joining, table) for pieces in example.texts] for example in examples]


def _to_encode(pieces: Pieces, joining: Joining) -> Iterator[str]:
    texts = [piece.text for piece in pieces if isinstance(piece.text, str)]
    if joining == "parts":
        yield from texts
        return
    yield "".join(texts)
    yield texts[0]
    if joining == "turns":
        yield from (AHEAD + text for text in texts[1:])


def _joined(pieces: Pieces, joining: Joining, table: dict[str, Ids]) -> Tokens | None:
    if joining == "prompt":
        return _after_prompt(pieces, table)
    skipped = 0 if joining == "parts" else len(table[AHEAD])
    parts: list[Ids] = []
    for number, (text, _) in enumerate(pieces):
        if isinstance(text, int):
            parts.append(np.array([text], dtype=np.uint32))
        else:
            parts.append(table[AHEAD + text][skipped:] if number and skipped else table[text])
    ids = np.concatenate(parts)
    if joining == "turns" and not np.array_equal(ids, table["".join(str(piece.text) for piece in pieces)]):
        return None
    return Tokens(ids, np.repeat([piece.learnt for piece in pieces], list(map(len, parts))))


def _after_prompt(pieces: tuple[Piece, ...], table: dict[str, Ids]) -> Tokens | None:
    """Prompt and response tokenised together; all behind the prompt's tokens is learnt (DPOModelDataset)."""
    texts = [piece.text for piece in pieces if isinstance(piece.text, str)]
    prompt, whole = table[texts[0]], table["".join(texts)]
    if not np.array_equal(whole[: len(prompt)], prompt):
        return None
    ids = np.append(whole, np.array([piece.text for piece in pieces if isinstance(piece.text, int)], dtype=np.uint32))
    return Tokens(ids, np.arange(len(ids)) >= len(prompt))
