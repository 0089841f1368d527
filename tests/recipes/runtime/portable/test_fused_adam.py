"""The portable FusedAdam updates as torch's AdamW and Adam do, with a state megatron-core can checkpoint."""

import copy

import pytest
import torch

from recipes.runtime.portable.fused_adam import FusedAdam


def train(optimizer_class: type, **options) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(7, 3, generator=generator))
    optimizer = optimizer_class([weight], lr=0.01, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, **options)
    for _ in range(10):
        weight.grad = torch.randn(7, 3, generator=generator)
        optimizer.step()
    return weight.detach()


def test_decoupled_weight_decay_is_adamw() -> None:
    assert torch.allclose(train(FusedAdam), train(torch.optim.AdamW), atol=1e-7)


def test_coupled_weight_decay_is_adam() -> None:
    assert torch.allclose(train(FusedAdam, adam_w_mode=False), train(torch.optim.Adam), atol=1e-7)


def test_state_holds_only_tensors_of_the_parameters_shape() -> None:
    weight = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = FusedAdam([weight])
    weight.grad = torch.ones(2, 2)
    optimizer.step()
    assert {key: tensor.shape for key, tensor in optimizer.state[weight].items()} == {
        "exp_avg": (2, 2),
        "exp_avg_sq": (2, 2),
    }
    assert optimizer.param_groups[0]["step"] == 1


def test_a_reloaded_state_continues_the_same_way() -> None:
    def steps(optimizer: FusedAdam, weight: torch.nn.Parameter, count: int) -> None:
        for number in range(count):
            weight.grad = torch.full((2,), 1.0 + number)
            optimizer.step()

    straight = torch.nn.Parameter(torch.ones(2))
    optimizer = FusedAdam([straight])
    steps(optimizer, straight, 3)
    resumed = torch.nn.Parameter(straight.detach().clone())
    again = FusedAdam([resumed])
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    steps(optimizer, straight, 2)
    steps(again, resumed, 2)
    assert torch.equal(straight, resumed)


def test_bias_correction_cannot_be_switched_off() -> None:
    with pytest.raises(ValueError, match="no bias_correction=False; remove the option"):
        FusedAdam([torch.nn.Parameter(torch.ones(1))], bias_correction=False)
