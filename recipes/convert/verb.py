"""The verb: checks first, then writes into a hidden folder, compares logits, and only then gives it its name."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from data_prep.errors import LangadaptError, UsageError
from data_prep.files import fsync_folder, sha256_file
from data_prep.receipts import langadapt_version
from data_prep.settings import load

CERTIFICATE = "parity.json"
VERSIONS = ("langadapt", "torch", "transformers", "tokenizers", "sentencepiece", "safetensors")
GATE_VERSIONS = ("nemo-toolkit", "megatron-core")


@dataclass(frozen=True, kw_only=True)
class ConvertSettings:
    """What a conversion may be told."""

    action: Literal["to-hf"] = "to-hf"
    model: Path
    """The .nemo file."""
    output: Path
    """The folder to make; it appears when it is complete."""
    parity: bool = True
    """Compare logits with NeMo before the folder appears."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """`parity.json`: what was converted into what, and the proof. The three figures are None without the gate."""

    source: str
    source_sha256: str
    max_abs_logit_diff: float | None
    tolerance: float | None
    max_abs_logit: float | None
    positions: int
    argmax_agreement: float | None
    dtype: str
    """Of the stored weights; the comparison runs in fp32."""
    versions: dict[str, str]
    files: dict[str, dict[str, Any]]
    """{name: {bytes, sha256}} of the whole folder but this file."""
    seconds: float
    created: str


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Converts, or says that it is done already."""
    settings = load(ConvertSettings, configs, overrides)
    conversion = Conversion.prepare(settings)
    if (existing := find_current(settings)) is not None:
        print(f"convert: done already, {settings.output}, {proof(existing)}")
        return 0
    if dry_run:
        print(f"convert: {conversion.describe()}; the checkpoint is sound, nothing was written")
        return 0
    certificate = conversion.run()
    print(f"convert: {conversion.describe()} -> {settings.output} in {certificate.seconds:.0f} s, {proof(certificate)}")
    return 0


def find_current(settings: ConvertSettings) -> Certificate | None:
    """The certificate of the finished conversion that `output` holds, if it is of this very checkpoint.

    A conversion without the gate does not count where the gate is asked for: it is made again.

    Raises:
        UsageError: `output` holds something else.
    """
    if not settings.output.exists():
        return None
    certificate = read_certificate(settings.output)
    if certificate is None or certificate.source_sha256 != sha256_file(settings.model):
        held = f"a conversion of {certificate.source}" if certificate else "something that is no conversion"
        raise UsageError(
            f"the output folder exists and holds {held}",
            where=str(settings.output),
            why="it would be lost",
            fix=f"output={settings.output}-2\nor remove {settings.output}",
        )
    is_whole = all(
        (path := settings.output / name).is_file() and path.stat().st_size == facts["bytes"]
        for name, facts in certificate.files.items()
    )
    has_proof = certificate.max_abs_logit_diff is not None or not settings.parity
    same_code = certificate.versions.get("langadapt") == langadapt_version()
    return certificate if is_whole and has_proof and same_code else None


