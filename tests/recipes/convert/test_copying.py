"""Rows into files: as they are, side by side, in another dtype; and what a checkpoint that lies looks like."""

import io
import math
import os
import pickle

import numpy as np
import pytest
import torch

from data_prep.errors import DataError
from recipes.convert import casts, copying
from recipes.convert.casts import RAW, Overflow, cast
from recipes.convert.direct_files import DirectOutput
from recipes.convert.reading import pickles
from recipes.convert.reading.checkpoint import open_checkpoint
from recipes.convert.reading.stored_tensors import Chunk, StoredTensor
from recipes.convert.row_plan import blocks
from tests.recipes.convert.reading.test_checkpoint import EMBEDDING, TABLE, Malicious, write_nemo
from tests.recipes.convert.whole_tensor import read_tensor

WEIGHT = "decoder.layers.0.mlp.linear_fc2.weight"
WIDE = torch.randn(50, 40, generator=torch.Generator().manual_seed(1))
COLUMNS = {(0, 0): WIDE[:, :24], (0, 24): WIDE[:, 24:]}


def stored(*chunks: tuple[tuple[int, ...], tuple[int, ...]], shape: tuple[int, ...] = (4, 6)) -> StoredTensor:
    return StoredTensor(
        shape=shape,
        dtype="float32",
        chunks=tuple(Chunk(start=at, shape=size, file="f", offset=0, length=0, layer=None) for at, size in chunks),
    )


def test_rows_are_taken_from_every_chunk_that_holds_some():
    tensor = stored(((0, 0), (2, 6)), ((2, 0), (2, 6)))
    found = blocks("w", tensor, [(3, 1), (1, 2)], "x")
    assert [(block.count, [(chunk.start, row) for chunk, row in block.parts]) for block in found] == [
        (1, [((2, 0), 1)]),
        (1, [((0, 0), 1)]),
        (1, [((2, 0), 0)]),
    ]


def test_columns_stand_side_by_side():
    (block,) = blocks("w", stored(((0, 3), (4, 3)), ((0, 0), (4, 3))), [(1, 2)], "x")
    assert [(chunk.start, row) for chunk, row in block.parts] == [((0, 0), 1), ((0, 3), 1)]


@pytest.mark.parametrize(
    "tensor",
    [
        stored(((0, 0), (4, 4)), ((0, 2), (2, 4))),
        stored(((0, 0), (2, 6)), ((0, 0), (2, 6))),
        stored(((0,), (2,)), ((0,), (2,)), shape=(4,)),
    ],
    ids=["columns over one another", "rows twice and never", "a vector twice and never"],
)
def test_chunks_of_the_right_size_in_the_wrong_place_are_noticed(tensor):
    with pytest.raises(DataError, match="of w are not covered once by its chunks"):
        blocks("w", tensor, [(0, 4)], "x")


@pytest.mark.parametrize("buffer", [8 << 20, 700], ids=["one block", "many blocks"])
def test_columns_and_casts_go_through_the_buffer(tmp_path, monkeypatch, buffer):
    monkeypatch.setattr(copying, "BUFFER_BYTES", buffer)
    source = open_checkpoint(write_nemo(tmp_path / "x.nemo", {**EMBEDDED_PLAIN, WEIGHT: COLUMNS}))
    assert torch.equal(read_tensor(source, WEIGHT), WIDE)
    assert torch.equal(read_tensor(source, WEIGHT, rows=[(40, 10), (0, 3)]), torch.cat([WIDE[40:], WIDE[:3]]))
    assert torch.equal(read_tensor(source, WEIGHT, dtype="bfloat16"), WIDE.bfloat16())
    assert torch.equal(read_tensor(source, WEIGHT, dtype="float16"), WIDE.half())


EMBEDDED_PLAIN = {EMBEDDING: {(0, 0): TABLE}}


