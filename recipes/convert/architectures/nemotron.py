"""Nemotron: LayerNorm with a zero-centred gain and a bias, squared ReLU, rotary embedding on a part of each head.

Nothing is computed: both sides add the 1 to the gain when they run, both rotate the same halves of the same share
of a head, and squared ReLU is `relu2`.
"""

from typing import Any

from recipes.convert.architectures.base import Architecture, Requirement, Settings, rope


def _hf_settings(config: Settings) -> dict[str, Any]:
    kv_channels = config.get("kv_channels") or config["hidden_size"] // config["num_attention_heads"]
    return {
        "kv_channels": kv_channels,  # NVIDIA's own config.json has it; transformers reads head_dim
        "hidden_act": "relu2",
        "norm_eps": config.get("layernorm_epsilon", 1e-5),
        "partial_rotary_factor": float(config.get("rotary_percentage", 1.0)),
    }


def _nemo_settings(config: Settings) -> dict[str, Any]:
    return {
        "normalization": "layernorm1p",
        "layernorm_epsilon": config.get("norm_eps", 1e-5),
        "activation": "squared-relu",
        "bias_activation_fusion": False,  # megatron-core 0.10.0 has no fused squared ReLU
        # transformers' default; `rope_percent` in published configs is read by no version of it
        "rotary_percentage": rope(config).get("partial_rotary_factor", 0.5),
    }


def _hf_rope_obstacles(config: Settings) -> list[str]:
    kind = rope(config)["rope_type"]
    return [] if kind == "default" else [f"rope_type={kind} (must be default)"]


NEMOTRON = Architecture(
    name="Nemotron",
    model_type="nemotron",
    hf_class="NemotronForCausalLM",
    norm_parts=("weight", "bias"),
    is_gated=False,
    nemo_requirements={
        "normalization": Requirement(allowed=("layernorm1p",), default="layernorm"),
        "activation": Requirement(allowed=("squared-relu",), default="gelu"),
        "seq_len_interpolation_factor": Requirement(allowed=(None, 1), default=None),
        "scale_positional_embedding": Requirement(allowed=(False,), default=False),
    },
    hf_requirements={"hidden_act": Requirement(allowed=("relu2",), default="relu2")},
    hf_settings=_hf_settings,
    nemo_settings=_nemo_settings,
    hf_rope_obstacles=_hf_rope_obstacles,
    hf_remedy=lambda _config: "give a Nemotron with the settings of nemo_configs/model/nemotron_mini_4b.yaml",
)
