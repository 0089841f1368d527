"""The whole stage: what stays, what goes, why, and that nothing but the corpus decides it."""

import multiprocessing
import random
import tempfile
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.dedup.stage import stage
from data_prep.documents import Dataset
from data_prep.tasks import run_step
from tests.data_prep.dedup import corpora
from tests.data_prep.dedup.corpora import OTHER, REAL, TRANSLATED, text, words

ROMANIZED = Dataset(source="chat", lang="hi-Latn", kind="romanized")


def sentences(seed, count=20):
    return [f"{' '.join(words((seed, n), 12))}।" for n in range(count)]


STORY = " ".join(["Read-me क़लम café।", *sentences("story")])
DISGUISES = {
    "spaces": STORY.replace(" ", "\n\n"),
    "full stop": STORY.replace("।", "."),
    "no punctuation": STORY.replace("।", ""),
    "pipe": STORY.replace("।", " | "),
    "case": STORY.replace("Read-me", "READ-ME"),
    "nfd": unicodedata.normalize("NFD", STORY),
    "nukta": STORY.replace("क\u093c", "\u0958"),
    "joiner": STORY.replace("्", "्\u200d"),
}


@pytest.mark.parametrize("name", DISGUISES)
def test_a_copy_in_disguise_is_an_exact_duplicate(tmp_path, name):
    prepared = corpora.make(tmp_path, {REAL: [[("a", STORY), ("b", DISGUISES[name]), ("c", text("c"))]]})
    corpora.run(prepared)
    assert corpora.kept(prepared) == ["a", "c"]
    assert corpora.rejects(prepared) == {
        "b": ("exact_duplicate", "duplicate of a of web.hi-Deva.real, similarity 1.000")
    }


def test_one_changed_sentence_makes_a_near_duplicate(tmp_path):
    changed = " ".join(["Read-me क़लम café।", *sentences("story")[:-1], sentences("another", 1)[0]])
    prepared = corpora.make(tmp_path, {REAL: [[("a", STORY), ("b", changed), ("c", text("c"))]]})
    corpora.run(prepared)
    reason, where = corpora.rejects(prepared)["b"]
    assert reason == "near_duplicate"
    assert where.startswith("duplicate of a of web.hi-Deva.real, similarity 0.")
    assert float(where.rsplit(maxsplit=1)[1]) >= 0.8


def test_texts_that_differ_in_vowel_signs_only_are_all_kept(tmp_path):
    """To datatrove's normalisation, which drops the signs, these are one text."""
    texts = [("a", "की " * 40 + "कल"), ("b", "के " * 40 + "काल"), ("c", "का " * 40 + "कुल")]
    prepared = corpora.make(tmp_path, {REAL: [texts]})
    corpora.run(prepared)
    assert corpora.kept(prepared) == ["a", "b", "c"]


def test_short_texts_that_differ_in_a_word_are_kept(tmp_path):
    prepared = corpora.make(
        tmp_path, {REAL: [[("a", "वह घर गया"), ("b", "वह घर गयी"), ("c", "वह घर गया!"), ("d", "😀")]]}
    )
    corpora.run(prepared)
    assert corpora.kept(prepared) == ["a", "b", "d"]


@pytest.mark.parametrize("order", [(REAL, TRANSLATED, ROMANIZED), (ROMANIZED, TRANSLATED, REAL)])
def test_the_better_kind_is_kept_whatever_the_order_of_the_sources(tmp_path, order):
    corpus = {dataset: [[(dataset.kind, STORY)]] for dataset in order}
    prepared = corpora.make(tmp_path, corpus)
    corpora.run(prepared)
    assert corpora.kept(prepared) == ["real"]
    assert corpora.details(prepared)["dropped"]["exact_duplicate"] == {"real -> romanized": 1, "real -> translated": 1}


