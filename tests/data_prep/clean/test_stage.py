"""The stage itself: shards in, shards, rejects and receipts out, the same whatever the number of workers."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep.clean import stage as clean_stage
from data_prep.documents import Document
from data_prep.executor.run import Execution
from data_prep.files import open_binary, read_shard
from data_prep.flow import Shard, shard_task
from data_prep.prep_settings import PrepSettings
from data_prep.receipts import Receipt
from data_prep.settings import load
from data_prep.tasks import finish, run_step
from tests.data_prep.clean.conftest import ENGLISH, HINDI, document

TEXTS = (HINDI, f"{HINDI}\u200b\nशेयर करें", HINDI.encode().decode("latin-1"), ENGLISH, "नदी")


def preparation(folder: Path) -> PrepSettings:
    config = folder / "prep.yaml"
    config.write_text(
        f"output_dir: {folder}\n"
        "sources: [{path: hi.jsonl, lang: hi-Deva, kind: real, source: web, license: CC0-1.0}]\n"
        "clean: {enabled: true}\n"
    )
    settings = load(PrepSettings, [config])
    for name in ("00000", "00001"):
        ingested(settings, name)
    return settings


def ingested(settings: PrepSettings, name: str) -> None:
    """A shard as ingest leaves it, one document for each of TEXTS."""
    dataset = settings.sources[0].dataset
    path = settings.layout.stage_shard("none", dataset.name, name)
    documents = [
        Document(**{**{f: getattr(document(text), f) for f in Document.__slots__}, "id": f"{name}/{n}"})
        for n, text in enumerate(TEXTS)
    ]
    task = shard_task(settings, "ingest", Shard(dataset=dataset, path=path), shaping={})
    finish("ingest", type(task)(**{**vars(task), "inputs": (), "read": lambda: documents}), documents)


def run(settings: PrepSettings, workers: int = 1) -> list[Receipt]:
    made = clean_stage.stage(settings)
    (step,) = made.steps
    done = run_step(made, step, execution=Execution(workers=workers), logs=settings.layout.root / "logs")
    return [receipt for _, receipt in done]


@pytest.mark.parametrize("workers", [1, 2])
def test_every_document_is_kept_or_rejected_and_changes_are_in_each_receipt(tmp_path: Path, workers: int):
    settings = preparation(tmp_path)
    receipts = run(settings, workers)
    for receipt in receipts:
        assert receipt.counts == {"in": 5, "kept": 3, "dropped": {"too_short": 1, "wrong_script": 1}}
        assert receipt.details["changed"] == {"boilerplate_lines": 1, "mojibake_repaired": 1, "normalized": 1}
    kept = settings.layout.stage_shard("clean", "web.hi-Deva.real", "00001")
    assert [each.text for each in read_shard(kept)] == [HINDI] * 3
    with open_binary(settings.layout.rejects("clean", "web.hi-Deva.real", "00001")) as lines:
        rejects = [json.loads(line) for line in lines]
    assert [(each["id"], each["reason"], each["where"]) for each in rejects] == [
        ("00001/3", "wrong_script", "clean: Deva letters (most: Latn) 0 < 0.7"),
        ("00001/4", "too_short", "clean: words 1 < 25"),
    ]
    assert run(settings) == []


def test_one_and_two_workers_write_the_same_bytes(make_folder: Callable[[], Path]):
    outputs = []
    for workers in (1, 2):
        settings = preparation(make_folder())
        run(settings, workers)
        folder = settings.layout.root / "clean"
        outputs.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.zst")})
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) == 2


@pytest.fixture
def make_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    return lambda: tmp_path_factory.mktemp("prep")


def test_a_language_told_by_its_script_alone_is_named(tmp_path: Path):
    assert clean_stage.notices(preparation(tmp_path)) == []
    tamil = load(PrepSettings, [tmp_path / "prep.yaml"], ["sources.0.lang=ta-Taml"])
    (said,) = clean_stage.notices(tamil)
    assert said.startswith("no function words of ta-Taml are known")
    assert "function_words.yaml" in said
