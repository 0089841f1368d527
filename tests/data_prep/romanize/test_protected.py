import pytest

from data_prep.romanize.hindi import romanize

KEPT = (
    "https://hi.wikipedia.org/wiki/भारत",
    "www.example.in/हिंदी",
    "नाम@example.com",
    "`x = 'घर'`",
    "```python\nprint('घर')\n\n# देश\n```",
    '<a title="घर">',
)


@pytest.mark.parametrize("part", KEPT)
def test_code_markup_and_addresses_stay(part: str) -> None:
    assert romanize(f"घर {part} देश।") == f"ghar {part} desh."


def test_a_link_keeps_its_address_and_not_its_text() -> None:
    assert romanize("[भारत](https://hi.wikipedia.org/wiki/भारत)।") == "[bharat](https://hi.wikipedia.org/wiki/भारत)."


def test_an_open_fence_runs_to_the_end_as_in_markdown() -> None:
    assert romanize("घर\n```\nदेश\n") == "ghar\n```\nदेश\n"


def test_a_single_sign_protects_nothing() -> None:
    assert romanize("3 < 5 और ` घर @ देश") == "3 < 5 aur ` ghar @ desh"
