"""Verb `doctor`: what is installed against the pins, which ground a run would take, and how to mend what is missing."""

import platform
import shutil
from pathlib import Path

from rich.console import Console
from rich.table import Table

from data_prep.errors import UsageError
from recipes.runtime import ground


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:  # noqa: ARG001
    """Prints the table; exit code 1 if a run would not start."""
    if configs or overrides:
        raise UsageError("doctor takes no settings.", where="command line", fix="langadapt doctor")
    rows, broken = examine()
    table = Table(title="langadapt doctor", title_justify="left")
    for column in ("part", "found", "wanted", "remedy"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=max(110, shutil.get_terminal_size().columns)).print(table)
    print("a run would not start: see the remedies" if broken else "ready")
    return 1 if broken else 0


def examine() -> tuple[list[tuple[str, str, str, str]], bool]:
    """Rows of the table (part, found, wanted, remedy), and whether something stops a run."""
    python = platform.python_version()
    rows = [_row("python", python, "3.11", python.startswith("3.11."), "install Python 3.11, then make setup")]
    for name, pin in ground.PINS.items():
        found = ground.installed_version(name)
        rows.append(_row(name, found or "absent", pin, ground.is_pinned(name), ground.REMEDY))
    torch = ground.installed_version("torch")
    rows.append(_row("torch", torch or "absent", "any NeMo runs on", torch is not None, "make setup"))
    broken = any(remedy for *_, remedy in rows)
    if torch is not None:
        rows += _ground_rows()
    return rows, broken


def _row(part: str, found: str, wanted: str, good: bool, remedy: str) -> tuple[str, str, str, str]:  # noqa: FBT001
    return part, found, wanted, "" if good else remedy


def _ground_rows() -> list[tuple[str, str, str, str]]:
    """What decides the ground; nothing here stops a run."""
    here = ground.detect()
    present = {"apex": ground.has_apex(), "transformer engine": ground.has_transformer_engine()}
    rows = [("device", here.device, "any", "")]
    rows += [(name, "present" if found else "absent", "container only", "") for name, found in present.items()]
    patched = f"{here.name}: patched for missing {', '.join(here.missing)}" if here.name == "portable" else here.name
    return [*rows, ("ground of a run", patched, "container or portable", "")]
