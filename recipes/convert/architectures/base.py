"""The sizes of a model, and what each architecture says about itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of a model.

    Attributes:
        layers: Transformer layers.
        hidden: Width of the residual stream.
        feed_forward: Width inside the MLP.
        heads: Query heads.
        groups: Query groups, that is key and value heads.
        head_size: Width of one head.
        vocabulary: Entries of the tokenizer; a Megatron checkpoint may have more rows (padding).
        tied: Whether the embedding table is the output layer's too.
    """

    layers: int
    hidden: int
    feed_forward: int
    heads: int
    groups: int
    head_size: int
    vocabulary: int
    tied: bool = False


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """A setting the conversion relies on.

    Attributes:
        allowed: Values with which both sides compute the same.
        default: What the side that is read takes where the setting is absent.
    """

    allowed: tuple[object, ...]
    default: object


Settings = Mapping[str, Any]

NEMO_REQUIREMENTS: dict[str, Requirement] = {
    "mcore_gpt": Requirement(allowed=(True,), default=False),
    "bias": Requirement(allowed=(False,), default=True),
    "qkv_bias": Requirement(allowed=(False,), default=False),
    "position_embedding_type": Requirement(allowed=("rope",), default="learned_absolute"),
    "rotary_interleaved": Requirement(allowed=(False,), default=False),
    "transformer_block_type": Requirement(allowed=("pre_ln",), default="pre_ln"),
    "num_moe_experts": Requirement(allowed=(None, 1), default=None),
    "qk_layernorm": Requirement(allowed=(False,), default=False),
    "window_size": Requirement(allowed=(None,), default=None),
    "apply_embedding_scaling": Requirement(allowed=(False,), default=False),
}
"""NeMo 2.1's keys that no architecture here has another value of; defaults are `MegatronBaseModel`'s."""

HF_REQUIREMENTS: dict[str, Requirement] = {
    "attention_bias": Requirement(allowed=(False,), default=False),
    "mlp_bias": Requirement(allowed=(False,), default=False),
    "quantization_config": Requirement(allowed=(None,), default=None),
}
"""Likewise of config.json; defaults are those of transformers' config classes."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One architecture, on both sides.

    Attributes:
        name: What people call it.
        model_type: transformers' name for its config.
        hf_class: transformers' class.
        norm_parts: Parameters of a norm.
        is_gated: Whether linear_fc1 holds a gate's rows before its own.
        nemo_requirements: What NeMo's `model` section must say.
        hf_requirements: What config.json must say.
        hf_settings: From NeMo's section, what config.json says about this architecture alone.
        nemo_settings: From config.json, what NeMo's section says about this architecture alone.
        hf_rope_obstacles: What of a config.json's rotary embedding NeMo cannot express.
        hf_remedy: What the owner of a config.json that cannot be expressed may do.
    """

    name: str
    model_type: str
    hf_class: str
    norm_parts: tuple[str, ...]
    is_gated: bool
    nemo_requirements: Mapping[str, Requirement]
    hf_requirements: Mapping[str, Requirement]
    hf_settings: Callable[[Settings], dict[str, Any]]
    nemo_settings: Callable[[Settings], dict[str, Any]]
    hf_rope_obstacles: Callable[[Settings], list[str]]
    hf_remedy: Callable[[Settings], str]

    def nemo_obstacles(self, config: Settings) -> list[str]:
        """Why the model of a NeMo section is not one of these."""
        return obstacles(config, {**NEMO_REQUIREMENTS, **self.nemo_requirements})

    def hf_obstacles(self, config: Settings) -> list[str]:
        """Why NeMo cannot express the model of a config.json."""
        return obstacles(config, {**HF_REQUIREMENTS, **self.hf_requirements}) + self.hf_rope_obstacles(config)

    def hf_config(self, config: Settings, shape: Shape, token_ids: Mapping[str, int | None]) -> dict[str, Any]:
        """config.json of the converted model, without the dtype.

        Everything stands at the top level, as transformers 4 writes it: 4 and 5 both read it there, and 4 ignores
        5's nested `rope_parameters` without a word.

        Args:
            config: NeMo's `model` section.
            shape: Its sizes.
            token_ids: bos_token_id, eos_token_id and pad_token_id of the tokenizer.
        """
        return {
            "architectures": [self.hf_class],
            "model_type": self.model_type,
            "vocab_size": shape.vocabulary,
            "hidden_size": shape.hidden,
            "intermediate_size": shape.feed_forward,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.groups,
            "head_dim": shape.head_size,
            **self.hf_settings(config),
            "rope_theta": float(config.get("rotary_base") or 10000),
            "max_position_embeddings": max_positions(config),
            "attention_bias": False,
            "mlp_bias": False,
            "attention_dropout": 0.0,
            "initializer_range": config.get("init_method_std", 0.02),
            "tie_word_embeddings": shape.tied,
            "use_cache": True,
            **token_ids,
        }

    def nemo_config(self, config: Settings) -> dict[str, Any]:
        """The architecture's part of NeMo's `model` section; tokenizer, parallel sizes and training are not in it.

        Args:
            config: A config.json that `of_hf` accepts, of transformers 4 or 5.
        """
        shape = hf_shape(config)
        return {
            "mcore_gpt": True,
            "encoder_seq_length": config["max_position_embeddings"],
            "max_position_embeddings": config["max_position_embeddings"],
            "num_layers": shape.layers,
            "hidden_size": shape.hidden,
            "ffn_hidden_size": shape.feed_forward,
            "num_attention_heads": shape.heads,
            "num_query_groups": shape.groups,
            "kv_channels": shape.head_size,
            "init_method_std": config.get("initializer_range", 0.02),
            "hidden_dropout": 0.0,
            "attention_dropout": 0.0,
            "ffn_dropout": 0.0,
            "bias": False,
            "position_embedding_type": "rope",
            **self.nemo_settings(config),
            "rotary_base": rope(config).get("rope_theta", 10000.0),
            "share_embeddings_and_output_weights": shape.tied,
        }