def test_of_one_kind_the_earlier_source_then_the_earlier_document_is_kept(tmp_path):
    prepared = corpora.make(
        tmp_path, {OTHER: [[("x", text(1))], [("y", STORY)]], REAL: [[("z", STORY), ("w", text(1))]]}
    )
    corpora.run(prepared)
    assert sorted(corpora.kept(prepared)) == ["x", "y"]
    details = corpora.details(prepared)
    assert (details["documents"], details["clusters"], details["largest_cluster"]) == (4, 2, 2)
    assert details["undecided"] == 0


def test_of_equal_ids_the_first_is_kept_whatever_the_texts_and_copies_of_the_other_stay(tmp_path):
    """Ids must be unique for lineage; a document that is dropped takes no other with it."""
    corpus = {TRANSLATED: [[("same", text(2))]], REAL: [[("same", text(1)), ("copy", text(2))]]}
    prepared = corpora.make(tmp_path, corpus)
    corpora.run(prepared)
    assert sorted(corpora.kept(prepared)) == ["copy", "same"]
    reason, where = corpora.rejects(prepared)["same"]
    assert (reason, where) == ("duplicate_id", "duplicate of same of web.hi-Deva.real, similarity 0.000")
    assert corpora.details(prepared)["dropped"]["duplicate_id"] == {"real -> translated": 1}


def test_versions_that_drift_away_from_the_first_are_not_dropped_for_it(tmp_path):
    """Each version is much like the next; every dropped one must be much like the one that stays."""
    version = words("drift", 400)
    versions = []
    for step in range(12):
        version[step * 12 : step * 12 + 12] = words((step, "new"), 12)
        versions.append((f"v{step:02d}", " ".join(version)))
    prepared = corpora.make(tmp_path, {REAL: [versions]})
    corpora.run(prepared)
    kept, rejects = corpora.kept(prepared), corpora.rejects(prepared)
    assert kept[0] == "v00"
    assert 1 < len(kept) < 6
    assert sorted([*kept, *rejects]) == [name for name, _ in versions]
    for _, where in rejects.values():
        assert where.split()[2] in kept
        assert float(where.rsplit(maxsplit=1)[1]) >= 0.8


def with_similarity(base, similarity, name):
    """A text with this similarity to `base`, changed at its end."""
    count = len(base) - 4
    common = round(count * 2 * similarity / (1 + similarity))
    return " ".join(base[: common + 4] + words((name, similarity), len(base) - common - 4))


def test_recall_and_precision_follow_the_similarity(tmp_path):
    """At 0.9 nearly all are found, at 0.7 nearly none are dropped: four standard deviations lie on either side."""
    shard, count = [], 100
    for n in range(count):
        base = words(n, 300)
        shard.append((f"base-{n}", " ".join(base)))
        shard += [(f"{each}-{n}", with_similarity(base, each, n)) for each in (0.9, 0.7)]
    prepared = corpora.make(tmp_path, {REAL: [shard]})
    corpora.run(prepared)
    dropped = [name.split("-")[0] for name in corpora.rejects(prepared)]
    assert dropped.count("base") == 0
    assert dropped.count("0.9") >= 0.98 * count
    assert dropped.count("0.7") <= 0.03 * count


def small_corpus(draw):
    """Documents of few texts, few ids and small changes, so that all reasons are met."""
    texts = []
    for n in range(6):
        base = words((draw.random(), n), 120)
        texts += [" ".join(base), " ".join(base[:-2] + words("x", 2)), " ".join(base[:60] + words("y", 60))]
    return {
        dataset: [(f"{dataset.source}-{draw.randrange(30)}", draw.choice(texts)) for _ in range(draw.randrange(15))]
        for dataset in draw.sample((REAL, OTHER, TRANSLATED), 3)
    }


def shards_of(pairs, draw):
    cuts = sorted(draw.sample(range(len(pairs) + 1), draw.randrange(min(4, len(pairs) + 1))))
    return [pairs[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(pairs)], strict=True)]


