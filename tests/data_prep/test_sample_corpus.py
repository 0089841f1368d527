"""The sample corpus is what its README says: enough of it, tagged, clean, and its pairs aligned by sentence."""

import json
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "data_prep" / "sample_corpus"
SENTENCE_END = re.compile(r"[.?!।](?=\s|$)")


def rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module", params=["hi", "en"])
def documents(request) -> list[dict]:
    return rows(f"documents.{request.param}.jsonl")


def test_there_are_enough_tagged_documents(documents) -> None:
    assert len(documents) >= 85
    assert len({document["id"] for document in documents}) == len(documents)
    assert len({document["text"] for document in documents}) == len(documents)
    assert {(document["kind"], document["license"]) for document in documents} == {("real", "CC0-1.0")}


def test_text_is_normalised_and_in_its_script(documents) -> None:
    for document in documents:
        assert unicodedata.is_normalized("NFC", document["text"])
        letters = Counter(
            "Deva" if "\u0900" <= letter <= "\u097f" else "Latn" for letter in document["text"] if letter.isalpha()
        )
        assert letters.most_common(1)[0][0] == document["lang"].split("-")[1], document["id"]


def test_there_are_lists_and_a_table(documents) -> None:
    texts = [document["text"] for document in documents]
    assert sum(bool(re.search(r"^(- |\d+\. )", text, re.MULTILINE)) for text in texts) >= 5
    assert any(re.search(r"^\|.*\|$", text, re.MULTILINE) for text in texts)


def test_thirty_six_pairs_are_aligned_line_by_line_and_sentence_by_sentence() -> None:
    hindi, english = ({row["pair"]: row["text"] for row in rows(f"documents.{lang}.jsonl") if "pair" in row}
                      for lang in ("hi", "en"))  # fmt: skip
    assert len(hindi) == 36
    assert set(hindi) == set(english)
    for pair, text in hindi.items():
        counts = [[len(SENTENCE_END.findall(line)) for line in side.split("\n")] for side in (text, english[pair])]
        assert counts[0] == counts[1], pair


def test_chats_are_two_languages_and_end_with_the_assistant() -> None:
    chats = rows("chat.jsonl")
    assert len(chats) >= 100
    assert set(Counter(chat["lang"] for chat in chats)) == {"hi-Deva", "en-Latn"}
    assert all(chat["messages"][-1]["role"] == "assistant" for chat in chats)


def test_preferences_are_two_languages_and_chosen_is_not_rejected() -> None:
    pairs = rows("preferences.jsonl")
    assert len(pairs) >= 60
    assert set(Counter(pair["lang"] for pair in pairs)) == {"hi-Deva", "en-Latn"}
    assert all(pair["chosen"] != pair["rejected"] for pair in pairs)
