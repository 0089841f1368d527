import json
from pathlib import Path
from typing import Any

import pytest

from data_prep.decontaminate.eval_items import Item, read_items
from data_prep.decontaminate.settings import EvalSet
from data_prep.errors import DataError, UsageError

SAMPLE = Path("data_prep/sample_corpus/eval_items.jsonl")


def items(tmp_path: Path, rows: list[dict[str, Any]], **settings: Any) -> list[Item]:
    path = tmp_path / "set.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return list(read_items(EvalSet(name="set", path=path, **settings)))


@pytest.mark.parametrize(
    ("row", "texts"),
    [
        ({"question": "प्रश्न", "choices": ["हाँ", "नहीं"], "answer": 1, "subject": "law"}, ("प्रश्न", "हाँ", "नहीं")),
        ({"id": "x1", "question": "Q?", "choices": {"text": ["one", "two"], "label": ["A", "B"]}, "answerKey": "B"},
         ("Q?", "one", "two")),
        ({"question": {"stem": "Q?", "choices": [{"text": "one", "label": "A"}]}}, ("Q?", "one")),
        ({"context": "Con.", "question": "Q?", "answers": {"text": ["a b"], "answer_start": [3]}},
         ("Con.", "Q?", "a b")),
        ({"premise": "Yes.", "hypothesis": "No.", "label": 2, "language": "hi"}, ("Yes.", "No.")),
        ({"ctx": "C", "endings": ["one.", "two."], "source_id": "activity~v_1", "label": "3"}, ("one.", "two.")),
        ({"INDIC REVIEW": "अच्छा है", "LABEL": "Positive", "DOMAIN": "shop"}, ("अच्छा है",)),
        ({"instruction": "Q?", "option_a": "one", "option_b": "B", "answer": "A"}, ("Q?", "one")),
        ({"mc1_targets": {"choices": ["one", "two"], "labels": [1, 0]}, "question": "Q?"}, ("one", "two", "Q?")),
        ({"प्रश्न": "क्या है?", "उत्तर": None}, ("क्या है?",)),
    ],
)  # fmt: skip
def test_text_is_found_in_the_schemas_of_lm_eval(tmp_path: Path, row: dict, texts: tuple[str, ...]) -> None:
    (item,) = items(tmp_path, [row])
    assert item.texts == texts
    assert item.id == "set.jsonl:1"


def test_named_fields_are_taken_whatever_they_are_called(tmp_path: Path) -> None:
    (item,) = items(tmp_path, [{"source": "यह वाक्य", "target": "x y", "n": 7}], fields=("source",), id_field="n")
    assert item == Item(eval_set="set", id="7", texts=("यह वाक्य",), fields=("source",))


def test_a_csv_without_header_is_read_by_column_number(tmp_path: Path) -> None:
    (tmp_path / "law.csv").write_text("क्या है?,एक बात,दो बात,A\n", "utf-8")
    (item,) = read_items(EvalSet(name="mmlu", path=tmp_path, fields=("0", "1", "2")))
    assert (item.id, item.texts) == ("law.csv:1", ("क्या है?", "एक बात", "दो बात"))


def test_a_row_without_the_named_field_is_refused(tmp_path: Path) -> None:
    rows = [{"question": "Q one?"}, {"query": "Q two?", "lang": "en"}]
    for settings in ({"fields": ("question",)}, {"id_field": "question"}):
        with pytest.raises(UsageError) as raised:
            items(tmp_path, rows, **settings)
        assert raised.value.what == "no field 'question' in this item"
        assert "set.jsonl:2 of evaluation set set" in raised.value.where
        assert raised.value.fix == "fields here: query, lang"


@pytest.mark.parametrize("row", [{"id": "some words", "label": "B"}, {"question": " ", "answer": "(C)"}])
def test_a_row_without_text_is_refused(tmp_path: Path, row: dict) -> None:
    with pytest.raises(DataError, match="this item has no text") as raised:
        items(tmp_path, [row])
    assert f"fields here: {', '.join(row)}" in raised.value.fix


def test_the_sample_set_has_items_that_can_be_found() -> None:
    found = list(read_items(EvalSet(name="sample", path=SAMPLE, id_field="id")))
    assert len(found) == 12
    for item in found:
        assert any(len(text.split()) >= 13 for text in item.texts), item.id
