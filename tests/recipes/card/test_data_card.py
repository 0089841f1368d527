"""The corpus's card counts what the receipts counted and names what the documents name."""

from collections import Counter
from dataclasses import replace

import pytest

from data_prep.documents import Document
from data_prep.files import shard_writer
from recipes.card import data_card
from recipes.card.data_card import Licenses


@pytest.fixture
def corpus(real) -> dict:
    return real.corpus


def test_licences_are_read_from_the_documents(tiny_run, corpus) -> None:
    found = data_card.read_licenses(tiny_run / "data", corpus)
    assert found.documents == sum(each["documents"] for each in corpus["datasets"])
    assert set(found.found) == {each["name"] for each in corpus["datasets"]}
    assert all(set(each) == {"CC0-1.0"} for each in found.found.values())


def test_of_long_shards_only_the_first_documents_are_read(tmp_path) -> None:
    one = Document(id="1", text="x", lang="hi-Deva", kind="real", source="s", license="MIT", parent_id=None, group="1")
    with shard_writer(tmp_path / "documents" / "s.hi-Deva.real" / "train" / "00000.jsonl.zst") as write:
        for number in range(300):
            write(replace(one, id=str(number), license="MIT" if number < 200 else "GPL").to_json())
    corpus = {"datasets": [{"name": "s.hi-Deva.real", "is_finished": True, "documents": 300}]}
    found = data_card.read_licenses(tmp_path, corpus)
    assert found == Licenses(found={"s.hi-Deva.real": Counter(MIT=200)}, documents=200)
    assert "(the first 200 of every shard, 200 of 300)" in data_card.licenses_table(corpus, found)


def test_the_hub_finds_every_split_that_has_a_shard(tiny_run, corpus) -> None:
    found = {each["config_name"]: each["data_files"] for each in data_card.configs(corpus, tiny_run / "data")}
    assert found["sample.hi-Deva.real"] == [
        {"split": "train", "path": "sample.hi-Deva.real/train/*.jsonl.zst"},
        {"split": "heldout", "path": "sample.hi-Deva.real/heldout/*.jsonl.zst"},
    ]


def test_stages_show_their_settings_and_what_they_kept(corpus) -> None:
    rows = {line.split(" | ")[0][2:]: line for line in data_card.processing_table(corpus).splitlines()[2:]}
    assert rows["clean"] == "| clean | done | mask_personal_data yes | 223 | 216 |"
    assert "threshold 0.8; ngram 5" in rows["dedup"]
    assert "engine memory" in rows["translate"]
    assert rows["split"].startswith("| split | done | heldout_fraction 0.1 |")
    assert "instruct" not in rows


def test_reasons_are_counted_by_stage(corpus) -> None:
    assert "| dedup | exact_duplicate | 2 |" in data_card.dropped_table(corpus)


def test_masked_personal_data_are_counted_and_unmasked_ones_warned_of(corpus) -> None:
    assert "patterns (email 1, phone 1)" in data_card.personal_data(corpus)
    nothing = {**corpus, "changed": {}}
    assert "patterns (none was found)" in data_card.personal_data(nothing)
    assert data_card.personal_data({**nothing, "settings": {}}).startswith("Nothing was masked")


def test_decontamination_says_what_it_found_or_that_nobody_looked(corpus) -> None:
    assert "4 documents held items and were left out" in data_card.contamination(corpus)
    assert data_card.contamination({**corpus, "contamination": None}) == (
        "The text was not searched for items of evaluation sets."
    )


def test_stages_that_have_not_run_are_a_limit(corpus) -> None:
    waiting = {**corpus, "stages": [{"name": "dedup", "state": "not_run"}]}
    assert "Stages that have not run: dedup." in data_card.limits(waiting)
