from pathlib import Path
from typing import Any

import pytest

from .wishes import wishes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget_tokens": 4095}, "budget_tokens 4095 is less than one sample of 4096"),
        ({"sequence_length": 1}, "sequence_length 1 is below 2"),
        ({"language_shares": {"en": 0.5, "hi": 0.4}}, "add up to 0.9, not 1"),
        ({"language_shares": {}}, "add up to 0, not 1"),
        ({"language_shares": {"en": 1.5, "hi": -0.5}}, "must be above 0"),
        ({"language_shares": {"en": float("nan"), "hi": 1.0}}, "must be above 0"),
        ({"preference": {"real": 1.0, "reel": 2.0}}, "unknown kind 'reel'"),
        ({"preference": {"real": 1.0}}, "no positive preference for kind 'translated'"),
        ({"preference": {"real": 0.0}, "kinds": ("real",)}, "no positive preference for kind 'real'"),
        ({"max_epochs": 0.0}, "max_epochs 0.0 is not"),
        ({"max_epochs_of": {"real": -1.0}}, "max_epochs -1.0 is not"),
        ({"temperature": 0.0}, "temperature 0.0 is not"),
        ({"output": Path("cpt.json")}, "does not end in .yaml"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wishes(**changes)


def test_other_methods_need_no_preference() -> None:
    assert wishes(method="unimax", preference={}).cap("s", "real") == 4
