"""Makes tiny .nemo files with random weights through NeMo itself, converts them, and keeps what NeMo computed.

Run in a process of its own, so that NeMo's global state stays out of the tests':
    python -m tests.recipes.convert.make_checkpoint FOLDER
Leaves, for the Nemotron `tiny` and the Llama `llama`, NAME.nemo, the same weights as training checkpoints cut in every
way (`make_layouts`), hf-NAME, hf-NAME-tp2, ... (converted, through the gate) and NAME.pt (NeMo's trace of the probe).
"""

import os
import socket
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from recipes import convert
from recipes.convert.proof import parity
from recipes.convert.reading.checkpoint import open_checkpoint
from recipes.convert.writing import tokenizers
from recipes.runtime import ground, inference
from tests.data_prep import hf_tokenizers
from tests.recipes.tiny_tokenizer import train_tokenizer

SEED = 7
MAX_POSITIONS = 96
MODEL: dict[str, Any] = {
    "mcore_gpt": True,
    "micro_batch_size": 1,
    "global_batch_size": 1,
    "tensor_model_parallel_size": 1,
    "pipeline_model_parallel_size": 1,
    "encoder_seq_length": MAX_POSITIONS,
    "max_position_embeddings": MAX_POSITIONS,
    "num_layers": 4,
    "hidden_size": 48,
    "ffn_hidden_size": 144,
    "num_attention_heads": 6,
    "num_query_groups": 2,
    "kv_channels": 16,
    "init_method_std": 0.2,
    "hidden_dropout": 0.0,
    "attention_dropout": 0.0,
    "normalization": "layernorm1p",
    "bias": False,
    "activation": "squared-relu",
    "position_embedding_type": "rope",
    "rotary_percentage": 0.5,
    "share_embeddings_and_output_weights": False,
    "make_vocab_size_divisible_by": 128,
    "transformer_engine": False,
    "use_cpu_initialization": True,
    "masked_softmax_fusion": False,
    "bias_activation_fusion": False,
    "bias_dropout_add_fusion": False,
    "gradient_accumulation_fusion": False,
    "persist_layer_norm": False,
    "apply_rope_fusion": False,
    "precision": "32-true",
    "seed": SEED,
    "dist_ckpt_format": "torch_dist",
    "data": {"data_prefix": [], "seq_length": MAX_POSITIONS},
    "optim": {"name": "adam", "lr": 1e-3},
}
LLAMA = {
    **MODEL,
    "max_position_embeddings": 131_072,
    "normalization": "rmsnorm",
    "activation": "fast-swiglu",
    "rotary_percentage": 1.0,
    "rotary_base": 500_000,
    "scale_positional_embedding": True,
    "share_embeddings_and_output_weights": True,
}
CONVERSIONS = {
    "tiny": ["gate=whole"],
    "tiny-tp2": ["gate=layers"],
    "tiny-tp2-by-layer": ["gate=layers"],
    "tiny-pp2": ["gate=whole"],
    "llama": ["gate=layers"],
    "llama-tp2": ["gate=whole"],
    "llama-tp2-by-layer": ["gate=whole"],
    "llama-pp2": ["gate=layers"],
}
"""What is converted, and which form of the gate it goes through."""


def main(folder: Path) -> None:
    ground.prepare()
    ground.quiet_nemo()
    model = folder / "tokenizer.model"
    model.write_bytes(train_tokenizer())
    save_nemo(folder / "tiny.nemo", sentencepiece(model))
    words = hf_tokenizers.save(hf_tokenizers.byte_level(), folder / "words")
    hugging_face = {"library": "huggingface", "type": str(words), "model": str(words / "tokenizer.json")}
    save_nemo(folder / "llama.nemo", {**hugging_face, "use_fast": True}, LLAMA)
    cut(folder / "tiny.nemo", folder / "llama.nemo")
    for name, settings in CONVERSIONS.items():
        source = folder / name if (folder / name / ".metadata").is_file() else folder / f"{name}.nemo"
        convert.main([], [f"model={source}", f"output={folder / f'hf-{name}'}", *settings], dry_run=False)
    for name in ("tiny", "llama"):
        source = open_checkpoint(folder / f"{name}.nemo")
        found = tokenizers.find(source, None)
        sequences = [found.encode(text)[:MAX_POSITIONS] for text in parity.TEXTS]
        trace = inference.nemo_trace(folder / f"{name}.nemo", sequences)
        torch.save({"reference": trace, "sequences": sequences}, folder / f"{name}.pt")


def sentencepiece(model: Path) -> dict[str, Any]:
    """The `tokenizer` section of a tokenizer.model."""
    return {"library": "sentencepiece", "type": None, "model": str(model), "sentencepiece_legacy": False}


def cut(*archives: Path) -> None:
    """The weights of each .nemo as two ranks save them."""
    for archive in archives:
        with tarfile.open(archive) as tar:
            tar.extractall(archive.with_suffix(""), filter="data")
    words = [
        sys.executable,
        "-m",
        "tests.recipes.convert.make_layouts",
        *(str(each.with_suffix("")) for each in archives),
    ]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [subprocess.Popen(words, env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in (0, 1)]
    assert [rank.wait() for rank in ranks] == [0, 0]


def save_nemo(path: Path, tokenizer: dict[str, Any], settings: dict[str, Any] = MODEL) -> None:
    """Random weights, norms included: a mistake with a norm of zeros would not show."""
    from lightning.pytorch import Trainer
    from nemo.collections.nlp.models.language_modeling.megatron_gpt_model import MegatronGPTModel
    from nemo.collections.nlp.parts.nlp_overrides import NLPDDPStrategy, NLPSaveRestoreConnector

    trainer = Trainer(
        strategy=NLPDDPStrategy(), accelerator="cpu", devices=1, precision="32-true", logger=False,
        enable_checkpointing=False, enable_progress_bar=False,
    )  # fmt: skip
    model = MegatronGPTModel(OmegaConf.create({**settings, "tokenizer": tokenizer}), trainer)
    trainer.strategy.launcher.launch(lambda: None, trainer=trainer)
    trainer.strategy.setup_environment()
    torch.manual_seed(SEED)
    with torch.no_grad():
        for name, parameter in model.model.named_parameters():
            if "norm" in name:
                parameter.normal_(mean=float(settings["normalization"] == "rmsnorm"), std=0.3)
    NLPSaveRestoreConnector().save_to(model, str(path))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
