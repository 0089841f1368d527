"""What a preparation may say about stage romanize."""

from dataclasses import dataclass, field

from data_prep.documents import Kind
from data_prep.romanize.engines import ENGINES, scripts


@dataclass(frozen=True, kw_only=True)
class RomanizeSettings:
    """Romanised children of finished documents."""

    enabled: bool = True
    kinds: tuple[Kind, ...] = ("real", "translated")
    """Kinds that get children; the paper romanised its whole Hindi corpus."""
    engines: dict[str, str] = field(default_factory=lambda: {"hi-Deva": "hindi"})
    """Language -> engine: `hindi` is ours (Devanagari), `anyascii` a library for the other Indic scripts. A language
    without an engine gets no children."""
    variants: float = 0.0
    """Share of words typed in another usual spelling (nahin for nahi, jyada for zyada); 0: one spelling a word."""
    seed: int = 0
    """Of the variants: a document keeps its spellings as long as seed and id stay the same."""

    def __post_init__(self) -> None:
        if not 0 <= self.variants <= 1:
            raise ValueError(f"variants {self.variants} is not a share\ngive a number from 0 to 1, e.g. 0.2")
        for lang, name in self.engines.items():
            if name not in ENGINES:
                raise ValueError(f"engine {name!r} of {lang} is unknown\nchoose one of: {', '.join(ENGINES)}")
            known = scripts(name)
            if lang.partition("-")[2] not in known:
                raise ValueError(f"engine {name!r} does not read the script of {lang}\nit reads: {', '.join(known)}")
            if self.variants and name != "hindi":
                raise ValueError(f"engine {name!r} of {lang} knows one spelling a word\nset variants=0")
        if "romanized" in self.kinds:
            raise ValueError("kind romanized is in Latin letters already\ntake it out of romanize.kinds")
