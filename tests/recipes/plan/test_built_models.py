"""Weights and kept activations of models that megatron-core really builds, on the portable ground.

One process builds the part of any rank: megatron is told the sizes of its groups. What a forward pass keeps is counted
in bytes of distinct storages that autograd saves, weights left out: no clock, no allocator, the same number every time.
"""

from __future__ import annotations

import re
import subprocess
import sys
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode

from recipes.checks.layout import Layout
from recipes.model_shape import padded_vocab_size, parameter_count, rank_parameters
from recipes.plan import activations
from recipes.plan.memory import stage_memory
from recipes.plan.work import Placement, Precision, Recompute, Work
from tests.conftest import REPOSITORY
from tests.recipes.plan.built import SEQUENCE, SHAPES, believe, build, saved_bytes, section

NONE = Recompute()


@pytest.fixture(autouse=True)
def groups_of_their_real_size(portable_ground) -> Iterator[None]:
    """Megatron believes the real sizes of its groups again."""
    yield
    believe(None, None, None)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(("tensor", "pipeline"), [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (2, 4)])
def test_weights_of_every_rank_are_those_of_the_built_model(name, tensor, pipeline):
    """A vocabulary of 1,000 is padded to 1,024 rows for one rank or two, to 1,024 or 1,536 for more."""
    model = section(name)
    rows = padded_vocab_size(1000, 128 if tensor < 4 else 96, tensor)
    for stage in range(pipeline):
        built = build(model, rows, tensor, pipeline, stage)
        counted = rank_parameters(model, rows, tensor=tensor, pipeline=pipeline, stage=stage)
        assert counted == sum(weight.numel() for weight in built.parameters())


def test_ranks_of_untied_bias_free_models_add_up_to_the_whole():
    """But for the norms, which every tensor rank holds."""
    model = section("Nemotron")
    norms = (2 * 4 + 1) * 2 * 192
    ranks = [rank_parameters(model, 1024, tensor=2, pipeline=4, stage=stage) for stage in range(4)]
    assert 2 * sum(ranks) - norms == parameter_count(model, 1024)


def run(model: dict, batch: int, tensor: int = 1, recompute: Recompute = NONE) -> tuple[Work, Placement]:
    """One micro batch a step, in fp32."""
    work = Work(
        schema="pretrain",
        model=model,
        vocabulary_rows=1024,
        sequence=SEQUENCE,
        global_batch=batch,
        precision=Precision(element=4, is_o2=False),
        optimizer="fused_adam",
    )
    where = Placement(layout=Layout(tensor=tensor, pipeline=1, data=1), micro_batch=batch, recompute=recompute)
    return work, where


def planned(model: dict, batch: int, tensor: int = 1, recompute: Recompute = NONE) -> float:
    """What the forward pass keeps, to the loss."""
    work, where = run(model, batch, tensor, recompute)
    return activations.of_stage(work, where, 0) + activations.of_logits(work, where)


@pytest.mark.parametrize(("name", "tensor", "batch"), list(product(("Nemotron", "Llama"), (1, 2), (1, 3))))
def test_activations_are_what_a_forward_pass_keeps_within_half_a_percent(name, tensor, batch):
    model = section(name)
    measured = saved_bytes(build(model, 1024, tensor), batch)
    assert planned(model, batch, tensor) == pytest.approx(measured, rel=5e-3)


@pytest.mark.parametrize(("method", "layers"), [("uniform", 1), ("uniform", 2), ("block", 1), ("block", 3)])
def test_recomputed_layers_keep_what_is_planned_within_half_a_percent(method, layers):
    model = section("Nemotron")
    built = build(model, 1024, recompute_granularity="full", recompute_method=method, recompute_num_layers=layers)
    recompute = Recompute(granularity="full", method=method, layers=layers)
    assert planned(model, 2, recompute=recompute) == pytest.approx(saved_bytes(built, 2), rel=5e-3)


@pytest.mark.slow
def test_sequence_parallel_ranks_keep_what_is_planned_within_half_a_percent():
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, "-m", "tests.recipes.plan.built"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    measured = int(re.search(r"kept (\d+)", done.stdout).group(1))
    work, where = run(section("Nemotron"), 3, 2)
    where = replace(where, sequence_parallel=True)
    kept = activations.of_stage(work, where, 0) + activations.of_logits(work, where)
    assert kept == pytest.approx(measured, rel=5e-3)


