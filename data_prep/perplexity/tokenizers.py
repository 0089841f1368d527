"""Text as the n-gram model sees it: one sentence a line of text, tokens separated by spaces.

Nothing is taken from a word: cc_net's and datatrove's normalisation drops category Mn, and with it the difference
between text and text with wrong vowel signs. Only NFC, and any white space is one space.
"""

import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

import regex

from data_prep import bpe
from data_prep.errors import DataError, UsageError
from data_prep.perplexity.settings import TokenizerKind

Cut = Callable[[str], str]
"""A word, without white space, to its tokens separated by spaces."""

Tokenize = Callable[[str], list[str]]
"""A text to its sentences: one a line of the text, tokens separated by spaces."""

REMEMBERED_WORDS = 200_000
"""Words whose tokens are kept, the first ones met: nearly all of a text is made of few words. About 70 MB."""

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}\u200c\u200d]+|\S")
_FORGED = regex.compile(r"(?<=<)(?=(?:/?s|unk)>)")


def load(kind: TokenizerKind, path: Path | None) -> Tokenize:
    """The tokenizer of a kind.

    None of them joins what white space separates, so each cuts a word once and then remembers it.

    Args:
        kind: What a token is.
        path: The SentencePiece model or WordPiece vocabulary; None for words.
    """
    cut: Cut = words
    if path is not None:
        cut = sentencepiece(path) if kind == "sentencepiece" else wordpiece(path)
    tokens_of = _Memory(cut).__getitem__

    def tokenize(text: str) -> list[str]:
        sentences = (" ".join(filter(None, map(tokens_of, line))) for line in lines(text))
        return [sentence for sentence in sentences if sentence]

    return tokenize


class _Memory(dict[str, str]):
    """The tokens of the words met first; equal words are equal however their marks are encoded (NFC)."""

    def __init__(self, cut: Cut) -> None:
        super().__init__()
        self._cut = cut

    def __missing__(self, word: str) -> str:
        tokens = self._cut(unicodedata.normalize("NFC", word))
        if len(self) < REMEMBERED_WORDS:
            self[word] = tokens
        return tokens


def lines(text: str) -> list[list[str]]:
    """The words of the non-empty lines, without anything kenlm would take for a separator or a special word.

    NUL separates words to kenlm, and U+2581 is how SentencePiece writes a space.
    """
    whole = text.replace("\0", " ").replace("\u2581", " ")
    if "<" in whole:
        whole = _FORGED.sub(" ", whole)
    return [words for line in whole.split("\n") if (words := line.split())]


def words(word: str) -> str:
    """Runs of letters, marks and digits, and every other character by itself."""
    return " ".join(_WORD.findall(word))


def sentencepiece(model: Path) -> Cut:
    """Pieces of a SentencePiece model; characters it does not know are words unknown to the n-gram model."""
    from sentencepiece import SentencePieceProcessor

    pieces = SentencePieceProcessor(model_file=str(model))
    return lambda word: " ".join(pieces.encode(word, out_type=str))


def wordpiece(vocabulary: Path) -> Cut:
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

    return lambda word: " ".join(pieces.encode(word, add_special_tokens=False).tokens)


def train_sentencepiece(texts: Iterable[str], vocab_size: int) -> bytes:
    """A BPE model of some texts; equal texts give an equal model.

    BPE with few pieces tells wrong vowel signs and word order best of what was measured (docs/corpus.md).

    Raises:
        DataError: There is no text, or too little for any vocabulary.
    """
    composed = (unicodedata.normalize("NFC", text) for text in texts)
    refusal = DataError(
        "SentencePiece cannot train on the trusted real text",
        where=f"perplexity.vocab_size={vocab_size}",
        fix="give more real text, or perplexity.tokenizer=words, which needs no training",
    )
    sentences = (" ".join(line) for text in composed for line in lines(text))
    return bpe.train(sentences, vocab_size, refusal, num_threads=1)
