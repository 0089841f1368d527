"""The stage on a small corpus: spoilt translations go, everything else stays, nothing but the corpus decides."""

import dataclasses
import hashlib
import json
import random
import sys
from pathlib import Path

import pytest

from data_prep.clean.settings import CleanSettings
from data_prep.dedup.settings import DedupSettings
from data_prep.documents import Dataset
from data_prep.errors import DataError, UsageError
from data_prep.files import open_binary, read_shard
from data_prep.layout import REPOSITORY_ROOT
from data_prep.perplexity import stage as module
from data_prep.perplexity.settings import PerplexitySettings
from data_prep.prep_settings import PrepSettings, SourceSettings
from data_prep.receipts import Receipt
from data_prep.tasks import Task, finish, run_step, write_shard

from ..test_documents import document

REAL = Dataset(source="web", lang="hi-Deva", kind="real")
NOISE = Dataset(source="forum", lang="hi-Deva", kind="real")
TRANSLATED = Dataset(source="edu", lang="hi-Deva", kind="translated")
ENGLISH = Dataset(source="edu", lang="en-Latn", kind="real")
RULES = PerplexitySettings(
    enabled=True, trusted=("web",), vocab_size=400, order=4, percentile=90.0, heldout_fraction=0.2, memory="300M"
)
TEXTS = [
    json.loads(line)["text"]
    for line in (REPOSITORY_ROOT / "data_prep" / "sample_corpus" / "documents.hi.jsonl").read_text("utf-8").splitlines()
]


def spoilt(text):
    source = random.Random(0)
    return "".join(source.choice("ािीुूृेैोौ") if char in "ािीुूृेैोौ" else char for char in text)


GOOD = [(f"t{number}", text) for number, text in enumerate(TEXTS[60:78])]
BAD = [("bad-0", spoilt(TEXTS[80])), ("bad-1", spoilt(TEXTS[81]))]
CORPUS = {
    REAL: [[(f"r{number}", text) for number, text in enumerate(TEXTS[:60])][half::2] for half in (0, 1)],
    NOISE: [[("n0", "क ख ग घ")]],
    TRANSLATED: [[*GOOD[:9], BAD[0]], [BAD[1], *GOOD[9:]]],
    ENGLISH: [[("e0", "Water flows.")]],
}


def make(folder: Path, rules=RULES, corpus=CORPUS):
    """A corpus as stage ingest leaves it."""
    sources = tuple(
        SourceSettings(
            path=folder / "unread.jsonl", lang=each.lang, kind=each.kind, source=each.source, license="CC0-1.0"
        )
        for each in corpus
    )
    settings = PrepSettings(
        output_dir=folder / "data",
        sources=sources,
        clean=CleanSettings(enabled=False),
        dedup=DedupSettings(enabled=False),
        perplexity=rules,
    )
    for dataset, shards in corpus.items():
        for number, shard in enumerate(shards):
            ingest(settings, dataset, f"{number:05d}", shard)
    return settings


def ingest(settings, dataset, name, shard):
    layout = settings.layout
    records = [
        document(id=key, text=text, lang=dataset.lang, kind=dataset.kind, source=dataset.source, group=key)
        for key, text in shard
    ]
    task = Task(
        name=name,
        settings={},
        inputs=(),
        receipt=layout.stage_receipt("ingest", dataset.name, name),
        read=lambda: records,
        write=lambda given, tally: write_shard(
            layout.stage_shard("ingest", dataset.name, name), layout.rejects("ingest", dataset.name, name), given, tally
        ),
    )
    finish("ingest", task, records)


def run(settings, workers=1):
    """Runs the stage; the names of the tasks that were not up to date."""
    stage = module.stage(settings)
    done = []
    for step in stage.steps:
        logs = settings.layout.logs(stage.name, step.name)
        done += run_step(stage, step, execution=dataclasses.replace(settings, workers=workers).execution, logs=logs)
    return [task.name for task, _ in done]


def kept(settings, dataset=TRANSLATED):
    folder = settings.layout.folder("perplexity", dataset.name)
    return [item.id for path in sorted(folder.glob("*.jsonl.zst")) for item in read_shard(path)]


def rejects(settings):
    folder = settings.layout.root / "rejects" / "perplexity"
    rows = [json.loads(line) for path in sorted(folder.rglob("*.zst")) for line in open_binary(path)]
    return {row["id"]: row for row in rows}


