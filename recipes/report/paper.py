"""The paper's figures (paper.yaml), to lay beside a run's own: reference values with their mark, never ours."""

import functools
from pathlib import Path
from typing import Any

import yaml

PATH = Path(__file__).with_name("paper.yaml")


@functools.cache
def reference() -> dict[str, Any]:
    """The file."""
    found: dict[str, Any] = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    return found


def figures_of(task: str) -> dict[str, Any] | None:
    """The paper's row of the benchmark a task is of."""
    return next((row for row in reference()["figures"] if task in row["tasks"]), None)
