"""Reading a .nemo in place: any layout of chunks, and nothing but metadata out of its pickle."""

import io
import os
import pickle
import tarfile
from pathlib import Path

import pytest
import torch
import yaml
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)

from data_prep.errors import DataError, UsageError
from recipes.convert.architectures.tensors import EMBEDDING
from recipes.convert.reading.checkpoint import open_checkpoint
from recipes.convert.writing.tokenizers import sentencepiece_model
from tests.recipes.convert.whole_tensor import read_tensor

TOKENIZER = {"library": "sentencepiece", "model": "nemo:abc_tokenizer.model"}
Pieces = dict[tuple[int, ...], torch.Tensor]


def write_nemo(path: Path, tensors: dict[str, Pieces], *, config: dict | None = None, metadata: bytes | None = None):
    """A .nemo as NeMo writes it; `tensors` gives each tensor as {offset: chunk}, one file a chunk."""
    state, storage, files = {}, {}, {}
    for number, (name, pieces) in enumerate(tensors.items()):
        sizes = [
            [start + length for start, length in zip(at, chunk.shape, strict=True)] for at, chunk in pieces.items()
        ]
        chunks = [ChunkStorageMetadata(torch.Size(at), chunk.shape) for at, chunk in pieces.items()]
        first = next(iter(pieces.values()))
        whole = torch.Size([max(column) for column in zip(*sizes, strict=True)])
        state[name] = TensorStorageMetadata(TensorProperties(dtype=first.dtype), whole, chunks)
        file = f"__{number}_0.distcp"
        files[file] = b""
        for at, chunk in pieces.items():
            record = io.BytesIO()
            torch.save(chunk.contiguous(), record)
            info = _StorageInfo(file, len(files[file]), len(record.getvalue()))
            storage[MetadataIndex(name, torch.Size(at))] = info
            files[file] += record.getvalue()
    members = {
        "model_config.yaml": yaml.safe_dump(config or {"tokenizer": TOKENIZER}).encode(),
        "abc_tokenizer.model": b"pieces",
        "model_weights/.metadata": metadata or pickle.dumps(Metadata(state, storage_data=storage)),
        **{f"model_weights/{name}": content for name, content in files.items()},
    }
    with tarfile.open(path, "w:") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "x.nemo"


TABLE = torch.arange(12.0).view(4, 3)
EMBEDDED: dict[str, Pieces] = {f"model.{EMBEDDING}": {(0, 0): TABLE}}
STACK = torch.arange(2 * 4 * 6.0).view(2, 4, 6)


def test_tensor_parallel_chunks_are_joined_along_rows_and_columns(path):
    """Embedding and fused weights are cut along rows, the projections back along columns."""
    rows = {(0, 0): TABLE[:2], (2, 0): TABLE[2:]}
    columns = {(0, 0, 0): STACK[:, :, :3], (0, 0, 3): STACK[:, :, 3:]}
    source = open_checkpoint(
        write_nemo(path, {f"model.{EMBEDDING}": rows, "model.decoder.layers.mlp.linear_fc2.weight": columns})
    )
    assert torch.equal(read_tensor(source, EMBEDDING), TABLE)
    assert torch.equal(read_tensor(source, "decoder.layers.0.mlp.linear_fc2.weight"), STACK[0])
    assert torch.equal(read_tensor(source, "decoder.layers.1.mlp.linear_fc2.weight"), STACK[1])


@pytest.mark.parametrize(
    "layout",
    [
        {"decoder.layers.mlp.w": {(0, 0, 0): STACK}},
        {"decoder.layers.mlp.w": {(0, 0, 0): STACK[:1], (1, 0, 0): STACK[1:]}},
        {"decoder.layers.0.mlp.w": {(0, 0): STACK[0]}, "decoder.layers.1.mlp.w": {(0, 0): STACK[1]}},
    ],
    ids=["stacked", "stacked by pipeline stage", "one name a layer"],
)
@pytest.mark.parametrize("prefix", ["", "model."])
def test_every_layout_gives_one_tensor_a_layer(path, layout, prefix):
    tensors = {f"{prefix}{name}": pieces for name, pieces in {EMBEDDING: {(0, 0): TABLE}, **layout}.items()}
    source = open_checkpoint(write_nemo(path, tensors))
    assert set(source.tensors) == {EMBEDDING, "decoder.layers.0.mlp.w", "decoder.layers.1.mlp.w"}
    assert all(torch.equal(read_tensor(source, f"decoder.layers.{layer}.mlp.w"), STACK[layer]) for layer in (0, 1))


