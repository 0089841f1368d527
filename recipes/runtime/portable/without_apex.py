"""Patches for an environment without NVIDIA's apex: its few classes and kernels in plain torch.

Upstream files are those of NeMo 2.1.0. (PyPI's `apex` is another project; it is never installed.)
"""

import types
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from recipes.runtime.portable.fused_adam import FusedAdam
from recipes.runtime.portable.layer_norm import LayerNorm
from recipes.runtime.portable.patch import Changes, patch


@patch(
    missing="apex",
    upstream="nemo.collections.nlp.parts.nlp_overrides",
    stops_at="if not HAVE_APEX:",
)
def apex_gate(changes: Changes) -> None:
    """The strategy refuses to start without apex, of which it uses only what the patches below provide."""
    changes.set("nemo.collections.nlp.parts.nlp_overrides", "HAVE_APEX", True)


@patch(
    missing="apex",
    upstream="nemo.collections.nlp.modules.common.megatron.build_model",
    stops_at="set_defaults_if_not_set_tensor_model_parallel_attributes(param)",
)
def tensor_parallel_defaults(changes: Changes) -> None:
    """The helper imported from apex is the one megatron-core ships under the same name."""
    from megatron.core.tensor_parallel.layers import set_defaults_if_not_set_tensor_model_parallel_attributes

    changes.set(
        "nemo.collections.nlp.modules.common.megatron.build_model",
        "set_defaults_if_not_set_tensor_model_parallel_attributes",
        set_defaults_if_not_set_tensor_model_parallel_attributes,
    )


@patch(
    missing="apex",
    upstream="nemo.collections.nlp.modules.common.megatron.utils",
    stops_at="modules = listify_model(model)",
)
def listify_model(changes: Changes) -> None:
    """The missing `listify_model` wraps a single module into a list."""
    changes.set(
        "nemo.collections.nlp.modules.common.megatron.utils",
        "listify_model",
        lambda model: model if isinstance(model, list) else [model],
    )


@patch(
    missing="apex",
    upstream="nemo.collections.nlp.modules.common.megatron.utils",
    stops_at="if isinstance(module_, (FusedLayerNorm, FastLayerNorm, MixedFusedRMSNorm)):",
)
def norms_without_weight_decay(changes: Changes) -> None:
    """Names apex's norm classes, whose parameters get no weight decay: here that is our LayerNorm."""
    for name in ("FusedLayerNorm", "FastLayerNorm", "MixedFusedRMSNorm"):
        changes.set("nemo.collections.nlp.modules.common.megatron.utils", name, LayerNorm)


def _l2_norm(
    _overflow: torch.Tensor, tensor_lists: list[list[torch.Tensor]], *_per_tensor: bool
) -> tuple[torch.Tensor, None]:
    """L2 norm over all gradients of a list, as apex's `multi_tensor_l2norm`."""
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensor_lists[0]))), None  # noqa: SLF001


@patch(
    missing="apex",
    upstream="nemo.collections.nlp.modules.common.megatron.clip_grads",
    stops_at="amp_C.multi_tensor_l2norm, dummy_overflow_buf, [grads_for_norm], False  # no per-parameter norm",
)
def gradient_norm(changes: Changes) -> None:
    """The multi-tensor L2 norm of gradient clipping in torch's foreach kernels; same norm, same clipping."""
    clip_grads = "nemo.collections.nlp.modules.common.megatron.clip_grads"
    changes.set(clip_grads, "amp_C", types.SimpleNamespace(multi_tensor_l2norm=_l2_norm))
    changes.set(clip_grads, "multi_tensor_applier", lambda op, overflow, lists, *rest: op(overflow, lists, *rest))


@patch(
    missing="apex",
    upstream="nemo.collections.nlp.parts.nlp_overrides",
    stops_at="if isinstance(optimizer, McoreDistributedOptimizer):",
)
def distributed_optimizer_names(changes: Changes) -> None:
    """Saving asks whether the optimizer is one of two classes that need apex; here it never is."""
    for name in ("McoreDistributedOptimizer", "MegatronDistributedFusedAdam"):
        changes.set("nemo.collections.nlp.parts.nlp_overrides", name, type(name, (), {}))


@patch(
    missing="apex",
    upstream="nemo.core.optim.optimizers",
    stops_at="raise ValueError(f'CUDA must be available to use fused_adam.')",
)
def fused_adam(changes: Changes) -> None:
    """`optim.name: fused_adam` is our FusedAdam: apex's arithmetic and checkpoint layout."""
    import nemo.core.optim as package
    from nemo.core.optim import optimizers

    upstream_get = optimizers.get_optimizer

    def get_optimizer(name: str, **kwargs: Any) -> Callable[..., torch.optim.Optimizer]:
        return partial(FusedAdam, **kwargs) if name == "fused_adam" else upstream_get(name, **kwargs)

    available = {**optimizers.AVAILABLE_OPTIMIZERS, "fused_adam": FusedAdam}
    changes.set(optimizers, "AVAILABLE_OPTIMIZERS", available)
    for module in (optimizers, package):
        changes.set(module, "get_optimizer", get_optimizer)
    changes.set(optimizers, "FusedAdam", FusedAdam)
    changes.set(optimizers, "HAVE_APEX", True)


@patch(
    missing="apex",
    upstream="nemo.collections.nlp.models.nlp_model",
    stops_at="all_pretrained_megatron_bert_models = get_megatron_pretrained_bert_models()",
)
def no_bert_models(changes: Changes) -> None:
    """Every NLP model lists pretrained BERT models, whose import needs apex; a GPT model uses none of them."""
    changes.set("nemo.collections.nlp.models.nlp_model", "get_megatron_pretrained_bert_models", list)
