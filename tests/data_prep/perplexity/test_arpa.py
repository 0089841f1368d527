"""What we write is an ARPA file to kenlm."""

import kenlm
import pytest

from data_prep.perplexity import arpa

from .arpa_files import HERE, SENTENCES, ours


def load(path):
    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    return kenlm.Model(str(path), config)


def test_kenlm_scores_alike_with_our_file_and_with_lmplzs(tmp_path):
    (tmp_path / "ours.arpa").write_bytes(ours(SENTENCES, 3))
    own, real = load(tmp_path / "ours.arpa"), load(HERE / "reference.arpa")
    for sentence in [*SENTENCES, "यह वाक्य नया है ।", ""]:
        assert own.score(sentence) == pytest.approx(real.score(sentence), abs=1e-4)


def test_long_orders_are_written_in_parts(monkeypatch):
    whole = ours(SENTENCES, 3)
    monkeypatch.setattr(arpa, "_LINES", 7)
    assert ours(SENTENCES, 3) == whole


def test_a_model_of_one_word_loads(tmp_path):
    (tmp_path / "one.arpa").write_bytes(ours(["क"], 5))
    assert load(tmp_path / "one.arpa").order == 5
