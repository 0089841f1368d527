"""Planted items are found and counted where they stand, and a score is split into clean and touched items."""

import json

import pytest

from data_prep.documents import Document
from data_prep.files import shard_writer
from recipes import cli
from tests.data_prep.decontaminate.disguises import DISGUISES
from tests.recipes.evaluate.item_log_files import items_of, write_evaluation, write_log

QUESTIONS = {
    "pot": "गर्मियों में मिट्टी के घड़े का पानी धातु के बर्तन में रखे पानी से ज़्यादा ठंडा क्यों हो जाता है?",
    "ferry": "The ferry to the island did not leave this morning because the harbour master had closed the port.",
    "tree": "बरगद का पेड़ अपनी जटाओं को ज़मीन तक पहुँचाकर नए तने बना लेता है और बहुत दूर तक फैल जाता है।",
    "short": "क्या यह सच है?",
}
OWL = "An owl turns its head almost all the way round because its eyes cannot move."
ENGLISH = {
    "ferry": QUESTIONS["ferry"],
    "owl": "An owl turns its head almost all the way round because its eyes cannot move.",
}


def filler(seed: str) -> str:
    return " ".join(f"{seed}{number} शब्द" for number in range(40))


def write_documents(root, dataset: str, texts: dict[str, str], split: str = "train", shard: str = "00000") -> None:
    source, lang, kind = dataset.rsplit(".", 2)
    with shard_writer(root / dataset / split / f"{shard}.jsonl.zst") as write:
        for name, text in texts.items():
            write(
                Document(
                    id=name, text=text, lang=lang, kind=kind, source=source, license="CC0-1.0", parent_id=None,
                    group=name,
                ).to_json()
            )  # fmt: skip


@pytest.fixture
def run(tmp_path, capsys):
    """Documents of two sources with planted items, two sets; a function that runs the part and gives its report."""
    for name, items in (("hindi", QUESTIONS), ("english", ENGLISH)):
        lines = [json.dumps({"id": key, "question": text}, ensure_ascii=False) for key, text in items.items()]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    documents = tmp_path / "documents"
    pot = QUESTIONS["pot"]
    write_documents(documents, "web.hi-Deva.real", {"w1": f"{filler('a')} {pot} {filler('b')}", "w2": filler("c")})
    write_documents(documents, "web.hi-Deva.real", {"w3": f"{filler('d')} {DISGUISES['pipe'](pot)}"}, shard="00001")
    planted = {"t1": f"{QUESTIONS['ferry']} {pot}"}
    write_documents(documents, "edu.v2.hi-Deva.translated", planted)
    write_documents(documents, "web.hi-Deva.real", {"h1": QUESTIONS["tree"]}, split="heldout")
    (tmp_path / "config.yaml").write_text(
        f"documents: {documents}\noutput: {tmp_path / 'evaluation.json'}\nbootstrap_samples: 200\neval_sets:\n"
        + "".join(
            f"  - {{name: {name}, path: {tmp_path / name}.jsonl, id_field: id}}\n" for name in ("hindi", "english")
        )
    )

    def go(*words: str) -> dict:
        code = cli.main(["evaluate", "contamination", str(tmp_path / "config.yaml"), *words])
        go.printed = capsys.readouterr()
        assert code == 0, go.printed.err
        return json.loads((tmp_path / "contamination.json").read_text())

    go.fail = lambda *words: (
        cli.main(["evaluate", "contamination", str(tmp_path / "config.yaml"), *words]), capsys.readouterr().err
    )  # fmt: skip
    return go


def test_items_are_counted_by_set_source_and_kind(run):
    report = run()
    assert (report["documents"], report["shards"], report["ngram"]) == (4, 3, 13)
    hindi, english = report["sets"]["hindi"], report["sets"]["english"]
    assert (hindi["items"], hindi["touched"], hindi["share"], hindi["too_short"]) == (4, 2, 0.5, 1)
    assert hindi["touched_items"] == ["ferry", "pot"]
    assert hindi["documents"] == 3
    assert hindi["by"] == {
        "edu.v2": {"translated": {"documents": 1, "items": 2}},
        "web": {"real": {"documents": 2, "items": 1}},
    }
    assert (english["touched_items"], english["documents"]) == (["ferry"], 1)
    assert english["by"] == {"edu.v2": {"translated": {"documents": 1, "items": 1}}}
    assert report["scores"] == {}


def test_examples_name_the_document_and_the_words(run):
    (example,) = run()["sets"]["english"]["examples"]
    assert example["item"] == "ferry"
    assert (example["document"], example["source"], example["kind"]) == ("t1", "edu.v2", "translated")
    assert example["words"] in QUESTIONS["ferry"].casefold()
    assert len(example["words"].split()) == 13


