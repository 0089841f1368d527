"""A NeMo checkpoint to a Hugging Face folder: checks, writes into a hidden folder, proves, then gives it its name."""

import hashlib
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from data_prep import files
from data_prep.files import sha256_file
from data_prep.receipts import langadapt_version
from data_prep.settings import load
from recipes.convert import architectures, plan
from recipes.convert.architectures.base import Architecture, Shape, max_positions, nemo_shape
from recipes.convert.copying import Copier
from recipes.convert.direct_files import DirectOutput
from recipes.convert.hashing import FileHashes
from recipes.convert.progress import Progress
from recipes.convert.proof import certificate
from recipes.convert.proof.certificate import CERTIFICATE, GATE_VERSIONS, NOT_CHECKED, VERSIONS, Certificate
from recipes.convert.reading import checkpoint
from recipes.convert.writing import safetensors_file, tokenizers
from recipes.convert.writing.output_folder import another, hold, require_space, write_json
from recipes.convert.writing.safetensors_file import TensorSpec
from recipes.convert.writing.tokenizers import SourceTokenizer, Writing

INDEX = "model.safetensors.index.json"
DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}


@dataclass(frozen=True, kw_only=True)
class ToHfSettings:
    """What a conversion to Hugging Face may be told."""

    action: Literal["to-hf"] = "to-hf"
    model: Path
    """The .nemo file, or a checkpoint folder of a run."""
    output: Path
    """The folder to make; it appears when it is complete."""
    dtype: Literal["bf16", "fp16", "fp32"] | None = None
    """Cast the weights; null: as stored."""
    parity: bool = True
    """Compare logits with NeMo before the folder appears."""
    gate: Literal["whole", "layers"] = "whole"
    """Compare both models at once, or one layer of each at a time where memory is short."""
    model_config: Path | None = None
    """Of a folder: a YAML with NeMo's model section, where the run around it has none."""
    tokenizer: Path | None = None
    """tokenizer.model, or the folder of a Hugging Face tokenizer, where the checkpoint's is not found."""


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Converts, or says that it is done already."""
    settings = load(ToHfSettings, configs, overrides)
    conversion = Conversion.prepare(settings)
    if (existing := conversion.find_current()) is not None:
        print(f"convert: done already, {settings.output}, {certificate.proof(existing)}")
        return 0
    if dry_run:
        print(f"convert: {conversion.describe()}; the checkpoint is sound, nothing was written")
        return 0
    made = conversion.run()
    print(f"convert: {conversion.describe()} -> {settings.output} in {made.seconds:.0f} s, {certificate.proof(made)}")
    return 0


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """A conversion whose input has been checked as far as that is possible without reading the weights."""

    settings: ToHfSettings
    source: checkpoint.Checkpoint
    architecture: Architecture
    shape: Shape
    tokenizer: SourceTokenizer
    writing: Writing
    """The tokenizer as transformers reads it, while it is made."""
    plan: plan.Plan
    fingerprint: str
    started: float

    @classmethod
    def prepare(cls, settings: ToHfSettings) -> "Conversion":
        """Opens the checkpoint and checks everything that can be checked cheaply.

        Raises:
            UsageError: The checkpoint, its architecture or its tokenizer cannot be converted.
            DataError: It is damaged, or tensors are missing.
        """
        started = time.monotonic()
        source = checkpoint.open_checkpoint(settings.model, model_config=settings.model_config)
        architecture = architectures.of_nemo(source.config, f"{settings.model}: the model config")
        tokenizer = tokenizers.find(source, settings.tokenizer)
        writing = tokenizers.Writing(tokenizer)
        shape = nemo_shape(source.config, writing.length)
        return cls(
            settings=settings,
            source=source,
            architecture=architecture,
            shape=shape,
            tokenizer=tokenizer,
            writing=writing,
            plan=plan.make(source, architecture, shape, DTYPES.get(settings.dtype or "")),
            fingerprint=source.fingerprint(tokenizer.files),
            started=started,
        )

    def describe(self) -> str:
        """One line for the terminal."""
        return (
            f"{self.settings.model.name}: {self.architecture.name}, {self.shape.layers} layers of {self.shape.hidden}, "
            f"{self.shape.vocabulary} tokens ({plan.padding_rows(self.source, self.shape)} rows of padding left out)"
        )

    @property
    def dtype(self) -> str:
        """Of the weights, as config.json writes it."""
        return self.plan.specs[0].dtype

    def find_current(self) -> Certificate | None:
        """The certificate of the finished conversion that `output` holds, if it is of this very checkpoint.

        A conversion without the gate does not count where the gate is asked for: it is made again.

        Raises:
            UsageError: `output` holds something else.
        """
        output = self.settings.output
        if not output.exists():
            return None
        found = certificate.read_certificate(output)
        if found is None or found.source_fingerprint != self.fingerprint:
            raise another(output, found, made="folder")
        has_proof = found.max_abs_logit_diff is not None or not self.settings.parity
        is_same = found.versions.get("langadapt") == langadapt_version() and found.dtype == self.dtype
        return found if certificate.is_whole(output, found) and has_proof and is_same else None

    def run(self) -> Certificate:
        """Writes the folder; an error leaves nothing behind, a kill or Ctrl-C what the next start takes over."""
        if self.settings.parity:
            _prepare_nemo()
        output = self.settings.output.absolute()
        with hold(output, made="folder", name="the converted model") as unfinished:
            try:
                made = self._make(unfinished)
                files.publish_folder(unfinished, output)
            finally:
                if not isinstance(sys.exception(), KeyboardInterrupt):
                    shutil.rmtree(unfinished, ignore_errors=True)
        return made

    def _make(self, folder: Path) -> Certificate:
        """Everything in the hidden folder."""
        progress = Progress.take_over(folder, self._key())
        unpacked = self.settings.model.stat().st_size if self.settings.parity and self.settings.model.is_file() else 0
        require_space(folder, self.plan.size + unpacked - sum(size for _, size in progress.shards.values()))
        source_hash = FileHashes([self.settings.model]) if self.settings.model.is_file() else None
        start = time.monotonic()
        checksums = self._write_weights(folder, progress)
        plan.require_written(folder, self.plan, plan.count_source(self.source, self.architecture, self.shape))
        self._write_settings(folder)
        source_sha256 = source_hash.result()[self.settings.model.name] if source_hash else self.fingerprint
        seconds = {"write": round(time.monotonic() - start, 1)}
        figures = self._prove(folder) if self.settings.parity else NOT_CHECKED
        seconds["prove"] = round(time.monotonic() - start - seconds["write"], 1)
        progress.forget()
        return self._certify(folder, checksums, {**figures, "source_sha256": source_sha256, "seconds_by_part": seconds})

    def _key(self) -> str:
        """What finished files depend on."""
        words = [self.fingerprint, self.dtype, langadapt_version(), str(safetensors_file.SHARD_BYTES)]
        return hashlib.sha256("\n".join(words).encode()).hexdigest()

    def _write_weights(self, folder: Path, progress: Progress) -> dict[str, str]:
        """All safetensors files and their index; returns SHA-256 by file."""
        shards = safetensors_file.split_shards(self.plan.specs, safetensors_file.SHARD_BYTES)
        jobs = {spec.name: job for spec, job in zip(self.plan.specs, self.plan.jobs, strict=True)}
        placed = {}
        where = str(self.source.path)
        with self.source.open() as reader:
            for number, shard in enumerate(shards, 1):
                name = safetensors_file.shard_name(number, len(shards))
                placed.update(dict.fromkeys((spec.name for spec in shard), name))
                if name in progress.shards:
                    print(f"convert: {name} is there already, from an earlier start", flush=True)
                    continue

                def write(output: DirectOutput, spec: TensorSpec) -> None:
                    Copier(reader, output, where).write(jobs[spec.name])

                progress.record(name, safetensors_file.write_shard(folder / name, shard, write))
        if len(shards) > 1:
            write_json(folder / INDEX, {"metadata": {"total_size": self.plan.size}, "weight_map": placed})
        return {name: digest for name, (digest, _) in progress.shards.items()}

    def _write_settings(self, folder: Path) -> None:
        """config.json, generation_config.json and the tokenizer."""
        written = self.writing.result()
        ids = written.ids
        stamp = {"transformers_version": version("transformers")}
        config = self.architecture.hf_config(self.source.config, self.shape, ids)
        write_json(folder / "config.json", {**config, "torch_dtype": self.dtype, **stamp})
        write_json(folder / "generation_config.json", {**ids, "eos_token_id": written.stops, **stamp})
        written.save(folder)

    def _prove(self, folder: Path) -> dict[str, Any]:
        """Runs both models over the built-in texts and compares."""
        from transformers import AutoTokenizer

        from recipes.convert.proof import gate, parity

        longest = max_positions(self.source.config)
        return gate.run(
            self.source,
            folder,
            parity.probe(AutoTokenizer.from_pretrained(folder), self.tokenizer, longest),
            mode=self.settings.gate,
            rounded_to=self.dtype if self.settings.dtype else None,
            unpacked=folder / ".unpacked",
            output=self.settings.output,
        )

    def _certify(self, folder: Path, checksums: Mapping[str, str], facts: Mapping[str, Any]) -> Certificate:
        names = (*VERSIONS, *GATE_VERSIONS) if self.settings.parity else VERSIONS
        held = {
            path.name: {"bytes": path.stat().st_size, "sha256": checksums.get(path.name) or sha256_file(path)}
            for path in sorted(folder.iterdir())
        }
        made = Certificate(
            source=str(self.settings.model.absolute()),
            source_fingerprint=self.fingerprint,
            source_dtype=self.source.tensors[self.plan.jobs[0].name].dtype,
            dtype=self.dtype,
            architecture=self.architecture.name,
            tensors=len(self.plan.tensors),
            elements=self.plan.elements,
            source_tensors=len(self.source.tensors),
            padding_rows=plan.padding_rows(self.source, self.shape),
            gate=self.settings.gate if self.settings.parity else "",
            versions=certificate.versions(names),
            files=held,
            seconds=round(time.monotonic() - self.started, 1),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            **facts,
        )
        write_json(folder / CERTIFICATE, asdict(made))
        return made


def _prepare_nemo() -> None:
    """Before anything is written: an environment without NeMo would fail after it."""
    from recipes.runtime import ground

    ground.prepare()
    ground.quiet_nemo()
