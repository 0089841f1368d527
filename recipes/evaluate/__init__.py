"""Verb `evaluate`: held-out bits per byte, benchmark tasks and sample generations of Hugging Face folders.

    langadapt evaluate nemo_configs/eval/tiny.yaml models.base=runs/demo/hf/base models.cpt=runs/demo/hf/cpt \
        documents=runs/demo/data/documents output=runs/demo/evaluation.json

Bits per byte compares models whose tokenizers differ, and languages whose scripts take different numbers of bytes a
letter are each compared with themselves. A bare word after the config chooses a part of its own (`PARTS`).
"""

import importlib
from pathlib import Path

EVALUATION = "recipes.evaluate.verb"
PARTS: dict[str, str] = {
    "compare": "recipes.evaluate.compare",
    "contamination": "recipes.evaluate.contamination",
    "judge": "recipes.evaluate.judge",
}
"""Bare words of the verb and their modules, each with `main(configs, overrides, *, dry_run) -> int`; imported only
when asked for, because the command line reads this table to write its --help."""


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Runs the part that a bare word chose (`recipes.cli` passes it as `stage=WORD`), the evaluation without one."""
    chosen = next((word for word in PARTS if f"stage={word}" in overrides), None)
    rest = [override for override in overrides if override != f"stage={chosen}"]
    module = importlib.import_module(PARTS[chosen] if chosen else EVALUATION)
    return int(module.main(configs, rest, dry_run=dry_run))
