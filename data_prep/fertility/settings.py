"""What may be told to `fertility`."""

from dataclasses import dataclass
from pathlib import Path

from data_prep.documents import Kind


@dataclass(frozen=True, kw_only=True)
class TextFile:
    """Text that was not prepared here: JSONL with a `text` a line."""

    path: Path
    lang: str
    kind: Kind = "real"


@dataclass(frozen=True, kw_only=True)
class FertilitySettings:
    """Tokenizers, text, and what a run of the model costs."""

    tokenizers: dict[str, Path]
    """SentencePiece models, Hugging Face folders or tokenizer.json, by the name they get in the table."""
    output: Path
    """The JSON file to write."""
    words: int
    """Of each language that are to be trained on."""
    tokens_per_second: float
    """That the training run reads."""
    documents: Path | None = None
    """The `documents` folder of a data preparation; its held-out side is read."""
    texts: tuple[TextFile, ...] = ()
    baseline: str = "en-Latn"
    """The language others are compared with."""
    context_length: int = 4096
    """Tokens the model reads at once."""
    max_characters: int = 2_000_000
    """Read of each dataset or file, from its beginning."""
    max_tokens_per_word: float = 2.0
    """More speak for an extended vocabulary."""
    max_fallback: float = 0.01
    """A larger share of characters that no piece holds speaks for it, too."""

    def __post_init__(self) -> None:
        if not self.tokenizers:
            raise ValueError("no tokenizer is named\ntokenizers.base=PATH of a tokenizer.model or tokenizer.json")
        if self.documents is None and not self.texts:
            raise ValueError("no text is named\ndocuments=DIR/documents, or texts: [{path: FILE.jsonl, lang: hi-Deva}]")
        numbers = ("words", "tokens_per_second", "context_length", "max_characters", "max_tokens_per_word")
        if wrong := [name for name in numbers if not getattr(self, name) > 0]:
            raise ValueError(f"{wrong[0]} {getattr(self, wrong[0])} is not above 0")
        if not 0 <= self.max_fallback <= 1:
            raise ValueError(f"max_fallback {self.max_fallback} is no share of characters\nmax_fallback=0.01")
