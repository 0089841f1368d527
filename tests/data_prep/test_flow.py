"""Which stage makes which dataset, decided without running anything."""

from pathlib import Path

from data_prep.documents import Dataset
from data_prep.flow import (
    documents_shards,
    finished_datasets,
    known_before,
    shard_task,
    shards_into,
    written_by,
)
from data_prep.prep_settings import PrepSettings
from data_prep.settings import load
from data_prep.tasks import finish

from .test_documents import document

EN = Dataset(source="web", lang="en-Latn", kind="real")
HI = Dataset(source="crawl", lang="hi-Deva", kind="real")
TRANSLATED = Dataset(source="web", lang="hi-Deva", kind="translated")


def settings(folder: Path, *overrides: str) -> PrepSettings:
    config = folder / "prep.yaml"
    config.write_text(
        f"""
output_dir: {folder}
sources:
  - {{path: en.jsonl, lang: en-Latn, kind: real, source: web, license: CC0-1.0}}
  - {{path: hi.jsonl, lang: hi-Deva, kind: real, source: crawl, license: CC0-1.0}}
clean: {{enabled: false}}
dedup: {{enabled: false}}
"""
    )
    return load(PrepSettings, [config], list(overrides))


TRANSLATE = ("translate.enabled=true", "translate.engine={use: memory, memory: {path: memory.jsonl}}")


def make(prep: PrepSettings, stage: str, dataset: Dataset, name: str = "00000") -> None:
    """A real shard of a stage with its receipt."""
    from data_prep.flow import Shard

    shard = Shard(dataset=dataset, path=prep.layout.stage_shard("none", dataset.name, name))
    task = shard_task(prep, stage, shard, shaping={})
    kept = document(id=name, lang=dataset.lang, kind=dataset.kind, source=dataset.source)
    finish("split", type(task)(**{**vars(task), "inputs": (), "read": lambda: [kept]}), [kept])


def test_a_stage_reads_what_the_latest_earlier_enabled_stage_left(tmp_path: Path) -> None:
    prep = settings(tmp_path)
    make(prep, "ingest", EN)
    make(prep, "ingest", HI, "00001")
    make(prep, "ingest", HI, "00000")
    read = shards_into(prep, "split")
    assert [(shard.dataset, shard.name) for shard in read] == [(EN, "00000"), (HI, "00000"), (HI, "00001")]
    assert {shard.path.parents[1].name for shard in read} == {"ingest"}
    prep = settings(tmp_path, "dedup.enabled=true")
    assert shards_into(prep, "split") == ()
    make(prep, "dedup", HI)
    assert [shard.path.parents[1].name for shard in shards_into(prep, "split")] == ["dedup"]


def test_a_shard_without_a_receipt_is_not_read(tmp_path: Path) -> None:
    prep = settings(tmp_path)
    make(prep, "ingest", EN)
    prep.layout.stage_receipt("ingest", EN.name, "00000").unlink()
    assert shards_into(prep, "split") == ()


def test_translation_adds_datasets_and_leaves_their_source_to_the_later_stages(tmp_path: Path) -> None:
    prep = settings(tmp_path, *TRANSLATE)
    assert written_by(prep, "translate") == (TRANSLATED,)
    assert known_before(prep, "translate") == (EN, HI)
    assert known_before(prep, "dedup") == (EN, HI, TRANSLATED)
    make(prep, "ingest", EN)
    make(prep, "translate", TRANSLATED)
    read = shards_into(prep, "split")
    assert [(shard.dataset, shard.path.parents[1].name) for shard in read] == [
        (EN, "ingest"),
        (TRANSLATED, "translate"),
    ]


def test_translation_can_be_restricted_to_some_sources(tmp_path: Path) -> None:
    assert written_by(settings(tmp_path, *TRANSLATE, "translate.sources=[crawl]"), "translate") == ()


def test_romanised_children_of_one_source_share_a_dataset(tmp_path: Path) -> None:
    """Real and translated Hindi of one source are both romanised, into one dataset."""
    prep = settings(tmp_path, *TRANSLATE, "sources.1.source=web")
    roman = Dataset(source="web", lang="hi-Latn", kind="romanized")
    assert written_by(prep, "romanize") == (roman,)
    assert [dataset.name for dataset in finished_datasets(prep)] == [
        "web.en-Latn.real",
        "web.hi-Deva.real",
        "web.hi-Deva.translated",
        "web.hi-Latn.romanized",
    ]


def test_perplexity_handles_the_synthetic_text_of_its_language_alone(tmp_path: Path) -> None:
    prep = settings(tmp_path, *TRANSLATE, "perplexity.enabled=true")
    assert written_by(prep, "perplexity") == (TRANSLATED,)


def test_a_switched_off_stage_writes_nothing(tmp_path: Path) -> None:
    prep = settings(tmp_path, "romanize.enabled=false")
    assert [written_by(prep, stage) for stage in ("clean", "dedup", "translate", "romanize")] == [(), (), (), ()]


def test_finished_shards_have_two_sides(tmp_path: Path) -> None:
    prep = settings(tmp_path)
    receipt = prep.layout.stage_receipt("documents", HI.name, "00000")
    receipt.parent.mkdir(parents=True)
    receipt.write_text("{}")
    (shards,) = documents_shards(prep, (EN, HI))
    assert (shards.dataset, shards.name) == (HI, "00000")
    assert shards.side("heldout") == tmp_path / "documents" / HI.name / "heldout" / "00000.jsonl.zst"
