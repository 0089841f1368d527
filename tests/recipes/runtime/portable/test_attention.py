"""The portable attention gives megatron-core's result: forward, gradients, grouped queries, causal and given masks."""

import pytest
import torch

from recipes.runtime.portable.attention import ScaledDotProductAttention


def attend(module: torch.nn.Module, mask: torch.Tensor | None) -> list[torch.Tensor]:
    """Context and the gradients of query, key and value for fixed random inputs: 5 positions, 2 sequences."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((5, 2, 6, 4), (5, 2, 2, 4), (5, 2, 2, 4))
    inputs = [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]
    context = module(*inputs, mask)
    context.square().sum().backward()
    return [context, *(tensor.grad for tensor in inputs)]


@pytest.mark.parametrize("layer_scaling", [False, True], ids=["", "layer scaling"])
@pytest.mark.parametrize("masked", [False, True], ids=["causal", "two documents in one sequence"])
def test_equals_megatrons_unfused_attention(portable_ground, transformer_config, masked, layer_scaling) -> None:
    from megatron.core.tensor_parallel.random import model_parallel_cuda_manual_seed
    from megatron.core.transformer.dot_product_attention import DotProductAttention
    from megatron.core.transformer.enums import AttnMaskType

    model_parallel_cuda_manual_seed(1)
    mask = None
    if masked:
        mask = torch.ones(5, 5, dtype=torch.bool).triu(1)
        mask[3:, :3] = True
        mask = mask[None, None]
    config = transformer_config(apply_query_key_layer_scaling=layer_scaling)
    arguments = (config, 3, AttnMaskType.causal, "self")
    ours = attend(ScaledDotProductAttention(*arguments), mask)
    upstream = attend(DotProductAttention(*arguments), mask)
    for mine, theirs in zip(ours, upstream, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


def test_what_needs_transformer_engine_is_refused(transformer_config) -> None:
    from megatron.core.transformer.enums import AttnMaskType

    with pytest.raises(NotImplementedError, match="sliding windows need Transformer Engine"):
        ScaledDotProductAttention(transformer_config(window_size=(4, 0)), 1, AttnMaskType.causal, "self")
    module = ScaledDotProductAttention(transformer_config(), 1, AttnMaskType.causal, "self")
    with pytest.raises(NotImplementedError, match="Attention bias needs Transformer Engine"):
        module(*[torch.zeros(1, 1, 2, 4)] * 3, None, attention_bias=torch.zeros(1))
