"""The audit as a stage: its counts are the receipts', it is redone when they change, equal corpora have equal pages."""

import json
import shutil

import pytest

from data_prep.audit.facts import settings_table
from data_prep.audit.settings import AuditSettings
from data_prep.audit.stage import audit_page, check, stage
from data_prep.errors import UsageError
from data_prep.files import read_shards
from tests.data_prep.audit.conftest import make_settings, run_audit


def facts_of(settings):
    return json.loads(audit_page(settings.layout).with_suffix(".json").read_text())


def copy_of(prepared, folder):
    shutil.copytree(prepared.layout.root, folder)
    return make_settings(folder)


def test_counts_are_those_of_the_shards(prepared):
    facts = facts_of(prepared)
    shards = sorted((prepared.layout.root / "documents").glob("*/*/*.zst"))
    texts = [document.text for document in read_shards(shards)]
    totals = facts["totals"]["kind"].values()
    assert sum(total["documents"] for total in totals) == len(texts)
    assert sum(total["characters"] for total in totals) == sum(map(len, texts))
    assert all(total["tokens"] > 0 for total in totals)


def test_every_document_of_a_dataset_is_kept_or_has_a_reason(prepared):
    for dataset in facts_of(prepared)["datasets"]:
        first = next(iter(dataset["stages"].values()))
        dropped = sum(sum(stage["dropped"].values()) for stage in dataset["stages"].values())
        assert first["in"] == dataset["documents"] + dropped


def test_every_reason_has_samples_of_its_own(prepared):
    drops = facts_of(prepared)["drops"]
    assert {"wrong_language", "exact_duplicate", "contaminated", "high_perplexity"} <= {
        each["reason"] for each in drops
    }
    for drop in drops:
        assert len(drop["samples"]) == min(3, drop["documents"])
        assert all(len(sample["text"]) <= 302 for sample in drop["samples"])


def test_translated_and_romanised_samples_stand_beside_what_they_were_made_from(prepared):
    made = [each for each in facts_of(prepared)["samples"] if each["kind"] != "real"]
    assert {each["kind"] for each in made} == {"translated", "romanized"}
    assert all(document["parent"] for each in made for document in each["documents"])


def test_perplexity_compares_synthetic_real_and_human_text(prepared):
    found = facts_of(prepared)["perplexity"]
    assert set(found["documents"]) == {"synthetic", "real_heldout", "human"}
    assert {each["decile"] for each in found["examples"]} >= {1, 10}
    assert all(document["text"] for each in found["examples"] for document in each["documents"])


def test_an_audit_is_made_once_and_again_when_a_receipt_changes(prepared, tmp_path):
    settings = copy_of(prepared, tmp_path / "data")
    assert run_audit(settings) == 0
    receipt = next((tmp_path / "data" / "clean" / "web.hi-Deva.real").glob("*.receipt.json"))
    receipt.write_text(receipt.read_text().replace('"seconds": ', '"seconds": 1'))
    before = audit_page(settings.layout).read_bytes()
    assert run_audit(settings) == 1
    assert audit_page(settings.layout).read_bytes() == before, "a receipt's times are not in the page"


def test_a_preparation_that_stopped_early_says_what_has_not_run(prepared, tmp_path):
    folder = tmp_path / "data"
    for name in ("ingest", "clean", "rejects/clean", "rejects/ingest"):
        shutil.copytree(prepared.layout.root / name, folder / name)
    settings = make_settings(folder, "perplexity.enabled=false")
    assert run_audit(settings) == 1
    states = {each["name"]: each["state"] for each in facts_of(settings)["stages"]}
    assert (states["clean"], states["dedup"], states["perplexity"]) == ("done", "not_run", "off")
    page = audit_page(settings.layout).read_text()
    assert "Stage dedup: not run." in page
    assert "Stage perplexity: switched off." in page


def test_the_settings_a_data_card_shows_are_those_of_the_stages_that_are_on(prepared, tmp_path):
    assert facts_of(prepared)["settings"]["dedup"] == {"threshold": 0.8, "ngram": 5}
    off = make_settings(
        tmp_path,
        "dedup.enabled=false",
        "translate.engine.use=ctranslate2",
        "translate.engine.ctranslate2.family=nllb",
        "translate.engine.ctranslate2.model=/models/nllb",
    )
    table = settings_table(off)
    assert "dedup" not in table
    languages = {"from_lang": "en-Latn", "to_lang": "hi-Deva"}
    assert table["translate"] == {**languages, "min_accepted": 1.0, "engine": "ctranslate2", "model": "nllb"}


def test_nothing_to_audit_is_said(tmp_path):
    assert stage(make_settings(tmp_path)).tasks == ()
    with pytest.raises(UsageError) as raised:
        check(make_settings(tmp_path, "stage=audit"))
    assert "there is nothing to audit" in str(raised.value)
    assert str(tmp_path) in str(raised.value)
    assert "leave out the stage 'audit'" in str(raised.value)


def test_a_negative_number_of_samples_is_refused():
    with pytest.raises(ValueError, match="samples -1 is less than none"):
        AuditSettings(samples=-1)
