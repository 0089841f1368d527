"""The verb: cards that say what the files say, run as they stand, and never replace somebody's own words."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard, ModelCard, metadata_load

from recipes import card, cli
from recipes.card import model_card
from recipes.card.licenses import License
from tests.recipes.snippets import run_snippet


@pytest.fixture
def cards(work) -> Path:
    assert cli.main(["card", str(work)]) == 0
    return work


def test_every_model_and_the_corpus_get_a_card_the_hub_reads(cards) -> None:
    model, corpus = cards / "hf" / "base" / "README.md", cards / "data" / "documents" / "README.md"
    assert metadata_load(model)["license_name"] == "undecided"
    results = ModelCard.load(model).data.eval_results
    assert {each.metric_type for each in results} == {"bits_per_byte", "acc_norm"}
    assert all(each.metric_args["standard_error"] > 0 for each in results)
    assert DatasetCard.load(corpus).data.license == ["cc0-1.0"]


def test_the_models_card_says_what_its_files_say(cards) -> None:
    text = (cards / "hf" / "base" / "README.md").read_text(encoding="utf-8")
    certificate = card.facts.run_record.read_json(cards / "hf" / "base" / "parity.json")
    record = card.facts.run_record.read(cards / "base")
    for fact in (
        certificate["source_sha256"],
        f"{certificate['positions']} positions",
        record.git["commit"][:12],
        "| sample | hi-Deva | real | CC0-1.0 |",
        "| hi-Deva | real |",
        "| sample_cloze_hi | hi-Deva | acc_norm | 0 | 60 |",
        " ± ",
    ):
        assert fact in text


def test_the_code_of_the_corpus_runs_as_it_stands(cards, tmp_path) -> None:
    shown = run_snippet(cards / "data" / "documents" / "README.md", tmp_path)
    assert len(shown) > 200


def test_the_code_of_a_chat_model_runs_as_it_stands(work, adapted, tmp_path) -> None:
    folder = work / "hf" / "base"
    text = model_card.card(adapted, name="x", metadata="license: mit", terms=License(license="mit"), base_model=None)
    (folder / "README.md").write_text(text, encoding="utf-8")
    assert "apply_chat_template" in text
    run_snippet(folder / "README.md", tmp_path)


def test_cards_hold_no_local_path(cards) -> None:
    for path in cards.rglob("README.md"):
        assert str(cards) not in path.read_text(encoding="utf-8")


def test_a_certificate_that_counts_weights_is_quoted(real) -> None:
    counted = {**real.certificate, "tensors": 31, "elements": 2_854_272, "padding_rows": 24}
    assert "31 tensors with 2,854,272 weights were written; 24 rows" in model_card.certificate(
        replace(real, certificate=counted)
    )


def test_nothing_is_left_to_the_template_to_print_as_none(unmeasured) -> None:
    text = model_card.card(unmeasured, name="x", metadata="license: mit", terms=License(license="mit"), base_model=None)
    assert not re.search(r"\bNone\b|\[\]|\{\}", text)
    assert "There is none: nobody has compared these weights" in text
    assert "No evaluation was found." in text
    assert model_card.NO_FACTS in text


def test_equal_facts_give_equal_cards_and_a_card_is_not_its_own_edit(cards) -> None:
    paths = sorted(cards.rglob("README.md"))
    before = [path.read_bytes() for path in paths]
    assert cli.main(["card", str(cards)]) == 0
    assert [path.read_bytes() for path in paths] == before


def test_a_card_somebody_edited_is_kept(cards, capsys) -> None:
    path = cards / "hf" / "base" / "README.md"
    edited = path.read_text(encoding="utf-8").replace("## Use", "## Use with care")
    path.write_text(edited, encoding="utf-8")
    assert cli.main(["card", str(cards)]) == 2
    assert "this card was written or edited by somebody" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == edited


def test_a_card_from_elsewhere_is_kept(work, capsys) -> None:
    (work / "hf" / "base" / "README.md").write_text("# Mine\n")
    assert cli.main(["card", str(work)]) == 2
    assert "README.mine.md" in capsys.readouterr().err
    assert not (work / "data" / "documents" / "README.md").exists()


def test_a_dry_run_writes_nothing(work, capsys) -> None:
    assert cli.main(["card", str(work), "--dry-run"]) == 0
    assert "README.md would be written" in capsys.readouterr().out
    assert not list(work.rglob("README.md"))


def test_decisions_are_taken_from_the_command_line(work) -> None:
    words = [
        *("license=apache-2.0", "base_model=org/base", "datasets=[org/data]", "name=Tara"),
        f"output={work}/CARD.md",
    ]
    assert cli.main(["card", str(work), *words]) == 0
    data = ModelCard.load(work / "CARD.md").data
    assert (data.license, data.base_model, data.datasets) == ("apache-2.0", "org/base", ["org/data"])
    assert data.model_name == "Tara-base"


def test_an_evaluation_of_a_moved_run_is_taken_by_name_and_said(cards, capsys) -> None:
    assert cli.main(["card", str(cards)]) == 0
    assert f"the evaluation's model base is taken for {cards}/hf/base, though it names" in capsys.readouterr().out


def test_a_figure_that_is_no_number_is_a_dash_and_no_result(work) -> None:
    evaluation = work / "evaluation.json"
    figures = json.loads(evaluation.read_text())
    figures["bits_per_byte"]["hi-Deva"]["base"] = float("nan")
    evaluation.write_text(json.dumps(figures))
    assert cli.main(["card", str(work)]) == 0
    model = work / "hf" / "base" / "README.md"
    assert "nan" not in re.findall(r"\w+", model.read_text(encoding="utf-8"))
    bits = [each for each in ModelCard.load(model).data.eval_results if each.metric_type == "bits_per_byte"]
    assert {each.dataset_config for each in bits} == figures["bits_per_byte"].keys() - {"hi-Deva"}


def test_a_preparation_that_stopped_early_has_no_card(work, capsys) -> None:
    shutil.rmtree(work / "data" / "documents")
    assert cli.main(["card", str(work)]) == 0
    assert "no card of the corpus: no audit/audit.json of finished documents" in capsys.readouterr().out


def test_one_output_is_for_one_model(work, capsys) -> None:
    shutil.copytree(work / "hf" / "base", work / "hf" / "cpt")
    assert cli.main(["card", str(work), f"output={work}/CARD.md"]) == 2
    assert "this run has 2 converted models" in capsys.readouterr().err


def test_a_folder_without_anything_to_describe_is_refused(tmp_path, capsys) -> None:
    assert cli.main(["card", str(tmp_path)]) == 2
    assert "there is nothing to write a card for" in capsys.readouterr().err


def test_what_a_card_had_to_leave_open_is_said(tmp_path, work, capsys) -> None:
    (work / "hf" / "base").rename(work / "hf" / "cpt")
    words = [f"model={work}/hf/cpt", f"runs.cpt={work}/base"]
    assert cli.main(["card", *words]) == 0
    said = capsys.readouterr().out
    for line in (
        "no licence was chosen",
        "base's name on the hub is not known",
        "no evaluation was found",
        "no card of the corpus",
    ):
        assert line in said


def test_a_model_without_a_run_record_says_that_its_training_is_unknown(work) -> None:
    assert cli.main(["card", f"model={work}/hf/base"]) == 0
    assert "how these weights were trained is not known" in (work / "hf" / "base" / "README.md").read_text()
