"""What a preparation may say about stage instruct."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from data_prep.translate.settings import CheckSettings, EngineSettings

SetName = Literal["sft", "dpo"]


@dataclass(frozen=True, kw_only=True)
class InstructTranslateSettings:
    """Examples translated as well, where translating them back gives what they said before."""

    enabled: bool = False
    engine: EngineSettings | None = None
    """Translates from_lang to to_lang."""
    back_engine: EngineSettings | None = None
    """Translates back. Best another model: one that shares the engine's mistakes also undoes them."""
    from_lang: str = "en-Latn"
    to_lang: str = "hi-Deva"
    sets: tuple[SetName, ...] = ("dpo",)
    """sft is `chat`, dpo is `preferences`. The paper trains on translated preferences only: translated SFT examples
    brought it no improvement."""
    max_examples: int = 60_000
    """Translations kept of each set (the paper: 60,000 Hindi of 200,000 English preferences). Examples are tried in
    the order of a hash of their ids until so many are kept."""
    min_chrf: float = 50.0
    """chrF++ (0-100) of every message's back-translation against the original. Our choice, Airavata's threshold; the
    paper gives none, and a later NVIDIA paper (2508.19831) used 90."""
    checks: CheckSettings = field(default_factory=CheckSettings)
    """What each segment must satisfy, in both directions."""

    def __post_init__(self) -> None:
        if self.enabled and (self.engine is None or self.back_engine is None):
            raise ValueError(
                "instruct.translate is enabled without both engines\n"
                "add instruct.translate.engine and instruct.translate.back_engine (docs/corpus.md), or set "
                "instruct.translate.enabled=false"
            )
        if self.from_lang == self.to_lang:
            raise ValueError(f"from_lang and to_lang are both {self.to_lang}\ne.g. to_lang: hi-Deva")
        if self.max_examples < 1:
            raise ValueError(f"max_examples {self.max_examples} keeps nothing\ne.g. 60000")
        if not 0 <= self.min_chrf <= 100:
            raise ValueError(f"min_chrf {self.min_chrf} is not between 0 and 100\ne.g. 50.0")


@dataclass(frozen=True, kw_only=True)
class InstructSettings:
    """Chat examples for SFT and preference pairs for DPO, written in NeMo-Aligner's formats."""

    chat: Path | None = None
    preferences: Path | None = None
    default_lang: str = "und"
    """Language of examples that have no `lang`; public sets rarely have it."""
    max_length: int = 4096
    """Tokens of prompt and response together; no more than the training sequence length. 4096 is Nemotron-Mini's
    context. Upstream truncates longer SFT examples and zeroes longer DPO pairs."""
    on_long: Literal["error", "drop"] = "error"
    validation_fraction: float = 0.1
    translate: InstructTranslateSettings = field(default_factory=InstructTranslateSettings)

    def __post_init__(self) -> None:
        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"validation_fraction {self.validation_fraction} is not between 0 and 1\ne.g. 0.1")
        if self.max_length < 1:
            raise ValueError(f"max_length {self.max_length} leaves no room for an example\ne.g. 4096")
        files = {"sft": ("chat", self.chat), "dpo": ("preferences", self.preferences)}
        for name in self.translate.sets if self.translate.enabled else ():
            key, path = files[name]
            if path is None:
                raise ValueError(
                    f"instruct.translate.sets names {name}, but there is no instruct.{key}\n"
                    f"add instruct.{key}, or take {name} out of instruct.translate.sets"
                )
