"""Verb `evaluate`: bits per byte of held-out documents, and sample generations, of Hugging Face folders.

    langadapt evaluate nemo_configs/eval/tiny.yaml models.base=runs/demo/hf/base models.cpt=runs/demo/hf/cpt \
        documents=runs/demo/data/documents output=runs/demo/evaluation.json

Bits per byte compares models whose tokenizers differ, and languages whose scripts take different numbers of bytes a
letter are each compared with themselves. `bits_per_byte` scores, `generation` writes samples, `verb` holds together.
"""

from recipes.evaluate.verb import main

__all__ = ["main"]
