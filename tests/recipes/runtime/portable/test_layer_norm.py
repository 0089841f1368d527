"""The portable LayerNorm computes what its formulas say and marks its parameters for sequence parallelism."""

import pytest
import torch

from recipes.runtime.portable.layer_norm import LayerNorm

HIDDEN = torch.tensor([[1.0, 2.0, 3.0, 6.0]])


def test_zero_centred_gain_of_zero_is_plain_normalisation(transformer_config) -> None:
    norm = LayerNorm(transformer_config(layernorm_zero_centered_gamma=True), 4, eps=0.0)
    # mean 3, variance (4 + 1 + 0 + 9) / 4 = 3.5
    assert torch.allclose(norm(HIDDEN), (HIDDEN - 3.0) / 3.5**0.5)
    assert torch.equal(norm.weight, torch.zeros(4))


def test_the_stored_gain_is_one_less_than_the_applied_one(transformer_config) -> None:
    norm = LayerNorm(transformer_config(layernorm_zero_centered_gamma=True), 4, eps=0.0)
    with torch.no_grad():
        norm.weight.fill_(0.5)
        norm.bias.fill_(10.0)
    assert torch.allclose(norm(HIDDEN), 1.5 * (HIDDEN - 3.0) / 3.5**0.5 + 10.0)


def test_rms_norm_has_no_bias_and_no_mean(transformer_config) -> None:
    norm = LayerNorm(transformer_config(normalization="RMSNorm"), 4, eps=0.0)
    assert norm.bias is None
    assert torch.allclose(norm(HIDDEN), HIDDEN / 12.5**0.5)


@pytest.mark.parametrize("sequence_parallel", [True, False])
def test_parameters_carry_the_sequence_parallel_mark(transformer_config, sequence_parallel) -> None:
    config = transformer_config(tensor_model_parallel_size=2, sequence_parallel=sequence_parallel)
    assert all(param.sequence_parallel is sequence_parallel for param in LayerNorm(config, 4).parameters())
