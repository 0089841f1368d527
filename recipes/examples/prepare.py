"""Looks at every example before a run starts, and writes what NeMo-Aligner cannot read as given into the run folder.

examples/train.jsonl          what the run reads instead of the given files (.npy where examples are packed)
examples/train.rejects.jsonl  examples that were dropped or cut, with reason and place
examples/summary.json         counts by reason; written last: it says that the others are whole
"""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from data_prep.documents import compact_json
from data_prep.files import atomic_write, sha256_file
from recipes import run_identity, run_record
from recipes.examples.checked import Job, Tally, as_summary, checked, count, reject
from recipes.examples.faults import refuse
from recipes.examples.jobs import jobs_of, tokenizer_of
from recipes.examples.packing import as_array, packs
from recipes.examples.settings import ExampleSettings
from recipes.examples.tokens import Encode, Tokens, with_encoder
from recipes.known_keys import Schema
from recipes.run_settings import run_settings

FOLDER = "examples"
SUMMARY = f"{FOLDER}/summary.json"

Summary = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a look at one split has shown."""

    job: Job
    tally: Tally
    encoder: str
    seconds: float

    @property
    def samples(self) -> int:
        """Packs where examples are packed."""
        return len(packs(self.tally.lengths, self.job.limit - 1)) if self.job.packed else self.tally.kept

    def reads(self, folder: Path) -> Path:
        """What the run reads: the given file if that is Aligner's own throughout, else ours in the run folder."""
        paths = self.job.paths
        if self.job.packed:
            return folder / FOLDER / f"{self.job.split}.npy"
        if self.tally.is_own and len(paths) == 1 and paths[0].suffix == ".jsonl":
            return paths[0]
        return folder / FOLDER / f"{self.job.split}.jsonl"


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What the check of a configuration leaves for the preparation of the same run in the same process."""

    schema: Schema
    model: DictConfig
    found: tuple[Found, ...]


_looked: dict[str, Looked] = {}
"""By identity of the run, so that nothing is counted twice."""


def samples_of(cfg: DictConfig, schema: Schema, model: DictConfig) -> dict[str, int]:
    """Samples of each split, every example looked at; without a look where the run folder holds the answer already.

    Args:
        cfg: The whole configuration.
        schema: sft or dpo.
        model: The checkpoint's model section with ours laid over it.

    Raises:
        UsageError: A file is missing, or a setting has to change.
        DataError: Examples cannot be learnt as they are, and leaving such out was not asked for.
    """
    if (summary := _finished(cfg)) is not None:
        return {split: part["samples"] for split, part in summary["splits"].items()}
    settings = run_settings(cfg).examples
    with tokenizer_of(cfg, schema, model) as vocabulary:
        jobs = jobs_of(cfg, schema, model, vocabulary)
        found = tuple(
            with_encoder(vocabulary, lambda encode, name, job=job: _look(job, encode, name, settings))  # type: ignore[misc]
            for job in jobs
        )
    refuse([(each.job, each.tally) for each in found], settings)
    _looked[_identity(cfg)] = Looked(schema=schema, model=model, found=found)
    return {each.job.split: each.samples for each in found}


def _look(job: Job, encode: Encode, encoder: str, settings: ExampleSettings) -> Found:
    tally, start = Tally(), time.perf_counter()
    for row in checked(job, encode, settings):
        count(tally, row, packed=job.packed)
    return Found(job=job, tally=tally, encoder=encoder, seconds=time.perf_counter() - start)


def prepare(cfg: DictConfig) -> Summary:
    """Writes what a run reads; `samples_of` has looked at the same configuration in this process.

    Returns:
        The summary: what the run reads of each split, and the counts.
    """
    if (summary := _finished(cfg)) is not None:
        return summary
    folder, settings, looked = _folder(cfg), run_settings(cfg).examples, _looked[_identity(cfg)]
    written: list[Path] = []
    with tokenizer_of(cfg, looked.schema, looked.model) as vocabulary:
        for each in looked.found:
            if each.reads(folder) not in each.job.paths or each.tally.truncated:
                written += with_encoder(vocabulary, lambda encode, _, each=each: _write(each, folder, encode, settings))  # type: ignore[misc]
    summary = {
        "identity": _identity(cfg),
        "splits": {each.job.split: _part(each, folder) for each in looked.found},
        "outputs": {path.name: sha256_file(path) for path in written},
    }
    with atomic_write(folder / SUMMARY) as file:
        file.write((json.dumps(summary, indent=2, ensure_ascii=False) + "\n").encode())
    for line in _said(summary):
        print(line)
    return summary


def _part(found: Found, folder: Path) -> Summary:
    return {
        "given": list(map(str, found.job.paths)),
        "reads": str(found.reads(folder)),
        "samples": found.samples,
        **as_summary(found.tally),
        "encoder": found.encoder,
        "seconds": round(found.seconds, 2),
    }


def _write(found: Found, folder: Path, encode: Encode, settings: ExampleSettings) -> list[Path]:
    """The split's file, unless the given one is read, and its rejects."""
    job, target = found.job, found.reads(folder)
    rejects = folder / FOLDER / f"{job.split}.rejects.jsonl"
    packed: list[Tokens] = []
    with contextlib.ExitStack() as stack:
        kept = None if job.packed or target in job.paths else stack.enter_context(atomic_write(target))
        left = stack.enter_context(atomic_write(rejects))
        for row in checked(job, encode, settings):
            if row.reason:
                left.write(compact_json(reject(row)).encode() + b"\n")
            if row.example and job.packed:
                packed.append(row.tokens[0])
            elif row.example and kept:
                kept.write(compact_json(row.example.line).encode() + b"\n")
    if job.packed:
        with atomic_write(target) as file:
            np.save(file, as_array(packed, job.limit - 1), allow_pickle=True)
    return [rejects] if target in job.paths else [target, rejects]


def _finished(cfg: DictConfig) -> Summary | None:
    """The summary in the run folder, if it is this run's and its files are whole."""
    folder = _folder(cfg)
    if not (folder / SUMMARY).is_file():
        return None
    summary = run_record.read_json(folder / SUMMARY)
    files = {folder / FOLDER / name: digest for name, digest in summary["outputs"].items()}
    whole = all(path.is_file() and sha256_file(path) == digest for path, digest in files.items())
    return summary if whole and summary["identity"] == _identity(cfg) else None


def _folder(cfg: DictConfig) -> Path:
    return Path(cfg.exp_manager.explicit_log_dir)


def _identity(cfg: DictConfig) -> str:
    return run_identity.identity(cfg, run_identity.input_hashes(cfg))


def _said(summary: Summary) -> Iterator[str]:
    """A line a split for the terminal."""
    for split, part in summary["splits"].items():
        dropped = ", ".join(f"{count} {reason}" for reason, count in part["dropped"].items()) or "0"
        yield (
            f"{split}: {part['read']} examples, dropped {dropped}, truncated {part['truncated']}; "
            f"{part['samples']} samples of {part['tokens']} tokens, {part['learnt_tokens']} of them learnt, "
            f"from {part['reads']}"
        )


def reads(folder: Path) -> dict[str, str]:
    """The file of each split that the run in a folder reads."""
    summary = run_record.read_json(folder / SUMMARY)
    return {split: part["reads"] for split, part in summary["splits"].items()}
