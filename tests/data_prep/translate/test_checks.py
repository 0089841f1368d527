"""Each check catches what it is for, and leaves good Hindi alone."""

import pytest

from data_prep.translate.checks import fault, repetition, script_share, tidy
from data_prep.translate.settings import CheckSettings

SOURCE = "The old bridge near the market was closed last winter because its pillars had cracks."
GOOD = "बाज़ार के पास का पुराना पुल पिछली सर्दियों में बंद कर दिया गया था क्योंकि उसके खंभों में दरारें थीं।"


@pytest.mark.parametrize(
    ("source", "translation", "reason"),
    [
        (SOURCE, GOOD, None),
        (SOURCE, "", "empty"),
        (SOURCE, SOURCE.upper(), "copied"),
        (SOURCE, "Purana pul pichhli sardiyon mein band kar diya gaya tha kyonki darar thi.", "script"),
        (SOURCE, "12 345, 67.", "script"),
        (SOURCE, "पुल।", "short"),
        (SOURCE, GOOD * 4, "long"),
        (SOURCE, "पुल बंद था, " * 7, "repetition"),
        (SOURCE, "पुराना" + "लालाला" * 12, "repetition"),
        ("Very, very, very, very, very, very good.", "बहुत, बहुत, बहुत, बहुत, बहुत, बहुत अच्छा।", None),
        ("Linux", "Linux", None),
        ("Mahatma Gandhi", "Mahatma Gandhi", None),
        ("Mahatma Gandhi Road", "Mahatma Gandhi Road", "copied"),
        ("No.", "नहीं।", None),
        ("Yes", "जी हाँ, बिल्कुल", None),
        ("<ID1> of <ID2>", "<ID2> में से <ID1>", None),
        ("Use Python and NumPy here", "यहाँ Python और NumPy का इस्तेमाल करें", None),
    ],
)
def test_reason(source: str, translation: str, reason: str | None) -> None:
    assert fault(source, translation, "hi-Deva", CheckSettings()) == reason


def test_marks_count_as_letters_of_their_script_and_placeholders_as_none() -> None:
    assert script_share("हिंदी <ID1> <ID22>", "Deva") == 1.0
    assert script_share("कि ab", "Deva") == 0.5
    assert script_share("日本語のテスト", "Jpan") == 1.0
    assert script_share("123 <ID1>", "Deva") == 0.0


def test_tidy_composes_strips_and_turns_the_pipe_of_old_fonts_into_a_danda() -> None:
    assert tidy("It rains.", " वर्षा होती है| ", "hi-Deva") == "वर्षा होती है।"
    assert tidy("A verse.", "श्लोक||", "hi-Deva") == "श्लोक॥"
    assert tidy("a | b", "क | ख", "hi-Deva") == "क | ख"
    assert tidy("Rain.", "Pluie|", "fr-Latn") == "Pluie|"
    assert tidy("Ten.", "\u0928\u093c", "hi-Deva") == "\u0929"


def test_repetition_of_running_text_is_low_and_of_loops_high() -> None:
    assert repetition(GOOD) < 0.05
    assert repetition("और फिर " * 20) > 0.9
    assert repetition("") == repetition("हाँ") == 0.0
