"""Either estimator gives the same model, and the receipt says which it was."""

import dataclasses
import sys

import pytest

from data_prep.errors import DataError
from data_prep.perplexity import lmplz, model
from data_prep.perplexity.scores import load_model
from data_prep.perplexity.settings import PerplexitySettings

from .arpa_files import SENTENCES

RULES = PerplexitySettings(order=4, prune=(0, 0, 1), memory="200M")


@pytest.fixture
def without_lmplz(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))


def test_without_lmplz_the_model_is_our_own_arpa_file(tmp_path, without_lmplz):
    facts = model.train(SENTENCES, tmp_path / "model.kenlm", RULES)
    assert (facts["estimator"], facts["format"], facts["sentences"]) == ("langadapt", "arpa", 30)
    assert facts["tokens"] == sum(len(sentence.split()) for sentence in SENTENCES)
    assert facts["ngrams"][0] == facts["ngrams_before_pruning"][0]
    assert facts["ngrams"][2] < facts["ngrams_before_pruning"][2]
    assert load_model(tmp_path / "model.kenlm").order == 4


def test_fallback_discounts_are_in_the_receipt(tmp_path, without_lmplz):
    facts = model.train(["क ख"], tmp_path / "model.kenlm", dataclasses.replace(RULES, prune=()))
    assert [discounts["fallback"] for discounts in facts["discounts"]] == [True] * 4


def test_no_text_at_all_is_an_error_with_a_fix(tmp_path):
    with pytest.raises(DataError, match=r"no trusted real text(.|\n)*kind real(.|\n)*perplexity\.enabled=false"):
        model.train([], tmp_path / "model.kenlm", RULES)


@pytest.mark.skipif(lmplz.find("build_binary") is None, reason="`make lmplz` builds it")
def test_lmplz_and_our_estimator_score_alike(tmp_path, request):
    binary, own = tmp_path / "binary", tmp_path / "own"
    facts = model.train(SENTENCES, binary, RULES)
    assert (facts["estimator"], facts["format"]) == ("lmplz", "binary")
    assert not list(tmp_path.glob(".lmplz"))
    request.getfixturevalue("without_lmplz")
    said = model.train(SENTENCES, own, RULES)
    assert {**said, "estimator": "", "format": "", "discounts": ""} == {
        **facts,
        "estimator": "",
        "format": "",
        "discounts": "",
    }
    expected = [load_model(binary).score(sentence) for sentence in SENTENCES]
    assert [load_model(own).score(sentence) for sentence in SENTENCES] == pytest.approx(expected, abs=1e-4)
