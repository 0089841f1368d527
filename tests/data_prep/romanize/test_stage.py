from pathlib import Path

import pytest

from data_prep.documents import Dataset, Document, Reject
from data_prep.files import read_shard
from data_prep.prep_settings import PrepSettings, SourceSettings
from data_prep.receipts import Receipt
from data_prep.romanize import stage as romanize
from data_prep.romanize.settings import RomanizeSettings
from data_prep.split import write_documents
from data_prep.tasks import Task, finish


def document(text: str, number: int = 0, kind: str = "real", lang: str = "hi-Deva") -> Document:
    return Document(
        id=f"{kind}-{number}",
        text=text,
        lang=lang,
        kind=kind,
        source="web",
        license="CC0-1.0",
        parent_id=None if kind == "real" else f"en-{number}",
        group=f"group-{number}",
    )


@pytest.fixture
def prep(tmp_path: Path) -> PrepSettings:
    """A preparation whose split has run, of real Hindi."""
    settings = PrepSettings(
        output_dir=tmp_path,
        heldout_fraction=0.5,
        sources=(SourceSettings(path=Path("x.jsonl"), lang="hi-Deva", kind="real", source="web", license="CC0-1.0"),),
        romanize=RomanizeSettings(variants=0.25),
    )
    dataset = Dataset(source="web", lang="hi-Deva", kind="real")
    records = [document(f"भारत एक देश है {number}", number) for number in range(20)] + [document("3. — x", 20)]
    layout = settings.layout
    task = Task(
        name="web",
        settings={},
        inputs=(),
        receipt=layout.stage_receipt("documents", dataset.name, "00000"),
        read=lambda: records,
        write=lambda kept, tally: write_documents(layout, "split", dataset, "00000", 0.5, kept, tally),
    )
    finish("split", task, records)
    return settings


def run(prep: PrepSettings) -> Receipt:
    """Runs the stage's only task as the executor does."""
    made = romanize.stage(prep)
    (step,) = made.steps
    (task,), (transform,) = step.tasks, step.transforms
    return finish("romanize", task, map(transform, task.read()))


def test_children_stand_beside_their_parents(prep: PrepSettings) -> None:
    run(prep)
    for side in ("train", "heldout"):
        parents = {each.id: each for each in read_shard(prep.layout.document_shard("web.hi-Deva.real", side, "00000"))}
        children = list(read_shard(prep.layout.document_shard("web.hi-Latn.romanized", side, "real_00000")))
        assert children
        assert {each.parent_id for each in children} <= set(parents)
        assert all(each.text.isascii() and each.group == parents[each.parent_id].group for each in children)


def test_every_document_is_a_child_or_a_reject(prep: PrepSettings) -> None:
    receipt = run(prep)
    assert receipt.counts == {"in": 21, "kept": 20, "dropped": {"no_source_script": 1}}
    assert receipt.by == {"hi-Latn": {"romanized": receipt.by["hi-Latn"]["romanized"]}}


def test_the_receipt_says_what_made_the_text(prep: PrepSettings) -> None:
    details = run(prep).details
    assert (details["engine"], details["variants"], details["seed"]) == ("hindi (langadapt)", 0.25, 0)


def test_a_rerun_gives_the_same_bytes(prep: PrepSettings) -> None:
    assert run(prep).outputs == run(prep).outputs


def test_nothing_is_planned_when_it_is_off(prep: PrepSettings, tmp_path: Path) -> None:
    off = PrepSettings(output_dir=tmp_path, sources=prep.sources, romanize=RomanizeSettings(enabled=False))
    assert romanize.stage(off).tasks == ()
    romanize.check(off)


def test_a_child_knows_its_parent_and_stays_on_its_side() -> None:
    parent = document("घर", kind="translated")
    child = romanize.Romanizer(RomanizeSettings())(parent)
    assert isinstance(child, Document)
    assert (child.id, child.text, child.kind, child.lang) == ("translated-0.hi-Latn", "ghar", "romanized", "hi-Latn")
    assert (child.parent_id, child.group, child.source) == (parent.id, parent.group, parent.source)


def test_other_languages_go_to_their_engine() -> None:
    rules = RomanizeSettings(engines={"bn-Beng": "anyascii"})
    child = romanize.Romanizer(rules)(document("ঢাকা", lang="bn-Beng"))
    assert isinstance(child, Document)
    assert child.lang == "bn-Latn"
    assert child.text.isascii()


def test_a_document_without_a_letter_of_its_script_is_rejected() -> None:
    reject = romanize.Romanizer(RomanizeSettings())(document("only English, १२३।"))
    assert isinstance(reject, Reject)
    assert (reject.reason, reject.where) == ("no_source_script", "no letter of hi-Deva")


def test_the_step_is_named_for_the_executors_log() -> None:
    assert romanize.Romanizer(RomanizeSettings()).__name__ == "romanize"
