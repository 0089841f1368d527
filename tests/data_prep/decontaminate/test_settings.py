from pathlib import Path
from typing import Any

import pytest

from data_prep.decontaminate.settings import DecontaminateSettings, EvalSet

SET = {"name": "a", "path": Path("a.jsonl")}

BAD: list[tuple[Any, str, str]] = [
    (lambda: EvalSet(name="a b", path=Path("x")), "'a b'", "e.g. name: mmlu_hi"),
    (lambda: EvalSet(name="a", path=Path("x"), fields=()), "fields is empty", "fields: [question, choices]"),
    (lambda: DecontaminateSettings(min_words=14), "min_words 14", "ngram: 13, min_words: 8"),
    (lambda: DecontaminateSettings(min_words=0), "min_words 0", "ngram: 13, min_words: 8"),
    (lambda: DecontaminateSettings(max_items=0), "max_items and max_documents", "10 and 1000"),
    (lambda: DecontaminateSettings(enabled=True), "on without evaluation sets", "eval_sets: [{name: mmlu_hi"),
    (lambda: DecontaminateSettings(eval_sets=(EvalSet(**SET), EvalSet(**SET))), "share a name: a, a", "its own"),
]


@pytest.mark.parametrize(("make", "what", "fix"), BAD, ids=[what for _, what, _ in BAD])
def test_impossible_settings_say_what_to_write(make: Any, what: str, fix: str) -> None:
    with pytest.raises(ValueError, match=r"\n") as raised:
        make()
    assert what in str(raised.value)
    assert fix in str(raised.value).split("\n", 1)[1]
