"""Patches for a machine without a CUDA device: tensors stay where they are, device-wide fences do nothing.

None of them changes arithmetic, a collective or a schedule; upstream files are those of NeMo 2.1.0 and
megatron-core 0.10.0.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch

from recipes.runtime.portable.patch import Changes, patch

CPU = torch.device("cpu")
_FACTORIES = ("tensor", "zeros", "ones", "empty", "full", "arange", "zeros_like", "empty_like", "as_tensor")


def _names_cuda(device: Any) -> bool:
    return device is not None and str(device).startswith("cuda")


def _on_cpu(factory: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(factory)
    def build(*args: Any, **kwargs: Any) -> Any:
        if _names_cuda(kwargs.get("device")):
            kwargs["device"] = CPU
        return factory(*args, **kwargs)

    return build


@patch(
    missing="cuda",
    upstream="nemo.collections.nlp.models.language_modeling.megatron_base_model",
    stops_at="total_num_parameters = torch.tensor(num_parameters_on_device).cuda()",
)
def cuda_methods(changes: Changes) -> None:
    """`.cuda()` on tensors and modules returns them unchanged: there is one memory."""
    changes.set(torch.Tensor, "cuda", lambda self, *_args, **_kwargs: self)
    changes.set(torch.nn.Module, "cuda", lambda self, *_args, **_kwargs: self)


@patch(
    missing="cuda",
    upstream="megatron.core.pipeline_parallel.schedules",
    stops_at='total_num_tokens = torch.zeros([], dtype=torch.int, device="cuda")',
)
def cuda_factories(changes: Changes) -> None:
    """Tensor factories given `device="cuda"` build on the CPU; without that argument they are untouched."""
    for name in _FACTORIES:
        changes.set(torch, name, _on_cpu(getattr(torch, name)))


@patch(
    missing="cuda",
    upstream="megatron.core.models.common.embeddings.rotary_pos_embedding",
    stops_at="self.inv_freq = self.inv_freq.to(device=torch.cuda.current_device())",
)
def current_device(changes: Changes) -> None:
    """`torch.cuda.current_device()`, which upstream passes as `device=`, answers with the CPU."""
    changes.set(torch.cuda, "current_device", lambda: CPU)


@patch(
    missing="cuda",
    upstream="megatron.core.pipeline_parallel.p2p_communication",
    stops_at="torch.cuda.synchronize()",
)
def device_fences(changes: Changes) -> None:
    """Synchronisation and cache emptying do nothing: CPU operations are complete when they return."""
    for name in ("synchronize", "set_device", "empty_cache", "reset_peak_memory_stats"):
        changes.set(torch.cuda, name, lambda *_args, **_kwargs: None)


@patch(
    missing="cuda",
    upstream="nemo.collections.nlp.models.language_modeling.megatron_base_model",
    stops_at="cp_stream = torch.cuda.Stream()",
)
def cuda_stream(changes: Changes) -> None:
    """The context-parallel stream, which only Transformer Engine modules use, is None."""
    changes.set(torch.cuda, "Stream", lambda *_args, **_kwargs: None)


@patch(
    missing="cuda",
    upstream="megatron.core.tensor_parallel.random",
    stops_at="orig_rng_state = torch.cuda.get_rng_state()",
)
def rng_states(changes: Changes) -> None:
    """The model-parallel random states, kept per device upstream, are states of the CPU generator.

    The tracker's logic is unchanged: tensor-parallel ranks draw different dropout masks inside a fork and the
    same numbers outside it.
    """
    changes.set(torch.cuda, "get_rng_state", lambda *_args, **_kwargs: torch.get_rng_state())
    changes.set(torch.cuda, "set_rng_state", lambda state, *_args, **_kwargs: torch.set_rng_state(state))
    changes.set(torch.cuda, "manual_seed", torch.manual_seed)
    changes.set(
        "megatron.core.tensor_parallel.random",
        "_set_cuda_rng_state",
        lambda state, device=-1: torch.set_rng_state(state),  # noqa: ARG005
    )


@patch(
    missing="cuda",
    upstream="nemo.collections.nlp.modules.common.megatron.megatron_init",
    stops_at="if torch.cuda.device_count() > 0:",
)
def model_parallel_seed(changes: Changes) -> None:
    """NeMo seeds the model-parallel tracker only where it counts a GPU; here it is always seeded.

    The seed and its offsets are upstream's: `model_parallel_cuda_manual_seed(seed + 100 * pipeline rank)`.
    """
    from megatron.core import parallel_state, tensor_parallel
    from nemo.collections.nlp.modules.common.megatron import megatron_init

    upstream_seed = megatron_init._set_random_seed  # noqa: SLF001

    def seed_everything(seed: int) -> None:
        upstream_seed(seed)
        rank = parallel_state.get_pipeline_model_parallel_rank()
        tensor_parallel.model_parallel_cuda_manual_seed(seed + 100 * rank)

    changes.set(megatron_init, "_set_random_seed", seed_everything)


@patch(
    missing="cuda",
    upstream="nemo.collections.nlp.modules.common.megatron.clip_grads",
    stops_at="assert isinstance(param.grad, torch.cuda.FloatTensor)",
)
def float_tensor_type(changes: Changes) -> None:
    """The assertion that gradients are fp32 names the CUDA type; it now checks the CPU's fp32 type."""
    changes.set(torch.cuda, "FloatTensor", torch.FloatTensor)


@patch(
    missing="cuda",
    upstream="nemo.collections.nlp.parts.nlp_overrides",
    stops_at="assert torch.cuda.is_initialized(), (torch.cuda.is_available(), torch.cuda.is_initialized())",
)
def checkpoint_device(changes: Changes) -> None:
    """On resume upstream moves stray tensors to the current GPU; here all are on the CPU already."""
    from nemo.collections.nlp.parts.nlp_overrides import NLPDDPStrategy

    changes.set(NLPDDPStrategy, "_fix_tensors_device", lambda _self, checkpoint: checkpoint)


@patch(
    missing="cuda",
    upstream="megatron.core.pipeline_parallel.schedules",
    stops_at='context_manager = torch.autocast("cuda", dtype=config.autocast_dtype)',
)
def autocast_device(changes: Changes) -> None:
    """Mixed precision, switched on for CUDA alone, is the CPU's: without it `precision: bf16` is fp32 in silence."""
    upstream_autocast = torch.autocast

    def autocast(device_type: str, *args: Any, **kwargs: Any) -> Any:
        return upstream_autocast("cpu" if device_type == "cuda" else device_type, *args, **kwargs)

    changes.set(torch, "autocast", autocast)


@patch(
    missing="cuda",
    upstream="megatron.core.tensor_parallel.layers",
    stops_at='custom_bwd = partial(torch.amp.custom_bwd, device_type="cuda")',
)
def autocast_of_linears(changes: Changes) -> None:
    """Megatron's linears bring a backward of their own, which takes up the forward's precision on CUDA alone."""
    from megatron.core.tensor_parallel import layers

    for linear in (layers.LinearWithFrozenWeight, layers.LinearWithGradAccumulationAndAsyncCommunication):
        for name, decorate in (("forward", torch.amp.custom_fwd), ("backward", torch.amp.custom_bwd)):
            bare = inspect.unwrap(getattr(linear, name))
            changes.set(linear, name, staticmethod(decorate(bare, device_type="cpu")))
