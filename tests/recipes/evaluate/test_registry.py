"""Names of tasks: ours, the harness's own, and those that nobody knows."""

import time

import pytest

from data_prep.errors import UsageError
from recipes.evaluate import registry


def test_our_tasks_and_the_groups_are_found_without_reading_the_whole_harness():
    names = ["hindi_base", "english_retention", "romanised", "sample"]
    registry.open_manager(names)  # imports
    start = time.process_time()
    manager = registry.open_manager(names)
    assert time.process_time() - start < 3, "all tasks take 7 s"
    assert len(manager.all_tasks) < 1000


def test_any_task_of_the_harness_is_found_and_an_unknown_name_is_not():
    manager = registry.open_manager(["xnli_hi", "indic_cope_hi"])
    (entry,) = registry.resolve(manager, ["xnli_hi"]).values()
    config = registry.config_of(entry)
    assert config["validation_split"] == "validation"
    assert registry.lang_of(entry, config) == "und", "the harness does not say"
    with pytest.raises(UsageError, match="no task or group named 'indic_cope_hi'") as raised:
        registry.resolve(manager, ["indic_cope_hi"])
    assert raised.value.fix.startswith("did you mean 'indic_copa_hi'?")


def test_languages_of_the_harness_own_tasks_are_named():
    names = ["mmlu_anatomy", "hellaswag", "boolq", "belebele_hin_Deva", "belebele_hin_Latn"]
    entries = registry.resolve(registry.open_manager(names), names)
    found = [registry.lang_of(entry, registry.config_of(entry)) for entry in entries.values()]
    assert found == ["en-Latn", "en-Latn", "en-Latn", "hi-Deva", "hi-Latn"]


def test_a_task_asked_for_twice_belongs_to_both_groups():
    manager = registry.open_manager(["sample", "sample_cloze_hi"])
    entries = registry.resolve(manager, ["sample", "sample_cloze_hi"])
    assert list(entries) == ["sample_cloze_hi", "sample_cloze_en"]
    assert entries["sample_cloze_hi"].groups == ("sample",)


def test_means_of_groups_are_those_their_files_ask_for():
    manager = registry.open_manager(["mmlu", "hindi_base", "hindi_base_letter"])
    asked = registry.averages(manager, ["mmlu", "hindi_base", "hindi_base_letter"])
    assert asked == {"mmlu": {"acc": True}, "hindi_base": {}, "hindi_base_letter": {"acc": False}}
