"""The gate passes a right conversion by a wide margin and fails on every mistake known from other converters.

The reference is what NeMo computed for a checkpoint with random weights, norms included (`make_checkpoint`).
"""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from recipes import hf_tokenizer
from recipes.convert import checkpoint, parity
from recipes.convert.hf_model import hf_trace, load_hf
from recipes.convert.parity import Parity, ParityFailed, compare
from tests.recipes.convert.reading import read_tensor
from tests.recipes.tiny_tokenizer import train_tokenizer


def load(tiny, **settings):
    return AutoModelForCausalLM.from_pretrained(
        tiny.hf, torch_dtype=torch.float32, attn_implementation="eager", **settings
    ).eval()


def gate(tiny, model) -> Parity:
    return compare(tiny.reference, hf_trace(model, tiny.sequences))


def test_right_conversion_passes_by_a_factor_of_ten(tiny):
    result = gate(tiny, load_hf(tiny.hf))
    assert result.max_abs_logit_diff < parity.TOLERANCE / 10
    assert result.argmax_agreement == 1.0
    assert result.positions >= parity.MIN_POSITIONS
    assert result.first_difference is None
    parity.require(result, "hf")


def test_reference_has_columns_of_padding(tiny):
    assert tiny.reference["logits"].shape[1] == 1024
    assert load(tiny).config.vocab_size == 1000


def norm_offset(model, tiny):
    """Gains stored as transformers' other norms want them."""
    for name, parameter in model.named_parameters():
        if "norm" in name and name.endswith("weight"):
            parameter.add_(1)


def norm_bias_dropped(model, tiny):
    for name, parameter in model.named_parameters():
        if "norm" in name and name.endswith("bias"):
            parameter.zero_()


def last_norm_bias_dropped(model, tiny):
    model.model.norm.bias.zero_()


def fused_weight_cut_in_three(model, tiny):
    """All query rows first, then keys, then values: right only for a single group."""
    source = checkpoint.open_checkpoint(tiny.nemo)
    for index, layer in enumerate(model.model.layers):
        fused = read_tensor(source, f"decoder.layers.{index}.self_attention.linear_qkv.weight")
        projections = (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj)
        for projection, rows in zip(projections, fused.split([96, 32, 32]), strict=True):
            projection.weight.copy_(rows)


def output_tied_to_embedding(model, tiny):
    model.lm_head.weight.copy_(model.model.embed_tokens.weight)


@pytest.mark.parametrize(
    ("mistake", "stage"),
    [
        (norm_offset, "layer 0"),
        (norm_bias_dropped, "layer 0"),
        (last_norm_bias_dropped, "final norm"),
        (fused_weight_cut_in_three, "layer 0"),
        (output_tied_to_embedding, "logits"),
    ],
)
def test_wrong_weights_fail_and_the_first_wrong_stage_is_named(tiny, mistake, stage):
    model = load(tiny)
    with torch.no_grad():
        mistake(model, tiny)
    result = gate(tiny, model)
    assert result.max_abs_logit_diff > 1000 * parity.TOLERANCE
    with pytest.raises(ParityFailed, match=f"first in: {stage}: logits differ by up to"):
        parity.require(result, "hf")


@pytest.mark.parametrize(
    "settings",
    [
        {"partial_rotary_factor": 1.0},
        {"partial_rotary_factor": 0.25},
        {"rope_theta": 500_000.0},
        {"hidden_act": "relu"},
        {"hidden_act": "silu"},
        {"norm_eps": 0.1},
    ],
    ids=str,
)
def test_wrong_settings_fail(tiny, settings):
    result = gate(tiny, load(tiny, **settings))
    assert result.max_abs_logit_diff > 100 * parity.TOLERANCE
    with pytest.raises(ParityFailed, match="first in: layer 0"):
        parity.require(result, "hf")


def test_rounding_the_weights_to_bf16_fails(tiny):
    """The gate compares in fp32 so that it can tell a mistake from rounding."""
    model = load(tiny)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16())
    assert not gate(tiny, model).passed


def test_nan_fails(tiny):
    model = load(tiny)
    with torch.no_grad():
        model.model.norm.weight[0] = float("nan")
    result = gate(tiny, model)
    assert (result.passed, result.first_difference) == (False, "final norm")


def test_too_few_positions_prove_nothing(tiny):
    result = gate(tiny, load(tiny))
    few = Parity(**{**result.__dict__, "positions": parity.MIN_POSITIONS - 1})
    assert result.passed
    assert not few.passed


def test_probe_is_of_several_documents_in_both_languages(tiny):
    assert len(tiny.sequences) == len(parity.TEXTS) >= 8
    assert 40 < max(map(len, tiny.sequences)) <= parity.MAX_POSITIONS_PER_TEXT
    tokenizer = AutoTokenizer.from_pretrained(tiny.hf)
    text = tokenizer.decode([token for ids in tiny.sequences for token in ids])
    assert "बरगद" in text
    assert "banyan" in text


def test_another_tokenizer_fails_before_any_model_is_loaded():
    class Spelled:
        """A SentencePiece processor that disagrees."""

        def encode(self, text):
            return [0, *text.encode()]

    tokenizer = hf_tokenizer.build(train_tokenizer(), max_length=96, where="")
    with pytest.raises(ParityFailed, match="encodes 'The village well"):
        parity.probe(tokenizer, Spelled(), 96)
