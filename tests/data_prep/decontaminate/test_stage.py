"""The whole stage: what is dropped, why, what the receipts say, and that nothing but the corpus decides it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data_prep.clean.settings import CleanSettings
from data_prep.decontaminate.settings import DecontaminateSettings, EvalSet
from data_prep.decontaminate.stage import check, stage
from data_prep.dedup.settings import DedupSettings
from data_prep.documents import Dataset, Document
from data_prep.errors import DataError, UsageError
from data_prep.files import open_binary, read_shard
from data_prep.prep_settings import PrepSettings, SourceSettings
from data_prep.receipts import Receipt
from data_prep.tasks import Task, finish, run_step, write_shard
from tests.data_prep.decontaminate.disguises import DISGUISES

ENGLISH = Dataset(source="edu", lang="en-Latn", kind="real")
CHILDREN = Dataset(source="edu", lang="hi-Deva", kind="translated")
HINDI = Dataset(source="web", lang="hi-Deva", kind="real")

QUESTION = "गर्मियों में मिट्टी के घड़े का पानी धातु के बर्तन में रखे पानी से ज़्यादा ठंडा क्यों हो जाता है?"
FERRY = "The ferry to the island did not leave this morning because the harbour master had closed the port."
ITEMS = [{"id": "pot", "question": QUESTION, "choices": ["हाँ", "नहीं"]}, {"id": "ferry", "premise": FERRY}]


def clean_text(seed: str) -> str:
    return " ".join(f"{seed}{number} शब्द" for number in range(40)) + "।"


def write_shards(settings: PrepSettings, dataset: Dataset, shards: Sequence[Sequence[Document]]) -> None:
    """The output of stage ingest."""
    layout = settings.layout
    for number, documents in enumerate(shards):
        name = f"{number:05d}"
        kept, rejects = layout.stage_shard("ingest", dataset.name, name), layout.rejects("ingest", dataset.name, name)
        receipt = layout.stage_receipt("ingest", dataset.name, name)
        task = Task(name=name, settings={}, inputs=(), receipt=receipt, read=tuple, write=_Write(kept, rejects))
        finish("ingest", task, documents)


class _Write:
    def __init__(self, *paths: Path) -> None:
        self.paths = paths

    def __call__(self, records, tally):
        return write_shard(*self.paths, records, tally)


def document(dataset: Dataset, name: str, text: str, parent: str | None = None) -> Document:
    return Document(
        id=name, text=text, lang=dataset.lang, kind=dataset.kind, source=dataset.source, license="CC0-1.0",
        parent_id=parent, group=parent or name,
    )  # fmt: skip


def prepared(folder: Path, **rules: Any) -> PrepSettings:
    """Two English shards, their Hindi children, and Hindi documents with the items in every disguise."""
    folder.mkdir(exist_ok=True)
    items = folder / "items.jsonl"
    items.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in ITEMS), "utf-8")
    eval_sets = (EvalSet(name="own", path=items, id_field="id"),)
    settings = PrepSettings(
        output_dir=folder / "data",
        sources=tuple(
            SourceSettings(path=items, lang=each.lang, kind=each.kind, source=each.source, license="CC0-1.0")
            for each in (ENGLISH, CHILDREN, HINDI)
        ),
        clean=CleanSettings(enabled=False),
        dedup=DedupSettings(enabled=False),
        decontaminate=DecontaminateSettings(enabled=True, eval_sets=eval_sets, **rules),
    )
    ferry = document(ENGLISH, "en/ferry", f"It began so. {FERRY.upper()}")
    parents = [
        [document(ENGLISH, f"en/{n}", clean_text(f"word{n}x")) for n in range(3)],
        [ferry, document(ENGLISH, "en/4", "Short.")],
    ]
    children = [[document(CHILDREN, f"{each.id}.hi-Deva", clean_text(each.id[3:] + "श"), each.id)
                 for shard in parents for each in shard]]  # fmt: skip
    hindi = [document(HINDI, f"hi/{name}", f"{clean_text('न')} {disguise(QUESTION)} {clean_text('प')}")
             for name, disguise in DISGUISES.items()]  # fmt: skip
    other_source = [
        document(HINDI, "en/ferry", clean_text("छ")),
        document(HINDI, "hi/child", clean_text("ज"), "en/ferry"),
    ]
    write_shards(settings, ENGLISH, parents)
    write_shards(settings, CHILDREN, children)
    write_shards(settings, HINDI, [hindi, other_source])
    return settings


def run(settings: PrepSettings, workers: int = 1) -> list[str]:
    """Run the stage as the pipeline does; the names of the tasks that ran."""
    planned = stage(settings)
    return [
        task.name
        for step in planned.steps
        for task, _ in run_step(
            planned,
            step,
            execution=replace(settings, workers=workers).execution,
            logs=settings.layout.logs("x", step.name),
        )
    ]


def kept(settings: PrepSettings) -> set[str]:
    shards = settings.layout.root.glob("decontaminate/[!_]*/*.jsonl.zst")
    return {f"{each.source}:{each.id}" for path in shards for each in read_shard(path)}


def rejects(settings: PrepSettings) -> dict[str, tuple[str, str]]:
    shards = settings.layout.root.glob("rejects/decontaminate/*/*.jsonl.zst")
    rows = [json.loads(line) for path in shards for line in open_binary(path)]
    return {row["id"]: (row["reason"], row["where"]) for row in rows}


def details(settings: PrepSettings, step: str) -> dict[str, Any]:
    return Receipt.load(settings.layout.side("decontaminate", step) / f"{step}.receipt.json").details


def digest(settings: PrepSettings) -> dict[str, str]:
    root = settings.layout.root
    files = [path for path in root.rglob("*") if path.is_file() and not path.name.endswith((".receipt.json", ".log"))]
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if "logs" not in path.parts
    }


def test_disguised_items_and_children_of_contaminated_documents_are_dropped_with_reasons(tmp_path: Path) -> None:
    settings = prepared(tmp_path)
    run(settings)
    dropped = rejects(settings)
    assert set(dropped) == {f"hi/{name}" for name in DISGUISES} | {"en/ferry", "en/ferry.hi-Deva"}
    assert dropped["hi/pipe"] == (
        "contaminated",
        "evaluation set own, item pot: from word 81, 8 n-grams: गर्मियों में मिट्टी के घडे का पानी धातु के बर्तन में रखे पानी",
    )
    assert dropped["en/ferry"][0] == "contaminated"
    assert dropped["en/ferry.hi-Deva"] == (
        "contaminated_parent",
        "made from en/ferry, which holds text of an evaluation set",
    )
    assert kept(settings) == {
        *(f"edu:en/{n}" for n in (0, 1, 2, 4)),
        *(f"edu:en/{n}.hi-Deva" for n in (0, 1, 2, 4)),
        "web:en/ferry",
        "web:hi/child",
    }, "the same id in another source is another document"


def test_receipts_count_items_and_documents_of_each_set(tmp_path: Path) -> None:
    settings = prepared(tmp_path)
    run(settings)
    index, verdict = details(settings, "index"), details(settings, "verdict")
    assert index["sets"]["own"] == {
        "fields": ["question", "choices", "premise"], "items": 2, "too_short": 0, "boilerplate": 0, "ngrams": 14,
    }  # fmt: skip
    found = {"items": 2, "ngrams": 14, "items_found": 2, "documents": len(DISGUISES) + 1}
    assert verdict == {
        "contaminated": len(DISGUISES) + 1, "sets": {"own": found}, "common_ngrams": 0, "common": [],
    }  # fmt: skip
    receipt = Receipt.load(settings.layout.stage_receipt("decontaminate", HINDI.name, "00000"))
    assert receipt.counts == {"in": len(DISGUISES), "kept": 0, "dropped": {"contaminated": len(DISGUISES)}}


def test_ngrams_of_very_many_documents_mark_nothing_and_are_shown(tmp_path: Path) -> None:
    settings = prepared(tmp_path, max_documents=len(DISGUISES) - 1)
    run(settings)
    assert set(rejects(settings)) == {"en/ferry", "en/ferry.hi-Deva"}
    verdict = details(settings, "verdict")
    assert verdict["common_ngrams"] == 8
    assert verdict["common"][0]["documents"] == len(DISGUISES)
    assert len(verdict["common"][0]["words"].split()) == 13
    assert verdict["sets"]["own"]["items_found"] == 1


def test_of_two_documents_with_one_id_only_the_contaminated_one_is_dropped(tmp_path: Path) -> None:
    settings = prepared(tmp_path)
    write_shards(settings, HINDI, [[document(HINDI, "same", QUESTION), document(HINDI, "same", clean_text("झ"))]])
    run(settings)
    assert "web:same" in kept(settings)
    assert rejects(settings)["same"][0] == "contaminated"


def test_a_corpus_without_contamination_passes_whole(tmp_path: Path) -> None:
    settings = prepared(tmp_path)
    for dataset in (ENGLISH, CHILDREN, HINDI):
        for path in settings.layout.folder("ingest", dataset.name).iterdir():
            path.unlink()
    write_shards(settings, HINDI, [[document(HINDI, "a", clean_text("क"))], []])
    run(settings)
    assert kept(settings) == {"web:a"}
    assert rejects(settings) == {}


def test_before_there_are_documents_there_is_nothing_to_do(tmp_path: Path) -> None:
    settings = replace(prepared(tmp_path), output_dir=tmp_path / "other")
    assert stage(settings).tasks == ()


def test_two_processes_write_the_same_bytes_as_one(tmp_path: Path) -> None:
    digests = []
    for workers in (1, 2):
        settings = prepared(tmp_path / str(workers))
        run(settings, workers)
        digests.append(digest(settings))
    assert digests[0] == digests[1]
    assert any("_verdict/documents.npy" in name for name in digests[0])


def test_a_second_run_does_nothing_and_a_changed_item_file_is_noticed(tmp_path: Path) -> None:
    settings = prepared(tmp_path)
    assert len(run(settings)) == 1 + 5 + 1 + 5
    assert run(settings) == []
    items = settings.decontaminate.eval_sets[0].input
    items.write_text(json.dumps(ITEMS[1]) + "\n", "utf-8")
    assert run(settings)[0] == "index"
    assert set(rejects(settings)) == {"en/ferry", "en/ferry.hi-Deva"}


def with_set(settings: PrepSettings, path: Path) -> PrepSettings:
    sets = (*settings.decontaminate.eval_sets, EvalSet(name="other", path=path))
    return replace(settings, decontaminate=replace(settings.decontaminate, eval_sets=sets))


def test_evaluation_sets_that_cannot_be_read_are_refused_before_any_work(tmp_path: Path) -> None:
    settings = prepared(tmp_path)
    check(settings)
    with pytest.raises(UsageError, match="this evaluation set does not exist") as missing:
        check(with_set(settings, tmp_path / "missing.jsonl"))
    assert str(tmp_path / "missing.jsonl") in missing.value.where
    (tmp_path / "bad.jsonl").write_text('{"question": "x y"}\nno json\n')
    with pytest.raises(DataError, match="not valid JSON") as bad:
        check(with_set(settings, tmp_path / "bad.jsonl"))
    assert bad.value.where == f"{tmp_path / 'bad.jsonl'}:2"
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(DataError, match="this file is empty"):
        check(with_set(settings, tmp_path / "empty.jsonl"))
