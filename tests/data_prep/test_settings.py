from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from data_prep.errors import UsageError
from data_prep.settings import load


@dataclass(frozen=True, kw_only=True)
class Part:
    path: Path
    size: int = 3

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size {self.size} is too small\nsize=3 is usual")


@dataclass(frozen=True, kw_only=True)
class Whole:
    name: str
    parts: tuple[Part, ...] = ()
    shares: dict[str, float] = field(default_factory=dict)
    mode: Literal["error", "reject"] = "error"
    rate: float = 0.1
    on: bool = False
    note: str | None = None


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "a.yaml"
    path.write_text("name: base\nparts:\n  - {path: x, size: 2}\n  - {path: y}\nshares: {en: 1}\n")
    return path


def test_values_reach_their_types(config: Path) -> None:
    assert load(Whole, [config]) == Whole(
        name="base", parts=(Part(path=Path("x"), size=2), Part(path=Path("y"))), shares={"en": 1.0}
    )


def test_later_files_and_then_overrides_win(config: Path, tmp_path: Path) -> None:
    second = tmp_path / "b.yaml"
    second.write_text("name: second\nnote: ${name} again\n")
    whole = load(Whole, [config, second], ["++rate=1e-3", "parts.1.path=z", "shares={hi: 0.5, en: 0.5}", "on=true"])
    assert (whole.name, whole.note, whole.rate, whole.on) == ("second", "second again", 0.001, True)
    assert whole.parts[1].path == Path("z")
    assert whole.shares == {"en": 0.5, "hi": 0.5}
    assert load(Whole, [config], ["note="]).note is None


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("nmae: x", [], r"unknown key 'nmae'(.|\n)*nmae in .*c\.yaml(.|\n)*did you mean 'name'\?(.|\n)*known keys"),
        ("name: x", ["zzz=1"], r"unknown key 'zzz'(.|\n)*zzz on the command line(.|\n)*known keys here: mode, name"),
        ("name: x\nparts: [{path: p, sizes: 1}]", [], r"unknown key 'sizes'(.|\n)*parts\.0\.sizes in .*c\.yaml"),
        ("mode: error", [], r"no value for name(.|\n)*name=VALUE on the command line"),
        ("name: ???", [], "no value for name"),
        ("name: x\nparts: [{size: 1}]", [], r"no value for parts\.0\.path"),
        ("name: x", ["mode=rejct"], r"'rejct' is not one of error, reject(.|\n)*did you mean 'reject'"),
        ("name: x", ["mode=7"], "mode=error"),
        ("name: 2024", [], r'expected text, found 2024(.|\n)*put it in quotes: "2024"'),
        ("name: x", ["rate=fast"], "expected a number, found 'fast'"),
        ("name: x", ["rate=true"], "expected a number, found True"),
        ("name: x", ["on=1"], "expected true or false, found 1"),
        ("name: x\nparts: {path: p}", [], "expected a list"),
        ("name: x\nshares: [1]", [], "expected a mapping"),
        ("name: x\nparts: [p]", [], r"expected a mapping, found 'p'(.|\n)*parts\.0 in"),
        ("name: x\nparts: [{path: p, size: two}]", [], "expected a whole number, found 'two'"),
        ("name: x\nparts: [{path: p, size: 0}]", [], r"size 0 is too small\n(.|\n)*parts\.0 in(.|\n)*size=3 is usual"),
        ("name: ${nothing}", [], r"cannot resolve an interpolation(.|\n)*name in .*c\.yaml"),
        ("name: x", ["rate"], r"cannot read the override 'rate'(.|\n)*write key=value"),
        ("name: x", ["=3"], "cannot read the override"),
        ("name: x", ["parts.one.path=z"], "expected a list"),
        ("name: x", ["shares={en: 1"], "cannot apply the override"),
        ("name: x: y", [], r"not valid YAML(.|\n)*c\.yaml:1"),
        ("- a\n- b", [], "this one holds a list"),
    ],
)
def test_every_mistake_is_named_with_its_place(tmp_path: Path, text: str, overrides: list[str], message: str) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(text + "\n")
    with pytest.raises(UsageError, match=message):
        load(Whole, [config], overrides)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"does not exist(.|\n)*none\.yaml"):
        load(Whole, [tmp_path / "none.yaml"])
    with pytest.raises(UsageError, match="cannot read this configuration file"):
        load(Whole, [tmp_path])
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(UsageError, match=r"latin\.yaml"):
        load(Whole, [tmp_path / "latin.yaml"])
