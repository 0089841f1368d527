"""KenLM's own estimator, lmplz, as a child process: sorts on disk, so it serves a text of any size.

lmplz and build_binary are taken from PATH or from the folder of the Python that runs, where `make lmplz` puts them.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.errors import DataError
from data_prep.perplexity.kneser_ney import Discounts

_FALLBACK = re.compile(r"^Substituting fallback discounts for order (\d+)", re.MULTILINE)
_STATISTICS = re.compile(r"^(\d) (\d+)(?:/(\d+))? D1=(\S+) D2=(\S+) D3\+=(\S+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What an estimation found, for the receipt; lists start at single words."""

    estimator: str
    ngrams: list[int]
    """In the model."""
    ngrams_before_pruning: list[int]
    discounts: list[Discounts]


def find(tool: str) -> Path | None:
    """Where a tool of KenLM is, if anywhere."""
    beside_python = Path(sys.executable).with_name(tool)
    found = shutil.which(tool) or shutil.which(str(beside_python))
    return Path(found) if found else None


def estimate(
    lmplz: Path, sentences: Iterable[str], arpa: Path, *, order: int, prune: Sequence[int], memory: str
) -> Facts:
    """Write the ARPA file of a model of some sentences; temporary files lie beside it.

    Raises:
        DataError: lmplz failed, in its own words.
    """
    command = [str(lmplz), "--order", str(order), "--arpa", str(arpa), "--memory", memory]
    command += ["--temp_prefix", f"{arpa.parent}{os.sep}", "--discount_fallback"]
    command += ["--prune", *map(str, prune)] if prune else []
    log = arpa.with_name("lmplz.log")
    with log.open("wb") as errors, subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors) as process:
        assert process.stdin is not None  # noqa: S101  it is a pipe
        try:
            with process.stdin as pipe:
                pipe.writelines(f"{sentence}\n".encode() for sentence in sentences)
        except BrokenPipeError:
            pass  # it ended early: its exit status and log say why
        except BaseException:
            process.kill()
            raise
    said = log.read_text("utf-8", errors="replace")
    if process.returncode != 0:
        raise _failed(command, process.returncode, said)
    return read_log(said)


def read_log(said: str) -> Facts:
    """The facts in what lmplz prints; it numbers the orders of fallback discounts from 0."""
    fallback = {int(order) + 1 for order in _FALLBACK.findall(said)}
    rows = [match.groups() for match in _STATISTICS.finditer(said)]
    return Facts(
        estimator="lmplz",
        ngrams=[int(row[1]) for row in rows],
        ngrams_before_pruning=[int(row[2] or row[1]) for row in rows],
        discounts=[
            Discounts(amounts=(float(row[3]), float(row[4]), float(row[5])), fallback=int(row[0]) in fallback)
            for row in rows
        ],
    )


def to_binary(build_binary: Path, arpa: Path, binary: Path, memory: str) -> None:
    """The model in KenLM's binary form, which loads at once and is shared by all processes of a machine.

    Raises:
        DataError: build_binary failed, in its own words.
    """
    command = [str(build_binary), "-T", f"{arpa.parent}{os.sep}", "-S", memory, str(arpa), str(binary)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        raise _failed(command, done.returncode, done.stderr)


def _failed(command: Sequence[str], status: int, said: str) -> DataError:
    """The error of a tool; its progress bars are left out."""
    told = [line for line in said.splitlines() if line.strip("-*=0123456789 ")]
    return DataError(
        f"{Path(command[0]).name} ended with status {status}",
        where=" ".join(command),
        why="\n".join(told[-4:]) or "it said nothing: the machine may have run out of memory",
        fix="perplexity.memory=4G gives it more memory; the output folder needs room for its temporary files",
    )
