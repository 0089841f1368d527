"""What an evaluation may be told."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from recipes.evaluate.generation import Prompt


@dataclass(frozen=True, kw_only=True)
class GenerateSettings:
    """Which samples to write."""

    models: tuple[str, ...] | None = None
    """Names from `models`; null for all."""
    max_new_tokens: int = 48
    repetition_penalty: float = 1.0
    """1 is plain greedy decoding; above it, tokens that stand in the text already become less likely."""
    prompts: tuple[Prompt, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """Models, what they are evaluated on, and how."""

    models: dict[str, Path] = field(default_factory=dict)
    """Hugging Face folders by the name they get in the output."""
    model: Path | None = None
    """One more, named `model`: the short form for a single one."""
    output: Path
    """The JSON file to write; the items' logs lie beside it."""
    seq_length: int
    """Tokens a model reads at once, at most what it was trained on."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the weights in memory; bfloat16 takes half of it, and near ties may fall otherwise."""
    documents: Path | None = None
    """The `documents` folder of a data preparation; its held-out shards are scored in bits per byte."""
    tokens_per_batch: int = 4096
    """Tokens of held-out documents scored at once; their logits take this times the vocabulary times 4 bytes."""
    tasks: tuple[str, ...] = ()
    """Tasks and groups of `recipes/evaluate/tasks`, or lm-evaluation-harness's own."""
    data_dir: Path | None = None
    """Folder of the tasks' data, FOLDER/TASK/SPLIT.jsonl (docs/evaluation.md); null reads the Hugging Face hub."""
    num_fewshot: int | None = None
    """Worked examples before each item; null leaves each task its own number, 0 where it names none."""
    limit: int | None = None
    """Items of each task, the first ones; for trying things out, since the first are no random sample."""
    batch_size: int = 8
    """Requests of a task at once."""
    chat: Literal["auto", True, False] = "auto"
    """Whether prompts go through the model's chat template; auto where the tokenizer has one."""
    bootstrap_samples: int = 1000
    """For standard errors of what is no mean; 0 leaves them out."""
    seed: int = 0
    """Of the bootstrap and of the draw of worked examples."""
    generate: GenerateSettings = field(default_factory=GenerateSettings)

    def __post_init__(self) -> None:
        if not self.folders:
            raise ValueError("no model to evaluate\nmodels.NAME=FOLDER, e.g. models.cpt=runs/demo/hf/cpt")
        if self.model is not None and "model" in self.models:
            raise ValueError("two models named 'model'\nmodels.NAME=FOLDER with another name, or leave out model=")
        for name, least in (("seq_length", 2), ("tokens_per_batch", 1), ("batch_size", 1), ("bootstrap_samples", 0)):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"{name} is {value}, the least is {least}\n{name}={max(least, 256)}")
        for name, least in (("limit", 1), ("num_fewshot", 0)):
            if (value := getattr(self, name)) is not None and value < least:
                raise ValueError(f"{name} is {value}, the least is {least}\n{name}=null, or {name}={least + 4}")
        if self.documents is None and not self.tasks and not self.generate.prompts:
            raise ValueError("nothing to evaluate on\ndocuments=FOLDER, or tasks=[sample]")
        if unknown := sorted(set(self.generate.models or ()) - set(self.folders)):
            raise ValueError(
                f"generate.models names {', '.join(unknown)}, models has {', '.join(self.folders)}\n"
                f"models.{unknown[0]}=FOLDER, or generate.models=null for all"
            )

    @property
    def folders(self) -> dict[str, Path]:
        """All models' folders by name."""
        return self.models if self.model is None else {**self.models, "model": self.model}

    @property
    def generating(self) -> tuple[str, ...]:
        """Models that write samples."""
        return tuple(self.folders) if self.generate.models is None else self.generate.models
