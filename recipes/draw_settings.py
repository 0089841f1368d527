"""What `langadapt.draw` of a training configuration may say; `recipes.checks.draw` obeys it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DrawSettings:
    """Section `langadapt.draw` of a training configuration."""

    max_epochs: float = 4.0
    """Most epochs of a dataset where the blend comes without a plan of `langadapt blend`, which has caps of its own.
    Up to about 4, repeated text is nearly worth new text (Muennighoff et al. 2023, arXiv 2305.16264)."""

    def __post_init__(self) -> None:
        if not self.max_epochs > 0:
            raise ValueError(f"max_epochs {self.max_epochs} is not above 0\n4 is usual")
