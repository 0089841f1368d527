"""What a preparation may say about stage translate."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Family = Literal["plain", "nllb", "madlad", "indictrans2"]
EngineName = Literal["memory", "transformers", "ctranslate2", "endpoint"]

PROMPT = """\
You are a professional translator. You receive a JSON array of objects, each with an "id" and a "text" in \
{from_language}. Translate every text into {to_language}, completely and naturally. Copy marks such as {marks} \
unchanged, each exactly once. Keep names of products and code as they are. Answer with a JSON array only, one object \
per input object, with the same "id" in the same order and the translation in "text". No notes, no Markdown."""
"""{from_language}, {to_language} and {marks} (the placeholders of protected text) are filled in."""


@dataclass(frozen=True, kw_only=True)
class MemorySettings:
    """A translation memory: what it holds is looked up, the rest is `untranslated`."""

    path: Path
    """JSONL (.jsonl, .jsonl.gz, .jsonl.zst) with `source` and `target` on each line."""


@dataclass(frozen=True, kw_only=True)
class LocalModelSettings:
    """A sequence-to-sequence model that runs in the task's own process."""

    family: Family
    """How a segment is handed over: plain (Marian and others that know one direction), nllb, madlad, indictrans2."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model or its tokenizer. IndicTrans2 needs it: read that code first."""
    beams: int = 1
    max_tokens: int = 256
    """Longest segment and longest translation; longer segments fail with `segment_too_long` or `cut_short`."""
    batch_segments: int = 256
    batch_characters: int = 32_000
    """Upper limit for the segments of a batch times the longest of them: what padding makes the GPU compute."""

    def __post_init__(self) -> None:
        _require_positive(self, "beams", "max_tokens", "batch_segments", "batch_characters")


@dataclass(frozen=True, kw_only=True)
class TransformersSettings(LocalModelSettings):
    """A model run by Hugging Face transformers."""

    model: str
    """A folder, or a name on the Hugging Face hub."""
    revision: str | None = None
    """Commit of the hub's model; give it, so that a model changed upstream does not change the corpus."""
    device: str = "auto"
    """auto: cuda when there is one."""
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.family == "indictrans2" and not self.trust_remote_code:
            raise ValueError(
                "IndicTrans2 comes with Python code of its own, which transformers runs only when told to\n"
                "read that code, then set trust_remote_code: true and pin `revision`"
            )


@dataclass(frozen=True, kw_only=True)
class CTranslate2Settings(LocalModelSettings):
    """A converted model run by CTranslate2 (ct2-transformers-converter --copy_files writes the tokenizer too)."""

    model: Path
    """Folder with model.bin."""
    tokenizer: str | None = None
    """Folder or hub name of the Hugging Face tokenizer; null: it lies in the model's folder."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: str = "default"
    """CTranslate2's name, e.g. int8, float16, int8_float16."""


@dataclass(frozen=True, kw_only=True)
class EndpointSettings:
    """Any server with OpenAI's chat completions: vLLM, llama.cpp, NIM, a paid service."""

    url: str
    """Up to and including the version, e.g. http://localhost:8000/v1."""
    model: str
    key_variable: str | None = None
    """Name of the environment variable that holds the API key; null sends none. Keys are never written anywhere."""
    prompt: str = PROMPT
    temperature: float = 0.0
    timeout: float = 120.0
    """Seconds for one whole reply."""
    tries: int = 5
    """Per batch, before it is split."""
    first_wait: float = 1.0
    """Seconds before the second try; doubled for each further one."""
    requests: int = 8
    """Sent side by side by one task."""
    batch_segments: int = 20
    batch_characters: int = 4_000
    """Upper limit for the segments of a batch times the longest of them."""

    def __post_init__(self) -> None:
        _require_positive(self, "timeout", "tries", "requests", "batch_segments", "batch_characters")
        if not re.fullmatch(r"https?://[^\s?#@]+", self.url):
            raise ValueError(
                "translate's endpoint url is not a plain http or https address\n"
                "give e.g. http://localhost:8000/v1; keys and passwords go into an environment variable (key_variable)"
            )


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """Which engine translates; the sections of the others may stay in the file."""

    use: EngineName
    memory: MemorySettings | None = None
    transformers: TransformersSettings | None = None
    ctranslate2: CTranslate2Settings | None = None
    endpoint: EndpointSettings | None = None

    def __post_init__(self) -> None:
        if getattr(self, self.use) is None:
            raise ValueError(
                f"use: {self.use} has no section {self.use!r} that says how\n"
                f"add `{self.use}:` beside it (docs/corpus.md lists its keys)"
            )


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """What a translated segment must satisfy; checks.py says how each is measured."""

    min_script_share: float = 0.5
    """Of the letters, those in the script of `to_lang`."""
    min_length_ratio: float = 0.4
    max_length_ratio: float = 2.5
    max_repetition: float = 0.3
    """Share of word triples, or of a long word's octets, that repeat earlier ones, above what the source does."""


@dataclass(frozen=True, kw_only=True)
class TranslateSettings:
    """Real documents in one language -> synthetic documents in another, with the same structure."""

    enabled: bool = False
    from_lang: str = "en-Latn"
    to_lang: str = "hi-Deva"
    sources: tuple[str, ...] | None = None
    """Names of the sources to translate; null: every real one in from_lang."""
    engine: EngineSettings | None = None
    checks: CheckSettings = CheckSettings()
    min_accepted: float = 1.0
    """Share of a document's translatable characters whose segments must pass, or the document is rejected.
    1: no sentence ever stays in from_lang. Below 1, failed segments of an accepted document stay as they were."""
    partitions: int | None = None
    """Tasks that share the segments; null: the power of two not below the number of shards. Each loads the engine."""
    cache_dir: Path | None = None
    """Where finished segments are kept; null: in the output folder."""

    def __post_init__(self) -> None:
        for lang in (self.from_lang, self.to_lang):
            if not re.fullmatch(r"[a-z]{2,3}-[A-Z][a-z]{3}", lang):
                raise ValueError(f"{lang!r} is not a language with its script\ne.g. en-Latn or hi-Deva")
        if self.from_lang == self.to_lang:
            raise ValueError(f"from_lang and to_lang are both {self.to_lang}\ne.g. to_lang: hi-Deva")
        if not 0 < self.min_accepted <= 1:
            raise ValueError(f"min_accepted {self.min_accepted} is not a share above 0, up to 1\ne.g. 0.9")
        if self.partitions is not None:
            _require_positive(self, "partitions")
        if self.enabled and self.engine is None:
            raise ValueError(
                "translate is enabled without an engine\n"
                "add translate.engine (docs/corpus.md), or set translate.enabled=false"
            )


def _require_positive(settings: object, *names: str) -> None:
    for name in names:
        if getattr(settings, name) <= 0:
            raise ValueError(f"{name} {getattr(settings, name)} is not above 0\nleave it out to use the default")
