"""Llama: RMSNorm without bias, SwiGLU with gate and up in one linear_fc1, rotary embedding, tied or untied tables.

RoPE may be stretched in the two ways NeMo 2.1 knows: linearly (`seq_len_interpolation_factor`), or as Llama 3.1 does
(`scale_positional_embedding`: nemo/collections/common/parts/utils.py, apply_rope_scaling, constants not settable).
"""

from typing import Any

from recipes.convert.architectures.base import Architecture, Requirement, Settings, rope

LLAMA_3_1 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
"""What NeMo's `scale_positional_embedding` computes, as transformers calls it."""


def _rope_scaling(config: Settings) -> dict[str, Any] | None:
    if config.get("scale_positional_embedding"):
        return dict(LLAMA_3_1)
    factor = config.get("seq_len_interpolation_factor") or 1
    return None if factor == 1 else {"rope_type": "linear", "factor": float(factor)}


def _hf_settings(config: Settings) -> dict[str, Any]:
    return {
        "hidden_act": "silu",
        "rms_norm_eps": config.get("layernorm_epsilon", 1e-5),
        "rope_scaling": _rope_scaling(config),
    }


def _nemo_settings(config: Settings) -> dict[str, Any]:
    stretched = rope(config)
    return {
        "normalization": "rmsnorm",
        "layernorm_epsilon": config.get("rms_norm_eps", 1e-6),
        "activation": "fast-swiglu",
        "rotary_percentage": 1.0,
        "scale_positional_embedding": stretched["rope_type"] == "llama3",
        "seq_len_interpolation_factor": stretched["factor"] if stretched["rope_type"] == "linear" else None,
    }


def _hf_rope_obstacles(config: Settings) -> list[str]:
    found = rope(config)
    if found["rope_type"] in ("default", "linear"):
        return []
    if found["rope_type"] != "llama3":
        return [f"rope_type={found['rope_type']} (must be default, linear or llama3)"]
    return [
        f"{key}={found.get(key)} of rope_scaling (must be {value})"
        for key, value in LLAMA_3_1.items()
        if found.get(key) != value
    ]


def _hf_remedy(config: Settings) -> str:
    if _hf_rope_obstacles(config):
        return (
            "take a Llama 3.1, Llama 3 or Llama 2, whose rotary embedding NeMo 2.1 has\n"
            f"or edit rope_scaling in a copy of config.json to {LLAMA_3_1}: training then starts from a model that "
            "is not quite the published one (nemo_configs/model/llama_3_2_1b.yaml says by how much)"
        )
    return "give a LlamaForCausalLM without biases and without quantisation"


LLAMA = Architecture(
    name="Llama",
    model_type="llama",
    hf_class="LlamaForCausalLM",
    norm_parts=("weight",),
    is_gated=True,
    nemo_requirements={
        "normalization": Requirement(allowed=("rmsnorm",), default="layernorm"),
        "activation": Requirement(allowed=("fast-swiglu", "swiglu"), default="gelu"),
        "rotary_percentage": Requirement(allowed=(1, None), default=1.0),
    },
    hf_requirements={"hidden_act": Requirement(allowed=("silu",), default="silu")},
    hf_settings=_hf_settings,
    nemo_settings=_nemo_settings,
    hf_rope_obstacles=_hf_rope_obstacles,
    hf_remedy=_hf_remedy,
)