def outputs(settings):
    """Checksums of all the stage wrote but receipts, which hold times, and logs."""
    roots = [settings.layout.root / "perplexity", settings.layout.root / "rejects" / "perplexity"]
    return {
        str(path.relative_to(settings.layout.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for root in roots
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.endswith(".receipt.json")
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The corpus after the stage. Read only."""
    settings = make(tmp_path_factory.mktemp("perplexity"))
    run(settings)
    return settings


def report(settings):
    return json.loads((settings.layout.side("perplexity", "threshold") / "threshold.json").read_bytes())


def test_the_spoilt_tenth_of_the_translations_is_dropped(finished):
    assert sorted(rejects(finished)) == ["bad-0", "bad-1"]
    assert kept(finished) == [key for key, _ in GOOD]


def test_a_reject_says_its_perplexity_and_keeps_its_text(finished):
    row = rejects(finished)["bad-0"]
    assert (row["reason"], row["text"]) == ("high_perplexity", BAD[0][1])
    value, highest = row["where"].removeprefix("perplexity ").split(" is above ")
    assert float(value) > float(highest) == report(finished)["threshold"]


def test_kept_documents_are_unchanged_to_the_byte(finished):
    given = [item for name in ("00000", "00001") for item in shard(finished, "ingest", name)]
    stayed = [item for name in ("00000", "00001") for item in shard(finished, "perplexity", name)]
    assert stayed == [item for item in given if not item.id.startswith("bad")]


def shard(settings, stage, name):
    return list(read_shard(settings.layout.stage_shard(stage, TRANSLATED.name, name)))


def test_only_synthetic_text_of_the_language_is_written(finished):
    folder = finished.layout.root / "perplexity"
    assert sorted(path.name for path in folder.iterdir() if not path.name.startswith("_")) == [TRANSLATED.name]


def test_the_model_learns_from_trusted_text_only_and_says_from_how_much(finished):
    texts = finished.layout.side("perplexity", "text")
    assert [path.name for path in texts.iterdir()] == [REAL.name]
    learnt = sum(Receipt.load(path).documents for path in texts.rglob("*.receipt.json"))
    found = report(finished)
    assert learnt + found["documents"]["real_heldout"] == 60
    assert found["documents"]["synthetic"] == 20
    details = Receipt.load(finished.layout.side("perplexity", "model") / "model.kenlm.receipt.json").details
    assert details["estimator"] in ("lmplz", "langadapt")
    assert (len(details["ngrams"]), len(details["discounts"])) == (4, 4)
    assert details["tokens"] == sum(Receipt.load(path).tokens or 0 for path in texts.rglob("*.receipt.json"))


def test_a_second_run_does_nothing_and_another_percentile_only_cuts_anew(tmp_path):
    settings = make(tmp_path)
    first = run(settings)
    assert len(first) == len(module.stage(settings).tasks)
    assert run(settings) == []
    other = dataclasses.replace(settings, perplexity=dataclasses.replace(RULES, percentile=95.0))
    assert run(other) == ["threshold", f"{TRANSLATED.name}/00000", f"{TRANSLATED.name}/00001"]
    assert len(rejects(other)) == 1


def test_two_workers_write_the_same_bytes_as_one(tmp_path, finished):
    settings = make(tmp_path)
    run(settings, workers=2)
    assert outputs(settings) == outputs(finished)


@pytest.mark.parametrize("step", ["tokenizer", "text", "model", "scores", "threshold", "documents"])
def test_a_run_stopped_after_any_step_ends_like_an_uninterrupted_one(tmp_path, finished, step):
    settings = make(tmp_path)
    stage = module.stage(settings)
    for each in stage.steps:
        run_step(stage, each, execution=settings.execution, logs=settings.layout.logs(stage.name, each.name))
        if each.name == step:
            break
    leftover = settings.layout.side("perplexity", "model") / ".lmplz" / "model.arpa"
    leftover.parent.mkdir(parents=True, exist_ok=True)
    leftover.write_text("half a model of a killed run")
    run(settings)
    leftover.unlink(missing_ok=True)
    assert outputs(settings) == outputs(finished)


def test_other_texts_are_scored_beside_and_never_learnt(tmp_path):
    human = tmp_path / "human.jsonl"
    human.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS[-5:]), "utf-8")
    settings = make(tmp_path, dataclasses.replace(RULES, compare={"human": human}))
    run(settings)
    found = report(settings)
    assert found["documents"]["human"] == 5
    medians = {name: points["50"] for name, points in found["percentiles"].items()}
    assert medians["human"] < found["threshold"]


def test_words_need_no_tokenizer_step(tmp_path):
    settings = make(tmp_path, dataclasses.replace(RULES, tokenizer="words"))
    run(settings)
    assert next(step.name for step in module.stage(settings).steps) == "text"
    assert len(rejects(settings)) == 2


def test_the_threshold_can_come_from_real_text(tmp_path):
    settings = make(tmp_path, dataclasses.replace(RULES, of="real_heldout", percentile=80.0))
    run(settings)
    assert {"bad-0", "bad-1"} <= set(rejects(settings))
    row = next(row for row in report(settings)["effect"] if row["percentile"] == 80)
    assert row["dropped"]["real_heldout"] <= 0.2


def test_a_document_without_a_token_is_dropped_with_its_own_reason(tmp_path):
    settings = make(tmp_path, corpus={**CORPUS, TRANSLATED: [[*GOOD, ("blank", " \n ")]]})
    run(settings)
    assert rejects(settings)["blank"]["reason"] == "no_tokens"


def test_empty_shards_stay_and_give_no_threshold(tmp_path):
    settings = make(tmp_path, corpus={**CORPUS, TRANSLATED: [[]]})
    run(settings)
    assert (kept(settings), report(settings)["threshold"]) == ([], None)


def test_nothing_synthetic_is_nothing_to_do(tmp_path):
    settings = make(tmp_path, corpus={REAL: CORPUS[REAL]})
    assert module.stage(settings).tasks == ()


def test_real_text_that_earlier_stages_took_away_is_an_error_with_a_fix(tmp_path):
    settings = make(tmp_path, dataclasses.replace(RULES, tokenizer="words"), corpus={**CORPUS, REAL: [[]]})
    with pytest.raises(DataError, match=r"no trusted real text(.|\n)*perplexity\.enabled=false"):
        run(settings)


def test_a_configuration_without_real_text_is_refused_before_any_work(tmp_path):
    with pytest.raises(
        UsageError, match=r"no source holds real hi-Deva text\n(.|\n)*perplexity\.lang(.|\n)*kind: real"
    ):
        module.check(make(tmp_path, dataclasses.replace(RULES, trusted=None), corpus={TRANSLATED: [[]]}))
    with pytest.raises(UsageError, match=r"under the name wikipedia\n(.|\n)*perplexity\.trusted"):
        module.check(make(tmp_path, dataclasses.replace(RULES, trusted=("wikipedia",))))


def test_missing_files_are_refused_before_any_work(tmp_path):
    with pytest.raises(UsageError, match=r"human\.jsonl"):
        module.check(make(tmp_path, dataclasses.replace(RULES, compare={"human": tmp_path / "human.jsonl"})))
    rules = dataclasses.replace(RULES, tokenizer="wordpiece", vocab_file=tmp_path / "vocab.txt")
    with pytest.raises(UsageError, match="WordPiece vocabulary does not exist"):
        module.check(make(tmp_path, rules))


def test_kenlm_missing_is_told_with_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kenlm", None)
    with pytest.raises(UsageError, match=r"kenlm cannot be imported(.|\n)*g\+\+"):
        module.check(make(tmp_path))


def test_a_good_configuration_passes(tmp_path):
    module.check(make(tmp_path))


def test_the_pieces_are_learnt_from_a_bounded_share_of_the_real_text(tmp_path, monkeypatch):
    """SentencePiece holds its text in memory."""
    monkeypatch.setattr(module, "PIECES_CHARACTERS", sum(map(len, TEXTS[:60])) // 2)
    settings = make(tmp_path)
    run(settings)
    learnt = {
        step: sum(Receipt.load(path).counts["in"] for path in settings.layout.side("perplexity", step).rglob("*.json"))
        for step in ("tokenizer", "text")
    }
    assert 0 < learnt["tokenizer"] < 0.8 * learnt["text"]


def test_the_estimator_that_stands_in_for_lmplz_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(module.lmplz, "find", lambda _: None)
    (said,) = module.notices(make(tmp_path))
    assert said.startswith("lmplz is not installed: our own estimator")
    assert "5,000,000 tokens; make lmplz" in said
    monkeypatch.setattr(module.lmplz, "find", lambda name: tmp_path / name)
    assert module.notices(make(tmp_path)) == []
