"""lmplz as a child process: what it says is kept, what fails is named."""

import stat
import sys

import pytest

from data_prep.errors import DataError
from data_prep.perplexity import lmplz
from data_prep.perplexity.kneser_ney import Discounts

from .arpa_files import HERE, SENTENCES, furthest, parse

LMPLZ, BUILD_BINARY = lmplz.find("lmplz"), lmplz.find("build_binary")
needs_lmplz = pytest.mark.skipif(LMPLZ is None or BUILD_BINARY is None, reason="`make lmplz` builds it")

SAID = """=== 1/5 Counting and sorting n-grams ===
Unigram tokens 11 types 7
Substituting fallback discounts for order 1: D1=0.5 D2=1 D3+=1.5
Statistics:
1 7 D1=0.2 D2=1.7 D3+=3
2 10/13 D1=0.5 D2=1 D3+=1.5
Memory estimate for binary LM:
"""


def program(folder, name, script):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_log_gives_counts_discounts_and_where_they_are_fallbacks():
    """The orders of its fallback message are numbered from 0, those of its statistics from 1."""
    assert lmplz.read_log(SAID) == lmplz.Facts(
        estimator="lmplz",
        ngrams=[7, 10],
        ngrams_before_pruning=[7, 13],
        discounts=[
            Discounts(amounts=(0.2, 1.7, 3.0), fallback=False),
            Discounts(amounts=(0.5, 1.0, 1.5), fallback=True),
        ],
    )


def test_tools_are_found_on_path_or_beside_python(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert lmplz.find("lmplz") is None
    beside = program(tmp_path, "lmplz", "exit 0")
    assert lmplz.find("lmplz") == beside
    (tmp_path / "bin").mkdir()
    assert lmplz.find("lmplz") == beside
    on_path = program(tmp_path / "bin", "lmplz", "exit 0")
    assert lmplz.find("lmplz") == on_path


@pytest.mark.parametrize("count", [1, 500_000], ids=["few lines", "more than a pipe holds"])
def test_a_failure_is_told_in_lmplzs_own_words(tmp_path, count):
    failing = program(tmp_path, "lmplz", "echo '*****' >&2; echo 'No space left on device' >&2; exit 3")
    with pytest.raises(DataError, match=r"lmplz ended with status 3(.|\n)*No space left(.|\n)*perplexity\.memory=4G"):
        lmplz.estimate(failing, ["क"] * count, tmp_path / "model.arpa", order=3, prune=(), memory="1G")


def test_a_killed_build_binary_is_told(tmp_path):
    killed = program(tmp_path, "build_binary", "kill -9 $$")
    with pytest.raises(DataError, match=r"build_binary ended with status -9(.|\n)*out of memory"):
        lmplz.to_binary(killed, tmp_path / "a", tmp_path / "b", "1G")


def test_an_error_in_the_text_ends_lmplz_too(tmp_path):
    waiting = program(tmp_path, "lmplz", "exec sleep 60")

    def sentences():
        yield "क"
        raise DataError("the shard is damaged")

    with pytest.raises(DataError, match="the shard is damaged"):
        lmplz.estimate(waiting, sentences(), tmp_path / "model.arpa", order=3, prune=(), memory="1G")


@needs_lmplz
def test_the_real_lmplz_writes_the_reference(tmp_path):
    path = tmp_path / "model.arpa"
    facts = lmplz.estimate(LMPLZ, SENTENCES, path, order=4, prune=(0, 1, 1, 1), memory="200M")
    assert furthest(parse(path.read_bytes()), parse((HERE / "reference_pruned.arpa").read_bytes())) < 1e-6
    assert facts.ngrams[0] == facts.ngrams_before_pruning[0]
    assert facts.ngrams[3] < facts.ngrams_before_pruning[3]
    assert len(facts.discounts) == 4
