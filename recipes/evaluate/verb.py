"""The verb: checks the folders, scores every model on every held-out document, writes one JSON."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.table import Table

from data_prep.console import make_console
from data_prep.documents import Document
from data_prep.errors import UsageError
from data_prep.files import atomic_write, read_shards, sha256_file
from data_prep.receipts import config_hash, langadapt_version
from data_prep.settings import load
from recipes.evaluate.bits_per_byte import Scored, score, tally
from recipes.evaluate.generation import Prompt, generate

HELDOUT = "*/heldout/*.jsonl.zst"
VERSIONS = ("torch", "transformers", "tokenizers")


@dataclass(frozen=True, kw_only=True)
class GenerateSettings:
    """Which samples to write."""

    models: tuple[str, ...] | None = None
    """Names from `models`; null for all."""
    max_new_tokens: int = 48
    repetition_penalty: float = 1.0
    """1 is plain greedy decoding; above it, tokens that stand in the text already become less likely."""
    prompts: tuple[Prompt, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """What an evaluation may be told."""

    models: dict[str, Path]
    """Hugging Face folders by the name they get in the output."""
    documents: Path
    """The `documents` folder of a data preparation; its held-out shards are scored."""
    output: Path
    """The JSON file to write."""
    seq_length: int
    """Tokens a model reads at once, at most what it was trained on."""
    tokens_per_batch: int = 4096
    """Tokens scored at once; their logits take this times the vocabulary times 4 bytes."""
    bootstrap_samples: int = 1000
    """For the standard error; 0 leaves it out."""
    seed: int = 0
    generate: GenerateSettings = field(default_factory=GenerateSettings)

    def __post_init__(self) -> None:
        if not self.models:
            raise ValueError("no model to evaluate\nmodels.NAME=FOLDER, e.g. models.cpt=runs/demo/hf/cpt")
        for name, least in (("seq_length", 2), ("tokens_per_batch", 1), ("bootstrap_samples", 0)):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"{name} is {value}, the least is {least}\n{name}={max(least, 256)}")
        if unknown := sorted(set(self.generate.models or ()) - set(self.models)):
            raise ValueError(
                f"generate.models names {', '.join(unknown)}, models has {', '.join(self.models)}\n"
                f"models.{unknown[0]}=FOLDER, or generate.models=null for all"
            )

    @property
    def generating(self) -> tuple[str, ...]:
        """Models that write samples."""
        return tuple(self.models) if self.generate.models is None else self.generate.models


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """Evaluates, or says that it is done already."""
    settings = load(EvaluateSettings, configs, overrides)
    shards = find_shards(settings.documents)
    for name, folder in settings.models.items():
        check_model(name, folder, settings.seq_length)
    if dry_run:
        names = ", ".join(f"{name} ({folder})" for name, folder in settings.models.items())
        print(f"evaluate: {names} on {len(shards)} held-out shards; nothing was run")
        return 0
    identity = identify(settings, shards)
    if is_current(settings.output, identity):
        print(f"evaluate: done already, {settings.output}")
        return 0
    result = evaluate(settings, list(read_shards(shards)))
    with atomic_write(settings.output) as file:
        file.write(json.dumps({**result, "identity": identity}, ensure_ascii=False, indent=1).encode() + b"\n")
    print_table(result)
    return 0


def find_shards(documents: Path) -> list[Path]:
    """The held-out shards under a `documents` folder.

    Raises:
        UsageError: There are none.
    """
    shards = sorted(documents.glob(HELDOUT))
    if not shards:
        inside = (documents / "documents").is_dir()
        raise UsageError(
            "there are no held-out documents" if documents.is_dir() else "this folder does not exist",
            where=f"documents={documents}",
            why=f"looked for {HELDOUT}",
            fix=f"documents={documents / 'documents'}"
            if inside
            else "langadapt prep nemo_configs/data/sample.yaml output_dir=DIR, then documents=DIR/documents",
        )
    return shards


def check_model(name: str, folder: Path, seq_length: int) -> None:
    """Raises UsageError unless `folder` holds a model that reads `seq_length` tokens."""
    config = folder / "config.json"
    if not config.is_file():
        raise UsageError(
            "this is not a Hugging Face model folder: it has no config.json",
            where=f"models.{name}={folder}",
            fix=f"langadapt convert to-hf model=CHECKPOINT.nemo output={folder}",
        )
    limit = json.loads(config.read_bytes()).get("max_position_embeddings", seq_length)
    if seq_length > limit:
        raise UsageError(
            f"seq_length={seq_length}, but {name} was trained on {limit} tokens at most",
            where=str(config),
            why="predictions past that length say nothing about the model",
            fix=f"seq_length={limit}",
        )


def identify(settings: EvaluateSettings, shards: Sequence[Path]) -> str:
    """Hash of the settings and of the content of every input, wherever it lies."""
    models = {
        name: {path.name: sha256_file(path) for path in sorted(folder.iterdir()) if _shapes_result(path)}
        for name, folder in settings.models.items()
    }
    documents = {path.relative_to(settings.documents).as_posix(): sha256_file(path) for path in shards}
    values = asdict(replace(settings, documents=Path(), output=Path(), models=dict.fromkeys(settings.models, Path())))
    return config_hash({"settings": values, "models": models, "documents": documents, "code": langadapt_version()})


def _shapes_result(path: Path) -> bool:
    """Whether a file of a model folder has a say in what the model computes; its certificate and its card have none."""
    return path.is_file() and path.name not in ("parity.json", "README.md") and not path.name.startswith(".")


def is_current(output: Path, identity: str) -> bool:
    """Whether the output is of this very evaluation."""
    try:
        return bool(json.loads(output.read_bytes())["identity"] == identity)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def evaluate(settings: EvaluateSettings, documents: Sequence[Document]) -> dict[str, Any]:
    """Everything the output file holds but its identity."""
    start = time.monotonic()
    texts = [document for document in documents if document.text]
    bits: dict[str, list[float]] = {}
    tokens: dict[str, int] = {}
    answers: dict[str, list[str]] = {}
    for name, model, tokenizer in open_models(settings.models):
        sequences = [token_ids(tokenizer, document.text) for document in texts]
        bits[name] = score(
            model, sequences, size=settings.seq_length, tokens_per_batch=settings.tokens_per_batch, label=name
        )
        tokens[name] = sum(len(ids) - 1 for ids in sequences)
        if name in settings.generating:
            limit, penalty = settings.generate.max_new_tokens, settings.generate.repetition_penalty
            answers[name] = [generate(model, tokenizer, prompt, limit, penalty) for prompt in settings.generate.prompts]
        print(f"evaluate: {name}: {len(texts)} documents, {tokens[name]} tokens", flush=True)
    scored = [
        Scored(
            lang=document.lang,
            kind=document.kind,
            size=len(document.text.encode()),
            bits={name: values[index] for name, values in bits.items()},
        )
        for index, document in enumerate(texts)
    ]
    return {
        **tally(scored, samples=settings.bootstrap_samples, seed=settings.seed),
        "tokens": tokens,
        "generations": samples(settings.generate.prompts, answers),
        "models": {name: str(folder.absolute()) for name, folder in settings.models.items()},
        "seq_length": settings.seq_length,
        "versions": {"langadapt": langadapt_version(), **{name: version(name) for name in VERSIONS}},
        "seconds": round(time.monotonic() - start, 1),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def open_models(folders: Mapping[str, Path]) -> Iterator[tuple[str, Any, Any]]:
    """Each model in fp32 with its tokenizer, one in memory at a time.

    Raises:
        UsageError: transformers cannot load a folder, or its tokenizer has no end-of-document token.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    for name, folder in folders.items():
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
            model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).to(device).eval()
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise UsageError(
                f"transformers cannot load this model: {str(error).splitlines()[0]}",
                where=f"models.{name}={folder}",
                fix="convert it again: langadapt convert to-hf",
            ) from error
        if tokenizer.eos_token_id is None:
            raise UsageError(
                "this tokenizer has no end-of-document token",
                where=f"models.{name}={folder}",
                why="documents are scored as they were trained on, after the end of another",
                fix="set eos_token in tokenizer_config.json",
            )
        yield name, model, tokenizer
        del model


