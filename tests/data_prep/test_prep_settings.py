from pathlib import Path
from typing import Any

import pytest

from data_prep.flow import finished_datasets
from data_prep.prep_settings import InstructSettings, PrepSettings, SourceSettings, TokenizerSettings
from data_prep.translate.settings import EndpointSettings, EngineSettings, TranslateSettings


def source(**changes: Any) -> SourceSettings:
    values = {"path": Path("a.jsonl"), "lang": "hi-Deva", "kind": "real", "source": "news", "license": "CC0-1.0"}
    return SourceSettings(**{**values, **changes})


def prep(*sources: SourceSettings, **changes: Any) -> PrepSettings:
    return PrepSettings(output_dir=Path("out"), sources=sources, **changes)


def test_real_and_translated_hindi_share_a_romanised_child() -> None:
    """The paper romanised all of its Hindi, translations included."""
    settings = prep(source(), source(kind="translated"), source(lang="mr-Deva"), source(lang="en-Latn"))
    names = [dataset.name for dataset in finished_datasets(settings)]
    assert names[-1:] == ["news.hi-Latn.romanized"]
    assert len(names) == 5


def test_the_tasks_get_the_key_that_the_endpoint_names() -> None:
    endpoint = EndpointSettings(url="http://localhost:8000/v1", model="m", key_variable="MT_KEY")
    translate = TranslateSettings(engine=EngineSettings(use="endpoint", endpoint=endpoint))
    assert prep(source(), translate=translate).execution.key_variables == ("MT_KEY",)
    assert prep(source()).execution.key_variables == ()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: source(lang="hi"), r"not a language with its script\n.*hi-Deva"),
        (lambda: source(source="../x"), "names folders"),
        (lambda: source(source="a.b"), "letters, digits"),
        (lambda: prep(), "there are no sources"),
        (
            lambda: prep(source(), source(path=Path("b.jsonl"))),
            r"2 sources would all be written to news\.hi-Deva\.real",
        ),
        (
            lambda: prep(source(), source(lang="hi-Latn", kind="romanized")),
            r"would all be written to news\.hi-Latn\.romanized",
        ),
        (lambda: prep(source(), heldout_fraction=1.0), "heldout_fraction 1.0 is not between"),
        (lambda: prep(source(), workers=0), "less than one process"),
        (lambda: TokenizerSettings(max_characters=0), "leaves nothing to train on"),
        (lambda: TokenizerSettings(vocab_size=269), "leaves no room for text: 269 entries"),
        (lambda: InstructSettings(validation_fraction=0.0), "not between 0 and 1"),
        (lambda: InstructSettings(max_length=0), "no room for an example"),
    ],
)
def test_values_that_cannot_work_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_relative_inputs_start_at_the_repository_and_then_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert source(path=Path("data_prep/errors.py")).input.is_file()
    assert source(path=Path("mine.jsonl")).input == tmp_path / "mine.jsonl"
