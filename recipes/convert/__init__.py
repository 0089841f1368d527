"""Verb `convert`: a .nemo checkpoint to a Hugging Face folder, with a proof that both compute the same.

    langadapt convert to-hf model=runs/demo/dpo/checkpoints/megatron_gpt.nemo output=runs/demo/hf/dpo

`checkpoint` reads the archive in place, `nemotron` maps tensors and settings (pure functions), `hf_folder` writes,
`parity` compares logits, `verb` holds them together. Only the parity gate needs NeMo.
"""

from recipes.convert.verb import main

__all__ = ["main"]
