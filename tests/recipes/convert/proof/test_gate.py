"""The gate of a conversion to NeMo, whole and by layer: the same figures, and no spoilt weight gets through."""

import json

import pytest


def figures(path):
    found = json.loads(path.read_text())
    return [found[name] for name in ("max_abs_logit_diff", "max_abs_logit", "positions", "argmax_agreement")]


@pytest.mark.slow
def test_a_layer_at_a_time_the_gate_says_what_it_says_of_whole_models(back):
    """The second from a .bin file with buffers and a padding token beyond the table of the one-layer model."""
    layers, whole = back.folder / "by-layer-llama.parity.json", back.folder / "back-llama.parity.json"
    assert figures(layers) == pytest.approx(figures(whole), rel=1e-3)
    assert json.loads(layers.read_text())["gate"] == "layers"
    assert sorted(path.name for path in back.folder.glob(".*")) == []


@pytest.mark.slow
def test_a_layer_at_a_time_a_cast_is_compared_with_weights_rounded_as_stored(back):
    certificate = json.loads((back.folder / "by-layer-tiny.parity.json").read_text())
    assert certificate["max_abs_logit_diff"] < certificate["tolerance"] / 5
    assert (certificate["dtype"], certificate["source_dtype"], certificate["gate"]) == ("bfloat16", "float32", "layers")


@pytest.mark.slow
def test_both_forms_of_the_gate_fail_on_a_weight_written_as_zeros_and_name_its_layer(back):
    said = json.loads((back.folder / "spoilt.json").read_text())
    assert said["whole"].replace("whole.nemo", "layers.nemo") == said["layers"]
    assert "first in: layer 2: logits differ by up to" in said["layers"]
    assert list((back.folder / "spoilt").iterdir()) == []