def obstacles(config: Settings, requirements: Mapping[str, Requirement]) -> list[str]:
    """The settings that a conversion cannot keep, each with the value it must have."""
    return [
        f"{key}={config.get(key, rule.default)} (must be {rule.allowed[0]})"
        for key, rule in requirements.items()
        if config.get(key, rule.default) not in rule.allowed
    ]


def nemo_shape(config: Settings, vocabulary: int) -> Shape:
    """The sizes that NeMo's `model` section describes; absent groups and head size follow NeMo's defaults."""
    heads = config["num_attention_heads"]
    return Shape(
        layers=config["num_layers"],
        hidden=config["hidden_size"],
        feed_forward=config["ffn_hidden_size"],
        heads=heads,
        groups=config.get("num_query_groups") or heads,
        head_size=config.get("kv_channels") or config["hidden_size"] // heads,
        vocabulary=vocabulary,
        tied=config.get("share_embeddings_and_output_weights", True),
    )


def hf_shape(config: Settings) -> Shape:
    """The sizes that a config.json describes; absent ones follow transformers' defaults."""
    heads = config["num_attention_heads"]
    return Shape(
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        feed_forward=config["intermediate_size"],
        heads=heads,
        groups=config.get("num_key_value_heads") or heads,
        head_size=config.get("head_dim") or config["hidden_size"] // heads,
        vocabulary=config["vocab_size"],
        tied=config.get("tie_word_embeddings", False),
    )


def max_positions(config: Settings) -> int:
    """Tokens the model of a NeMo section was trained to take."""
    return int(config.get("max_position_embeddings") or config["encoder_seq_length"])


def rope(config: Settings) -> dict[str, Any]:
    """What a config.json says about the rotary embedding, in one flat form.

    transformers 4 writes `rope_theta` and `partial_rotary_factor` at the top and the stretching in `rope_scaling`;
    5 writes all of it into `rope_parameters`.
    """
    nested = config.get("rope_parameters") or config.get("rope_scaling") or {}
    top = {key: config[key] for key in ("rope_theta", "partial_rotary_factor") if config.get(key) is not None}
    kind = nested.get("rope_type") or nested.get("type") or "default"
    return {**top, **{key: value for key, value in nested.items() if key != "type"}, "rope_type": kind}
