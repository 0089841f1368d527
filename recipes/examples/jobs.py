"""Which files a run takes its examples from, and how upstream reads them."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from data_prep import jsonl, vocabulary
from data_prep.errors import UsageError
from data_prep.vocabulary import Vocabulary
from recipes import nemo_file
from recipes.checks.data import parse_blend
from recipes.checks.values import whole
from recipes.examples.checked import Job
from recipes.examples.readers import ChatReader, PairReader, PromptReader, Reader
from recipes.examples.settings import ExampleSettings
from recipes.examples.templates import TEMPLATE_KEY, ChatTokens, JinjaTemplate, chat_tokens
from recipes.known_keys import Schema
from recipes.run_settings import run_settings

SOURCE_KEYS = {"sft": "model.restore_from_path", "dpo": "pretrained_checkpoint.restore_from_path"}
SFT_PARTS = {"train": "model.data.train_ds", "validation": "model.data.validation_ds"}
PREFIX_KEY = "model.data.data_prefix"


@contextlib.contextmanager
def tokenizer_of(cfg: DictConfig, schema: Schema, model: DictConfig) -> Iterator[Vocabulary]:
    """The tokenizer NeMo-Aligner will use: the checkpoint's own.

    Raises:
        UsageError: There is none that can be read.
    """
    key = SOURCE_KEYS[schema]
    source, settings = Path(OmegaConf.select(cfg, key)), model.get("tokenizer", {})
    if settings.get("library") == "huggingface" and settings.get("type") and Path(settings.type).is_dir():
        yield vocabulary.load(Path(settings.type))
        return
    inside = nemo_file.read_tokenizer(source, key)
    if inside is None or settings.get("sentencepiece_legacy"):
        raise UsageError(
            "the examples cannot be checked: the checkpoint's tokenizer is not one this project reads",
            where=f"{key}={source}: tokenizer {OmegaConf.to_container(settings) if settings else 'unknown'}",
            why="lengths and loss masks are counted in its tokens",
            fix="a checkpoint with a SentencePiece tokenizer.model inside and sentencepiece_legacy: false,\n"
            "or model.tokenizer.type=FOLDER of the Hugging Face tokenizer it was trained with",
        )
    with tempfile.TemporaryDirectory(prefix="langadapt-") as folder:
        path = Path(folder) / vocabulary.SENTENCEPIECE_NAME
        path.write_bytes(inside)
        yield vocabulary.load(path)


def jobs_of(cfg: DictConfig, schema: Schema, model: DictConfig, loaded: Vocabulary) -> tuple[Job, ...]:
    """One job a split, its files there and its settings such that upstream will read what is checked here.

    Raises:
        UsageError: A file is missing, or upstream would not read the examples so.
    """
    settings = run_settings(cfg).examples
    if schema == "sft":
        return tuple(_sft_job(cfg, split, part, settings, loaded) for split, part in SFT_PARTS.items())
    return tuple(_dpo_jobs(cfg, model, settings, loaded))


def _sft_job(cfg: DictConfig, split: str, part: str, settings: ExampleSettings, loaded: Vocabulary) -> Job:
    data = OmegaConf.select(cfg, part)
    packed = bool(data.get("packed_sequence", False))
    reader: Reader = _chat_reader(cfg, settings, loaded) if cfg.model.data.chat else _prompt_reader(data, loaded)
    _refuse_what_upstream_cannot(cfg, part, settings, packed=packed)
    limit = whole(cfg, f"{part}.max_seq_length")
    return Job(
        split=split,
        key=f"{part}.file_path",
        paths=_existing([data.file_path], f"{part}.file_path"),
        reader=reader,
        limit=limit + 1 if cfg.model.data.chat or packed else limit,
        packed=packed,
        eod_id=loaded.eod_id,
    )


def _chat_reader(cfg: DictConfig, settings: ExampleSettings, loaded: Vocabulary) -> ChatReader:
    tokens = OmegaConf.select(cfg, "model.data.chat_prompt_tokens")
    return ChatReader(template=_template(settings, loaded) or chat_tokens(tokens))


def _template(settings: ExampleSettings, loaded: Vocabulary) -> JinjaTemplate | None:
    if settings.template is None:
        return None
    named = {"eos_token": loaded.eod_id, "bos_token": loaded.bos_id}
    # SentencePiece does not read its own control tokens in a text: a template cannot write them.
    special = {} if loaded.is_sentencepiece else {name: loaded.decode([id_]) for name, id_ in named.items() if id_}
    return JinjaTemplate(settings.template, special)


def _prompt_reader(data: DictConfig, loaded: Vocabulary) -> PromptReader:
    template = str(data.get("prompt_template")).encode().decode("unicode_escape")  # as GPTSFTDataset reads it
    label = str(data.label_key)
    if not template.endswith(f"{{{label}}}"):
        raise UsageError(
            f"prompt_template {template!r} does not end in {{{label}}}",
            where="model.data.train_ds.prompt_template, label_key",
            why="what follows the response would have to be learnt too; upstream refuses it",
            fix=f"model.data.train_ds.prompt_template='{{input}} {{{label}}}'",
        )
    alone = loaded.encode_prompts(["x y", "x", "y"])
    return PromptReader(
        template=template,
        label_key=label,
        is_space_sensitive=loaded.is_sentencepiece and alone[0] != alone[1] + alone[2],
        before=(loaded.bos_id,) if data.get("add_bos") and loaded.bos_id is not None else (),
        between=(0,) if data.get("add_sep") else (),
        after=(loaded.eod_id,) if data.get("add_eos", True) else (),
    )


def _refuse_what_upstream_cannot(cfg: DictConfig, part: str, settings: ExampleSettings, *, packed: bool) -> None:
    if settings.template is not None and not packed:
        raise UsageError(
            "a Jinja template for SFT needs packed examples",
            where=f"{TEMPLATE_KEY}={settings.template}, {part}.packed_sequence",
            why="NeMo's chat dataset knows turn markers only; packed data carry their own loss mask",
            fix=f"{part}.packed_sequence=true {part}.micro_batch_size=1\n"
            f"or {TEMPLATE_KEY}=null and turn markers in model.data.chat_prompt_tokens",
        )
    if packed and whole(cfg, f"{part}.micro_batch_size") != 1:
        raise UsageError(
            "packed examples go through the model one pack at a time",
            where=f"{part}.micro_batch_size={OmegaConf.select(cfg, f'{part}.micro_batch_size')}",
            fix=f"{part}.micro_batch_size=1; a global batch counts packs",
        )
    if packed and not OmegaConf.select(cfg, part).get("packed_sequence_return_cu_seqlen", True):
        raise UsageError(
            "packed examples would attend to each other",
            where=f"{part}.packed_sequence_return_cu_seqlen=false",
            why="without the bounds of each example the whole pack is one causal sequence",
            fix=f"{part}.packed_sequence_return_cu_seqlen=true",
        )
    if not cfg.model.data.chat and settings.too_long == "truncate":
        raise UsageError(
            "prompts and responses cannot be truncated by this rule",
            where="langadapt.examples.too_long=truncate, model.data.chat=false",
            why="upstream cuts them its own way (truncation_field), which may leave half a prompt or no answer",
            fix="langadapt.examples.too_long=drop\nor conversations, with model.data.chat=true",
        )


def _dpo_jobs(cfg: DictConfig, model: DictConfig, settings: ExampleSettings, loaded: Vocabulary) -> Iterator[Job]:
    data = cfg.model.data
    if data.data_impl not in ("json", "jsonl") or data.get("apply_ftfy"):
        raise UsageError(
            "preferences are read from JSON lines, as they are",
            where=f"model.data.data_impl={data.data_impl}, model.data.apply_ftfy={data.get('apply_ftfy', False)}",
            why="packed pairs need Transformer Engine; ftfy would change the text that was checked",
            fix="model.data.data_impl=jsonl model.data.apply_ftfy=false",
        )
    tokens = OmegaConf.select(model, "data.chat_prompt_tokens")
    template: ChatTokens | JinjaTemplate = _template(settings, loaded) or chat_tokens(tokens)
    reader = PairReader(template=template, after=(loaded.eod_id,) if data.get("append_eod") else ())
    seen: list[tuple[Path, ...]] = []
    for split in ("train", "validation", "test"):
        key = f"{PREFIX_KEY}.{split}"
        paths = _existing(_unweighted(OmegaConf.select(cfg, key), key), key)
        if split == "test" and paths in seen:
            continue  # Aligner builds a test set and never reads it: the validation files again, as we ship it
        seen.append(paths)
        yield Job(
            split=split,
            key=key,
            paths=paths,
            reader=reader,
            limit=whole(cfg, "model.data.seq_length") + 1,
            packed=False,
            eod_id=loaded.eod_id,
        )


def _unweighted(value: Any, key: str) -> list[str]:
    """Files of a split; several are read one after the other.

    Raises:
        UsageError: They have weights. NeMo-Aligner 0.7.0 asks its blend for a negative number of samples and stops.
    """
    blend = parse_blend(value, key)
    paths = [path for _, path in blend]
    if len(blend) > 1 and len(value) > len(blend):
        raise UsageError(
            "files of preferences cannot be weighted",
            where=f"{key}={list(value)}",
            why="NeMo-Aligner 0.7.0 cannot blend them: it stops in BlendableDataset",
            fix=f"{key}=[{','.join(paths)}]: every pair of every file once an epoch",
        )
    return paths


def _existing(paths: list[str], key: str) -> tuple[Path, ...]:
    """The files, which are there and of a kind that can be read."""
    for path in map(Path, paths):
        if not path.is_file():
            raise UsageError(
                f"no file {path}",
                where=key,
                fix=f"{key}=PATH of a .jsonl file; `langadapt prep` writes them to instruct/",
            )
        jsonl.require_file(path)
    return tuple(map(Path, paths))
