"""How often a run reads each of its sources: from the datasets themselves, or from the plan of their blend."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from data_prep.blend.records import Entry
from data_prep.indexed_dataset import read_size
from data_prep.layout import append_suffix
from recipes.checks.data import PREFIX_KEY, parse_blend, training_blend, training_share
from recipes.plan.inputs import SECTION, Inputs, existing
from recipes.run_record import read_json

BUDGET_TOLERANCE = 0.001
"""A run rounds its tokens up to whole batches."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A token dataset of the training blend, or a file of examples.

    Attributes:
        name: source.language.kind where a blend plan says so, else the path.
        available: Tokens, or examples; None where nobody knows yet.
        drawn: As many as the run takes of them.
        most: The cap of the blend plan.
    """

    name: str
    weight: float
    unit: str
    available: int | None
    drawn: int | None
    epochs: float | None
    most: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether it is read more often than its blend plan allows."""
        return self.epochs is not None and self.most is not None and self.epochs > self.most * 1.005


def of_tokens(inputs: Inputs, configs: list[Path], tokens: int) -> list[Source]:
    """The datasets of a pre-training blend, by falling weight."""
    value = OmegaConf.select(inputs.cfg, PREFIX_KEY)
    if value is None:
        inputs.notes.append(f"{PREFIX_KEY}: not set; epochs are known once the fragment of `langadapt blend` is given")
        return []
    (_, blend), share = training_blend(inputs.cfg), training_share(inputs.cfg)
    entries: dict[str, Entry] = {}
    for plan in _blend_plans(configs):
        entries |= {entry["prefix"]: Entry(**entry) for entry in plan["train"]}
        if abs(plan["budget_tokens"] - tokens) > BUDGET_TOLERANCE * tokens:
            inputs.notes.append(
                f"the blend was planned for {plan['budget_tokens']:,} tokens, this run draws {tokens:,}: "
                f"plan it anew with budget_tokens={tokens}"
            )
    total = sum(weight for weight, _ in blend)
    found = [_token_source(prefix, weight / total, share, tokens, entries.get(prefix)) for weight, prefix in blend]
    if unknown := [source.name for source in found if source.available is None]:
        inputs.notes.append(f"token datasets: {len(unknown)} not there yet ({unknown[0]}, ...); their epochs are open")
    return sorted(found, key=lambda source: -source.weight)


def _token_source(prefix: str, weight: float, share: float, tokens: int, entry: Entry | None) -> Source:
    path, drawn = Path(prefix), round(weight * tokens)
    available = entry.tokens_available if entry else None
    if append_suffix(path, ".idx").is_file() and append_suffix(path, ".bin").is_file():
        available = int(read_size(path).tokens * share)
    return Source(
        name=entry.name if entry else prefix,
        weight=weight,
        unit="tokens",
        available=available,
        drawn=drawn,
        epochs=drawn / available if available else None,
        most=entry.max_epochs if entry else None,
    )


def _blend_plans(configs: list[Path]) -> Iterator[dict[str, Any]]:
    """What `langadapt blend` left beside the fragments among the configurations."""
    for path in configs[1:]:
        plan = path.with_suffix(".json")
        document = read_json(plan) if plan.is_file() else {}
        if {"budget_tokens", "train"} <= set(document):
            yield document


def count_examples(inputs: Inputs) -> int | None:
    """Training examples of SFT or pairs of DPO: the lines there are, or what the configuration assumes."""
    files = _example_files(inputs)
    found = [file for name in files if (file := existing(name))]
    if files and len(found) == len(files):
        return sum(_lines(file) for file in found)
    key = f"{SECTION}.examples"
    where = "model.data.train_ds.file_path" if inputs.schema == "sft" else f"{PREFIX_KEY}.train"
    if inputs.assumed.examples is None:
        inputs.notes.append(f"{where}: no file yet, and no {key}; steps, days and cost are open")
    else:
        inputs.notes.append(f"{where}: no file yet; {inputs.assumed.examples:,} examples ({key})")
    return inputs.assumed.examples


def _example_files(inputs: Inputs) -> list[Any]:
    if inputs.schema == "sft":
        return [OmegaConf.select(inputs.cfg, "model.data.train_ds.file_path")]
    value = OmegaConf.select(inputs.cfg, f"{PREFIX_KEY}.train")
    return [] if value is None else [path for _, path in parse_blend(value, f"{PREFIX_KEY}.train")]


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())


def of_examples(inputs: Inputs, examples: int | None, steps: int | None, global_batch: int) -> list[Source]:
    """All training examples as one source."""
    drawn = None if steps is None else steps * global_batch
    epochs = drawn / examples if drawn and examples else None
    name = "conversations" if inputs.schema == "sft" else "preference pairs"
    return [Source(name=name, weight=1.0, unit="examples", available=examples, drawn=drawn, epochs=epochs)]
