"""`langadapt fertility`: what tokenizers make of a language, and whether one needs more pieces (docs/corpus.md)."""
