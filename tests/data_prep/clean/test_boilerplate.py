"""Lines of the page go, lines of the text stay, refrains included."""

import pytest

from data_prep.clean.boilerplate import strip


@pytest.mark.parametrize(
    "line",
    [
        "और पढ़ें",
        "» और पढ़ें...",
        "शेयर करें",
        "होम | हमारे बारे में | संपर्क करें",
        "Home > About Us > Contact",
        "Facebook Twitter".replace(" ", " / "),
        "© 2024 समाचार डॉट कॉम",
        "Copyright © 2019 Example. All Rights Reserved.",
        "हमारी वेबसाइट कुकीज़ का उपयोग करती है।",
        "We use cookies to improve your experience.",
        "यह भी पढ़ें: दिल्ली में आज का मौसम",
        "READ MORE",
    ],
)
def test_page_lines_go(line: str):
    assert strip(["पहली पंक्ति।", line, "दूसरी पंक्ति।"], 5).lines == ["पहली पंक्ति।", "दूसरी पंक्ति।"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "---",
        "| नदी | राज्य |",
        "वह घर जाकर और पढ़ने लगा।",
        "Please share this bread with your brother, said the old woman.",
        "घर, खेत, नदी",
        "Cookies: " + "mix the butter with the sugar until it is light, then add two eggs and the flour. " * 2,
    ],
)
def test_text_lines_stay(line: str):
    assert strip([line], 5).lines == [line]


def test_a_line_repeated_beyond_a_refrain_is_kept_once():
    lines = ["नया वाक्य।", *["विशेष छूट पाएँ"] * 6, "", "---", "अंत।"]
    stripped = strip(lines, 5)
    assert stripped.lines == ["नया वाक्य।", "विशेष छूट पाएँ", "", "---", "अंत।"]
    assert (stripped.listed, stripped.repeated) == (0, 5)
    assert strip(["नाच रे मोर"] * 5, 5).repeated == 0


def test_empty_lines_and_rules_are_no_repetition():
    assert strip(["", "---"] * 20, 5).repeated == 0


def test_lists_can_be_switched_off():
    assert strip(["Read more"], 5, listed=False).lines == ["Read more"]
