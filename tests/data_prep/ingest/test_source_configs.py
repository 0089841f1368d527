"""The shipped sources, each read from local files of the schema its dataset card publishes."""

import bz2
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet

from data_prep.documents import Document
from data_prep.ingest.settings import SourceSettings
from data_prep.layout import REPOSITORY_ROOT
from data_prep.prep_settings import PrepSettings
from data_prep.settings import load

from .conftest import records
from .test_wikipedia import DUMP

FOLDER = REPOSITORY_ROOT / "nemo_configs" / "data" / "sources"
HINDI, ENGLISH = "यह एक वाक्य है।", "This is a sentence."

WEB = {"dump": "CC-MAIN-2024-10", "url": "https://example.org", "file_path": "s3://x", "language_score": 0.9}
ROWS: dict[str, dict[str, Any]] = {
    "sangraha_verified": {"doc_id": "6f3", "type": "web", "text": HINDI},
    "sangraha_unverified": {"doc_id": "6f3", "text": HINDI},
    "sangraha_synthetic": {"doc_id": "6f3", "text": HINDI},
    "sangraha_synthetic_latin": {"doc_id": "6f3", "text": "yah ek vakya hai."},
    "fineweb2": {
        "text": HINDI,
        "id": "<urn:uuid:1>",
        **WEB,
        "date": "2024-03-01T00:00:00Z",
        "language": "hin",
        "language_script": "Deva",
        "minhash_cluster_size": 2,
        "top_langs": "{}",
    },
    "wikipedia": {"id": "1", "url": "https://hi.wikipedia.org/wiki/x", "title": "शीर्षक", "text": HINDI},
    "fineweb_edu": {
        "text": ENGLISH,
        "id": "<urn:uuid:2>",
        **WEB,
        "language": "en",
        "token_count": 5,
        "score": 3.1,
        "int_score": 3,
    },
    "nemotron_cc": {"warc_record_id": "3-4", "url": "https://example.org", "text": ENGLISH},
}


def shipped() -> dict[str, SourceSettings]:
    found = (
        source
        for config in sorted(FOLDER.glob("*.yaml"))
        for source in load(
            PrepSettings,
            [config],
            ["output_dir=x", *(["sources.0.path=/data/files"] if config.stem == "nemotron_cc" else [])],
        ).sources
    )
    return {source.source: SourceSettings(**vars(source)) for source in found}


def test_every_shipped_source_has_a_row_here() -> None:
    assert set(shipped()) == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_a_file_of_the_published_schema_becomes_documents(tmp_path: Path, name: str) -> None:
    source, row = shipped()[name], ROWS[name]
    if name == "nemotron_cc":
        (tmp_path / "part-00000.jsonl.zstd").write_bytes(zstandard.compress(json.dumps(row).encode() + b"\n"))
    else:
        parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "0.parquet")
    (document,) = records(**(vars(source) | {"path": tmp_path}))
    assert isinstance(document, Document)
    assert (document.text, document.id) == (row["text"], str(row.get(source.id_field or "")))
    assert (document.kind, document.lang, document.license) == (source.kind, source.lang, source.license)


def test_the_wikipedia_source_takes_a_dump_instead(tmp_path: Path) -> None:
    path = tmp_path / "hiwiki-20240601-pages-articles.xml.bz2"
    path.write_bytes(bz2.compress(DUMP))
    described = replace(shipped()["wikipedia"], path=path)
    assert [item.id for item in records(**vars(described)) if isinstance(item, Document)] == ["1", "5", "6"]


def test_what_was_made_by_machines_is_not_called_real() -> None:
    kinds = {name: source.kind for name, source in shipped().items() if source.kind != "real"}
    assert kinds == {"sangraha_synthetic": "translated", "sangraha_synthetic_latin": "romanized"}
