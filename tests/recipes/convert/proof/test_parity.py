"""The gate passes a right conversion by a wide margin and fails on every mistake known from other converters.

The reference is what NeMo computed for a checkpoint with random weights, norms included (`make_checkpoint`).
"""

import inspect
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from recipes import hf_tokenizer
from recipes.convert.proof import gate, parity
from recipes.convert.proof.hf_model import hf_trace, load_hf
from recipes.convert.proof.parity import Parity, ParityFailed, compare
from recipes.convert.reading import checkpoint
from recipes.runtime import reference
from tests.recipes.convert.conftest import read
from tests.recipes.convert.whole_tensor import read_tensor
from tests.recipes.tiny_tokenizer import train_tokenizer


def load(tiny, **settings):
    return AutoModelForCausalLM.from_pretrained(
        tiny.hf, torch_dtype=torch.float32, attn_implementation="eager", **settings
    ).eval()


def gate_of(tiny, model) -> Parity:
    return compare(tiny.reference, hf_trace(model, tiny.sequences))


@dataclass
class Folder:
    """A converted folder to make a mistake in."""

    path: Path
    source: checkpoint.Checkpoint

    @property
    def is_nemotron(self) -> bool:
        return json.loads((self.path / "config.json").read_text())["model_type"] == "nemotron"

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        return load_file(self.path / "model.safetensors")

    def edit(self, ending: str, change) -> None:
        """Changes every tensor whose name ends so; `change` may ask for the name."""
        wants_name = "name" in inspect.signature(change).parameters if inspect.isfunction(change) else False
        weights = self.weights
        found = [name for name in weights if name.endswith(ending)]
        assert found, ending
        for name in found:
            weights[name] = (change(weights[name], name=name) if wants_name else change(weights[name])).contiguous()
        save_file(weights, self.path / "model.safetensors", {"format": "pt"})

    def set(self, **changes: object) -> None:
        settings = json.loads((self.path / "config.json").read_text())
        assert changes.keys() <= settings.keys()
        (self.path / "config.json").write_text(json.dumps({**settings, **changes}))


def test_right_conversion_passes_by_a_factor_of_ten(tiny):
    result = gate_of(tiny, load_hf(tiny.hf, torch.Tensor.float))
    assert result.max_abs_logit_diff < parity.TOLERANCE / 10
    assert result.argmax_agreement == 1.0
    assert result.positions >= parity.MIN_POSITIONS
    assert result.first_difference is None
    parity.require(result, "hf")


def test_reference_has_columns_of_padding(tiny):
    assert tiny.reference["logits"].shape[1] == 1024
    assert load(tiny).config.vocab_size == 1000


def norm_offset(folder: Folder) -> None:
    """Gains stored as the other side's norms want them: with the 1, or without it."""
    change = 1 if folder.is_nemotron else -1
    folder.edit("norm.weight", lambda gain: gain + change)


def norm_bias_dropped(folder: Folder) -> None:
    folder.edit("norm.bias", torch.zeros_like)


def last_norm_bias_dropped(folder: Folder) -> None:
    folder.edit("model.norm.bias", torch.zeros_like)


def fused_weight_cut_in_three(folder: Folder) -> None:
    """All query rows first, then keys, then values: right only for a single group."""
    for layer in range(4):
        fused = read_tensor(folder.source, f"decoder.layers.{layer}.self_attention.linear_qkv.weight")
        for part, rows in zip("qkv", fused.split([96, 32, 32]), strict=True):
            folder.edit(f"layers.{layer}.self_attn.{part}_proj.weight", lambda _old, rows=rows: rows)


def interleaved_rotary(folder: Folder) -> None:
    """Rows in the order that rotates neighbours, not halves: Meta's own, and that of rotary_interleaved."""
    rotated = 8 if folder.is_nemotron else 16

    def interleave(weight: torch.Tensor) -> torch.Tensor:
        heads = weight.view(-1, 16, weight.shape[1]).clone()
        heads[:, :rotated] = heads[:, :rotated].unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)
        return heads.view_as(weight)

    folder.edit("q_proj.weight", interleave)
    folder.edit("k_proj.weight", interleave)


