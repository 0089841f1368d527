"""What benchmarks/tokenize.py encodes: texts in every form a rival reads, and tokenizers trained on them."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from data_prep import vocabulary
from data_prep.documents import SPLITS, Dataset, Document
from data_prep.files import shard_writer
from data_prep.ingest.settings import SourceSettings
from data_prep.prep_settings import PrepSettings, TokenizerSettings
from data_prep.romanize.settings import RomanizeSettings
from data_prep.tasks import Task, Written, finish, no_records

DATASET = Dataset(source="bench", lang="hi-Deva", kind="real")
EOD = "</s>"
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SHARDS, TRAINED_ON = 4, 16_000_000


def make_texts(pools: list[list[str]], megabytes: float) -> Iterator[str]:
    """Documents of random sentences, each from one pool, until they have so many megabytes."""
    draw, size = random.Random(0), 0
    while size < megabytes * 1e6:
        pool = draw.choice(pools)
        chosen = draw.choices(pool, k=1 + min(int(draw.expovariate(1 / 15)), 200))
        words = [_new(draw, pool) if draw.random() < 0.05 else word for text in chosen for word in text.split(" ")]
        text = " ".join(words).replace("। ", "।\n\n", 1)
        size += len(text.encode())
        yield text


def _new(draw: random.Random, pool: list[str]) -> str:
    one, two = (draw.choice(draw.choice(pool).split()) for _ in range(2))
    return one[: 1 + len(one) // 2] + two[len(two) // 2 :]


@dataclass(frozen=True, kw_only=True)
class Input:
    """One text in every form a rival reads."""

    folder: Path
    megabytes: float

    @property
    def plain(self) -> Path:
        return self.folder / "text.jsonl"

    @property
    def split(self) -> Path:
        return self.folder / "split"


def write_input(folder: Path, texts: list[str], workers: int) -> Input:
    """Plain JSONL, JSONL in a file a worker, and shards as stage split leaves them."""
    given = Input(folder=folder, megabytes=sum(len(text.encode()) for text in texts) / 1e6)
    given.split.mkdir(parents=True)
    lines = [json.dumps({"id": str(n), "text": text}, ensure_ascii=False) + "\n" for n, text in enumerate(texts)]
    given.plain.write_text("".join(lines), "utf-8")
    for number in range(workers):
        (given.split / f"{number}.jsonl").write_text("".join(lines[number::workers]), "utf-8")
    layout, size = settings(folder, Path("unused.model")).layout, -(-len(texts) // SHARDS)
    for number in range(SHARDS):
        name = f"{number:05d}"
        paths = [layout.document_shard(DATASET.name, split, name) for split in SPLITS]
        _write_shard(paths[0], texts[number * size : (number + 1) * size])
        _write_shard(paths[1], [])
        receipt = layout.stage_receipt("documents", DATASET.name, name)
        done = partial(_written, tuple(paths))
        finish("split", Task(name=name, settings={}, inputs=(), receipt=receipt, read=no_records, write=done), ())
    return given


def _written(paths: tuple[Path, ...], *_: object) -> Written:
    return Written(outputs=paths)


def _write_shard(path: Path, texts: list[str]) -> None:
    tags = {"lang": DATASET.lang, "kind": DATASET.kind, "source": DATASET.source, "license": "", "parent_id": None}
    with shard_writer(path) as append:
        for number, text in enumerate(texts):
            append(Document(id=str(number), text=text, group=str(number), **tags).to_json())  # type: ignore[arg-type]


def settings(folder: Path, tokenizer: Path, workers: int = 1) -> PrepSettings:
    source = SourceSettings(path=Path("unused"), lang=DATASET.lang, kind="real", source=DATASET.source, license="")
    return PrepSettings(
        output_dir=folder,
        sources=(source,),
        workers=workers,
        romanize=RomanizeSettings(enabled=False),
        tokenizer=TokenizerSettings(model=tokenizer),
    )


@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """One tokenizer; a SentencePiece model has a twin for tools that read Hugging Face folders only."""

    name: str
    own: Path
    folder: Path


def train_tokenizer(kind: str, size: int, texts: list[str], folder: Path) -> Tokenizer:
    """SentencePiece or byte-level BPE of the first megabytes of some texts."""
    folder.mkdir(parents=True)
    part = texts[: max(1, int(len(texts) * min(1.0, TRAINED_ON / sum(map(len, texts)))))]
    own = folder / ("tokenizer.model" if kind == "SentencePiece" else "tokenizer.json")
    if kind == "SentencePiece":
        from data_prep.tokenizer import train
        from recipes import hf_tokenizer

        own.write_bytes(train(part, size))
        hf_tokenizer.build(own.read_bytes(), max_length=1 << 30, where=str(own)).save_pretrained(folder)
    else:
        _train_byte_level(part, size).save(str(own))
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": EOD}
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return Tokenizer(name=f"{kind} {vocabulary.load(own).size:,}", own=own, folder=folder)


def _train_byte_level(texts: list[str], size: int) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_3), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    model.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[EOD], initial_alphabet=alphabet, show_progress=False)
    model.train_from_iterator(texts, trainer)
    return model
