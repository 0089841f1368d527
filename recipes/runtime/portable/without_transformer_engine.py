"""Patches for an environment without Transformer Engine: megatron-core's local layers, completed in plain torch."""

from typing import Any

from recipes.runtime.portable.attention import ScaledDotProductAttention
from recipes.runtime.portable.layer_norm import LayerNorm
from recipes.runtime.portable.patch import Changes, patch


@patch(
    missing="transformer_engine",
    upstream="megatron.core.transformer.torch_norm",
    stops_at="not config.layernorm_zero_centered_gamma",
)
def layer_norm_1p(changes: Changes) -> None:
    """Layers and the final norm are built from our LayerNorm: zero-centred gain, sequence-parallel gradients."""
    changes.set("megatron.core.models.gpt.gpt_layer_specs", "LNImpl", LayerNorm)
    changes.set("megatron.core.transformer.transformer_block", "LayerNormImpl", LayerNorm)


@patch(
    missing="transformer_engine",
    upstream="megatron.core.transformer.dot_product_attention",
    stops_at="matmul_input_buffer = parallel_state.get_global_memory_buffer().get_tensor(",
)
def sdpa_attention(changes: Changes) -> None:
    """The local spec's attention allocates every score; torch's fused attention gives the same result."""
    changes.set("megatron.core.models.gpt.gpt_layer_specs", "DotProductAttention", ScaledDotProductAttention)


@patch(
    missing="transformer_engine",
    upstream="nemo.collections.nlp.models.language_modeling.megatron_gpt_model",
    stops_at='"megatron_falcon_gpt": get_falcon_layer_spec(),',
)
def local_layer_spec(changes: Changes) -> None:
    """NeMo builds every known spec before choosing one, and most import Transformer Engine.

    Here the only spec is megatron-core's local one. It saves checkpoints under the same keys as the Transformer
    Engine spec, so a checkpoint moves between the two grounds.
    """
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec

    def get_specs(spec_name: str = "", *_args: Any, **_kwargs: Any) -> Any:
        if spec_name not in ("", "te_gpt"):
            raise ValueError(f"model.name: {spec_name} needs Transformer Engine; leave it empty on this machine.")
        return get_gpt_layer_local_spec()

    changes.set("nemo.collections.nlp.models.language_modeling.megatron_gpt_model", "get_specs", get_specs)