def read_certificate(folder: Path) -> Certificate | None:
    """The certificate in a folder, None where there is none or it is of another layout."""
    try:
        return Certificate(**json.loads((folder / CERTIFICATE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def proof(certificate: Certificate) -> str:
    """The proof in words."""
    if certificate.max_abs_logit_diff is None:
        return "parity not checked (parity=false)"
    return f"parity {certificate.max_abs_logit_diff:.2g} over {certificate.positions} positions"


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """A conversion whose input has been checked as far as that is possible without reading the weights."""

    settings: ConvertSettings
    source: Any
    shape: Any
    tokenizer: Any
    sentencepiece: Any
    started: float

    @classmethod
    def prepare(cls, settings: ConvertSettings) -> "Conversion":
        """Opens the checkpoint and checks everything that can be checked cheaply.

        Raises:
            UsageError: The checkpoint, its architecture or its tokenizer cannot be converted.
            DataError: It is damaged, or tensors are missing.
        """
        from sentencepiece import SentencePieceProcessor

        started = time.monotonic()
        from recipes import hf_tokenizer
        from recipes.convert import checkpoint, nemotron

        source = checkpoint.open_checkpoint(settings.model)
        nemotron.check_architecture(source.config, f"{settings.model}: model_config.yaml")
        model = source.tokenizer_model()
        where = f"{settings.model}: {source.config['tokenizer']['model']}"
        tokenizer = hf_tokenizer.build(model, max_length=nemotron.max_positions(source.config), where=where)
        shape = nemotron.read_shape(source.config, len(tokenizer))
        found = {name: stored.shape for name, stored in source.tensors.items()}
        nemotron.check_tensors(found, shape, str(settings.model))
        return cls(
            settings=settings,
            source=source,
            shape=shape,
            tokenizer=tokenizer,
            sentencepiece=SentencePieceProcessor(model_proto=model),
            started=started,
        )

    def describe(self) -> str:
        """One line for the terminal."""
        padding = self.source.tensors["embedding.word_embeddings.weight"].shape[0] - self.shape.vocabulary
        return (
            f"{self.settings.model.name}: {self.shape.layers} layers of {self.shape.hidden}, "
            f"{self.shape.vocabulary} tokens ({padding} rows of padding left out)"
        )

    def run(self) -> Certificate:
        """Writes the folder; nothing is left behind when that fails."""
        if self.settings.parity:
            _prepare_nemo()
        output = self.settings.output.absolute()
        unfinished = output.with_name(f".{output.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            unfinished.mkdir(parents=True)
            checksums = self._write(unfinished)
            figures = self._prove(unfinished) if self.settings.parity else NOT_CHECKED
            certificate = self._certify(unfinished, checksums, figures)
            _publish(unfinished, output)
        except OSError as error:
            raise LangadaptError(
                f"cannot write the converted model: {error}", where=str(output), fix="free space, or output=ELSEWHERE"
            ) from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return certificate

    def _write(self, folder: Path) -> dict[str, str]:
        """Everything but the certificate; returns the checksums of what was hashed while it was written."""
        from recipes import hf_tokenizer
        from recipes.convert import hf_folder, nemotron

        ids = {f"{role}_token_id": getattr(self.tokenizer, f"{role}_token_id") for role in ("bos", "eos", "pad")}
        config = nemotron.hf_config(self.source.config, self.shape, ids)
        stamp = {"transformers_version": version("transformers")}
        hf_folder.write_json(folder / "config.json", {**config, "torch_dtype": self.dtype, **stamp})
        generation = {**ids, "eos_token_id": hf_tokenizer.stop_ids(self.tokenizer), **stamp}
        hf_folder.write_json(folder / "generation_config.json", generation)
        self.tokenizer.save_pretrained(folder)
        plan = nemotron.plan(self.shape)
        specs = [
            hf_folder.TensorSpec(name=target.name, dtype=self.source.tensors[target.source].dtype, shape=target.shape)
            for target in plan
        ]
        return hf_folder.write_weights(folder, specs, self._tensors(plan))

    def _tensors(self, plan: list[Any]) -> Iterator[Any]:
        """The converted tensors in order; a source that serves several targets in a row is read once."""
        from recipes.convert import nemotron

        name, tensor = "", None
        for target in plan:
            if target.source != name:
                name, tensor = target.source, self.source.read(target.source)
            yield nemotron.take(target.part, tensor, self.shape)

    @property
    def dtype(self) -> str:
        """Of the weights, as config.json writes it."""
        return str(self.source.tensors["embedding.word_embeddings.weight"].dtype).removeprefix("torch.")

    def _prove(self, folder: Path) -> dict[str, Any]:
        """Runs both models over the built-in texts and compares."""
        from recipes.convert import nemotron, parity
        from recipes.runtime import inference

        sequences = parity.probe(self.tokenizer, self.sentencepiece, nemotron.max_positions(self.source.config))
        reference = inference.nemo_trace(self.settings.model, sequences)
        result = parity.compare(reference, parity.hf_trace(parity.load_hf(folder), sequences))
        parity.require(result, str(self.settings.output))
        figures = asdict(result)
        del figures["first_difference"]
        return {**figures, "tolerance": parity.TOLERANCE}

    def _certify(self, folder: Path, checksums: Mapping[str, str], figures: Mapping[str, Any]) -> Certificate:
        from recipes.convert import hf_folder

        names = (*VERSIONS, *GATE_VERSIONS) if self.settings.parity else VERSIONS
        files = {
            path.name: {"bytes": path.stat().st_size, "sha256": checksums.get(path.name) or sha256_file(path)}
            for path in sorted(folder.iterdir())
        }
        certificate = Certificate(
            source=str(self.settings.model.absolute()),
            source_sha256=sha256_file(self.settings.model),
            dtype=self.dtype,
            versions={name: langadapt_version() if name == "langadapt" else version(name) for name in names},
            files=files,
            seconds=round(time.monotonic() - self.started, 1),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            **figures,
        )
        hf_folder.write_json(folder / CERTIFICATE, asdict(certificate))
        return certificate


def _prepare_nemo() -> None:
    """Before anything is written: an environment without NeMo would fail after it."""
    from recipes.runtime import ground

    ground.prepare()
    ground.quiet_nemo()


NOT_CHECKED = dict.fromkeys(("max_abs_logit_diff", "tolerance", "max_abs_logit", "argmax_agreement")) | {"positions": 0}
"""The figures of a conversion without the gate."""


def _publish(unfinished: Path, output: Path) -> None:
    """Gives the finished folder its name; an earlier conversion of the same checkpoint makes room."""
    fsync_folder(unfinished)
    earlier = output.with_name(f".{output.name}.earlier")
    if output.exists():
        output.replace(earlier)
    unfinished.replace(output)
    shutil.rmtree(earlier, ignore_errors=True)
    fsync_folder(output.parent)
