"""Windows score the text of a set: every token at most once, with the token before it, and its bytes."""

import json

import numpy as np
import pytest

from data_prep.errors import DataError
from data_prep.layout import receipt_path
from recipes.monitor.windows import curves, language, load, spread
from tests.recipes.monitor.conftest import TEXTS


def test_all_windows_together_are_the_whole_set(write, loaded) -> None:
    prefix, stream = write(TEXTS)
    windows = load(prefix, loaded, length=7, sequences=1000)
    rows = -(-len(stream) // 7)
    assert windows.inputs.shape == windows.targets.shape == windows.scored.shape == (rows, 7)
    assert windows.targets.ravel()[: len(stream)].tolist() == stream
    assert windows.inputs.ravel()[: len(stream)].tolist() == [loaded.eod_id, *stream[:-1]]
    scored = [number != loaded.eod_id for number in stream] + [False] * (7 * rows - len(stream))
    assert windows.scored.ravel().tolist() == scored
    assert windows.text_bytes == sum(len(text.encode()) for text in TEXTS)


def test_fewer_windows_are_spread_over_the_set(write, loaded) -> None:
    prefix, _ = write(TEXTS * 10)
    everything = load(prefix, loaded, length=8, sequences=1000)
    some = load(prefix, loaded, length=8, sequences=3)
    third = len(everything.inputs) / 3
    assert np.array_equal(some.targets, everything.targets[[0, int(third), int(2 * third)]])


def test_a_set_shorter_than_a_window_is_one_window(write, loaded) -> None:
    prefix, stream = write(["a"])
    windows = load(prefix, loaded, length=50, sequences=4)
    assert windows.targets.shape == (1, 50)
    assert windows.scored.sum() == len(stream) - 1
    assert windows.text_bytes == 1


def test_spread_takes_the_first_and_never_the_same_twice() -> None:
    assert spread(10, 4) == [0, 2, 5, 7]
    assert spread(3, 8) == [0, 1, 2]
    assert spread(0, 8) == []


@pytest.mark.parametrize("texts", [[], [""]])
def test_a_set_without_text_is_refused(write, loaded, texts) -> None:
    prefix, _ = write(texts)
    with pytest.raises(DataError, match=r"monitor set web.hi-Deva.real holds no text"):
        load(prefix, loaded, length=8, sequences=4)


def test_a_language_adds_up_its_sets(write, loaded) -> None:
    sets = []
    for name, lang in (("web.hi-Deva.real", "hi-Deva"), ("book.hi-Deva.translated", "hi-Deva"), ("x.en-Latn.real", "")):
        prefix, _ = write(TEXTS, name)
        if lang:
            leave_receipt(prefix, lang)
        sets.append(load(prefix, loaded, length=8, sequences=2))
    assert [each.lang for each in sets] == ["hi-Deva", "hi-Deva", None]
    found = {curve.name: curve for curve in curves(sets)}
    assert list(found) == ["web.hi-Deva.real", "book.hi-Deva.translated", "x.en-Latn.real", "hi-Deva"]
    assert found["hi-Deva"].members == (0, 1)
    assert found["hi-Deva"].text_bytes == 2 * found["web.hi-Deva.real"].text_bytes
    assert found["hi-Deva"].tokens == 2 * found["web.hi-Deva.real"].tokens


def test_other_tokens_have_another_digest(write, loaded) -> None:
    prefix, _ = write(TEXTS)
    one, other = (curves([load(prefix, loaded, length=8, sequences=count)])[0] for count in (1, 2))
    assert one.digest != other.digest
    assert curves([load(prefix, loaded, length=8, sequences=1)])[0] == one


def leave_receipt(prefix, lang: str) -> None:
    empty = {"config_hash": "", "code_version": "", "inputs": {}, "outputs": {}, "counts": {}, "by": {}, "created": ""}
    sizes = {"documents": 1, "characters": 1, "tokens": 1, "seconds": 0.0}
    receipt_path(prefix).write_text(json.dumps({"stage": "tokenize", **empty, **sizes, "details": {"lang": lang}}))
    assert language(prefix) == lang
