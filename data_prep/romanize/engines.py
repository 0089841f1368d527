"""Engines by name: which scripts each reads, and how to get one.

An engine is made for one document, so that its spellings may depend on the document's id.
"""

import importlib.metadata
import re
from collections.abc import Callable
from functools import partial

from data_prep.errors import UsageError

Engine = Callable[[str], str]
"""Text -> text in Latin letters; everything that is not in its script stays."""

ENGINES = ("hindi", "anyascii")

_BLOCKS = {
    "Deva": "\u0900-\u097f",
    "Beng": "\u0980-\u09ff",
    "Guru": "\u0a00-\u0a7f",
    "Gujr": "\u0a80-\u0aff",
    "Orya": "\u0b00-\u0b7f",
    "Taml": "\u0b80-\u0bff",
    "Telu": "\u0c00-\u0c7f",
    "Knda": "\u0c80-\u0cff",
    "Mlym": "\u0d00-\u0d7f",
    "Sinh": "\u0d80-\u0dff",
}
"""ISO 15924 code -> Unicode block."""


def scripts(name: str) -> tuple[str, ...]:
    """The scripts an engine reads."""
    return ("Deva",) if name == "hindi" else tuple(_BLOCKS)


def letters(script: str) -> re.Pattern[str]:
    """Finds a letter of a script; dandas, which many scripts share, and digits are none."""
    return re.compile(f"(?![\u0964-\u096f])[{_BLOCKS[script]}]")


def engine(name: str, script: str, *, document: str = "", variants: float = 0.0, seed: int = 0) -> Engine:
    """The engine for one document.

    Args:
        name: One of ENGINES.
        script: ISO 15924 code of what it reads.
        document: The document's id, on which the choice of variants depends.
        variants: Share of words in another usual spelling.
        seed: Of the variants.
    """
    if name == "anyascii":
        return partial(_anyascii, _runs(script))
    from data_prep.romanize import hindi

    return hindi.Varied(document=document, share=variants, seed=seed).romanize if variants else hindi.romanize


def version(name: str) -> str:
    """What the receipts say of an engine.

    Raises:
        UsageError: Its library is not installed.
    """
    if name == "hindi":
        return "hindi (langadapt)"
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError as error:
        raise UsageError(
            f"romanize needs the library {name}, which is not installed",
            where="romanize.engines",
            why="it knows the scripts that our own engine does not read",
            fix=f"pip install {name}\nor leave the language out of romanize.engines",
        ) from error


def _runs(script: str) -> re.Pattern[str]:
    return re.compile(f"[{_BLOCKS[script]}\u0964\u0965\u200c\u200d]+")


def _anyascii(runs: re.Pattern[str], text: str) -> str:
    """Only the script's own letters: the library would also flatten accents, dashes and emoji."""
    from anyascii import anyascii

    from data_prep.romanize.protected import outside

    return outside(text, lambda part: runs.sub(lambda run: anyascii(run[0]), part))
