"""Records as torch.save writes them: torch and zip both read what we write, and we find what torch wrote."""

import io
import zipfile
import zlib

import pytest
import torch

from data_prep.errors import DataError
from recipes.convert.torch_records import frame, locate_tensors, record_size

DTYPES = ["float32", "bfloat16", "float16"]


def record(tensor, dtype):
    content = bytes(tensor.view(torch.uint8).numpy().data)
    around = frame(dtype, tuple(tensor.shape))
    return around.head + content + around.tail(zlib.crc32(content))


@pytest.mark.parametrize("dtype", DTYPES)
def test_torch_loads_a_record_and_its_checksums_hold(dtype):
    tensor = torch.randn(5, 7).to(getattr(torch, dtype))
    written = record(tensor, dtype)
    assert len(written) == record_size(dtype, (5, 7))
    assert torch.equal(torch.load(io.BytesIO(written), weights_only=True), tensor)
    assert zipfile.ZipFile(io.BytesIO(written)).testzip() is None


def test_the_tensor_begins_at_a_multiple_of_64_bytes():
    assert len(frame("bfloat16", (1, 8)).head) == 64


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_of_a_bin_file_are_found_where_torch_put_them(tmp_path, dtype):
    whole = torch.randn(6, 4).to(getattr(torch, dtype))
    tensors = {"a": whole, "part": whole[2:4], "b": torch.nn.Parameter(torch.randn(3).to(whole.dtype))}
    torch.save(tensors, tmp_path / "m.bin")
    content = (tmp_path / "m.bin").read_bytes()
    for name, found in locate_tensors(tmp_path / "m.bin").items():
        part = bytearray(content[found.offset : found.offset + found.size])
        assert torch.equal(torch.frombuffer(part, dtype=whole.dtype).view(found.shape), tensors[name].data)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": torch.randn(4, 6).T}, "the rows of a do not lie together"),
        ({"a": torch.zeros(2, dtype=torch.int64)}, "it would call torch.LongStorage"),
        ([torch.zeros(2)], "something else than tensors by name"),
    ],
)
def test_files_of_something_else_are_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "m.bin")
    with pytest.raises(DataError, match=message):
        locate_tensors(tmp_path / "m.bin")
