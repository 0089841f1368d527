"""Models and runs to plan, and megatron's process group to build some of them."""

from collections.abc import Callable

import pytest

from recipes.checks.layout import Layout
from recipes.plan.work import Placement, Precision, Recompute, Work
from tests.recipes.runtime.conftest import one_process_group, portable_ground

__all__ = ["one_process_group", "portable_ground"]

NEMOTRON = {
    "num_layers": 32,
    "hidden_size": 3072,
    "ffn_hidden_size": 9216,
    "num_attention_heads": 24,
    "num_query_groups": 8,
    "kv_channels": 128,
    "max_position_embeddings": 4096,
    "hidden_dropout": 0.0,
    "normalization": "layernorm1p",
    "activation": "squared-relu",
    "bias": False,
    "position_embedding_type": "rope",
    "share_embeddings_and_output_weights": False,
    "transformer_engine": True,
}
LLAMA_1B = {
    **NEMOTRON,
    "num_layers": 16,
    "hidden_size": 2048,
    "ffn_hidden_size": 8192,
    "num_attention_heads": 32,
    "kv_channels": 64,
    "normalization": "rmsnorm",
    "activation": "fast-swiglu",
    "share_embeddings_and_output_weights": True,
}
BF16 = Precision(element=2, is_o2=True)
PAPER = Layout(tensor=2, pipeline=1, data=64)


@pytest.fixture(scope="session")
def work() -> Callable[..., Work]:
    """The paper's continued pre-training, with changes."""

    def make(**changes: object) -> Work:
        paper = {
            "schema": "pretrain",
            "model": NEMOTRON,
            "vocabulary_rows": 256_000,
            "sequence": 4096,
            "global_batch": 1152,
            "precision": BF16,
            "optimizer": "mcore_distributed_optim",
            "is_overlapped": True,
        }
        return Work(**{**paper, **changes})

    return make


@pytest.fixture(scope="session")
def placement() -> Callable[..., Placement]:
    """The paper's run on 16 nodes as configured, with changes; `full=N` recomputes uniformly."""

    def make(full: int = 0, **changes: object) -> Placement:
        recompute = Recompute(granularity="full", layers=full) if full else Recompute()
        configured = {"layout": PAPER, "micro_batch": 2, "sequence_parallel": True, "recompute": recompute}
        return Placement(**{**configured, **changes})

    return make
