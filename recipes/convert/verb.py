"""The verb: `to-hf`, a NeMo checkpoint to a Hugging Face folder, and `to-nemo`, the other way."""

import importlib
from pathlib import Path

from recipes.convert.proof.certificate import CERTIFICATE, Certificate, read_certificate

__all__ = ["CERTIFICATE", "Certificate", "main", "read_certificate"]

DIRECTIONS = {"to-hf": "recipes.convert.to_hf", "to-nemo": "recipes.convert.to_nemo"}
"""By name: writing a .nemo takes torch, which the other way has no use for."""


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Converts in the direction that `action=` names, to-hf where none is named."""
    named = [word.partition("=")[2].strip("'\"") for word in overrides if word.startswith("action=")]
    direction = importlib.import_module(DIRECTIONS.get(named[-1] if named else "to-hf", DIRECTIONS["to-hf"]))
    return int(direction.main(configs, overrides, dry_run=dry_run))
