"""Settings of both sides, and what one side cannot say."""

import json

import pytest
from omegaconf import OmegaConf
from transformers import LlamaConfig, NemotronConfig

from data_prep.errors import UsageError
from recipes.convert.architectures import LLAMA, NEMOTRON, of_hf, of_nemo
from recipes.convert.architectures.base import hf_shape, nemo_shape
from tests.conftest import CONFIGS

TOKEN_IDS = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 1}
STRETCHED = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def section(name: str, **changes: object) -> dict:
    """A shipped model, as a run records it."""
    loaded = OmegaConf.load(CONFIGS / "model" / f"{name}.yaml")
    del loaded.tokenizer
    return {"mcore_gpt": True, **OmegaConf.to_container(loaded), **changes}


NEMOTRON_4B, LLAMA_1B = section("nemotron_mini_4b"), section("llama_3_2_1b")


def hf(architecture, config: dict, vocabulary: int = 100) -> dict:
    return architecture.hf_config(config, nemo_shape(config, vocabulary), TOKEN_IDS)


def test_nemotron_settings_are_read_by_transformers():
    config = NemotronConfig(**hf(NEMOTRON, {**NEMOTRON_4B, "rotary_base": 500_000}))
    found = (config.rope_theta, config.partial_rotary_factor, config.head_dim, config.num_key_value_heads)
    assert found == (500_000.0, 0.5, 128, 8)
    assert (config.hidden_act, config.norm_eps, config.tie_word_embeddings) == ("relu2", 1e-5, False)
    assert (config.bos_token_id, config.eos_token_id, config.max_position_embeddings) == (2, 3, 4096)


def test_llama_settings_are_read_by_transformers():
    config = LlamaConfig(**hf(LLAMA, LLAMA_1B))
    assert (config.rope_theta, config.rope_scaling, config.head_dim) == (500_000.0, STRETCHED, 64)
    assert (config.hidden_act, config.rms_norm_eps, config.tie_word_embeddings) == ("silu", 1e-5, True)


@pytest.mark.parametrize("config", [NEMOTRON_4B, LLAMA_1B], ids=["nemotron", "llama"])
def test_settings_survive_the_way_there_and_back(config):
    architecture = of_nemo(config, "")
    there = json.loads(json.dumps(hf(architecture, config)))
    back = of_hf(there, "").nemo_config(there)
    kept = {key: value for key, value in config.items() if key in back and key != "encoder_seq_length"}
    assert {key: back[key] for key in kept} == kept
    assert hf(architecture, back) == there
    assert hf_shape(there) == nemo_shape(config, 100)


def test_linear_stretching_survives_too():
    stretched = {**LLAMA_1B, "scale_positional_embedding": False, "seq_len_interpolation_factor": 4}
    there = hf(LLAMA, stretched)
    assert there["rope_scaling"] == {"rope_type": "linear", "factor": 4.0}
    back = LLAMA.nemo_config(there)
    assert (back["seq_len_interpolation_factor"], back["scale_positional_embedding"]) == (4.0, False)


def test_the_nested_form_of_transformers_5_is_read():
    there = hf(LLAMA, LLAMA_1B)
    theta = there.pop("rope_theta")
    nested = {**there, "rope_scaling": None, "rope_parameters": {**STRETCHED, "rope_theta": theta}}
    assert LLAMA.nemo_config(nested)["rotary_base"] == 500_000.0
    assert LLAMA.nemo_config(nested)["scale_positional_embedding"]
    there = hf(NEMOTRON, {**NEMOTRON_4B, "rotary_percentage": 0.25, "rotary_base": 7})
    nested = {"rope_theta": there.pop("rope_theta"), "partial_rotary_factor": there.pop("partial_rotary_factor")}
    back = NEMOTRON.nemo_config({**there, "rope_parameters": {**nested, "rope_type": "default"}})
    assert (back["rotary_percentage"], back["rotary_base"]) == (0.25, 7.0)


def test_absent_settings_of_a_config_json_are_transformers_defaults():
    bare = {"model_type": "nemotron", "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1,
            "intermediate_size": 16, "vocab_size": 10, "max_position_embeddings": 32}  # fmt: skip
    ours, theirs = NEMOTRON.nemo_config(bare), NemotronConfig()
    assert (ours["rotary_percentage"], ours["rotary_base"]) == (theirs.partial_rotary_factor, theirs.rope_theta)
    assert (ours["layernorm_epsilon"], ours["num_query_groups"], ours["kv_channels"]) == (theirs.norm_eps, 2, 4)
    ours, theirs = LLAMA.nemo_config({**bare, "model_type": "llama"}), LlamaConfig()
    assert (ours["rotary_base"], ours["layernorm_epsilon"]) == (theirs.rope_theta, theirs.rms_norm_eps)


def test_absent_groups_mean_one_per_head():
    """NeMo writes null, by which transformers would divide."""
    shape = nemo_shape({**NEMOTRON_4B, "num_query_groups": None, "kv_channels": None}, 10)
    assert (shape.groups, shape.head_size) == (24, 128)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("Nemotron", "activation", "fast-geglu"),
        ("Nemotron", "bias", True),
        ("Nemotron", "position_embedding_type", "learned_absolute"),
        ("Nemotron", "seq_len_interpolation_factor", 4),
        ("Nemotron", "scale_positional_embedding", True),
        ("Nemotron", "num_moe_experts", 8),
        ("Llama", "rotary_percentage", 0.5),
        ("Llama", "qkv_bias", True),
        ("Llama", "activation", "gelu"),
    ],
)
def test_another_architecture_is_refused_by_name(name, key, value):
    config = {"Nemotron": NEMOTRON_4B, "Llama": LLAMA_1B}[name]
    with pytest.raises(UsageError, match=f"not a {name} model: {key}={value}"):
        of_nemo({**config, key: value}, "x.nemo")


def test_absent_settings_count_as_upstreams_defaults():
    with pytest.raises(UsageError, match=r"bias=True \(must be False\)"):
        of_nemo({key: value for key, value in NEMOTRON_4B.items() if key != "bias"}, "x.nemo")


@pytest.mark.parametrize(
    ("change", "message", "fix"),
    [
        (
            {"rope_scaling": {**STRETCHED, "factor": 32.0}},
            r"factor=32\.0 of rope_scaling \(must be 8\.0\)",
            "Llama 3.1",
        ),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2.0}}, "rope_type=yarn", "Llama 3.1"),
        ({"attention_bias": True}, "attention_bias=True", "without biases"),
        ({"hidden_act": "gelu"}, "hidden_act=gelu", "LlamaForCausalLM"),
        ({"quantization_config": {"bits": 4}}, "quantization_config=", "quantisation"),
    ],
)
def test_what_nemo_cannot_express_is_refused_with_what_to_do(change, message, fix):
    with pytest.raises(UsageError, match=message) as raised:
        of_hf({**hf(LLAMA, LLAMA_1B), **change}, "config.json")
    assert fix in raised.value.fix


def test_a_stretched_nemotron_and_other_models_are_refused():
    with pytest.raises(UsageError, match="rope_type=linear") as raised:
        of_hf({**hf(NEMOTRON, NEMOTRON_4B), "rope_scaling": {"type": "linear", "factor": 2.0}}, "config.json")
    assert "nemotron_mini_4b" in raised.value.fix
    with pytest.raises(UsageError, match="type 'mamba' cannot be converted"):
        of_hf({"model_type": "mamba"}, "config.json")
