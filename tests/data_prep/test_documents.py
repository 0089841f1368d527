from data_prep.documents import Document, primary_language, split_of


def document(**changes: str) -> Document:
    values = {
        "id": "d1",
        "text": "पहाड़\n☀",
        "lang": "hi-Deva",
        "kind": "real",
        "source": "s",
        "license": "CC0-1.0",
        "parent_id": None,
        "group": "g1",
    }
    return Document(**{**values, **changes})


def test_a_document_survives_json_with_every_tag() -> None:
    assert Document.from_json(document().to_json()) == document()


def test_json_is_one_readable_line() -> None:
    line = document().to_json()
    assert "\n" not in line
    assert "पहाड़" in line


def test_the_split_of_a_group_never_moves() -> None:
    """Written-out values: a change here would leak held-out text of existing corpora into training."""
    assert [split_of(f"pair-{n}", 0.3) for n in range(8)] == EXPECTED


EXPECTED = ["train"] * 4 + ["heldout"] + ["train"] * 3


def test_the_heldout_fraction_is_met_and_grows_without_moving_anything_back() -> None:
    groups = [str(n) for n in range(10_000)]
    tenth = {group for group in groups if split_of(group, 0.1) == "heldout"}
    fifth = {group for group in groups if split_of(group, 0.2) == "heldout"}
    assert 900 < len(tenth) < 1100
    assert tenth < fifth


def test_primary_language_joins_the_scripts_of_a_language() -> None:
    assert primary_language("hi-Deva") == primary_language("hi-Latn") == "hi"
