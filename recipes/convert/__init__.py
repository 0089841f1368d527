"""Verb `convert`: NeMo checkpoints to Hugging Face folders and back, with a proof that both compute the same.

    langadapt convert to-hf model=runs/demo/dpo/checkpoints/megatron_gpt.nemo output=runs/demo/hf/dpo
    langadapt convert to-nemo model=Minitron-4B-Base output=base.nemo tokenizer=tokenizer.model

    to_hf, to_nemo   the two directions: checks, one pass over the weights, the gate, then the name
    architectures/   what becomes what: tensors and settings, both directions
    reading/         checkpoints and Hugging Face folders, by position; pickles by an allow-list
    plan, row_plan   every tensor of every file, before anything is written
    copying          rows from chunk to file; casts, hashing, progress, direct_files and torch_records below it
    writing/         safetensors, .nemo, settings, tokenizer, the output folder
    proof/           the parity gate and its certificate

No model is built, and neither NeMo nor torch imported, before the gate.
"""

from recipes.convert.verb import main

__all__ = ["main"]
