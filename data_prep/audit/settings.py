"""What a preparation may say about stage audit."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """The page a preparation ends with."""

    samples: int = 3
    """Texts shown of every dataset and of every drop reason; 0 shows none."""

    def __post_init__(self) -> None:
        if self.samples < 0:
            raise ValueError(f"samples {self.samples} is less than none\ne.g. samples: 3")
