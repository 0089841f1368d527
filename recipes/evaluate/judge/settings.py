"""What a run of the judge may be told."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["reference", "open", "pairs"]


@dataclass(frozen=True, kw_only=True)
class PriceSettings:
    """What a million tokens cost."""

    input: float
    output: float
    currency: str = "USD"


@dataclass(frozen=True, kw_only=True)
class EndpointSettings:
    """Any server with OpenAI's chat completions: vLLM, llama.cpp, NIM, a paid service."""

    base_url: str
    """Up to and including the version, e.g. http://localhost:8000/v1."""
    model: str
    key_variable: str | None = None
    """Name of the environment variable that holds the API key; null sends none. Keys are never written anywhere."""
    temperature: float | None = 0.0
    """null leaves it to the server."""
    max_tokens: int | None = 512
    """Of one reply; null leaves it to the server."""
    timeout: float = 120.0
    """Seconds the server may be silent."""
    tries: int = 5
    """Of one request that meets a busy, failing or unreachable server; the client's pauses grow."""
    concurrency: int = 8
    """Requests under way at a time."""
    price: PriceSettings | None = None
    """Per million tokens; null leaves the cost out."""

    def __post_init__(self) -> None:
        for name in ("timeout", "tries", "concurrency"):
            if (value := getattr(self, name)) <= 0:
                raise ValueError(f"{name} {value} is not above 0\nleave it out to use the default")
        if not re.fullmatch(r"https?://[^\s?#@]+", self.base_url):
            raise ValueError(
                "base_url is not a plain http or https address\n"
                "give e.g. http://localhost:8000/v1; keys and passwords go into an environment variable (key_variable)"
            )


@dataclass(frozen=True, kw_only=True)
class JudgeSettings:
    """Whose answers are judged, how, and by whom."""

    kind: Kind
    """reference: graded beside a true answer; open: graded alone; pairs: the better of two models' answers."""
    endpoint: EndpointSettings
    output: Path
    """The JSON file to write; one line a judgement goes beside it, as NAME.items.jsonl."""
    answers: dict[str, Path] = field(default_factory=dict)
    """JSON Lines by model name: `question`, `answer`, `reference` and `id`, or the items of `langadapt evaluate`."""
    models: dict[str, Path] = field(default_factory=dict)
    """Hugging Face folders by name, which answer `questions` first."""
    questions: Path | None = None
    """JSON Lines with `question`, `reference` and `id`: for `models`, and for answers that do not hold theirs."""
    max_new_tokens: int = 512
    """Of an answer that a model of `models` gives."""
    prompt: Path | None = None
    """A template of your own in place of the built-in one."""
    replies: Path | None = None
    """Folder that keeps every reply; null: NAME.replies beside the output."""
    attempts: int = 3
    """Replies asked for until one is valid."""
    bootstrap_samples: int = 1000
    """For standard errors and intervals; below 2 leaves them out."""
    seed: int = 0

    def __post_init__(self) -> None:
        if twice := sorted(set(self.answers) & set(self.models)):
            raise ValueError(f"{twice[0]} is named in answers and in models\nrename one, e.g. models.{twice[0]}_new")
        if not self.names:
            raise ValueError(
                "there is nothing to judge\nanswers.NAME=FILE.jsonl, or models.NAME=FOLDER with questions=FILE"
            )
        if self.kind == "pairs" and len(self.names) != 2:
            raise ValueError(
                f"kind=pairs compares two models, here are {len(self.names)}: {', '.join(self.names)}\n"
                "give two, or kind=open to grade each by itself"
            )
        if self.models and self.questions is None:
            raise ValueError("models have nothing to answer\nquestions=FILE.jsonl with `question` on each line")
        for name in ("attempts", "max_new_tokens"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} is {value}, the least is 1\n{name}=1")

    @property
    def names(self) -> tuple[str, ...]:
        """Of all models, in the order of the output."""
        return (*self.answers, *self.models)

    @property
    def items(self) -> Path:
        """The file with one line a judgement."""
        return self.output.with_suffix(".items.jsonl")

    @property
    def replies_folder(self) -> Path:
        """Where replies are kept."""
        return self.replies or self.output.with_suffix(".replies")
