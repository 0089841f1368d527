"""An index file that a kill cut short is removed, so that upstream builds it anew; whole ones stay."""

import pickle

import numpy as np
import pytest
from omegaconf import OmegaConf

from recipes import index_files


@pytest.fixture
def settings(tmp_path):
    return OmegaConf.create(
        {
            "model": {
                "data": {
                    "data_prefix": [1.0, str(tmp_path / "web")],
                    "index_mapping_dir": str(tmp_path / "mapping"),
                    "train_ds": {"file_path": str(tmp_path / "chat.jsonl")},
                }
            }
        }
    )


def cut(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.arange(1000))
    path.write_bytes(path.read_bytes()[:500])
    return path


@pytest.mark.parametrize(
    "name", ["web/cache/GPTDataset_indices/a-shuffle_index.npy", "mapping/a-sample_index.npy", "chat.jsonl.idx.npy"]
)
def test_a_file_cut_short_is_removed_and_named(settings, tmp_path, name):
    path = cut(tmp_path / name)
    whole = path.with_name("chat.jsonl.idx.info" if "chat" in name else "whole.npy")
    if whole.suffix == ".npy":
        np.save(whole, np.arange(3))
    else:
        whole.write_bytes(pickle.dumps({"newline_int": 10}))
    assert index_files.tidy(settings) == [f"removed {path}: it was cut short; it is built anew"]
    assert whole.exists()
    assert index_files.tidy(settings) == []


@pytest.mark.parametrize("content", [b"", pickle.dumps({"newline_int": 10})[:-5]])
def test_an_unfinished_description_is_removed(settings, tmp_path, content):
    path = tmp_path / "chat.jsonl.idx.info"
    path.write_bytes(content)
    assert len(index_files.tidy(settings)) == 1
    assert not path.exists()


def test_an_empty_index_is_cut_short_too(settings, tmp_path):
    path = tmp_path / "chat.jsonl.idx.npy"
    path.touch()
    assert len(index_files.tidy(settings)) == 1
