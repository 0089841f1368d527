"""What can go wrong before the compiler has run; `make lmplz` itself takes a minute and the network."""

import sys

import pytest

from data_prep.errors import LangadaptError, UsageError
from data_prep.perplexity import build_lmplz


def test_missing_programs_are_named_with_the_packages(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build_lmplz.main([str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "needs cmake, make, g++" in said
    assert "apt-get install cmake g++ make libboost-program-options-dev" in said


def test_missing_boost_is_told_from_other_failures():
    with pytest.raises(UsageError, match=r"needs Boost(.|\n)*libboost-thread-dev"):
        build_lmplz.run([sys.executable, "-c", "raise SystemExit('Could NOT find Boost (missing: thread)')"])
    with pytest.raises(LangadaptError, match=r"ended with status 1(.|\n)*disk full"):
        build_lmplz.run([sys.executable, "-c", "raise SystemExit('disk full')"])


def test_other_source_than_the_known_one_is_not_compiled(tmp_path):
    (tmp_path / "kenlm.tar.gz").write_bytes(b"other")
    with pytest.raises(LangadaptError, match=r"checksum d9298a10(.|\n)*expected c4628bb9"):
        build_lmplz.unpack(tmp_path / "kenlm.tar.gz", tmp_path)