def token_ids(tokenizer: Any, text: str) -> list[int]:
    """A document as in training: after the end of another one; its own end is not scored."""
    return [tokenizer.eos_token_id, *tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]]


def samples(prompts: Sequence[Prompt], answers: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """One entry a prompt, with the answer of every model that wrote one."""
    return [
        {
            "lang": prompt.lang,
            "kind": "chat" if prompt.user else "text",
            "prompt": prompt.shown,
            "system": prompt.system,
            "answers": [{"model": name, "text": texts[index]} for name, texts in answers.items()],
        }
        for index, prompt in enumerate(prompts)
    ]


def print_table(result: Mapping[str, Any]) -> None:
    """Bits per byte by language and model, with standard errors."""
    table = Table(title=f"bits per byte, lower is better ({result['seconds']} s)", title_justify="left")
    table.add_column("language")
    table.add_column("documents", justify="right")
    table.add_column("bytes", justify="right")
    for name in result["models"]:
        table.add_column(name, justify="right")
    for lang, rates in result["bits_per_byte"].items():
        errors = result["standard_error"][lang]
        cells = [
            f"{rate:.3f}" + ("" if errors[name] is None else f" ± {errors[name]:.3f}") for name, rate in rates.items()
        ]
        counts = (sum(result[what][lang].values()) for what in ("documents", "bytes"))
        table.add_row(lang, *(f"{count:,}" for count in counts), *cells)
    make_console().print(table)
