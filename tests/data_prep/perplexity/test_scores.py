"""Perplexity as the formula says, and blind to no mark."""

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.errors import DataError
from data_prep.layout import REPOSITORY_ROOT
from data_prep.perplexity import scores, tokenizers
from data_prep.perplexity.scores import Score, Scorer, load_model, perplexity

from .arpa_files import HERE, SENTENCES, ours

REFERENCE = Scorer(kind="words", pieces=None, model=HERE / "reference.arpa")
SIGNS = "ािीुूृेैोौ"


def test_perplexity_is_per_token_over_all_lines_with_their_ends():
    """Two lines of 2 and 3 tokens: seven tokens with the ends of line; an empty line counts for nothing."""
    text = "नदी बहती\n \nपानी साफ़ है"
    model = load_model(REFERENCE.model)
    log10 = model.score("नदी बहती") + model.score("पानी साफ़ है")
    score = REFERENCE.load()("a", text)
    assert (score.id, score.tokens) == ("a", 7)
    assert score.log10 == pytest.approx(log10)
    assert score.perplexity == pytest.approx(10 ** (-log10 / 7), rel=1e-5)


def test_a_text_without_tokens_has_no_perplexity():
    assert REFERENCE.load()("a", " \n\u00a0\n") == Score(id="a", tokens=0, log10=0, perplexity=None)


@given(st.text())
def test_any_text_is_scored(text):
    score = REFERENCE.load()("a", text)
    assert (score.perplexity is None) == (score.tokens == 0)
    assert score.perplexity is None or math.isfinite(score.perplexity)


@given(st.text(), st.integers(1, 10**6), st.floats(0, 30))
def test_a_score_is_read_back_as_it_was(name, tokens, each):
    value = perplexity(-each * tokens, tokens)
    line = Score(id=name, tokens=tokens, log10=-each * tokens, perplexity=value).to_json()
    back = Score(**json.loads(line))
    assert (back.id, back.tokens, back.perplexity) == (name, tokens, value)
    assert back.to_json() == line


def test_the_most_unlikely_text_has_a_finite_perplexity():
    assert perplexity(-1e9, 1) == 1e30


def test_a_file_kenlm_cannot_read_is_named_with_the_fix(tmp_path):
    (tmp_path / "model.kenlm").write_text("no model")
    with pytest.raises(DataError, match=r"cannot read this n-gram model(.|\n)*model\.kenlm(.|\n)*delete"):
        load_model(tmp_path / "model.kenlm")


def test_a_changed_model_file_is_loaded_again(tmp_path):
    path = tmp_path / "model.kenlm"
    path.write_bytes(ours(SENTENCES, 3))
    assert load_model(path) is load_model(path)
    assert load_model(path).order == 3
    path.write_bytes(ours(SENTENCES, 4))
    assert load_model(path).order == 4


def corrupted(text, seed):
    source = random.Random(seed)
    return "".join(source.choice(SIGNS) if char in SIGNS and source.random() < 0.2 else char for char in text)


def shuffled(text, seed):
    words = text.split()
    random.Random(seed).shuffle(words)
    return " ".join(words)


@pytest.mark.parametrize(("spoil", "least"), [(corrupted, 0.9), (shuffled, 0.9)])
def test_spoilt_text_has_the_higher_perplexity(tmp_path, spoil, least):
    """To the normalisation of datatrove and cc_net, wrong vowel signs of category Mn are as good as right ones."""
    documents = REPOSITORY_ROOT / "data_prep" / "sample_corpus" / "documents.hi.jsonl"
    texts = [json.loads(line)["text"] for line in documents.read_text("utf-8").splitlines()]
    learnt, unseen = texts[::2], texts[1::2]
    pieces, model = tmp_path / "tokenizer.model", tmp_path / "model.kenlm"
    pieces.write_bytes(tokenizers.train_sentencepiece(learnt, 500))
    tokenize = tokenizers.load("sentencepiece", pieces)
    model.write_bytes(ours([sentence for text in learnt for sentence in tokenize(text)], 5))
    score = Scorer(kind="sentencepiece", pieces=pieces, model=model).load()
    good = [score("", text).perplexity for text in unseen]
    bad = [score("", spoil(text, seed)).perplexity for seed, text in enumerate(unseen)]
    assert sum(a < b for a in good for b in bad) / len(good) / len(bad) > least


def test_side_files_are_read_in_order(tmp_path):
    path = tmp_path / "scores.jsonl"
    rows = [Score(id=str(n), tokens=n, log10=-1.5, perplexity=perplexity(-1.5, n)) for n in range(4)]
    path.write_text("".join(f"{row.to_json()}\n" for row in rows), "utf-8")
    assert list(scores.read(path)) == rows
