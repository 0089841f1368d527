"""Wrong settings of stage translate are refused with what to write instead."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_prep.errors import UsageError
from data_prep.translate.engines.make import check_engine
from data_prep.translate.settings import (
    CTranslate2Settings,
    EndpointSettings,
    EngineSettings,
    MemorySettings,
    TransformersSettings,
    TranslateSettings,
)

MODEL: dict[str, Any] = {"model": "m", "family": "nllb"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TranslateSettings(enabled=True), "enabled without an engine"),
        (lambda: TranslateSettings(from_lang="hi-Deva"), "are both hi-Deva"),
        (lambda: TranslateSettings(to_lang="hindi"), "'hindi' is not a language with its script"),
        (lambda: TranslateSettings(min_accepted=0.0), "min_accepted 0.0 is not a share"),
        (lambda: TranslateSettings(partitions=0), "partitions 0 is not above 0"),
        (lambda: EngineSettings(use="endpoint", memory=MemorySettings(path=Path("m"))), "no section 'endpoint'"),
        (lambda: TransformersSettings(model="m", family="indictrans2"), "Python code of its own"),
        (lambda: TransformersSettings(**MODEL, beams=0), "beams 0 is not above 0"),
        (lambda: CTranslate2Settings(model=Path("m"), family="plain", max_tokens=-1), "max_tokens -1"),
        (lambda: EndpointSettings(url="http://h/v1", model="m", tries=0), "tries 0 is not above 0"),
    ],
)
def test_message(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        make()
    assert "\n" in str(error.value)


def test_a_language_without_a_known_code_is_refused_before_the_model_is_loaded(tmp_path: Path) -> None:
    engine = EngineSettings(use="transformers", transformers=TransformersSettings(**MODEL))
    check_engine(engine, "en-Latn", "swh-Latn")
    with pytest.raises(UsageError, match="three-letter code of 'xx'"):
        check_engine(engine, "en-Latn", "xx-Latn")
    converted = EngineSettings(use="ctranslate2", ctranslate2=CTranslate2Settings(model=tmp_path, family="nllb"))
    with pytest.raises(UsageError, match="holds no converted model"):
        check_engine(converted, "en-Latn", "hi-Deva")
