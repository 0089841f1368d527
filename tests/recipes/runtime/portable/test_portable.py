"""Every patch of the portable ground is still needed, still fits upstream, and leaves results unchanged.

For each patch a probe runs the upstream code in question: with all patches on it must work, with all but this one it
must stop. A probe that no longer stops means the patch can go; a source line that is gone means upstream moved.
"""

import importlib
import inspect
import io
import os
import types
from pathlib import Path

import pytest
import torch

from recipes.runtime import portable
from recipes.runtime.portable import PATCHES
from recipes.runtime.portable.attention import ScaledDotProductAttention
from recipes.runtime.portable.fused_adam import FusedAdam
from recipes.runtime.portable.layer_norm import LayerNorm

MISSING = {patch.missing for patch in PATCHES}
PATCHES_BY_NAME = {patch.name: patch for patch in PATCHES}

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="the probes show what stops without a GPU")


@pytest.fixture(autouse=True)
def patches_off_afterwards(one_process_group):
    yield
    portable.remove()


def nemo(name: str):
    return importlib.import_module(f"nemo.collections.nlp.{name}")


def clipped_gradient_norm() -> float:
    weight = torch.nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([3.0, 4.0])
    norm = nemo("modules.common.megatron.clip_grads").clip_grad_norm_fp32([weight], max_norm=1.0)
    assert torch.allclose(weight.grad, torch.tensor([0.6, 0.8]), atol=1e-5)
    return float(norm)


def ngc_version() -> None:
    base = nemo("models.language_modeling.megatron_base_model").MegatronBaseModel
    base._enable_nvidia_optimizations(None)


def rotary_embedding() -> None:
    from megatron.core.models.common.embeddings.rotary_pos_embedding import RotaryEmbedding

    assert RotaryEmbedding(kv_channels=8, rotary_percent=0.5, use_cpu_initialization=True)(4).shape == (4, 1, 1, 4)


def rng_tracker() -> None:
    from megatron.core.tensor_parallel.random import CudaRNGStatesTracker

    tracker = CudaRNGStatesTracker()
    tracker.add("one", 1)
    before = torch.get_rng_state()
    with tracker.fork("one"):
        first = torch.rand(3)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first, torch.rand(3, generator=torch.Generator().manual_seed(1)))


def model_parallel_seed() -> None:
    from megatron.core.tensor_parallel.random import get_cuda_rng_tracker

    get_cuda_rng_tracker().reset()
    nemo("modules.common.megatron.megatron_init")._set_random_seed(1234)
    assert "model-parallel-rng" in get_cuda_rng_tracker().get_states()


def weight_decay_groups(transformer_config) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), LayerNorm(transformer_config(), 2))
    decayed, spared = nemo("modules.common.megatron.utils").get_params_for_weight_decay_optimization(module)
    assert [param.shape for param in decayed["params"]] == [(2, 2)]
    assert len(spared["params"]) == 3


def build_one_module() -> None:
    def provide(*, pre_process: bool, post_process: bool) -> torch.nn.Module:
        assert pre_process
        assert post_process
        return torch.nn.Linear(2, 2)

    (model,) = nemo("modules.common.megatron.build_model").build_model(provide, wrap_with_ddp=False, on_cpu=True)
    assert model.weight.tensor_model_parallel is False


def start_strategy() -> None:
    nemo("parts.nlp_overrides").NLPDDPStrategy()


def optimizer_state_for_checkpoint() -> None:
    strategy_class = nemo("parts.nlp_overrides").NLPDDPStrategy
    weight = torch.nn.Parameter(torch.zeros(2))
    module = types.SimpleNamespace(
        optimizers=lambda use_pl_optimizer: torch.optim.SGD([weight]),
        sharded_state_dict=dict,
    )
    strategy_class.optimizer_sharded_state_dict(types.SimpleNamespace(lightning_module=module))


def fused_adam_by_name() -> None:
    from nemo.core import optim

    assert optim.get_optimizer("fused_adam", lr=0.1).func is FusedAdam


def build_layer(transformer_config) -> None:
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec
    from megatron.core.transformer.spec_utils import build_module

    layer = build_module(get_gpt_layer_local_spec(), config=transformer_config(layernorm_zero_centered_gamma=True))
    assert layer.input_layernorm.zero_centered


