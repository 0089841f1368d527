"""What a plan takes for the files that are not there yet: the section `langadapt.plan` of a training configuration."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """Read by `langadapt plan` alone, and only where the files themselves cannot be looked at."""

    architecture: str | None = None
    """Of the checkpoint that SFT and DPO start from: a file of nemo_configs/model/ by its name, or a path."""
    vocabulary: int | None = None
    """Entries of the tokenizer."""
    examples: int | None = None
    """Training examples or preference pairs."""

    def __post_init__(self) -> None:
        for name in ("vocabulary", "examples"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}\nlangadapt.plan.{name}=256000: a whole number from 1 up")
