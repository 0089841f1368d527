"""Makes a tiny .nemo with random weights through NeMo itself, converts it, and keeps what NeMo computed.

Run in a process of its own, so that NeMo's global state stays out of the tests':
    python -m tests.recipes.convert.make_checkpoint FOLDER
Leaves FOLDER/tiny.nemo, FOLDER/hf (converted, through the gate) and FOLDER/reference.pt (NeMo's trace of the probe).
"""

import sys
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from sentencepiece import SentencePieceProcessor

from recipes import convert, hf_tokenizer
from recipes.convert import parity
from recipes.runtime import ground, inference
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
    "num_layers": 3,
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


def main(folder: Path) -> None:
    ground.prepare()
    ground.quiet_nemo()
    model = folder / "tokenizer.model"
    model.write_bytes(train_tokenizer())
    save_nemo(folder / "tiny.nemo", model)
    convert.main([], [f"model={folder / 'tiny.nemo'}", f"output={folder / 'hf'}"], dry_run=False)
    tokenizer = hf_tokenizer.build(model.read_bytes(), max_length=MAX_POSITIONS, where="")
    sequences = parity.probe(tokenizer, SentencePieceProcessor(model_file=str(model)), MAX_POSITIONS)
    reference = inference.nemo_trace(folder / "tiny.nemo", sequences)
    torch.save({"reference": reference, "sequences": sequences}, folder / "reference.pt")


def save_nemo(path: Path, tokenizer: Path) -> None:
    """Random weights, norms included: a mistake with a norm of zeros would not show."""
    from lightning.pytorch import Trainer
    from nemo.collections.nlp.models.language_modeling.megatron_gpt_model import MegatronGPTModel
    from nemo.collections.nlp.parts.nlp_overrides import NLPDDPStrategy, NLPSaveRestoreConnector

    trainer = Trainer(
        strategy=NLPDDPStrategy(), accelerator="cpu", devices=1, precision="32-true", logger=False,
        enable_checkpointing=False, enable_progress_bar=False,
    )  # fmt: skip
    sentencepiece = {"library": "sentencepiece", "type": None, "model": str(tokenizer), "sentencepiece_legacy": False}
    model = MegatronGPTModel(OmegaConf.create({**MODEL, "tokenizer": sentencepiece}), trainer)
    trainer.strategy.launcher.launch(lambda: None, trainer=trainer)
    trainer.strategy.setup_environment()
    torch.manual_seed(SEED)
    with torch.no_grad():
        for name, parameter in model.model.named_parameters():
            if "norm" in name:
                parameter.normal_(std=0.3)
    NLPSaveRestoreConnector().save_to(model, str(path))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