def attention_of_the_layer() -> None:
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec

    spec = get_gpt_layer_local_spec()
    assert spec.submodules.self_attention.submodules.core_attention is ScaledDotProductAttention


def choose_layer_spec(transformer_config) -> None:
    nemo("models.language_modeling.megatron_gpt_model").get_specs("", transformer_config(), False)


def write_checkpoint_item() -> None:
    from megatron.core.dist_checkpointing.strategies import filesystem_async
    from torch.distributed.checkpoint.metadata import MetadataIndex
    from torch.distributed.checkpoint.planner import WriteItem, WriteItemType

    item = WriteItem(index=MetadataIndex("a"), type=WriteItemType.BYTE_IO)
    stream = io.BytesIO()
    result = filesystem_async._write_item(stream, io.BytesIO(b"abc"), item, "file")
    assert (stream.getvalue(), result.size_in_bytes) == (b"abc", 3)


def load_common_state(tmp_path: Path) -> None:
    from megatron.core.dist_checkpointing.strategies.common import TorchCommonLoadStrategy

    torch.save({"path": tmp_path}, tmp_path / "common.pt")
    assert TorchCommonLoadStrategy().load_common(tmp_path) == {"path": tmp_path}


def size_of_a_checkpoint_shard() -> None:
    from megatron.core.dist_checkpointing.exchange_utils import _shard_size

    assert _shard_size(types.SimpleNamespace(local_shape=(3, 5), dtype=torch.float32, flattened_range=None)) == 60


def save_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint can be written, and read again, where nothing may be forked."""
    from megatron.core import dist_checkpointing
    from megatron.core.dist_checkpointing.mapping import ShardedTensor

    weight = torch.arange(6.0).reshape(2, 3)
    monkeypatch.setattr(os, "fork", no_fork)
    dist_checkpointing.save({"weight": ShardedTensor.from_rank_offsets("weight", weight)}, str(tmp_path))
    empty = {"weight": ShardedTensor.from_rank_offsets("weight", torch.zeros(2, 3))}
    assert torch.equal(dist_checkpointing.load(empty, str(tmp_path))["weight"], weight)


def no_fork() -> None:
    raise BlockingIOError("forked")


def scheduled_token_count() -> None:
    assert torch.zeros([], dtype=torch.int, device="cuda").device.type == "cpu"


class Doubling(torch.nn.Linear):
    """A model as Megatron's schedules call it; notes in which precision it computed."""

    model_type = None

    def set_input_tensor(self, _tensor: object) -> None:
        pass

    def step(self, _data: object, _model: object) -> tuple[torch.Tensor, object]:
        self.computed = self(torch.ones(2, 2)).dtype
        return torch.zeros(()), lambda output: (output, {})


def mixed_precision_of_a_step() -> None:
    from megatron.core.pipeline_parallel import schedules

    nemo("parts.nlp_overrides")
    model = Doubling(2, 2)
    config = types.SimpleNamespace(
        enable_autocast=True,
        autocast_dtype=torch.bfloat16,
        timers=None,
        calculate_per_token_loss=False,
        num_moe_experts=None,
    )
    schedules.forward_step(model.step, None, model, 1, None, [], config)
    assert model.computed is torch.bfloat16


def backward_of_a_linear() -> None:
    from megatron.core.tensor_parallel.layers import LinearWithGradAccumulationAndAsyncCommunication as Linear

    weight, inputs = torch.nn.Parameter(torch.ones(3, 2)), torch.ones(4, 2, requires_grad=True)
    with torch.amp.autocast_mode.autocast("cpu", dtype=torch.bfloat16):
        outputs = Linear.apply(inputs, weight, None, False, False, False, None, None)
    assert outputs.dtype is torch.bfloat16
    outputs.sum().backward()
    assert torch.equal(weight.grad, torch.full((3, 2), 4.0))


