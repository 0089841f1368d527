"""Segments <-> token ids of a local model, the same for transformers and CTranslate2."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from data_prep.errors import UsageError
from data_prep.layout import resolve_input
from data_prep.translate.engines.base import Failure, Pace, Result
from data_prep.translate.engines.families import Handover

Ids = list[int]


@dataclass(frozen=True, kw_only=True)
class Codec:
    """A Hugging Face tokenizer and what its model's family wants around a segment."""

    tokenizer: Any
    handover: Handover
    max_tokens: int

    def translate(self, segments: Sequence[str], generate: Callable[[list[Ids]], list[Result]]) -> list[Result]:
        """Run `generate` on the segments that fit the model; the others fail as `segment_too_long`.

        Tokenizers and models would otherwise cut a long segment short, and half a sentence passes for a whole one.
        """
        encoded = [list(self.tokenizer(self.handover.before(segment))["input_ids"]) for segment in segments]
        fitting = [ids for ids in encoded if len(ids) <= self.max_tokens]
        results = iter(generate(fitting) if fitting else ())
        return [next(results) if len(ids) <= self.max_tokens else Failure("segment_too_long") for ids in encoded]

    def decode(self, ids: Ids) -> Result:
        """The translation; `cut_short` when the model did not come to an end within its limit."""
        if self.tokenizer.eos_token_id not in ids[1:]:
            return Failure("cut_short")
        target = self.tokenizer.as_target_tokenizer if self.handover.target_vocabulary else contextlib.nullcontext
        with target():
            return self.handover.after(self.tokenizer.decode(ids, skip_special_tokens=True))


class LocalModel(ABC):
    """An engine whose model runs in this process; it is loaded with the first batch."""

    _codec: Codec | None = None

    def __init__(self, pace: Pace) -> None:
        self.pace = pace

    def translate(self, segments: Sequence[str]) -> list[Result]:
        """Greedy or beam search over the segments that fit."""
        if self._codec is None:
            self._codec = self._load()
        return self._codec.translate(segments, partial(self._generate, self._codec))

    @abstractmethod
    def _load(self) -> Codec:
        """Load model and tokenizer."""

    @abstractmethod
    def _generate(self, codec: Codec, encoded: list[Ids]) -> list[Result]:
        """The translations of segments that fit, in their order."""


def model_place(model: str) -> str:
    """The absolute path of a model's folder, or the name it has on the hub."""
    folder = resolve_input(Path(model))
    return str(folder) if folder.is_dir() else model


def load_tokenizer(model: str, revision: str | None, *, trust_remote_code: bool) -> Any:
    """The Hugging Face tokenizer of a model, from a folder or the hub.

    Raises:
        UsageError: It is not there.
    """
    from transformers import AutoTokenizer

    with usage_errors(model):
        return AutoTokenizer.from_pretrained(model_place(model), revision=revision, trust_remote_code=trust_remote_code)


@contextlib.contextmanager
def usage_errors(model: str) -> Iterator[None]:
    """Turn a library's failure to find or read a model into an instruction."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"cannot load this model: {str(error).splitlines()[0]}",
            where=f"{model} in translate.engine",
            fix="give the folder of a model with its tokenizer, or for transformers the name of one on the hub",
        ) from error
