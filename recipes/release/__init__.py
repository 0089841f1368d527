"""Verb `release`: one folder with everything a model needs, that transformers loads offline and that could be pushed.

    langadapt release runs/demo --out runs/demo/release

Takes the last converted model of the run (or stage=), its card, certificate and evaluation. Refused: weights nobody has
compared with the checkpoint, a card of other weights, local paths and secrets in texts. Nothing is pushed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.errors import UsageError
from data_prep.settings import load
from recipes.card import CARD, facts, metadata, places
from recipes.convert.verb import CERTIFICATE
from recipes.release import contents as parts
from recipes.release import folder
from recipes.release.contents import Contents


@dataclass(frozen=True, kw_only=True)
class ReleaseSettings(places.PlaceSettings):
    """What a release may be told."""

    out: Path
    """The folder to make."""
    unproven: bool = False
    """Release weights without a certificate, or with one that is not of them; the card then says so."""
    legal: Path | None = None
    """Folder with the LICENSE and NOTICE of the base model, if they do not lie beside its checkpoint."""
    allow: tuple[str, ...] = ()
    """Texts that look private and may be published, word for word."""


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Makes the folder, or says that it is there already."""
    settings = load(ReleaseSettings, configs, overrides)
    stage, model = chosen(settings)
    out = settings.out.expanduser().absolute()
    certificate = model.certificate
    warning = check_proof(model.folder, certificate, unproven=settings.unproven)
    contents = gather(model, settings, None if warning else certificate, warning)
    parts.refuse_private(contents, settings.allow)
    parts.refuse_oversized(contents)
    known = {name: each["sha256"] for name, each in certificate["files"].items()} if certificate and not warning else {}
    checksums = folder.sums(contents, known)
    for line in said(contents, warning):
        print(f"release: {line}")
    size = sum(contents.size(name) for name in contents.names)
    what = f"the {stage} model, {len(contents.names)} files, {size:,} bytes"
    if out.exists() and folder.read_sums(out) == checksums and folder.is_untouched(out):
        print(f"release: done already, {out}")
        return 0
    folder.refuse_foreign(out)
    if dry_run:
        print(f"release: {what} would go to {out}; nothing was written")
        return 0
    folder.write(out, contents, checksums)
    print(f"release: {what} -> {out}; nothing was pushed")
    return 0


def chosen(settings: ReleaseSettings) -> tuple[str, facts.Model]:
    """The model to release: the one of `stage`, or the last that was converted.

    Raises:
        UsageError: None was converted.
    """
    found = places.find(settings)
    if not found.models:
        raise UsageError(
            "there is no converted model",
            where=str(settings.run[0] if settings.run else "command line"),
            fix="langadapt convert to-hf model=CHECKPOINT.nemo output=RUN/hf/STAGE",
        )
    stage = list(found.models)[-1]
    return stage, facts.of_model(stage, found)


def check_proof(model: Path, certificate: dict[str, Any] | None, *, unproven: bool) -> str | None:
    """Why the weights are not proven, where that was accepted.

    Raises:
        UsageError: They are not, and nobody has accepted it.
    """
    reason = parts.proof_missing(certificate)
    if reason is None and certificate is not None and (other := parts.changed(model, certificate)):
        reason = f"{', '.join(other)} changed since the certificate was made"
    if reason and not unproven:
        raise UsageError(
            f"the weights are not proven: {reason}",
            where=str(model / CERTIFICATE),
            why="whoever downloads them could not know that they compute what was trained and evaluated",
            fix=f"remove {model}, then langadapt convert to-hf model=CHECKPOINT.nemo output={model}\n"
            "or unproven=true, which the released card then says",
        )
    return reason


def gather(
    model: facts.Model, settings: ReleaseSettings, certificate: dict[str, Any] | None, warning: str | None
) -> Contents:
    """All files of the release."""
    card = read_card(model.folder, certificate)
    base = [Path(start).parent for record in model.runs.values() if (start := facts.started_from(record.config))][:1]
    legal = parts.legal_files([model.folder, *([settings.legal] if settings.legal else []), *base])
    copies = {**parts.model_files(model.folder, certificate), **legal}
    texts = {CARD: (parts.with_warning(card, warning) if warning else card).encode()}
    if certificate:
        texts[CERTIFICATE] = parts.public_certificate(certificate)
    if model.evaluation and model.evaluated_as:
        texts[parts.EVALUATION] = parts.public_evaluation(model.evaluation)
    present = {path.name for path in model.folder.iterdir() if not path.name.startswith(".")}
    left_out = sorted(present - copies.keys() - texts.keys() - {CERTIFICATE})
    sizes = {name: path.stat().st_size for name, path in copies.items()}
    return Contents(copies=copies, texts={**texts, parts.ATTRIBUTES: parts.attributes(sizes)}, left_out=left_out)


def read_card(model: Path, certificate: dict[str, Any] | None) -> str:
    """The card beside the weights, with what somebody has added to it.

    Raises:
        UsageError: There is none, or it was written for another conversion.
        DataError: huggingface_hub cannot read its metadata.
    """
    from huggingface_hub import ModelCard

    path = model / CARD
    again = f"langadapt card RUN, which writes {path}"
    if not path.is_file():
        raise UsageError("the model has no card", where=str(path), fix=again)
    text = path.read_text(encoding="utf-8")
    if certificate and certificate["source_sha256"] not in text:
        raise UsageError(
            "the card is not of these weights: it does not name the checkpoint they were converted from",
            where=str(path),
            why=f"the certificate says SHA-256 {certificate['source_sha256']}",
            fix=again,
        )
    metadata.check(text, ModelCard, str(path))
    return text


def said(contents: Contents, warning: str | None) -> list[str]:
    """What a reader of the terminal should know about the folder."""
    lines = [f"not proven, by unproven=true: {warning}"] if warning else []
    if contents.left_out:
        lines.append(f"left out, no part of the model: {', '.join(contents.left_out)}")
    legal = [path for name, path in contents.copies.items() if name.upper().startswith(parts.LEGAL)]
    lines += [f"with {path.name} from {path.parent}: make sure that it is the base model's" for path in legal]
    if not legal:
        lines.append(
            "no LICENSE or NOTICE of a base model was found beside the weights or its checkpoint (legal=FOLDER)"
        )
    if parts.EVALUATION not in contents.texts:
        lines.append("without an evaluation: none of this model was found")
    if b"license_name: undecided" in contents.texts[CARD]:
        lines.append("without a licence: langadapt card RUN license=... before anybody may use it")
    return lines