@settings(max_examples=10)
@given(st.integers(0, 2**32))
def test_every_document_ends_once_and_no_cut_into_shards_or_tasks_changes_where(seed):
    draw = random.Random(seed)
    corpus = small_corpus(draw)
    results = []
    with tempfile.TemporaryDirectory() as name:
        for number, per_task in enumerate((1000, 3)):
            cut = {dataset: shards_of(pairs, draw) for dataset, pairs in corpus.items()}
            prepared = corpora.make(Path(name) / str(number), cut, documents_per_task=per_task)
            corpora.run(prepared)
            results.append((corpora.kept(prepared), corpora.all_rejects(prepared)))
    kept, rejects = results[0]
    assert sorted([*kept, *(row["id"] for row in rejects)]) == sorted(
        name for pairs in corpus.values() for name, _ in pairs
    )
    assert len(set(kept)) == len(kept)
    assert results[1] == results[0]


def mixed(folder, **rules):
    draw = random.Random(5)
    corpus = small_corpus(draw)
    return corpora.make(folder, {dataset: shards_of(pairs, draw) for dataset, pairs in corpus.items()}, **rules)


def test_two_worker_processes_write_the_same_bytes_as_one(tmp_path):
    digests = []
    for workers in (1, 2):
        prepared = mixed(tmp_path / str(workers), documents_per_task=20)
        planned = stage(prepared)
        for step in planned.steps:
            logs = prepared.layout.logs(planned.name, step.name)
            assert len(
                run_step(planned, step, execution=replace(prepared, workers=workers).execution, logs=logs)
            ) == len(step.tasks)
        digests.append(corpora.digest(prepared))
    assert digests[0] == digests[1]
    assert len(digests[0]) > 50


def test_a_second_run_does_nothing_and_a_lost_file_is_made_again(tmp_path):
    prepared = mixed(tmp_path)
    assert corpora.run(prepared)
    before = corpora.digest(prepared)
    assert corpora.run(prepared) == []
    lost = next((tmp_path / "dedup" / "_signatures").rglob("*.keys"))
    lost.unlink()
    assert any(name.startswith("signatures") for name in corpora.run(prepared))
    assert corpora.digest(prepared) == before


def test_kills_at_random_moments_lose_nothing(tmp_path):
    """SIGKILL leaves no chance to tidy up; the next run finishes the rest to the same bytes."""
    whole = mixed(tmp_path / "whole")
    corpora.run(whole)
    killed, draw = mixed(tmp_path / "killed"), random.Random(1)
    for _ in range(8):
        child = multiprocessing.get_context("fork").Process(target=corpora.run, args=(killed,))
        child.start()
        child.join(draw.uniform(0.01, 0.15))
        child.kill()
        child.join()
    corpora.run(killed)
    left = {name: digest for name, digest in corpora.digest(killed).items() if not name.endswith(".tmp")}
    assert left == corpora.digest(whole)


def test_another_order_of_the_sources_is_another_result(tmp_path):
    """The files are the same ones; which of two copies is better is not."""
    first = corpora.make(tmp_path, {REAL: [[("a", STORY)]], OTHER: [[("b", STORY)]]})
    corpora.run(first)
    assert corpora.kept(first) == ["a"]
    second = corpora.make(tmp_path, {OTHER: [[("b", STORY)]], REAL: [[("a", STORY)]]})
    corpora.run(second)
    assert corpora.kept(second) == ["b"]


def test_nothing_is_planned_before_there_are_shards(tmp_path):
    prepared = corpora.make(tmp_path, {REAL: []})
    assert stage(prepared).steps == ()


def test_a_corpus_of_empty_shards_passes(tmp_path):
    prepared = corpora.make(tmp_path, {REAL: [[], []]})
    corpora.run(prepared)
    assert corpora.kept(prepared) == []
    assert corpora.details(prepared)["clusters"] == 0
