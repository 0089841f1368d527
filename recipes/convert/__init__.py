"""Verb `convert`: a NeMo checkpoint to a Hugging Face folder, with a proof that both compute the same.

    langadapt convert to-hf model=runs/demo/dpo/checkpoints/megatron_gpt.nemo output=runs/demo/hf/dpo
    langadapt convert to-hf model=runs/demo/cpt/checkpoints/megatron_gpt--step=40-last output=runs/demo/hf/cpt-40

    architectures    what becomes what: tensors and settings, both directions
    reading          checkpoint, run_folder, tokenizers; pickles, stored_tensors, records below them
    planning         plan, row_plan
    copying          copying, casts, hashing
    writing          safetensors_file, progress, output_folder
    proving          gate, parity, hf_model, recipes.runtime.reference
    certifying       certificate

`to_hf` holds them together. No model is built, and neither NeMo nor torch imported, before the gate.
"""

from recipes.convert.verb import main

__all__ = ["main"]