class LiveBytes(TorchDispatchMode):
    """The most bytes of tensors made inside that were alive at once.

    Args:
        before: Tensors that were there before, views of which are nothing new.
    """

    def __init__(self, before: Iterable[torch.Tensor] = ()) -> None:
        super().__init__()
        self.before = {tensor.untyped_storage()._cdata for tensor in before}
        self.alive: set[int] = set()
        self.now = self.peak = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        _pytree.tree_map_only(torch.Tensor, self._count, result)
        return result

    def _count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self.alive and key not in self.before:
            self.alive.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._freed, key, size)

    def _freed(self, key: int, size: int) -> None:
        self.alive.remove(key)
        self.now -= size


@pytest.mark.parametrize("granularity", ["none", "full"])
@pytest.mark.parametrize("name", ["Nemotron", "Llama"])
def test_a_whole_step_takes_what_is_planned_within_eight_percent(name, granularity):
    """The most of forward and backward pass at once, beside weights and gradients."""
    model = section(name)
    recompute = Recompute(granularity=granularity)
    options = {"recompute_granularity": "full", "recompute_method": "uniform", "recompute_num_layers": 1}
    built = build(model, 1024, **(options if granularity == "full" else {}))
    weights = list(built.parameters())
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    ids = torch.randint(0, 512, (2, SEQUENCE))
    with LiveBytes([*weights, *(weight.grad for weight in weights)]) as live:
        built(ids, torch.arange(SEQUENCE)[None], None, labels=ids).mean().backward()
    used = stage_memory(*run(model, 2, recompute=recompute), 0, reserved=0)
    assert used.activations + used.logits + used.workspace == pytest.approx(live.peak, rel=0.08)


def log_probs(logits: torch.Tensor, target: torch.Tensor, *, inference_only: bool) -> torch.Tensor:
    """As NeMo-Aligner's DPO calls it."""
    from nemo_aligner.utils.distributed import from_parallel_logits_to_logprobs

    return from_parallel_logits_to_logprobs(
        logits, target, inference_only=inference_only, higher_stability=True, ignore_last=False
    )


def peak_per_logit(step, dtype: torch.dtype, *, grad: bool) -> float:
    """Most bytes at once, for each of 128 x 4,096 logits, which are themselves made inside."""
    source = torch.randn(2, 64, 4096, dtype=dtype, requires_grad=grad)
    target = torch.randint(0, 4096, (2, 64))
    with LiveBytes() as live:
        step([source * 1.0], target)  # in a list, so that the callee can let go of them as upstream's schedule does
    return live.peak / source.numel()


def test_cross_entropy_takes_six_bytes_a_16_bit_logit_and_four_a_32_bit_one():
    from megatron.core.tensor_parallel import vocab_parallel_cross_entropy

    def forward(logits, target):
        vocab_parallel_cross_entropy(logits.pop(), target)

    assert peak_per_logit(forward, torch.bfloat16, grad=True) == pytest.approx(6, rel=0.01)
    assert peak_per_logit(forward, torch.float32, grad=True) == pytest.approx(4, rel=0.01)


def test_dpo_takes_twenty_bytes_a_logit_and_twelve_for_the_reference():
    def train(logits, target):
        log_probs(logits.pop(), target, inference_only=False).mean().backward()

    def reference(logits, target):
        log_probs(logits.pop(), target, inference_only=True)

    assert peak_per_logit(train, torch.float32, grad=True) == pytest.approx(20, rel=0.01)
    assert peak_per_logit(reference, torch.float32, grad=False) == pytest.approx(12, rel=0.01)


def test_the_plan_has_these_bytes_a_logit(work, placement):
    logits = 2 * 4096 * 256_000 / 2
    assert activations.of_logits(work(), placement()) == 6 * logits
    fp32 = work(precision=Precision(element=4, is_o2=False))
    assert activations.of_logits(fp32, placement()) == 4 * logits
    pairs = replace(work(), schema="dpo")
    assert activations.of_logits(pairs, placement()) == 20 * 2 * logits
    assert activations.of_reference_logits(pairs, placement(), 2) == 12 * 2 * logits
