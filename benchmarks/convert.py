"""Converting a checkpoint of Nemotron-Mini-4B's shape, both ways, beside a file copy and a full-load converter.

    python -m benchmarks.convert [--folder DIR] [--layers 32] [--vocabulary 256000] [--repeat 3] [--gate]

In one run, on random bf16 weights cut as two tensor parallel ranks save them, by turns, each from a cold page cache
(posix_fadvise) and with fsync in its time:

- copy: `cp` of the weights' files.
- langadapt: `langadapt convert ... parity=false` as a process, from start to end, tokenizer and checksums included.
- full load: all tensors in memory, as Megatron-LM's tools/checkpoint/dist_checkpoint_io.py does it: torch.empty for
  each, one `dcp.load`, then `save_file`; the way back with `load_file` and one `dcp.save`. It maps the same tensors,
  and is spared the tokenizer, the settings, checksums and the tar.

Fair because all read and write the same bytes on the same disk; afterwards the folders of both converters must hold
the same tensors, and the archive must give the folder's again, else the benchmark fails. `cp` and we hash nothing and
everything: SHA-256 of source and result is in our time.

`--gate` in place of all this: both ways with the proof by layer (gate=layers), its time and memory.

The disk holds up to four times the weights (34 GB at the default); `--layers 2 --vocabulary 32000` takes 1.4 GB.
"""

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common
from benchmarks.common import Used

