"""The safetensors files, byte by byte, and what a killed conversion leaves."""

import hashlib
import json

import pytest
from safetensors.torch import load_file

from recipes.convert.progress import Progress
from recipes.convert.writing.safetensors_file import (
    TensorSpec,
    header,
    read_header,
    shard_name,
    split_shards,
    write_shard,
)


def spec(name: str, *shape: int, dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=shape)


SPECS = [spec("a", 2, 3), spec("b", 4, dtype="bfloat16")]


def test_header_gives_dtype_shape_and_bytes_in_order():
    content = header(SPECS)
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    assert json.loads(content[8:]) == {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "b": {"dtype": "BF16", "shape": [4], "data_offsets": [24, 32]},
    }
    assert len(content) == 8 + length


def test_shards_are_filled_in_order_and_a_large_tensor_gets_its_own():
    specs = [spec("a", 2), spec("b", 2), spec("c", 9), spec("d", 1)]
    assert [[s.name for s in shard] for shard in split_shards(specs, limit=16)] == [["a", "b"], ["c"], ["d"]]
    assert (shard_name(1, 1), shard_name(2, 3)) == ("model.safetensors", "model-00002-of-00003.safetensors")


def test_a_file_is_read_back_and_its_hash_is_that_of_its_bytes(tmp_path):
    def write(output, spec):
        output.write(bytes(range(spec.size)))

    digest = write_shard(tmp_path / "x.safetensors", SPECS, write)
    assert digest == hashlib.sha256((tmp_path / "x.safetensors").read_bytes()).hexdigest()
    assert {name: tuple(tensor.shape) for name, tensor in load_file(tmp_path / "x.safetensors").items()} == {
        "a": (2, 3),
        "b": (4,),
    }
    assert read_header(tmp_path / "x.safetensors")["b"]["dtype"] == "BF16"


def test_a_writer_that_fails_does_not_leave_threads_waiting(tmp_path):
    def write(*_arguments):
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        write_shard(tmp_path / "x.safetensors", SPECS, write)


def test_finished_files_are_taken_over_if_they_are_of_the_same_conversion(tmp_path):
    folder = tmp_path / "unfinished"
    progress = Progress.take_over(folder, "key")
    (folder / "one").write_bytes(b"whole")
    progress.record("one", "hash")
    (folder / "two").write_bytes(b"ha")
    (folder / ".unpacked").mkdir()
    assert Progress.take_over(folder, "key").shards == {"one": ("hash", 5)}
    assert {path.name for path in folder.iterdir()} == {"one", "progress.json"}
    (folder / "one").write_bytes(b"cut")
    assert Progress.take_over(folder, "key").shards == {}
    (folder / "one").write_bytes(b"whole")
    assert Progress.take_over(folder, "other").shards == {}
    assert not (folder / "one").exists()
