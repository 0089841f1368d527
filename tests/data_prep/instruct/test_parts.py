"""A file worked on in parts: nothing lost or twice, the same for any number of workers, errors that name the part."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_prep.errors import DataError
from data_prep.files import open_binary
from data_prep.instruct import parts
from data_prep.instruct import stage as instruct
from data_prep.instruct.examples import read_examples
from data_prep.instruct.settings import InstructSettings
from data_prep.layout import Layout
from data_prep.parts import BLOCK_ROWS, Part
from data_prep.prep_settings import PrepSettings
from data_prep.receipts import Receipt
from data_prep.settings import load
from data_prep.tasks import Stage, run_step
from tests.data_prep.conftest import write_jsonl

ROWS = 3 * BLOCK_ROWS + 10
BROKEN = 2 * BLOCK_ROWS + 5
Prepare = Callable[..., tuple[Stage, PrepSettings]]


def chat(number: int) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": f"Question {number}?"},
        {"role": "assistant", "content": f"Answer {number}."},
    ]
    return {"id": f"c{number}", "lang": "en-Latn", "messages": messages}


def rows() -> list[dict[str, Any]]:
    return [{"id": f"c{n}"} if n == BROKEN else chat(n) for n in range(ROWS)]


@pytest.fixture
def prepare(tmp_path: Path, small_prep: Layout) -> Prepare:
    """Plans stage instruct on a file of four blocks with one row that cannot be used."""
    chats = write_jsonl(tmp_path / "chat.jsonl", rows())

    def plan(folder: str, **more: Any) -> tuple[Stage, PrepSettings]:
        source = {"path": str(chats), "lang": "en-Latn", "kind": "real", "source": "s", "license": "CC0-1.0"}
        sections = {"instruct": {"chat": str(chats)}, "on_bad_line": "reject", **more}
        config = tmp_path / f"{folder}.yaml"
        config.write_text(yaml.safe_dump({"output_dir": str(tmp_path / folder), "sources": [source], **sections}))
        settings = load(PrepSettings, [config])
        settings.layout.tokenizer.parent.mkdir(parents=True, exist_ok=True)
        settings.layout.tokenizer.write_bytes(small_prep.tokenizer.read_bytes())
        return instruct.stage(settings), settings

    return plan


def run(stage: Stage, settings: PrepSettings) -> Layout:
    for step in stage.steps:
        run_step(stage, step, execution=settings.execution, logs=settings.layout.logs("instruct", step.name))
    return settings.layout


def lines(layout: Layout) -> list[str]:
    return [line for side in ("train", "validation") for line in layout.instruct("sft", side).read_text().splitlines()]


def test_parts_together_hold_every_row_once() -> None:
    held = [[part for part in range(3) if Part(index=part, of=3).has(number)] for number in range(1, 2000)]
    assert {len(each) for each in held} == {1}
    assert {part for each in held for part in each} == {0, 1, 2}


@pytest.mark.parametrize(("size", "count"), [(1, 1), (parts.PART_BYTES * 3, 3), (parts.PART_BYTES * 10_000, 64)])
def test_a_larger_file_has_more_parts_up_to_a_limit(tmp_path: Path, size: int, count: int) -> None:
    with (tmp_path / "chat.jsonl").open("wb") as file:
        file.truncate(size)
    assert parts.count_parts(tmp_path / "chat.jsonl") == count


def test_a_file_in_parts_gives_the_examples_and_counts_of_the_whole(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(*prepare("whole"))
    monkeypatch.setattr(parts, "PART_BYTES", 20_000)
    stage, settings = prepare("cut")
    assert len(stage.steps[0].tasks) > 3
    cut = run(stage, settings)
    assert sorted(lines(cut)) == sorted(lines(whole))
    receipts = [Receipt.load(layout.instruct_receipt("sft")) for layout in (whole, cut)]
    assert receipts[0].counts == receipts[1].counts == {"in": ROWS, "kept": ROWS - 1, "dropped": {"bad_messages": 1}}
    assert receipts[0].details == receipts[1].details
    assert receipts[0].by == receipts[1].by
    with open_binary(cut.rejects("instruct", "sft", "00000")) as rejects:
        (reject,) = map(json.loads, rejects)
    assert f"chat.jsonl:{BROKEN + 1}:" in reject["where"]
    assert not (cut.side("instruct", "parts") / "sft").exists(), "parts are of no use once the set is whole"


def test_any_number_of_workers_writes_the_same_bytes(prepare: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_BYTES", 20_000)
    one, two = run(*prepare("one")), run(*prepare("two", workers=2))
    assert lines(one) == lines(two)


def test_a_run_killed_between_parts_and_set_does_only_the_rest(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PART_BYTES", 20_000)
    stage, settings = prepare("killed")
    run_step(stage, stage.steps[0], execution=settings.execution, logs=settings.layout.logs("instruct", "parts"))
    stage, _ = prepare("killed")
    assert not [task for task in stage.steps[0].tasks if not stage.is_current(task)]
    run(stage, settings)
    again, _ = prepare("killed")
    assert [step.name for step in again.steps] == ["examples"], "a set that is up to date plans no parts"


def test_an_error_names_the_part_it_has_looked_at(tmp_path: Path, small_prep: Layout) -> None:
    path = write_jsonl(tmp_path / "chat.jsonl", rows())
    model, part = small_prep.tokenizer, Part(index=2, of=3)
    with pytest.raises(DataError, match=r"1 line is bad in part 3 of 3 of this file(.|\n)*chat\.jsonl:518"):
        list(read_examples("sft", path, model, InstructSettings(), "error", part))
    with pytest.raises(DataError, match=r"255 example\(s\) in part 3 of 3 of this file have more tokens"):
        list(read_examples("sft", path, model, InstructSettings(max_length=3), "reject", part))


def test_a_part_without_rows_is_no_empty_file(tmp_path: Path, small_prep: Layout) -> None:
    path = write_jsonl(tmp_path / "chat.jsonl", [chat(1)])
    read = [
        list(read_examples("sft", path, small_prep.tokenizer, InstructSettings(), "error", Part(index=n, of=2)))
        for n in (0, 1)
    ]
    assert list(map(len, read)) == [1, 0]