def test_the_table_has_the_shares(run):
    run()
    table = " ".join(run.printed.out.split())
    assert "evaluation items with 13 words in a row in 4 training documents" in table
    assert "hindi 4 1 2 50.0% 3" in table.replace("│ ", "").replace("  ", " ")


def test_what_very_many_documents_hold_marks_nothing_and_is_shown(run):
    report = run("max_documents=2")
    assert report["sets"]["hindi"]["touched_items"] == ["ferry"]
    assert report["common_ngrams"] == len(QUESTIONS["pot"].split()) - 12
    assert report["common"][0]["documents"] == 3


def test_held_out_documents_are_not_training_text(run):
    assert "tree" not in run()["sets"]["hindi"]["touched_items"]


def test_no_side_file_stays_behind(run, tmp_path):
    run()
    assert not list(tmp_path.glob(".contamination-*"))


def test_a_shorter_ngram_finds_more_and_is_reported(run, tmp_path):
    write_documents(tmp_path / "documents", "web.hi-Latn.romanized", {"r": "An owl turns its head almost all the way"})
    assert run()["sets"]["english"]["touched_items"] == ["ferry"]
    report = run("ngram=9")
    assert (report["ngram"], report["sets"]["english"]["touched_items"]) == (9, ["ferry", "owl"])


def evaluate_hindi(tmp_path, right: list[int]) -> None:
    write_evaluation(tmp_path / "evaluation.json", {"hindi": {"base": right}})
    lines = [{**line, "id": name} for line, name in zip(items_of(right), QUESTIONS, strict=True)]
    write_log(tmp_path / "items" / "base" / "hindi.jsonl", lines)


def test_a_score_is_split_into_clean_and_touched_items(run, tmp_path):
    """Pot and ferry are touched and right, tree is right, short is wrong."""
    evaluate_hindi(tmp_path, [1, 1, 1, 0])
    scores = run()["scores"]["hindi"]["base"]
    assert {name: (scores[name]["items"], scores[name]["value"]) for name in ("all", "clean", "touched")} == {
        "all": (4, 0.75),
        "clean": (2, 0.5),
        "touched": (2, 1.0),
    }
    assert scores["metric"] == "acc"
    assert scores["touched"]["standard_error"] == 0
    assert scores["clean"]["standard_error"] == pytest.approx(0.5), "of a mean by the formula, as in the evaluation"
    assert "hindi base acc 0.750" in " ".join(run.printed.out.replace("│", " ").split())


def test_a_set_that_is_touched_whole_has_no_clean_score(run, tmp_path):
    write_documents(tmp_path / "documents", "all.hi-Deva.real", QUESTIONS | {"short": filler("x")})
    write_documents(tmp_path / "documents", "owl.en-Latn.real", ENGLISH)
    write_evaluation(tmp_path / "evaluation.json", {"english": {"base": [1, 0]}})
    lines = [{**line, "id": name} for line, name in zip(items_of([1, 0]), ENGLISH, strict=True)]
    write_log(tmp_path / "items" / "base" / "english.jsonl", lines)
    scores = run()["scores"]["english"]["base"]
    assert scores["clean"] == {"items": 0, "value": None, "standard_error": None}
    assert scores["touched"]["value"] == 0.5


def test_evaluated_items_that_were_not_looked_for_are_no_clean_ones(run, tmp_path):
    write_evaluation(tmp_path / "evaluation.json", {"hindi": {"base": [1, 1, 1, 0]}})
    code, message = run.fail()
    assert code == 1
    assert "4 of 4 evaluated items were not looked for, e.g. item-0" in message


def test_an_evaluation_without_tasks_has_no_scores_to_split(run, tmp_path):
    (tmp_path / "evaluation.json").write_text('{"bits_per_byte": {}}')
    assert run()["scores"] == {}


def test_a_dry_run_reads_nothing(run, tmp_path, capsys):
    assert cli.main(["evaluate", "contamination", str(tmp_path / "config.yaml"), "--dry-run"]) == 0
    assert "3 training shards, 2 files and 0 tasks; nothing was read" in capsys.readouterr().out
    assert not (tmp_path / "contamination.json").exists()


def test_mistakes_are_explained(run, tmp_path):
    code, message = run.fail(f"documents={tmp_path / 'nowhere'}")
    assert code == 2
    assert "there are no training documents" in message
    code, message = run.fail("eval_sets=[]")
    assert code == 2
    assert "nothing to look for" in message
    code, message = run.fail("min_words=20")
    assert code == 2
    assert "min_words 20 must lie between 1 and ngram (13)" in message
