"""The safetensors files, byte by byte and through the library that reads them."""

import json

import pytest
import torch
from safetensors.torch import load_file

from recipes.convert.hf_folder import TensorSpec, header, split_shards, write_weights


def spec(name: str, *shape: int, dtype: torch.dtype = torch.float32) -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def test_header_gives_dtype_shape_and_bytes_in_order():
    content = header([spec("a", 2, 3), spec("b", 4, dtype=torch.bfloat16)])
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


def test_files_are_read_back_by_safetensors(tmp_path, monkeypatch):
    monkeypatch.setattr("recipes.convert.hf_folder.split_shards", lambda specs: split_shards(specs, limit=24))
    tensors = {
        "x": torch.arange(6.0).view(2, 3),
        "y": torch.arange(8).view(2, 4).T.to(torch.bfloat16),
        "z": torch.tensor([1.5]),
    }
    specs = [TensorSpec(name=name, dtype=value.dtype, shape=tuple(value.shape)) for name, value in tensors.items()]
    checksums = write_weights(tmp_path, specs, tensors.values())
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == 24 + 16 + 4
    assert index["weight_map"]["x"] == "model-00001-of-00002.safetensors"
    for name, value in tensors.items():
        assert torch.equal(load_file(tmp_path / index["weight_map"][name])[name], value)
    assert set(checksums) == {path.name for path in tmp_path.iterdir()}


def test_a_tensor_of_another_shape_than_planned_is_never_written(tmp_path):
    with pytest.raises(AssertionError, match="was planned"):
        write_weights(tmp_path, [spec("a", 2)], [torch.zeros(3)])
