"""The cut is exact, and the audit's figures are those of the scores."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.errors import DataError
from data_prep.perplexity import threshold
from data_prep.perplexity.scores import Score
from data_prep.perplexity.threshold import EDGES, ScoreFile, at_percentile, histogram, measure

PERPLEXITIES = st.floats(1, 1e6).map(lambda value: float(f"{value:.6g}"))
VALUES = st.lists(PERPLEXITIES, min_size=1).map(lambda items: np.sort(np.array(items, np.float32)))


@given(VALUES, st.floats(0.1, 99.9).map(lambda point: round(point, 2)))
def test_no_more_than_the_rest_lies_above_a_percentile_and_a_lower_cut_would_drop_more(values, percentile):
    cut = at_percentile(values, percentile)
    allowed = len(values) * (100 - percentile) / 100 + 1e-6
    assert np.sum(values > np.float32(cut)) <= allowed
    below = values[values < np.float32(cut)]
    if len(below):
        assert np.sum(values > below[-1]) > allowed - 1e-3


@pytest.mark.parametrize(("count", "dropped"), [(10, 0), (49, 0), (50, 1), (100, 2), (1000, 20)])
def test_98_percent_drops_two_in_a_hundred(count, dropped):
    values = np.arange(1, count + 1, dtype=np.float32)
    assert np.sum(values > at_percentile(values, 98.0)) == dropped


def test_percentages_are_exact():
    """7 % of 100 is 7, not the 7.000000000000001 of floats."""
    assert at_percentile(np.arange(1, 101, dtype=np.float32), 7.0) == 7


def test_the_histogram_counts_every_document_also_beyond_its_edges():
    assert (EDGES[0], EDGES[20], EDGES[-1]) == (1, 10, 100_000)
    counts = histogram(np.array([0.5, 1, 10, 10, 1e9], np.float32))
    assert (counts[0], counts[20], counts[-1], sum(counts)) == (2, 2, 1, 5)


def score_file(folder, series, values, name="d"):
    file = ScoreFile(series=series, dataset=f"{series}-{name}", path=folder / f"{series}-{name}.jsonl")
    rows = [Score(id=f"{series}-{n}", tokens=5, log10=-1, perplexity=value) for n, value in enumerate(values)]
    file.path.write_text("".join(f"{row.to_json()}\n" for row in rows), "utf-8")
    return file


@pytest.fixture
def files(tmp_path):
    return [
        score_file(tmp_path, "synthetic", [float(n) for n in range(1, 101)]),
        score_file(tmp_path, "synthetic", [float(n) for n in range(101, 201)] + [None], "e"),
        score_file(tmp_path, "real_heldout", [float(n) for n in range(1, 51)]),
        score_file(tmp_path, "human", [1e3, 1.0]),
    ]


def test_the_threshold_is_a_percentile_of_all_synthetic_documents(files):
    found = measure(files, "synthetic", 98.0)
    assert (found["threshold"], found["percentile"], found["of"]) == (196, 98, "synthetic")
    assert found["documents"] == {"synthetic": 200, "real_heldout": 50, "human": 2}
    assert found["documents_without_tokens"] == {"synthetic": 1, "real_heldout": 0, "human": 0}
    assert found["percentiles"]["real_heldout"]["50"] == 25
    assert sum(found["histogram"]["counts"]["synthetic"]) == 200


def test_the_threshold_can_come_from_real_text(files):
    found = measure(files, "real_heldout", 80.0)
    assert found["threshold"] == 40
    effect = {row["percentile"]: row for row in found["effect"]}
    assert effect[80.0]["dropped"] == {"synthetic": 0.8, "real_heldout": 0.2, "human": 0.5}
    assert sorted(effect) == [80, 90, 95, 98, 99, 99.5]


def test_the_configured_percentile_is_among_the_effects(files):
    assert 97.5 in [row["percentile"] for row in measure(files, "synthetic", 97.5)["effect"]]


def test_examples_come_from_every_tenth(files):
    examples = measure(files, "synthetic", 98.0)["examples"]
    assert [row["decile"] for row in examples] == list(range(1, 11))
    for row in examples:
        assert len(row["documents"]) == threshold.EXAMPLES
        for document in row["documents"]:
            assert 20 * (row["decile"] - 1) < document["perplexity"] <= 20 * row["decile"]
            assert document["dataset"] == ("synthetic-d" if document["perplexity"] <= 100 else "synthetic-e")


def test_few_documents_are_examples_once(tmp_path):
    (found,) = {
        tuple(document["id"] for document in row["documents"])
        for row in measure([score_file(tmp_path, "synthetic", [7.0])], "synthetic", 98.0)["examples"]
    }
    assert found == ("synthetic-0",)


def test_a_value_that_no_float32_holds_is_cut_exactly(tmp_path):
    """The file says 123.457; as float32 that is a little more or less."""
    assert measure([score_file(tmp_path, "synthetic", [123.457])], "synthetic", 98.0)["threshold"] == 123.457


def test_no_synthetic_document_gives_no_threshold(tmp_path):
    found = measure(
        [score_file(tmp_path, "synthetic", []), score_file(tmp_path, "real_heldout", [5.0])], "synthetic", 98
    )
    assert (found["threshold"], found["examples"]) == (None, [])
    assert found["effect"][0]["dropped"] == {"synthetic": None, "real_heldout": None}
    assert json.dumps(found, allow_nan=False)


def test_no_held_out_text_is_an_error_with_a_fix(tmp_path):
    with pytest.raises(DataError, match=r"no held-out real text(.|\n)*heldout_fraction=0\.2(.|\n)*of=synthetic"):
        measure([score_file(tmp_path, "synthetic", [5.0])], "real_heldout", 80.0)
