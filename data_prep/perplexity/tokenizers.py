"""Text as the n-gram model sees it: one sentence a line of text, tokens separated by spaces.

Nothing is taken from a word: cc_net's and datatrove's normalisation drops category Mn, and with it the difference
between text and text with wrong vowel signs. Only NFC, and any white space is one space.
"""

import functools
import io
import itertools
import random
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

import regex

from data_prep.errors import DataError, UsageError
from data_prep.perplexity.settings import TokenizerKind

Tokenize = Callable[[list[str]], list[list[str]]]
"""Lines to the tokens of each."""

SENTENCEPIECE_LINES = 500_000
"""What a SentencePiece model is trained on at most, drawn at random from all: enough for any vocabulary."""

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}\u200c\u200d]+|\S")
_FORGED = regex.compile(r"(?<=<)(?=(?:/?s|unk)>)")


def load(kind: TokenizerKind, path: Path | None) -> Tokenize:
    """The tokenizer of a kind.

    Args:
        kind: What a token is.
        path: The SentencePiece model or WordPiece vocabulary; None for words.
    """
    if path is None:
        return words
    return sentencepiece(path) if kind == "sentencepiece" else wordpiece(path)


def lines(text: str) -> list[str]:
    """The non-empty lines of a text, without anything kenlm would take for a separator or a special word."""
    whole = unicodedata.normalize("NFC", text).replace("\0", " ")
    if "<" in whole:
        whole = _FORGED.sub(" ", whole)
    return [" ".join(words) for line in whole.split("\n") if (words := line.split())]


def words(batch: list[str]) -> list[list[str]]:
    """Runs of letters, marks and digits, and every other character by itself."""
    return [_WORD.findall(line) for line in batch]


def sentencepiece(model: Path) -> Tokenize:
    """Pieces of a SentencePiece model; characters it does not know are words unknown to the n-gram model."""
    from sentencepiece import SentencePieceProcessor

    return functools.partial(SentencePieceProcessor(model_file=str(model)).encode, out_type=str, num_threads=1)


def wordpiece(vocabulary: Path) -> Tokenize:
    """Pieces of a cased WordPiece vocabulary such as MuRIL's, accents (to it: vowel signs) kept.

    Raises:
        UsageError: The file is missing or has no [UNK].
    """
    from tokenizers.implementations import BertWordPieceTokenizer

    if not vocabulary.is_file():
        raise UsageError(
            "this WordPiece vocabulary does not exist",
            where=f"perplexity.vocab_file: {vocabulary}",
            fix="give the path of a vocab.txt, or perplexity.tokenizer=sentencepiece perplexity.vocab_file=null",
        )
    if "[UNK]" not in vocabulary.read_text("utf-8", errors="replace").splitlines():
        raise UsageError(
            "this is not a WordPiece vocabulary: no line is [UNK]",
            where=f"perplexity.vocab_file: {vocabulary}",
            fix="give the vocab.txt of a BERT model, one piece a line",
        )
    pieces = BertWordPieceTokenizer(str(vocabulary), strip_accents=False, lowercase=False)

    def tokenize(batch: list[str]) -> list[list[str]]:
        return [encoding.tokens for encoding in pieces.encode_batch(batch, add_special_tokens=False)]

    return tokenize


def train_sentencepiece(texts: Iterable[str], vocab_size: int) -> bytes:
    """A BPE model of some texts; equal texts give an equal model.

    BPE with few pieces tells wrong vowel signs and word order best of what was measured (docs/corpus.md).

    Raises:
        DataError: There is no text, or too little for any vocabulary.
    """
    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    sample = draw(itertools.chain.from_iterable(map(lines, texts)), SENTENCEPIECE_LINES)
    try:
        SentencePieceTrainer.train(
            sentence_iterator=iter(sample),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            hard_vocab_limit=False,
            character_coverage=1.0,
            normalization_rule_name="identity",
            max_sentence_length=1 << 20,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise DataError(
            "SentencePiece cannot train on the trusted real text",
            where=f"perplexity.vocab_size={vocab_size}",
            why=" ".join(str(error).split()),
            fix="give more real text, or perplexity.tokenizer=words, which needs no training",
        ) from error
    return model.getvalue()


def draw(items: Iterable[str], size: int) -> list[str]:
    """`size` of the items, all equally likely, the same ones every time (Algorithm R); all if there are fewer."""
    source = random.Random(0)  # noqa: S311  no secret
    chosen: list[str] = []
    for number, item in enumerate(items):
        if number < size:
            chosen.append(item)
        elif (place := source.randrange(number + 1)) < size:
            chosen[place] = item
    return chosen