HIDDEN, FEED_FORWARD, HEADS, GROUPS, HEAD_SIZE = 3072, 9216, 24, 8, 128
TARGET_TIME, TARGET_MEMORY = 1.5, 15
RANKS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where to work (default /tmp)")
    parser.add_argument("--layers", type=int, default=32, help="of the 4B's shape (default 32)")
    parser.add_argument("--vocabulary", type=int, default=256_000, help="rows of each table (default 256,000)")
    parser.add_argument("--repeat", type=int, default=3, help="times copy and langadapt run (default 3)")
    parser.add_argument("--gate", action="store_true", help="convert both ways with gate=layers, and nothing else")
    parser.add_argument("--full-load", choices=("to-hf", "to-nemo"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.full_load:
        {"to-hf": _load_all_to_hf, "to-nemo": _load_all_to_nemo}[given.full_load](given.folder)
        return
    require_space(given.folder, 4 * weight_bytes(given.layers, given.vocabulary))
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="bench-convert-") as name:
        if given.gate:
            prove(Path(name), given.layers, given.vocabulary)
        else:
            run(Path(name), given.layers, given.vocabulary, given.repeat)


def weight_bytes(layers: int, vocabulary: int) -> int:
    """Of the bf16 model: two tables, and per layer attention and MLP."""
    attention = (HEADS + 2 * GROUPS) * HEAD_SIZE * HIDDEN + HIDDEN * HEADS * HEAD_SIZE
    return 2 * (2 * vocabulary * HIDDEN + layers * (attention + 2 * FEED_FORWARD * HIDDEN))


def require_space(folder: Path, needed: int) -> None:
    """Ends the benchmark before it fills a disk."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        sys.exit(
            f"benchmarks.convert needs {needed / 1e9:.1f} GB in {folder}, {free / 1e9:.1f} GB are free: "
            "--folder ELSEWHERE, or a smaller shape: --layers 2 --vocabulary 32000"
        )


def run(folder: Path, layers: int, vocabulary: int, repeat: int) -> None:
    """Both directions, and the table."""
    checkpoint, hf, archive = folder / "checkpoint", folder / "hf", folder / "base.nemo"
    print(common.machine_facts())
    print(f"making a checkpoint of {weight_bytes(layers, vocabulary) / 1e9:.2f} GB in {folder} ...", flush=True)
    write_checkpoint(checkpoint, layers, vocabulary)
    there = measure(
        checkpoint / "model_weights", repeat, ["to-hf", f"model={checkpoint}", f"output={hf}"], hf, folder / "full"
    )
    require_same(hf, folder / "full")
    print(report("checkpoint -> Hugging Face", there), flush=True)
    shutil.rmtree(folder / "full")
    shutil.rmtree(checkpoint)
    words = ["to-nemo", f"model={hf}", f"output={archive}", f"tokenizer={folder / 'tokenizer.model'}"]
    back = measure(hf, repeat, words, archive, folder / "full")
    shutil.rmtree(folder / "full")
    common.run_module(
        "recipes.cli", "convert", "to-hf", f"model={archive}", f"output={folder / 'again'}", "parity=false"
    )
    require_same(hf, folder / "again")
    print(report("Hugging Face -> .nemo", back))


def prove(folder: Path, layers: int, vocabulary: int) -> None:
    """Both directions through the gate by layer, and the table."""
    checkpoint, hf, archive = folder / "checkpoint", folder / "hf", folder / "base.nemo"
    print(common.machine_facts())
    print(f"making a checkpoint of {weight_bytes(layers, vocabulary) / 1e9:.2f} GB in {folder} ...", flush=True)
    write_checkpoint(checkpoint, layers, vocabulary)
    ways = [
        ["to-hf", f"model={checkpoint}", f"output={hf}"],
        ["to-nemo", f"model={hf}", f"output={archive}", f"tokenizer={folder / 'tokenizer.model'}"],
    ]
    rows = []
    for words in ways:
        used = common.run_measured([sys.executable, "-m", "recipes.cli", "convert", *words, "gate=layers"])
        proof = used.said.strip().splitlines()[-1].rpartition(", ")[2]
        rows.append(
            [f"{words[0]} gate=layers", f"{used.wall:.0f} s", f"{used.cpu:.0f} s", f"{used.peak:,.0f} MB", proof]
        )
    print(common.table(["", "wall", "CPU", "peak memory", "proof"], rows))


def write_checkpoint(folder: Path, layers: int, vocabulary: int) -> None:
    """A .nemo unpacked, its weights as two tensor parallel ranks save them, written chunk by chunk."""
    from recipes.convert.architectures.base import hf_shape
    from recipes.convert.architectures.nemotron import NEMOTRON
    from recipes.convert.architectures.tensors import megatron_tensors
    from recipes.convert.torch_records import frame
    from recipes.convert.writing import nemo_archive, nemo_settings

    config = hf_config(layers, vocabulary)
    tokenizer = folder.with_name("tokenizer.model")
    tokenizer.write_bytes(make_tokenizer(vocabulary))
    found = nemo_settings.read_tokenizer(folder, tokenizer)
    laid = nemo_archive.plan(
        megatron_tensors(NEMOTRON, hf_shape(config)), rows=vocabulary, layers=layers, dtype="bfloat16"
    )
    laid = replace(laid, chunks=cut_for_ranks(laid))
    yaml = nemo_settings.model_config(NEMOTRON.nemo_config(config), found, 128, "bfloat16").encode()
    for name, content in nemo_archive.members({"model_config.yaml": yaml, **found.files}, laid).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    with (folder / "model_weights" / "__0_0.distcp").open("wb") as file:
        for chunk, content in zip(laid.chunks, random_weights([prod(each.shape) for each in laid.chunks]), strict=True):
            around = frame("bfloat16", chunk.shape)
            file.write(around.head)
            file.write(content)
            file.write(around.tail(zlib.crc32(content)))
        file.write(nemo_archive.EMPTY_STATE * len(laid.states))
        os.fsync(file.fileno())


def cut_for_ranks(laid: Any) -> list[Any]:
    """The chunks of a plan, each tensor cut along the dimension that tensor parallelism cuts."""
    from recipes.convert.torch_records import record_size

    chunks, offset = [], 0
    for whole in laid.chunks:
        axis = None if whole.tensor.split is None else len(whole.shape) - len(whole.tensor.shape) + whole.tensor.split
        for rank in range(1 if axis is None else RANKS):
            start, shape = list(whole.start), list(whole.shape)
            if axis is not None:
                shape[axis] //= RANKS
                start[axis] += rank * shape[axis]
            length = record_size(laid.dtype, tuple(shape))
            chunks.append(replace(whole, start=tuple(start), shape=tuple(shape), offset=offset, length=length))
            offset += length
    return chunks


def random_weights(sizes: list[int]) -> Iterator[bytes]:
    """bf16 values of a trained model's size from one pool, at another place for each tensor."""
    values = 0.02 * np.random.default_rng(0).standard_normal((1 << 24) + 65_537, dtype=np.float32)
    pool = (values.view(np.uint32) >> 16).astype(np.uint16)
    start = 0
    for size in sizes:
        yield np.resize(np.roll(pool, -start) if size < len(pool) else pool[start % 65_537 :], size).tobytes()
        start += 7919


def hf_config(layers: int, vocabulary: int) -> dict[str, Any]:
    """Nemotron-Mini-4B's config.json, as far as shapes go."""
    return {
        "model_type": "nemotron",
        "vocab_size": vocabulary,
        "hidden_size": HIDDEN,
        "intermediate_size": FEED_FORWARD,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": GROUPS,
        "head_dim": HEAD_SIZE,
        "max_position_embeddings": 4096,
    }


def make_tokenizer(size: int) -> bytes:
    """A SentencePiece BPE model of many entries: a trained one, and pairs of its pieces as further ones."""
    import random

    from data_prep import sentencepiece_model, tokenizer
    from data_prep.layout import REPOSITORY_ROOT

    corpus = REPOSITORY_ROOT / "data_prep" / "sample_corpus"
    texts = [path.read_text(encoding="utf-8") for path in sorted(corpus.glob("documents.*.jsonl"))]
    proto = sentencepiece_model.read_proto(tokenizer.train(texts, 4096))
    normal = [piece.piece for piece in proto.pieces if piece.type == sentencepiece_model.NORMAL]
    known, lowest, draw = (
        {piece.piece for piece in proto.pieces},
        min(piece.score for piece in proto.pieces),
        random.Random(0),
    )
    while len(proto.pieces) < size:
        joined = draw.choice(normal) + draw.choice(normal)
        if joined not in known:
            known.add(joined)
            lowest -= 1
            proto.pieces.add(piece=joined, score=lowest, type=sentencepiece_model.NORMAL)
    content: bytes = proto.SerializeToString()
    return content


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Wall seconds of each repetition, and what the last one took."""

    copy: list[Used]
    ours: list[Used]
    full: Used


def measure(source: Path, repeat: int, words: list[str], output: Path, full: Path) -> Measured:
    """Copy and langadapt by turns, then the full load; leaves what the last of each converter wrote."""
    heavy = [path for path in sorted(source.iterdir()) if path.stat().st_size > 1 << 20]
    copied = output.with_name("copy")
    copies, ours = [], []
    for _ in range(repeat):
        command = ["sh", "-c", 'mkdir "$0" && cp "$@" "$0" && sync "$0"/*', str(copied), *map(str, heavy)]
        copies.append(cold(heavy, lambda command=command: common.run_measured(command)))  # type: ignore[misc]
        shutil.rmtree(copied)
        _remove(output)
        command = [sys.executable, "-m", "recipes.cli", "convert", *words, "parity=false"]
        ours.append(cold(heavy, lambda command=command: common.run_measured(command)))  # type: ignore[misc]
    full.mkdir()
    (full / "source").symlink_to(source)
    command = [sys.executable, "-m", "benchmarks.convert", "--full-load", words[0], "--folder", str(full)]
    return Measured(copy=copies, ours=ours, full=cold(heavy, lambda: common.run_measured(command)))


def cold(files: list[Path], work: Callable[[], Used]) -> Used:
    """Does some work with none of the files in the page cache."""
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return work()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    for each in (path, path.with_suffix(".parity.json")):
        each.unlink(missing_ok=True)


def _load_all_to_hf(folder: Path) -> None:
    """Every tensor of a checkpoint into memory, then one safetensors file."""
    import torch
    from safetensors.torch import save_file
    from torch.distributed.checkpoint import FileSystemReader, load
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata

    from recipes.convert.architectures.base import hf_shape
    from recipes.convert.architectures.nemotron import NEMOTRON
    from recipes.convert.architectures.tensors import hf_tensors

    reader = FileSystemReader(str(folder / "source"))
    stored = {
        key: torch.empty(entry.size, dtype=entry.properties.dtype)
        for key, entry in reader.read_metadata().state_dict_metadata.items()
        if isinstance(entry, TensorStorageMetadata)
    }
    load(stored, storage_reader=reader, no_dist=True)
    table = stored["model.embedding.word_embeddings.weight"]
    layers = len(stored["model.decoder.layers.mlp.linear_fc1.weight"])
    converted = {}
    for tensor in hf_tensors(NEMOTRON, hf_shape(hf_config(layers, len(table)))):
        source = _of_stack(stored, tensor.source)
        converted[tensor.name] = torch.cat([source[first : first + count] for first, count in tensor.rows])
    save_file(converted, folder / "model.safetensors", {"format": "pt"})
    _sync(folder / "model.safetensors")


def _of_stack(stored: dict[str, Any], name: str) -> Any:
    if not name.startswith("decoder.layers."):
        return stored[f"model.{name}"]
    _, _, layer, rest = name.split(".", 3)
    return stored[f"model.decoder.layers.{rest}"][int(layer)]


def _load_all_to_nemo(folder: Path) -> None:
    """Every tensor of a Hugging Face folder into memory, then one torch_dist checkpoint."""
    import torch
    from safetensors.torch import load_file
    from torch.distributed.checkpoint import FileSystemWriter, save

    from recipes.convert.architectures.base import hf_shape
    from recipes.convert.architectures.nemotron import NEMOTRON
    from recipes.convert.architectures.tensors import megatron_tensors

    found: dict[str, Any] = {}
    for path in sorted((folder / "source").glob("*.safetensors")):
        found |= load_file(path)
    rows = len(found["model.embed_tokens.weight"])
    layers = sum(name.endswith("up_proj.weight") for name in found)
    stacks: dict[str, list[Any]] = {}
    for tensor in megatron_tensors(NEMOTRON, hf_shape(hf_config(layers, rows))):
        parts = [found[part.name][part.theirs : part.theirs + part.count] for part in tensor.parts]
        name = tensor.name.split(".", 3)[3] if tensor.name.startswith("decoder.layers.") else tensor.name
        stacks.setdefault(name, []).append(parts[0] if len(parts) == 1 else torch.cat(parts))
    state = {name: torch.stack(each) if len(each) > 1 else each[0] for name, each in stacks.items()}
    save(state, storage_writer=FileSystemWriter(str(folder / "weights")), no_dist=True)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def require_same(one: Path, other: Path) -> None:
    """Ends the benchmark if two folders of safetensors do not hold the same tensors, byte for byte."""
    if tensor_digests(one) != tensor_digests(other):
        sys.exit(f"the converters do not agree: {one} and {other} hold other tensors")


def tensor_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every tensor's bytes."""
    from recipes.convert.reading.hf_source import weight_files
    from recipes.convert.writing.safetensors_file import read_header

    digests = {}
    for path in weight_files(folder):
        with path.open("rb") as file:
            start = 8 + int.from_bytes(file.read(8), "little")
            for name, entry in read_header(path).items():
                first, end = entry["data_offsets"]
                file.seek(start + first)
                digest = hashlib.sha256()
                for position in range(first, end, 1 << 20):
                    digest.update(file.read(min(1 << 20, end - position)))
                digests[name] = digest.hexdigest()
    return digests


def report(title: str, measured: Measured) -> str:
    """The table of a direction, with what was aimed at."""
    copy = common.median([each.wall for each in measured.copy])
    ours = common.median([each.wall for each in measured.ours])
    peak = max(each.peak for each in measured.ours)
    rows = [
        [name, f"{common.median([each.wall for each in used]):.1f}", f"{min(each.wall for each in used):.1f}",
         f"{common.median([each.cpu for each in used]):.1f}", f"{max(each.peak for each in used):,.0f}"]
        for name, used in (("copy", measured.copy), ("langadapt", measured.ours), ("full load", [measured.full]))
    ]  # fmt: skip
    lines = common.table([title, "median s", "least s", "CPU s", "peak MB"], rows)
    return (
        f"\n{lines}\ntime {ours / copy:.2f} of the copy (aim: at most {TARGET_TIME}), "
        f"memory 1/{measured.full.peak / peak:.1f} of the full load (aim: 1/{TARGET_MEMORY})"
    )


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s in all", file=sys.stderr)
