"""Converts the Hugging Face folders of `make_checkpoint` back to .nemo, through the gate, and loads these on two ranks.

Run in a process of its own: python -m tests.recipes.convert.make_nemo FOLDER
Leaves back-NAME.nemo with its certificate, and back-NAME-tp2, back-NAME-pp2, ...: what two ranks of NeMo's model held
once megatron-core had loaded the .nemo into them; by-layer-NAME.nemo, proven a layer at a time, one cast, one from a
.bin file; spoilt.json, what either form of the gate says of a weight written as zeros.
"""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from recipes import convert
from recipes.convert.direct_files import DirectOutput
from recipes.convert.proof.parity import ParityFailed
from recipes.convert.writing import nemo_archive
from recipes.convert.writing.hf_weights import Weights
from tests.recipes.convert.make_checkpoint import cut

SPOILT = "decoder.layers.2.mlp.linear_fc2.weight"


def main(folder: Path) -> None:
    nemo_archive.CHUNK_BYTES = 5000  # so that megatron-core meets tensors cut into rows, as a large table is
    words = {"tiny": f"tokenizer={folder / 'tokenizer.model'}", "llama": f"tokenizer={folder / 'words'}"}
    for name, tokenizer in words.items():
        to_nemo(folder / f"hf-{name}", folder / f"back-{name}.nemo", tokenizer)
    to_nemo(folder / "hf-tiny", folder / "by-layer-tiny.nemo", words["tiny"], "gate=layers", "dtype=bf16")
    to_nemo(published(folder), folder / "by-layer-llama.nemo", words["llama"], "gate=layers")
    spoilt = {gate: spoil(folder, words["tiny"], gate) for gate in ("whole", "layers")}
    (folder / "spoilt.json").write_text(json.dumps(spoilt))
    cut(*(folder / f"back-{name}.nemo" for name in words))


def to_nemo(source: Path, output: Path, *settings: str) -> None:
    convert.main([], ["action=to-nemo", f"model={source}", f"output={output}", *settings], dry_run=False)


def published(folder: Path) -> Path:
    """The Llama as an older publisher has it: a .bin file with buffers, a padding token above the first entries."""
    source = shutil.copytree(folder / "hf-llama", folder / "hf-llama-bin")
    weights = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    buffers = {"model.layers.1.self_attn.rotary_emb.inv_freq": torch.ones(8)}
    torch.save({**weights, **buffers}, source / "pytorch_model.bin")
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "pad_token_id": 300}))
    return source


def spoil(folder: Path, tokenizer: str, gate: str) -> str:
    """What the gate says of a conversion that writes zeros for one weight."""
    fill = Weights.fill

    def zeros(self: Weights, output: DirectOutput, chunk: nemo_archive.Chunk) -> int:
        if chunk.tensor.name == SPOILT:
            chunk = replace(chunk, tensor=replace(chunk.tensor, parts=(), shape=(0, *chunk.tensor.shape[1:])))
        return fill(self, output, chunk)

    Weights.fill = zeros  # type: ignore[method-assign]
    try:
        to_nemo(folder / "hf-tiny", folder / "spoilt" / f"{gate}.nemo", tokenizer, f"gate={gate}")
    except ParityFailed as error:
        return str(error)
    finally:
        Weights.fill = fill  # type: ignore[method-assign]
    return "passed"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
