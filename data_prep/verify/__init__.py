"""`langadapt verify`: whether a Megatron dataset holds what it should, token by token (docs/corpus.md)."""