def test_optimizer_states_are_left_out(path):
    moments = {f"optimizer.state.exp_avg.model.{EMBEDDING}": {(0, 0): TABLE}}
    assert set(open_checkpoint(write_nemo(path, {**moments, **EMBEDDED})).tensors) == {EMBEDDING}


def test_dtype_is_kept(path):
    source = open_checkpoint(write_nemo(path, {EMBEDDING: {(0, 0): TABLE.bfloat16()}}))
    assert read_tensor(source, EMBEDDING).dtype == torch.bfloat16


class Malicious:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def test_a_pickle_that_would_call_something_is_refused(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"refused: it would call posix\.system"):
        open_checkpoint(write_nemo(path, EMBEDDED, metadata=pickle.dumps(Malicious())))
    assert not (tmp_path / "pwned").exists()


def test_a_pickle_of_something_else_is_refused(path):
    with pytest.raises(DataError, match="holds a dict"):
        open_checkpoint(write_nemo(path, EMBEDDED, metadata=pickle.dumps({})))


def test_missing_chunks_are_noticed(path):
    with pytest.raises(DataError, match=r"the chunks of .*word_embeddings.weight do not cover it"):
        open_checkpoint(write_nemo(path, {EMBEDDING: {(2, 0): TABLE[2:]}}))


def test_a_file_that_was_cut_off_is_noticed(path):
    write_nemo(path, EMBEDDED)
    whole = open_checkpoint(path)
    path.write_bytes(path.read_bytes()[: whole.files["__0_0.distcp"].start + 100])
    with pytest.raises((DataError, UsageError), match=r"damaged|not an uncompressed tar"):
        read_tensor(open_checkpoint(path), EMBEDDING)


def test_damaged_bytes_of_a_tensor_are_noticed(path):
    write_nemo(path, EMBEDDED)
    member = open_checkpoint(path).files["__0_0.distcp"]
    start, size = member.start, member.size
    content = bytearray(path.read_bytes())
    content[start : start + size] = bytes(size)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"damaged: .*word_embeddings.weight cannot be read"):
        read_tensor(open_checkpoint(path), EMBEDDING)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.nemo", None, "there is no such checkpoint"),
        ("text.nemo", b"weights", "not an uncompressed tar"),
    ],
)
def test_what_is_no_nemo_is_refused(tmp_path, name, content, message):
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        open_checkpoint(tmp_path / name)


def test_archives_without_config_or_weights_are_refused(tmp_path):
    for member, message in (("other.txt", "holds no model_config.yaml"), ("model_config.yaml", "not a torch_dist")):
        (tmp_path / member).write_text("{}")
        with tarfile.open(tmp_path / "x.nemo", "w:") as tar:
            tar.add(tmp_path / member, arcname=member)
        with pytest.raises(UsageError, match=message):
            open_checkpoint(tmp_path / "x.nemo")


def test_a_checkpoint_of_no_language_model_is_refused(path):
    with pytest.raises(UsageError, match="no word embeddings"):
        open_checkpoint(write_nemo(path, {"vision.weight": {(0, 0): TABLE}}))


def test_the_tokenizer_comes_out_of_the_archive(path):
    assert sentencepiece_model(open_checkpoint(write_nemo(path, EMBEDDED))) == b"pieces"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"library": "huggingface"}, "not plain SentencePiece"),
        ({"sentencepiece_legacy": True}, "not plain SentencePiece"),
        ({"model": "/home/me/tokenizer.model"}, "neither in the checkpoint nor where"),
        ({"model": None}, "neither in the checkpoint nor .*: no tokenizer.model"),
    ],
)
def test_other_tokenizers_are_refused(path, change, message):
    with pytest.raises(UsageError, match=message):
        sentencepiece_model(open_checkpoint(write_nemo(path, EMBEDDED, config={"tokenizer": {**TOKENIZER, **change}})))
