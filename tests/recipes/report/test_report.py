"""The verb writes both files, or says what is wrong."""

import json

import pytest

from data_prep.errors import UsageError
from recipes.cli import main as cli
from recipes.report import main


def test_the_verb_writes_both_files_and_prints_the_headline(demo, capsys):
    assert cli(["report", f"workdir={demo}"]) == 0
    assert "Hindi bits per byte fell from 2.91 to 1.87" in capsys.readouterr().out
    facts = json.loads((demo / "report.json").read_text(encoding="utf-8"))
    assert facts["bits_per_byte"]["hi-Deva"]["cpt"] == 1.874
    page = (demo / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "<title>demo: langadapt report</title>" in page


def test_a_second_report_is_the_same_bytes(demo):
    main([], [f"workdir={demo}"], dry_run=False)
    first = [(demo / name).read_bytes() for name in ("report.json", "report.html")]
    main([], [f"workdir={demo}"], dry_run=False)
    assert [(demo / name).read_bytes() for name in ("report.json", "report.html")] == first


def test_a_dry_run_writes_nothing(demo, capsys):
    assert main([], [f"workdir={demo}"], dry_run=True) == 0
    assert "would be written" in capsys.readouterr().out
    assert not (demo / "report.json").exists()


def test_text_that_is_no_unicode_does_not_stop_the_report(demo):
    path = demo / "evaluation.json"
    evaluation = json.loads(path.read_text())
    evaluation["generations"][0]["prompt"] = "half a pair \ud83d and \x00"
    path.write_text(json.dumps(evaluation))
    assert main([], [f"workdir={demo}"], dry_run=False) == 0
    assert "half a pair ? and" in (demo / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no value for workdir"),
        (["workdir={tmp}/nowhere"], "there is no folder"),
        (["workdir={tmp}"], "holds no part of a run"),
        (["workdri={tmp}"], "unknown key 'workdri'"),
    ],
)
def test_mistakes_are_explained(tmp_path, words, message):
    with pytest.raises(UsageError, match=message) as caught:
        main([], [word.format(tmp=tmp_path) for word in words], dry_run=False)
    assert caught.value.fix
    assert not (tmp_path / "report.html").exists()