@pytest.mark.parametrize("columns", [False, True], ids=["one run", "columns"])
def test_a_source_cut_off_while_it_is_read_is_noticed(tmp_path, columns):
    """The metadata was right when it was checked."""
    pieces = COLUMNS if columns else {(0, 0): WIDE}
    source = open_checkpoint(write_nemo(tmp_path / "x.nemo", {**EMBEDDED_PLAIN, WEIGHT: pieces}))
    stored_tensor = source.tensors[WEIGHT]
    with source.open() as reader, DirectOutput(tmp_path / "out") as output:
        for chunk in stored_tensor.chunks:
            start = reader.place(WEIGHT, stored_tensor, chunk).start
        os.truncate(source.path, start + 100)
        job = copying.Job(name=WEIGHT, tensor=stored_tensor, dtype="float32",
                          blocks=blocks(WEIGHT, stored_tensor, [(0, 50)], "x"))  # fmt: skip
        with pytest.raises(DataError, match=f"the file ends within {WEIGHT}"):
            copying.Copier(reader, output, "x").write(job)


def test_a_tensor_with_gaps_and_one_of_another_kind_are_refused(tmp_path):
    source = open_checkpoint(write_nemo(tmp_path / "x.nemo", {**EMBEDDED_PLAIN, WEIGHT: {(0, 0): WIDE}}))
    lying = StoredTensor(shape=(50, 40), dtype="bfloat16", chunks=source.tensors[WEIGHT].chunks)
    with source.open() as reader, pytest.raises(DataError, match=r"is float32 \[50, 40\] where bfloat16"):
        reader.place(WEIGHT, lying, lying.chunks[0])
    with pytest.raises(pickle.UnpicklingError, match="it holds a dict"):
        pickles.load_tensor(pickle.dumps({}))
    with pytest.raises(pickle.UnpicklingError, match=r"it would call posix\.system"):
        pickles.load_tensor(pickle.dumps(Malicious()))


def test_a_record_whose_tensor_would_call_something_is_refused(tmp_path):
    """torch.save of an object: a zip like any other, but for its pickle."""
    record = io.BytesIO()
    torch.save(Malicious(), record)
    source = open_checkpoint(write_nemo(tmp_path / "x.nemo", EMBEDDED_PLAIN))
    member = source.files["__0_0.distcp"]
    (tmp_path / "__0_0.distcp").write_bytes(record.getvalue().ljust(member.size, b"\0")[: member.size])
    content = bytearray(source.path.read_bytes())
    content[member.start : member.start + member.size] = (tmp_path / "__0_0.distcp").read_bytes()
    source.path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        read_tensor(open_checkpoint(source.path), EMBEDDING)


SPECIAL = [0.0, -0.0, 1.0, 1.00390625, 1.01171875, -3.1e-39, 6.1e-5, 5.9e-8, 65280.0, math.inf, -math.inf, math.nan]


@pytest.mark.parametrize("target", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("source", ["float32", "bfloat16", "float16"])
def test_casts_round_as_torch_does(source, target):
    values = torch.cat([torch.tensor(SPECIAL), torch.randn(2000)]).to(getattr(torch, source))
    raw = np.frombuffer(values.view(torch.uint8).numpy().tobytes(), RAW[source])
    found = torch.frombuffer(bytearray(cast(raw, source, target).tobytes()), dtype=getattr(torch, target))
    expected = values.to(getattr(torch, target))
    assert torch.equal(found.isnan(), expected.isnan())
    assert torch.equal(found[~found.isnan()], expected[~expected.isnan()])


def test_a_value_too_large_for_fp16_is_not_made_infinite(tmp_path):
    with pytest.raises(Overflow, match="70000 is too large for float16"):
        cast(np.array([1.0, 7e4], RAW["float32"]), "float32", "float16")
    source = open_checkpoint(write_nemo(tmp_path / "x.nemo", {EMBEDDING: {(0, 0): TABLE * 1e5}}))
    with pytest.raises(DataError, match=r"does not fit: .* is too large for float16; convert with dtype=bf16"):
        read_tensor(source, EMBEDDING, dtype="float16")
    assert casts.ITEM_BYTES["float16"] == 2