def gate_and_up_exchanged(folder: Folder) -> None:
    weights = folder.weights
    gates = [name for name in weights if "gate_proj" in name]
    exchanged = {name: weights[name.replace("gate", "up")] for name in gates}
    exchanged |= {name.replace("gate", "up"): weights[name] for name in gates}
    folder.edit("gate_proj.weight", lambda _old, name: exchanged[name])
    folder.edit("up_proj.weight", lambda _old, name: exchanged[name])


def output_tied_to_embedding(folder: Folder) -> None:
    folder.set(tie_word_embeddings=True)
    folder.edit("lm_head.weight", lambda _old: folder.weights["model.embed_tokens.weight"].clone())


def setting(**changes: object):
    def apply(folder: Folder) -> None:
        folder.set(**changes)

    apply.__name__ = " ".join(f"{key}={value}" for key, value in changes.items())
    return apply


EVERYWHERE = [
    (norm_offset, "layer 0"),
    (fused_weight_cut_in_three, "layer 0"),
    (interleaved_rotary, "layer 0"),
    (setting(rope_theta=5e4), "layer 0"),
]
NEMOTRON = [
    (norm_bias_dropped, "layer 0"),
    (last_norm_bias_dropped, "final norm"),
    (output_tied_to_embedding, "logits"),
    (setting(hidden_act="relu"), "layer 0"),
    (setting(hidden_act="silu"), "layer 0"),
    (setting(partial_rotary_factor=0.25), "layer 0"),
    (setting(partial_rotary_factor=1.0), "layer 0"),
    (setting(norm_eps=0.1), "layer 0"),
]
LLAMA = [
    (gate_and_up_exchanged, "layer 0"),
    (setting(hidden_act="gelu"), "layer 0"),
    (setting(rope_scaling=None), "layer 0"),
    (setting(rms_norm_eps=0.1), "layer 0"),
]
MISTAKES = [
    *(("tiny", *mistake) for mistake in (*EVERYWHERE, *NEMOTRON)),
    *(("llama", *mistake) for mistake in (*EVERYWHERE, *LLAMA)),
]


@pytest.mark.parametrize("mode", ["whole", "layers"])
@pytest.mark.parametrize(
    ("name", "mistake", "stage"), MISTAKES, ids=[f"{name}-{mistake.__name__}" for name, mistake, _ in MISTAKES]
)
def test_every_known_mistake_fails_and_its_first_wrong_stage_is_named(
    made, name, mistake, stage, mode, tmp_path, monkeypatch
):
    model = read(made, name)
    wrong = Folder(shutil.copytree(model.hf, tmp_path / "hf"), checkpoint.open_checkpoint(model.nemo))
    mistake(wrong)
    remember(monkeypatch, model, wrong.source)
    compare = gate._whole if mode == "whole" else gate._by_layer
    weights = gate.describe(wrong.source, tmp_path)
    result = compare(weights, wrong.path, model.sequences)
    assert result.max_abs_logit_diff > 30 * parity.TOLERANCE
    with pytest.raises(ParityFailed, match=f"first in: {stage}: logits differ by up to"):
        parity.require(result, "hf")
    shutil.copy(model.hf / "model.safetensors", wrong.path)
    shutil.copy(model.hf / "config.json", wrong.path)
    parity.require(compare(weights, wrong.path, model.sequences), "hf")


def remember(monkeypatch, model, source) -> None:
    """NeMo's side is what it computed when the checkpoint was made."""
    stages = {stage: hidden for stage, hidden in model.reference.items() if stage != "logits"}
    monkeypatch.setattr(reference, "trace", lambda *_: model.reference)
    monkeypatch.setattr(reference, "trace_by_layer", lambda *_: iter(stages.items()))
    monkeypatch.setattr(reference, "table", lambda _weights, name: read_tensor(source, name))


def test_rounding_the_weights_to_bf16_fails(tiny):
    """The gate compares in fp32 so that it can tell a mistake from rounding."""
    model = load(tiny)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16())
    assert not gate_of(tiny, model).passed


def test_nan_fails(tiny):
    model = load(tiny)
    with torch.no_grad():
        model.model.norm.weight[0] = float("nan")
    result = gate_of(tiny, model)
    assert (result.passed, result.first_difference) == (False, "final norm")


def test_too_few_positions_prove_nothing(tiny):
    result = gate_of(tiny, load(tiny))
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
