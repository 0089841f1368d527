"""Overrides are read as Hydra reads them, and paths in any script as OmegaConf reads them."""

import pytest

from data_prep.errors import UsageError
from recipes.overrides import parse


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("model.optim.lr=1e-3", "model.optim.lr", 0.001),
        ("+a.b=true", "a.b", True),
        ("++a.b=null", "a.b", None),
        ("a=[0.7,/x/y-z.b,0.3,/q]", "a", [0.7, "/x/y-z.b", 0.3, "/q"]),
        ("a={train:[1,p]}", "a", {"train": [1, "p"]}),
        ("a='{val_loss:.2f}-{step}'", "a", "{val_loss:.2f}-{step}"),
        ("a=/with space/x", "a", "/with space/x"),
        ("a=/होम/डेटा", "a", "/होम/डेटा"),
        ("a=[0.5,/होम/डेटा]", "a", [0.5, "/होम/डेटा"]),
    ],
)
def test_key_and_value(text, key, value):
    override = parse(text)
    assert (override.key, override.value, override.delete) == (key, value, False)


def test_tilde_removes():
    assert parse("~model.optim.sched").delete


def test_keys_inside_a_mapping_are_listed():
    assert parse("a={b:1,c:{d:2}}").keys == ["a", "a.b", "a.c", "a.c.d"]


@pytest.mark.parametrize(
    ("text", "found", "fix"),
    [
        ("nonsense", "cannot read the override nonsense", "key=value, ++key=value or ~key"),
        ("a=it's", "cannot read the override a=it's", "quotes of its own"),
        ("a=1,2", "a=1,2 gives several values", "a list takes brackets: key=[a,b]"),
        ("~a=3", "cannot read the override ~a=3", "write ~a to remove the key"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_remedy(text, found, fix):
    with pytest.raises(UsageError) as raised:
        parse(text)
    assert found in str(raised.value)
    assert fix in str(raised.value)
