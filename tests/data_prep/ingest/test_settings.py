from pathlib import Path
from typing import Any

import pytest

from data_prep.ingest.settings import IngestSettings
from data_prep.layout import REPOSITORY_ROOT

from .conftest import source


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: source(lang="hi"), r"not a language with its script\n.*hi-Deva"),
        (lambda: source(source="../x"), "names folders"),
        (lambda: source(source="a.b"), "letters, digits"),
        (lambda: source(limit=0), r"limit 0 reads nothing\n.*null for all"),
        (lambda: IngestSettings(shard_characters=0), "shard_characters 0 leaves no room for a document"),
        (lambda: IngestSettings(max_document_bytes=-1), "max_document_bytes -1 leaves no room"),
    ],
)
def test_values_that_cannot_work_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_hub_address_survives_being_a_path() -> None:
    address = "hf://datasets/ai4bharat/sangraha@main/verified/hin/*.parquet"
    assert source(path=Path(address)).hub_address == address
    assert source(path=Path("corpus/hf.jsonl")).hub_address is None


def test_relative_inputs_start_at_the_repository_and_then_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert source(path=Path("data_prep/errors.py")).input == REPOSITORY_ROOT / "data_prep/errors.py"
    assert source(path=Path("mine.jsonl")).input == tmp_path / "mine.jsonl"
