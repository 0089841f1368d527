import pytest

from data_prep.perplexity.settings import PerplexitySettings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kinds": ("real", "translated")}, r"kinds includes real(.|\n)*kinds=\[translated\]"),
        ({"order": 1}, "order 1 is not between 2 and 6"),
        ({"order": 7}, "order 7 is not between 2 and 6"),
        ({"prune": (1,)}, r"prune \[1\] must start with 0(.|\n)*\[0, 0, 1\]"),
        ({"prune": (0, 2, 1)}, "never decrease"),
        ({"prune": (0, 0, 1), "order": 2}, "names more than 2 orders"),
        ({"tokenizer": "wordpiece"}, "belong together"),
        ({"vocab_file": "vocab.txt"}, "belong together"),
        ({"percentile": 100.0}, r"percentile 100.0 is not(.|\n)*98 drops 2 %"),
        ({"train_share": 0.0}, "train_share 0.0"),
        ({"heldout_fraction": 1.0}, "heldout_fraction 1.0"),
        ({"compare": {"synthetic": "x.jsonl"}}, "compare has a text named 'synthetic'"),
        ({"compare": {"../up": "x.jsonl"}}, "compare has a text named '../up'"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        PerplexitySettings(**given)


def test_the_defaults_are_the_papers_two_percent_of_translations():
    rules = PerplexitySettings()
    assert (rules.enabled, rules.kinds, rules.of, rules.percentile) == (False, ("translated",), "synthetic", 98.0)
