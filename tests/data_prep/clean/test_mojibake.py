"""Broken encodings are undone exactly or reported; sound text is never touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.clean.characters import count
from data_prep.clean.mojibake import Repaired, repair
from tests.data_prep.clean.conftest import ENGLISH, HINDI


def mend(text: str) -> Repaired:
    return repair(text, count(text))


def as_latin(text: str) -> str:
    return text.encode().decode("latin-1")


def as_windows(text: str) -> str:
    return "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in text.encode())


@pytest.mark.parametrize("misread", [as_latin, as_windows])
@pytest.mark.parametrize("times", [1, 2])
def test_hindi_comes_back_exactly(misread, times: int):
    broken = HINDI
    for _ in range(times):
        broken = misread(broken)
    assert mend(broken) == Repaired(text=HINDI, repaired=True, damage=0)


@given(st.text(alphabet=[*map(chr, range(0x0904, 0x094E)), *" \n।"], min_size=1))
def test_any_devanagari_comes_back(text: str):
    assert mend(as_windows(text)).text == text


def test_only_the_broken_part_of_a_page_changes():
    assert mend(f"{HINDI}\n{as_windows('नदी का तट')}\nend").text == f"{HINDI}\nनदी का तट\nend"


def test_english_punctuation_and_accents_come_back():
    assert mend("Itâ€™s the cafÃ©â€”â€œnewâ€\x9d for Â£5 ðŸ™‚").text == "It’s the café—“new” for £5 🙂"
    assert mend("â€œYesâ€ he said").text == "“Yes” he said"


@pytest.mark.parametrize(
    "text", [HINDI, ENGLISH, "Voilà… à la carte, “passé…”, CAFÉ” — São Tomé, naïve ½ ± 5°", "Ångström à 5 €"]
)
def test_sound_text_stays(text: str):
    assert mend(text) == Repaired(text=text, repaired=False, damage=0)


def test_lost_bytes_are_counted_as_damage():
    lossy = as_windows("हिन्दी की पुस्तकें").replace("\x8d", "").replace("\x81", "")
    assert mend(lossy).damage > 0
    assert mend("नदी का \ufffd\ufffd तट").damage == 2
