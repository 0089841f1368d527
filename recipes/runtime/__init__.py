"""The NeMo stack on whatever hardware is there: the only package that imports nemo, megatron or nemo_aligner."""
