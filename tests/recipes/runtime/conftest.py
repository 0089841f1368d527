"""Megatron's process groups for tests that build its modules in this process."""

import os

import pytest
import torch

from recipes.runtime import portable
from recipes.runtime.portable import PATCHES


@pytest.fixture(scope="module")
def one_process_group():
    """NeMo imported unpatched, and megatron's groups for a single gloo process."""
    os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
    import nemo.collections.nlp.models.language_modeling.megatron_gpt_model  # noqa: F401
    from megatron.core import parallel_state

    portable.remove()
    started_here = not torch.distributed.is_initialized()
    if started_here:
        torch.distributed.init_process_group("gloo", rank=0, world_size=1, store=torch.distributed.HashStore())
        parallel_state.initialize_model_parallel()
    yield
    portable.remove()
    if started_here:
        parallel_state.destroy_model_parallel()
        torch.distributed.destroy_process_group()


@pytest.fixture
def portable_ground(one_process_group):
    """All patches on for one test."""
    portable.apply({patch.missing for patch in PATCHES})
    yield
    portable.remove()


@pytest.fixture(scope="session")
def transformer_config():
    """Makes a small megatron-core TransformerConfig with grouped-query attention."""

    def make(**options):
        from megatron.core.transformer.transformer_config import TransformerConfig

        defaults = {
            "num_layers": 1,
            "hidden_size": 24,
            "num_attention_heads": 6,
            "num_query_groups": 2,
            "kv_channels": 4,
            "use_cpu_initialization": True,
            "attention_dropout": 0.0,
            "masked_softmax_fusion": False,
        }
        return TransformerConfig(**{**defaults, **options})

    return make
