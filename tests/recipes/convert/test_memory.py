"""No tensor is held: a model of larger ones is converted in the same memory, both ways."""

import json
import subprocess
import sys

import pytest

from data_prep.layout import REPOSITORY_ROOT
from recipes.convert.architectures import NEMOTRON
from recipes.convert.architectures.base import hf_shape
from recipes.convert.architectures.tensors import hf_tensors
from recipes.convert.writing.safetensors_file import TensorSpec, header
from tests.recipes.tiny_tokenizer import train_tokenizer

CODE = """
import resource, sys
from recipes import convert
convert.main([], sys.argv[1:], dry_run=False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
CONFIG = {
    "model_type": "nemotron",
    "vocab_size": 1000,
    "num_hidden_layers": 1,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}


def write_model(folder, hidden):
    """One layer of zeros, which take no room on disk."""
    config = {**CONFIG, "hidden_size": hidden, "intermediate_size": 4 * hidden, "head_dim": hidden // 8}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.model").write_bytes(train_tokenizer())
    tensors = hf_tensors(NEMOTRON, hf_shape(config))
    specs = [TensorSpec(name=tensor.name, dtype="bfloat16", shape=tensor.shape) for tensor in tensors]
    with (folder / "model.safetensors").open("wb") as file:
        file.write(head := header(specs))
        file.truncate(len(head) + sum(spec.size for spec in specs))
    return max(spec.size for spec in specs) // 2**20


def megabytes(*words):
    command = [sys.executable, "-c", CODE, *words, "parity=false"]
    done = subprocess.run(command, cwd=REPOSITORY_ROOT, capture_output=True, text=True, check=True, timeout=300)
    return int(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def peaks(tmp_path_factory):
    """Megabytes by direction, of a small and a large model; and those of the large one's largest tensor."""
    folder = tmp_path_factory.mktemp("peaks")
    found = {"to-nemo": [], "to-hf": []}
    for hidden in (256, 4096):
        model, archive = folder / f"{hidden}", folder / f"{hidden}.nemo"
        largest = write_model(model, hidden)
        found["to-nemo"].append(megabytes("action=to-nemo", f"model={model}", f"output={archive}"))
        found["to-hf"].append(megabytes("action=to-hf", f"model={archive}", f"output={folder / f'hf-{hidden}'}"))
    return found, largest


@pytest.mark.parametrize("direction", ["to-nemo", "to-hf"])
def test_memory_does_not_grow_with_the_tensors(peaks, direction):
    found, largest = peaks
    small, large = found[direction]
    assert largest == 128
    assert large - small < largest / 4
