"""Every token scored once, with enough context; the same number as the slow and obvious way gives."""

import math

import pytest
import torch
from transformers import AutoModelForCausalLM

from recipes.evaluate.bits_per_byte import (
    Scored,
    Window,
    batches,
    per_byte,
    score,
    standard_error,
    tally,
    windows,
)


def test_a_short_document_is_one_window():
    assert windows(5, 8) == [Window(start=0, end=5, first=1)]
    assert windows(8, 8) == [Window(start=0, end=8, first=1)]


def test_windows_of_a_long_document_overlap_by_half():
    assert windows(15, 8) == [
        Window(start=0, end=8, first=1),
        Window(start=4, end=12, first=8),
        Window(start=8, end=15, first=12),
    ]


@pytest.mark.parametrize("tokens", [0, 1])
def test_nothing_to_score(tokens):
    assert windows(tokens, 8) == []


@pytest.mark.parametrize("size", [2, 3, 7, 8])
def test_every_token_is_scored_once_with_half_a_window_before_it(size):
    for tokens in range(2, 40):
        parts = windows(tokens, size)
        scored = [position for part in parts for position in range(part.first, part.end)]
        assert scored == list(range(1, tokens))
        assert all(part.end - part.start <= size for part in parts)
        assert all(part.first - part.start >= size // 2 for part in parts[1:])


def test_batches_hold_similar_lengths_within_the_budget():
    assert batches([3, 10, 4, 4, 50], tokens=12) == [[4], [1], [2, 3, 0]]
    assert batches([], tokens=12) == []


def naive_bits(model, ids: list[int], size: int) -> float:
    """One document, one token at a time: the context each token has in its window, and no batch."""
    bits = 0.0
    for position in range(1, len(ids)):
        start = next(w.start for w in windows(len(ids), size) if w.first <= position < w.end)
        with torch.inference_mode():
            logits = model(torch.tensor([ids[start:position]])).logits[0, -1]
        bits -= torch.log_softmax(logits.double(), -1)[ids[position]].item() / math.log(2)
    return bits


def test_batched_windows_give_what_one_token_at_a_time_gives(models):
    model = AutoModelForCausalLM.from_pretrained(models["base"], torch_dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(0)
    sequences = [[3, *torch.randint(4, 1000, (length,), generator=generator).tolist()] for length in (1, 5, 29, 17, 16)]
    fast = score(model, sequences, size=16, tokens_per_batch=48, label="")
    slow = [naive_bits(model, ids, 16) for ids in sequences]
    assert fast == pytest.approx(slow, rel=1e-5)
    alone = [score(model, [ids], size=16, tokens_per_batch=1, label="")[0] for ids in sequences]
    assert alone == pytest.approx(fast, rel=1e-5)


def test_long_documents_count_by_their_length():
    assert per_byte([8.0, 12.0], [4, 16]) == 1.0


def test_standard_error_of_equal_documents_is_zero_and_of_one_unknown():
    assert standard_error([2.0] * 4, [1] * 4, samples=100, seed=0) == 0
    assert standard_error([2.0], [1], samples=100, seed=0) is None
    assert standard_error([2.0, 3.0], [1, 1], samples=0, seed=0) is None


def test_standard_error_is_near_the_formula_for_a_mean():
    """Documents of one byte: the mean of n values has standard error sd / sqrt(n)."""
    bits = [float(value % 7) for value in range(100)]
    expected = torch.tensor(bits).std(correction=0).item() / math.sqrt(100)
    assert standard_error(bits, [1] * 100, samples=2000, seed=1) == pytest.approx(expected, rel=0.08)


def test_tally_by_language_and_kind():
    documents = [
        Scored(lang="hi-Deva", kind="real", size=10, bits={"base": 40.0, "cpt": 20.0}),
        Scored(lang="hi-Deva", kind="translated", size=30, bits={"base": 60.0, "cpt": 20.0}),
        Scored(lang="en-Latn", kind="real", size=5, bits={"base": 5.0, "cpt": 10.0}),
    ]
    assert tally(documents, samples=0, seed=0) == {
        "bits_per_byte": {"en-Latn": {"base": 1.0, "cpt": 2.0}, "hi-Deva": {"base": 2.5, "cpt": 1.0}},
        "standard_error": {"en-Latn": {"base": None, "cpt": None}, "hi-Deva": {"base": None, "cpt": None}},
        "difference": {"en-Latn": {}, "hi-Deva": {}},
        "by_kind": {
            "en-Latn": {"real": {"base": 1.0, "cpt": 2.0}},
            "hi-Deva": {"real": {"base": 4.0, "cpt": 2.0}, "translated": {"base": 2.0, "cpt": 0.666667}},
        },
        "standard_error_by_kind": {
            "en-Latn": {"real": {"base": None, "cpt": None}},
            "hi-Deva": {"real": {"base": None, "cpt": None}, "translated": {"base": None, "cpt": None}},
        },
        "documents": {"en-Latn": {"real": 1}, "hi-Deva": {"real": 1, "translated": 1}},
        "bytes": {"en-Latn": {"real": 5}, "hi-Deva": {"real": 10, "translated": 30}},
    }


def test_a_difference_is_that_of_pairs_which_leaves_out_how_hard_documents_are():
    """Documents of very different difficulty, every one easier by 0.3 to 0.5 bits a byte."""
    documents = [
        Scored(
            lang="hi-Deva", kind="real", size=10, bits={"base": 20.0 + 3 * n, "cpt": 15.0 + 3 * n + n % 3, "dpo": 9.0}
        )
        for n in range(30)
    ]
    figures = tally(documents, samples=500, seed=0)
    found = figures["difference"]["hi-Deva"]["base"]
    assert found.keys() == {"cpt", "dpo"}
    assert found["cpt"]["delta"] == pytest.approx(-0.4)
    assert -0.45 < found["cpt"]["low"] < -0.4 < found["cpt"]["high"] < -0.35
    assert found["cpt"]["standard_error"] < figures["standard_error"]["hi-Deva"]["base"] / 10
    assert tally(documents[:1], samples=500, seed=0)["difference"] == {"hi-Deva": {}}
