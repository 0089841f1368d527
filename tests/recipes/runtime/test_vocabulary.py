"""Tables that embedding and output share; apart ones, the verb and training on: tests/recipes/test_extend*.py."""

import os
import subprocess
import sys

import torch

from data_prep.layout import REPOSITORY_ROOT
from recipes.convert.architectures.tensors import EMBEDDING
from recipes.convert.reading.checkpoint import open_checkpoint
from recipes.convert.writing.tokenizers import sentencepiece_model
from tests.recipes.convert.whole_tensor import read_tensor
from tests.recipes.tiny_tokenizer import train_tokenizer

EXTEND = """
import sys, torch
from pathlib import Path
from scipy import sparse
from recipes.runtime import ground, inference, vocabulary
from tests.recipes.convert import make_checkpoint

folder = Path(sys.argv[1])
ground.prepare()
make_checkpoint.MODEL["share_embeddings_and_output_weights"] = True
make_checkpoint.save_nemo(folder / "base.nemo", make_checkpoint.sentencepiece(folder / "base.model"))
mean = sparse.csr_array(([0.5, 0.5] * 100, ([n // 2 for n in range(200)], [20, 21] * 100)), shape=(100, 1000))
vocabulary.extend(
    folder / "base.nemo",
    folder / "extended.nemo",
    tokenizer=folder / "extended.model",
    weights=mean,
    rows=1152,
    dtype=torch.bfloat16,
)
"""


def test_a_shared_table_grows_once_and_is_stored_in_the_type_asked_for(tmp_path) -> None:
    (tmp_path / "base.model").write_bytes(train_tokenizer(1000))
    (tmp_path / "extended.model").write_bytes(train_tokenizer(1100))
    command = [sys.executable, "-c", EXTEND, str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=REPOSITORY_ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    base, extended = (open_checkpoint(tmp_path / name) for name in ("base.nemo", "extended.nemo"))
    assert base.tensors.keys() == extended.tensors.keys()
    assert "output_layer.weight" not in base.tensors
    old, new = read_tensor(base, EMBEDDING), read_tensor(extended, EMBEDDING)
    assert new.shape == (1152, old.shape[1])
    assert torch.equal(new[:1000], old[:1000].bfloat16())
    assert torch.equal(new[1000:1100], old[20:22].mean(dim=0).bfloat16().expand(100, -1))
    assert sentencepiece_model(extended) == (tmp_path / "extended.model").read_bytes()
