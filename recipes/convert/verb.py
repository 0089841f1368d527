"""The verb: `to-hf`, a NeMo checkpoint to a Hugging Face folder."""

from pathlib import Path

from recipes.convert import to_hf
from recipes.convert.certificate import CERTIFICATE, Certificate, read_certificate

__all__ = ["CERTIFICATE", "Certificate", "main", "read_certificate"]

DIRECTIONS = {"to-hf": to_hf.main}


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Converts in the direction that `action=` names, to-hf where none is named."""
    named = [word.partition("=")[2].strip("'\"") for word in overrides if word.startswith("action=")]
    direction = DIRECTIONS.get(named[-1] if named else "to-hf", to_hf.main)
    return direction(configs, overrides, dry_run=dry_run)
