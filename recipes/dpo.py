"""Verb `dpo`: direct preference optimisation on pairs of answers."""

from pathlib import Path

from recipes import checks, training
from recipes.examples.prepare import prepare
from recipes.recorded_run import Stage

STAGE = Stage(
    name="dpo",
    schema="dpo",
    check=checks.check_dpo,
    driver="recipes.runtime.alignment:run_dpo",
    prepare=prepare,
)


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Runs the verb."""
    return training.run(STAGE, configs, overrides, dry_run=dry_run)