PROBES = {
    "ngc_version": (ngc_version, TypeError),
    "cuda_methods": (lambda: torch.ones(1).cuda(), (AssertionError, RuntimeError)),
    "cuda_factories": (scheduled_token_count, (AssertionError, RuntimeError)),
    "current_device": (rotary_embedding, (AssertionError, RuntimeError)),
    "device_fences": (lambda: torch.cuda.synchronize(), (AssertionError, RuntimeError)),
    "cuda_stream": (lambda: torch.cuda.Stream(), (AssertionError, RuntimeError)),
    "rng_states": (rng_tracker, (AssertionError, RuntimeError)),
    "model_parallel_seed": (model_parallel_seed, AssertionError),
    "float_tensor_type": (clipped_gradient_norm, AssertionError),
    "checkpoint_device": (lambda: start_strategy_class()._fix_tensors_device(None, {}), AssertionError),
    "autocast_device": (mixed_precision_of_a_step, AssertionError),
    "autocast_of_linears": (backward_of_a_linear, RuntimeError),
    "apex_gate": (start_strategy, ImportError),
    "tensor_parallel_defaults": (build_one_module, NameError),
    "listify_model": (weight_decay_groups, NameError),
    "norms_without_weight_decay": (weight_decay_groups, NameError),
    "gradient_norm": (clipped_gradient_norm, NameError),
    "distributed_optimizer_names": (optimizer_state_for_checkpoint, NameError),
    "fused_adam": (fused_adam_by_name, ValueError),
    "no_bert_models": (lambda: nemo("models.nlp_model").get_megatron_pretrained_bert_models(), NameError),
    "layer_norm_1p": (build_layer, AssertionError),
    "sdpa_attention": (attention_of_the_layer, AssertionError),
    "local_layer_spec": (choose_layer_spec, ImportError),
    "checkpoint_write_item": (write_checkpoint_item, TypeError),
    "numpy_product": (size_of_a_checkpoint_shard, AttributeError),
    "checkpoint_common_state": (load_common_state, Exception),
    "checkpoint_without_fork": (save_checkpoint, BlockingIOError),
}


def start_strategy_class():
    return nemo("parts.nlp_overrides").NLPDDPStrategy


@pytest.fixture
def run_probe(tmp_path, transformer_config, monkeypatch):
    """Runs the probe of a patch with the fixtures it names."""
    fixtures = {"tmp_path": tmp_path, "transformer_config": transformer_config, "monkeypatch": monkeypatch}

    def run(name: str) -> None:
        probe = PROBES[name][0]
        probe(**{name: fixtures[name] for name in inspect.signature(probe).parameters})

    return run


def test_every_patch_has_a_probe() -> None:
    assert set(PROBES) == set(PATCHES_BY_NAME)


@pytest.mark.parametrize("name", PATCHES_BY_NAME)
def test_upstream_still_holds_the_line_that_stops(name: str) -> None:
    patch = PATCHES_BY_NAME[name]
    assert patch.stops_at in inspect.getsource(importlib.import_module(patch.upstream))


@pytest.mark.parametrize("name", PATCHES_BY_NAME)
def test_the_patch_says_why(name: str) -> None:
    assert len(PATCHES_BY_NAME[name].apply.__doc__ or "") > 40


@pytest.mark.parametrize("name", PATCHES_BY_NAME)
def test_the_probe_works_with_all_patches(name: str, run_probe) -> None:
    portable.apply(MISSING)
    run_probe(name)


@pytest.mark.parametrize("name", PATCHES_BY_NAME)
def test_the_probe_stops_without_the_patch(name: str, run_probe) -> None:
    portable.apply(MISSING)
    portable.remove(name)
    with pytest.raises(PROBES[name][1]):
        run_probe(name)


def test_nothing_is_patched_where_nothing_is_missing() -> None:
    assert portable.apply(()) == []


def test_patches_come_off_without_a_trace() -> None:
    before = (torch.zeros, torch.Tensor.cuda, torch.cuda.current_device, os.environ.get("NVIDIA_PYTORCH_VERSION"))
    portable.apply(MISSING)
    assert torch.zeros is not before[0]
    portable.remove()
    assert before == (
        torch.zeros,
        torch.Tensor.cuda,
        torch.cuda.current_device,
        os.environ.get("NVIDIA_PYTORCH_VERSION"),
    )
