"""Verb `sft`: supervised fine-tuning on conversations, loss on the assistant's turns (Nemotron-4 340B's practice)."""

from pathlib import Path

from recipes import checks, training
from recipes.examples.prepare import prepare
from recipes.recorded_run import Stage

STAGE = Stage(
    name="sft",
    schema="sft",
    check=checks.check_sft,
    driver="recipes.runtime.alignment:run_sft",
    prepare=prepare,
)


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Runs the verb."""
    return training.run(STAGE, configs, overrides, dry_run=dry_run)
