"""Our estimator is lmplz's: the same n-grams with the same numbers, whatever the text."""

import math
import subprocess
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.errors import DataError
from data_prep.perplexity import kneser_ney, lmplz
from data_prep.perplexity.scores import load_model

from .arpa_files import HERE, SENTENCES, furthest, ours, parse

LMPLZ = lmplz.find("lmplz")
needs_lmplz = pytest.mark.skipif(LMPLZ is None, reason="`make lmplz` builds it; the reference files stand in")

SENTENCE = st.lists(st.sampled_from("कखगघङच"), min_size=1, max_size=7).map(" ".join)
TEXT = st.lists(SENTENCE, min_size=1, max_size=25)
PRUNE = st.sampled_from([(), (0, 1), (0, 0, 2), (0, 1, 1, 2)])


@pytest.mark.parametrize(
    ("name", "order", "prune"), [("reference.arpa", 3, ()), ("reference_pruned.arpa", 4, (0, 1, 1, 1))]
)
def test_the_model_of_hindi_text_is_the_one_lmplz_wrote(name, order, prune):
    expected = parse((HERE / name).read_bytes())
    assert furthest(parse(ours(SENTENCES, order, prune)), expected) < 1e-5


@needs_lmplz
@settings(max_examples=60)
@given(TEXT, st.integers(2, 5), PRUNE)
def test_any_text_gives_the_model_lmplz_gives(sentences, order, prune):
    prune = prune[:order]
    command = [str(LMPLZ), "-o", str(order), "-S", "200M", "--vocab_estimate", "1000", "--discount_fallback"]
    command += ["--prune", *map(str, prune)] if prune else []
    text = "".join(f"{sentence}\n" for sentence in sentences).encode()
    real = subprocess.run(command, input=text, capture_output=True, check=True)
    assert furthest(parse(ours(sentences, order, prune)), parse(real.stdout)) < 1e-5


@needs_lmplz
@pytest.mark.parametrize("name", ["reference.arpa", "reference_pruned.arpa"])
def test_the_reference_files_are_what_lmplz_writes(name):
    options = {"reference.arpa": ["-o", "3"], "reference_pruned.arpa": ["-o", "4", "--prune", "0", "1", "1", "1"]}
    command = [str(LMPLZ), *options[name], "-S", "200M", "--discount_fallback"]
    real = subprocess.run(command, input=(HERE / "reference.txt").read_bytes(), capture_output=True, check=True)
    assert furthest(parse(real.stdout), parse((HERE / name).read_bytes())) < 1e-6


@settings(max_examples=60)
@given(TEXT, st.integers(2, 4), PRUNE)
def test_the_probabilities_of_all_words_after_any_words_sum_to_one(sentences, order, prune):
    model = parse(ours(sentences, order, prune[:order]))
    words = sorted({gram for gram in model if " " not in gram} - {"<s>"})
    contexts = ["<s>", *product(words, repeat=order - 1)][:40]
    for context in contexts:
        history = tuple(context.split()) if isinstance(context, str) else context
        assert math.isclose(sum(10 ** log10(model, history, word) for word in words), 1, abs_tol=1e-4)


def log10(model, history, word):
    """Probability of a word by the rule of back-off models."""
    gram = " ".join((*history, word))
    if gram in model:
        return model[gram][0]
    backoff = model.get(" ".join(history), (0, 0))[1]
    return backoff + log10(model, history[1:], word)


def test_orders_without_any_n_gram_are_empty():
    """One short sentence has no 4-grams; kenlm reads such a model."""
    assert b"ngram 3=1\nngram 4=0\nngram 5=0\n" in ours(["क"], 5)


def test_a_discount_of_exactly_nothing_leaves_a_model_kenlm_reads(tmp_path):
    """Lmplz writes a backoff of -inf here, and kenlm then refuses the file."""
    (tmp_path / "model.arpa").write_bytes(ours(["ख", "ख क क क क ग"], 2))
    assert load_model(tmp_path / "model.arpa").score("ख ग") < 0


def test_discounts_are_chen_and_goodmans():
    """Ten n-grams seen once, five twice, three three times, two four times: Y = 10 / 20."""
    counts = np.repeat([1, 2, 3, 4, 9], [10, 5, 3, 2, 1])
    found = kneser_ney.discounts_of(counts)
    assert found.amounts == pytest.approx((1 - 2 * 0.5 * 0.5, 2 - 3 * 0.5 * 0.6, 3 - 4 * 0.5 * 2 / 3))
    assert not found.fallback


@pytest.mark.parametrize("counts", [[1, 1, 2], [2, 2, 3], [1, *[2] * 9, 3, 3, *[4] * 90]], ids=str)
def test_text_the_formula_fails_on_gets_lmplzs_fallback_discounts(counts):
    assert kneser_ney.discounts_of(np.array(counts)) == kneser_ney.Discounts(amounts=(0.5, 1, 1.5), fallback=True)


def test_more_text_than_fits_in_memory_is_refused_with_the_way_out():
    with pytest.raises(DataError, match=r"more than 100 tokens(.|\n)*train_share(.|\n)*make lmplz"):
        kneser_ney.number(["क ख ग"] * 30, largest=100)
