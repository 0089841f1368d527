"""The YAML of a card is what the hub takes, and goes through huggingface_hub's own classes unchanged."""

from dataclasses import replace

import pytest
import yaml
from huggingface_hub import DatasetCard, DatasetCardData, ModelCard, ModelCardData

from data_prep.errors import DataError
from recipes.card import facts, metadata
from recipes.card.licenses import License

MIT = License(license="mit")


def of(model, *, base_model=None, datasets=()) -> ModelCardData:
    return metadata.of_model(model, name="hindi-dpo", terms=MIT, base_model=base_model, datasets=datasets)


def test_languages_are_iso_codes_for_the_hub_and_full_tags_beside() -> None:
    assert metadata.hub_languages(["hi-Deva", "hi-Latn", "en-Latn", "und", "x-private", "sat-Olck"]) == [
        "en",
        "hi",
        "sat",
    ]


def test_everything_a_file_says_is_in_the_metadata(adapted) -> None:
    data = of(adapted, base_model="nvidia/Nemotron-Mini-4B-Base", datasets=["me/corpus"]).to_dict()
    results = data.pop("model-index")
    assert data == {
        "language": ["en", "hi"],
        "language_bcp47": ["en-Latn", "hi-Deva"],
        "license": "mit",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "base_model": "nvidia/Nemotron-Mini-4B-Base",
        "datasets": ["me/corpus"],
        "metrics": ["acc", "bits_per_byte"],
        "tags": ["langadapt", "nemotron", "continued-pretraining", "sft", "dpo", "conversational"],
    }
    assert results[0]["name"] == "hindi-dpo"


def test_what_no_file_says_is_left_out(unmeasured) -> None:
    data = of(unmeasured).to_dict()
    assert {"language", "model-index", "base_model", "datasets", "metrics"}.isdisjoint(data)


def test_the_results_come_back_from_the_yaml_as_they_went_in(adapted) -> None:
    data = of(adapted)
    again = ModelCard(f"---\n{data.to_yaml()}\n---\n").data
    assert again.eval_results == data.eval_results
    assert again.to_dict() == data.to_dict()


def test_a_model_that_only_continues_is_not_called_conversational(real) -> None:
    assert of(real).tags == ["langadapt", "nemotron", "pretrained"]


def test_a_corpus_says_what_it_is_made_of(real) -> None:
    configs = [{"config_name": "a", "data_files": [{"split": "train", "path": "a/train/*.jsonl.zst"}]}]
    data = metadata.of_corpus(real.corpus, ["CC0-1.0"], name="tiny corpus", configs=configs)
    again = DatasetCard(f"---\n{data.to_yaml()}\n---\n").data
    assert isinstance(again, DatasetCardData)
    assert again.to_dict() == {
        "annotations_creators": ["no-annotation"],
        "language_creators": ["found", "machine-generated"],
        "language": ["en", "hi"],
        "language_bcp47": ["en-Latn", "hi-Deva", "hi-Latn"],
        "license": ["cc0-1.0"],
        "multilinguality": ["multilingual", "translation"],
        "size_categories": "n<1K",
        "task_categories": ["text-generation"],
        "pretty_name": "tiny corpus",
        "tags": ["langadapt", "real", "romanized", "translated"],
        "configs": configs,
    }


@pytest.mark.parametrize(
    ("documents", "category"), [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**9, "1B<n<10B"), (10**12, "n>1T")]
)
def test_sizes_fall_into_the_hubs_categories(documents, category) -> None:
    assert metadata.size_category(documents) == category


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\nmodel-index: [{name: x}]\n---\n", "cannot read this card's metadata: Invalid `model_index`"),
        ("---\nlanguage: [hi\n---\n", "cannot read this card's metadata"),
        ("---\n- a\n---\n", "should be a dict"),
        ("# Only text\n", "this card has no metadata"),
    ],
)
def test_metadata_the_hub_would_refuse_are_refused(text, message) -> None:
    with pytest.raises(DataError, match=message) as error:
        metadata.check(text, ModelCard, "README.md")
    assert "run langadapt card again" in error.value.fix


def test_a_chat_template_is_found_in_a_file_of_its_own_too(tmp_path, real) -> None:
    assert real.has_chat_template
    assert not facts.has_chat_template(tmp_path)
    (tmp_path / "chat_template.jinja").write_text("x")
    assert facts.has_chat_template(tmp_path)


def test_strange_characters_survive_the_yaml(adapted) -> None:
    odd = replace(adapted, config={**adapted.config, "model_type": "x: [y] # नमस्ते"})
    assert "x: [y] # नमस्ते" in yaml.safe_load(of(odd).to_yaml())["tags"]
