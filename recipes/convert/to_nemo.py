"""A Hugging Face folder to a .nemo that training starts from: checks, one pass over the weights, proof, then the name.

Settings, tokenizer and list of tensors are known before the first weight is read (`nemo_settings`, `nemo_archive`), so
the file is written front to back and nothing of it is held. NeMo's own `restore_from` reads the finished file before
it gets its name.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Literal

from data_prep.errors import UsageError
from data_prep.files import fsync_folder
from data_prep.receipts import langadapt_version
from data_prep.settings import load
from data_prep.vocabulary import JSON_NAME
from recipes.convert import architectures
from recipes.convert.architectures.base import Architecture, Shape
from recipes.convert.architectures.tensors import hf_tensors, megatron_tensors
from recipes.convert.direct_files import DirectOutput
from recipes.convert.hashing import FileHashes
from recipes.convert.proof import certificate
from recipes.convert.proof.certificate import GATE_VERSIONS, NOT_CHECKED, VERSIONS, Certificate
from recipes.convert.reading import checkpoint, hf_source
from recipes.convert.reading.hf_checks import check_weights, read_shape, stored_dtype
from recipes.convert.reading.hf_source import HfSource
from recipes.convert.to_hf import DTYPES
from recipes.convert.writing import nemo_archive, nemo_settings
from recipes.convert.writing.hf_weights import Weights
from recipes.convert.writing.nemo_archive import Plan
from recipes.convert.writing.nemo_settings import Tokenizer
from recipes.convert.writing.output_folder import another, hold, require_space, write_json


@dataclass(frozen=True, kw_only=True)
class ToNemoSettings:
    """What a conversion to NeMo may be told."""

    action: Literal["to-nemo"] = "to-nemo"
    model: Path
    """The Hugging Face folder."""
    output: Path
    """The .nemo file to make; it appears when it is complete."""
    dtype: Literal["bf16", "fp16", "fp32"] | None = None
    """Cast the weights; null: as stored."""
    parity: bool = True
    """Compare NeMo's logits with transformers' before the file appears."""
    gate: Literal["whole", "layers"] = "whole"
    """Compare one whole model after the other, or one layer of each at a time where memory is short."""
    tokenizer: Path | None = None
    """A tokenizer.model, or a folder with a tokenizer.json, instead of the folder's own."""
    make_vocab_size_divisible_by: int = nemo_settings.DEFAULT_DIVISOR
    """The table has a multiple of so many rows. For training at tensor parallel size T with NeMo's 128: 128 x T."""

    @property
    def certificate(self) -> Path:
        """Where the proof goes."""
        return self.output.with_suffix(".parity.json")


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Converts, or says that it is done already."""
    settings = load(ToNemoSettings, configs, overrides)
    conversion = Conversion.prepare(settings)
    if (existing := conversion.find_current()) is not None:
        print(f"convert: done already, {settings.output}, {certificate.proof(existing)}")
        return 0
    for line in conversion.describe():
        print(f"convert: {line}", flush=True)
    if dry_run:
        print("convert: the folder is sound, nothing was written")
        return 0
    made = conversion.run()
    print(f"convert: {settings.model} -> {settings.output} in {made.seconds:.0f} s, {certificate.proof(made)}")
    return 0


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """A conversion whose input has been checked as far as that is possible without reading the weights.

    Attributes:
        settings: What was asked for.
        source: The folder.
        architecture: Of the model.
        shape: Of the model.
        left_out: Tensors of the folder that are no weights of the model.
        tokenizer: Of the model.
        plan: The weights' places.
        files: Everything of the archive but the weights.
        started: Seconds on the monotonic clock.
    """

    settings: ToNemoSettings
    source: HfSource
    architecture: Architecture
    shape: Shape
    left_out: list[str]
    tokenizer: Tokenizer
    plan: Plan
    files: Mapping[str, bytes]
    started: float

    @classmethod
    def prepare(cls, settings: ToNemoSettings) -> "Conversion":
        """Opens the folder and checks everything that can be checked cheaply.

        Raises:
            UsageError: The folder, its architecture or its tokenizer cannot be converted.
            DataError: A file is damaged, or tensors are missing.
        """
        started = time.monotonic()
        if settings.output.suffix != ".nemo":
            raise UsageError(
                f"the output {settings.output.name} is no .nemo file",
                where="output",
                fix=f"output={settings.output.with_suffix('.nemo')}",
            )
        source = hf_source.open_folder(settings.model)
        where, divisor = str(settings.model / "config.json"), settings.make_vocab_size_divisible_by
        architecture = architectures.of_hf(source.config, where)
        shape = read_shape(source.config, where)
        left_out = check_weights(source.tensors, architecture, shape, str(settings.model))
        used = [tensor.dtype for name, tensor in source.tensors.items() if name not in left_out]
        dtype = DTYPES[settings.dtype] if settings.dtype else stored_dtype(used, str(settings.model))
        tokenizer = nemo_settings.read_tokenizer(settings.model, settings.tokenizer)
        rows = nemo_settings.table_rows(tokenizer.loaded.size, shape.vocabulary, divisor, where)
        config = nemo_settings.model_config(architecture.nemo_config(source.config), tokenizer, divisor, dtype)
        plan = nemo_archive.plan(megatron_tensors(architecture, shape), rows=rows, layers=shape.layers, dtype=dtype)
        return cls(
            settings=settings,
            source=source,
            architecture=architecture,
            shape=shape,
            left_out=left_out,
            tokenizer=tokenizer,
            plan=plan,
            files=nemo_archive.members({"model_config.yaml": config.encode(), **tokenizer.files}, plan),
            started=started,
        )

    @property
    def size(self) -> int:
        """Bytes of the archive."""
        return nemo_archive.archive_size(self.files, self.plan)

    @property
    def padding_rows(self) -> int:
        """Rows that the embedding tables get beyond the model's."""
        return self.plan.rows - self.shape.vocabulary

    def describe(self) -> list[str]:
        """What will be made, and what a user has to know about it."""
        model = (
            f"{self.settings.model.name}: {self.architecture.name}, {self.shape.layers} layers of {self.shape.hidden}, "
            f"{self.plan.dtype}, {self.size / 1e9:.2f} GB; {self.plan.rows} rows of embeddings for "
            f"{self.tokenizer.loaded.size} tokens ({self.padding_rows} rows of zeros added)"
        )
        lines = [model]
        if folder := self.tokenizer.section["type"]:
            lines.append(f"NeMo reads the tokenizer from {folder}; where that moves: model.tokenizer.type=FOLDER")
        if self.left_out:
            lines.append(f"no weights of the model, left out: {', '.join(self.left_out[:3])}")
        return lines

    def find_current(self) -> Certificate | None:
        """The certificate of the finished conversion that `output` is, if it is this very one.

        A conversion without the gate does not count where the gate is asked for: it is made again.

        Raises:
            UsageError: `output` is something else.
        """
        settings = self.settings
        if not settings.output.exists():
            return None
        found = certificate.read(settings.certificate)
        if found is None or found.source_fingerprint != self.fingerprint:
            raise another(settings.output, found, made="file")
        has_proof = found.max_abs_logit_diff is not None or not settings.parity
        is_same = found.versions.get("langadapt") == langadapt_version()
        is_whole = settings.output.stat().st_size == self.size
        return found if has_proof and is_same and is_whole else None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of everything but the weights, and of samples of each tensor, as `Checkpoint.fingerprint`."""
        digest = hashlib.sha256()
        for name, content in self.files.items():
            digest.update(name.encode() + content)
        with self.source.reader() as reader:
            for name in sorted(self.source.tensors):
                digest.update(reader.sample(self.source.tensors[name]))
        return digest.hexdigest()

    def run(self) -> Certificate:
        """Writes the file; an error or a kill leaves nothing that looks like one."""
        if self.settings.parity:
            from recipes.runtime import ground

            ground.prepare()  # before anything is written: an environment without NeMo would fail after it
            ground.quiet_nemo()
        output = self.settings.output.absolute()
        with hold(output, made="file", name="the .nemo") as unfinished:
            try:
                unpacked = self.size if self.settings.parity and self.settings.gate == "layers" else 0
                require_space(output.parent, self.size + unpacked)
                made = self._make(unfinished)
                write_json(self.settings.certificate, asdict(made))
                unfinished.replace(output)
                fsync_folder(output.parent)
            finally:
                unfinished.unlink(missing_ok=True)
        return made

    def _make(self, path: Path) -> Certificate:
        """The file under a hidden name, and its certificate."""
        sources = [self.settings.model / "config.json", self.tokenizer.loaded.path, *self.source.files]
        hashes = FileHashes(sources)
        start = time.monotonic()
        sha256 = self._write(path)
        digests = hashes.result()
        seconds = {"write": round(time.monotonic() - start, 1)}
        figures = self._prove(path) if self.settings.parity else NOT_CHECKED
        seconds["prove"] = round(time.monotonic() - start - seconds["write"], 1)
        return self._certify(digests, sha256, {**figures, "seconds_by_part": seconds})

    def _write(self, path: Path) -> str:
        """Writes the archive to disk; returns its SHA-256."""
        with DirectOutput(path) as output, self.source.reader() as reader:
            weights = Weights(self.source, reader, self.plan.dtype)
            nemo_archive.write(output, self.files, self.plan, weights.fill)
            return output.finish()

    def _prove(self, path: Path) -> dict[str, Any]:
        """Both models run over the built-in texts: whole, NeMo's as its `restore_from` gives it."""
        from recipes.convert.proof import gate, parity

        parity.say_unlike(self.tokenizer.loaded, self.settings.model / JSON_NAME)
        length = min(self.source.config["max_position_embeddings"], parity.MAX_POSITIONS_PER_TEXT)
        sequences = [ids[:length] for ids in self.tokenizer.loaded.encode(parity.TEXTS)]
        if self.settings.gate == "whole":
            return self._prove_whole(path, sequences)
        return gate.run(
            checkpoint.open_checkpoint(path),
            self.settings.model,
            sequences,
            mode="layers",
            rounded_to=self.plan.dtype,
            unpacked=path.with_suffix(".unpacked"),
            output=self.settings.output,
        )

    def _prove_whole(self, path: Path, sequences: Sequence[Sequence[int]]) -> dict[str, Any]:
        import torch

        from recipes.convert.proof import gate, hf_model, parity
        from recipes.runtime import inference

        stored = getattr(torch, self.plan.dtype)
        model = hf_model.load_hf(self.settings.model, lambda weights: weights.to(stored).float())
        published = hf_model.hf_trace(model, sequences)
        del model
        return gate.figures(parity.compare(inference.nemo_trace(path, sequences), published), self.settings.output)

    def _certify(self, digests: Mapping[str, str], sha256: str, facts: Mapping[str, Any]) -> Certificate:
        names = (*VERSIONS, *GATE_VERSIONS) if self.settings.parity else VERSIONS
        written = hf_tensors(self.architecture, self.shape)
        lines = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
        return Certificate(
            source=str(self.settings.model.absolute()),
            source_sha256=hashlib.sha256(lines.encode()).hexdigest(),
            source_files=dict(digests),
            source_fingerprint=self.fingerprint,
            source_dtype=self.source.tensors[written[0].name].dtype,
            dtype=self.plan.dtype,
            architecture=self.architecture.name,
            tensors=len(self.plan.sizes),
            elements=sum(prod(tensor.shape) for tensor in written),
            source_tensors=len(written),
            padding_rows=self.padding_rows,
            gate=self.settings.gate if self.settings.parity else "",
            versions=certificate.versions(names),
            files={self.settings.output.name: {"bytes": self.size, "sha256": sha256}},
            seconds=round(time.monotonic() - self.started, 1),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            **facts,
        )
