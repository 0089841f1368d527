"""What looks like personal data is masked and counted; years, prices and other numbers stay."""

import pytest

from data_prep.clean.personal_data import is_verhoeff, mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("लिखें: ram.sharma+news@example.co.in पर", "लिखें: <EMAIL> पर"),
        ("फ़ोन 9876543210।", "फ़ोन <PHONE>।"),
        ("फ़ोन +91 98765 43210 पर", "फ़ोन <PHONE> पर"),
        ("फ़ोन +91-9876543210 पर", "फ़ोन <PHONE> पर"),
        ("फ़ोन ०९८७६५४३२१० पर", "फ़ोन <PHONE> पर"),
        ("फ़ोन ९८७६५ ४३२१० पर", "फ़ोन <PHONE> पर"),
        ("कार्यालय 011-23456789", "कार्यालय <PHONE>"),
        ("call +1 212 555 0123 now", "call <PHONE> now"),
        ("आधार 2341 2341 2346 है", "आधार <AADHAAR> है"),
        ("आधार २३४१ २३४१ २३४६ है", "आधार <AADHAAR> है"),
        ("PAN ABCPE1234F", "PAN <PAN>"),
        ("server 192.168.10.254.", "server <IP>."),
    ],
)
def test_personal_data_is_masked(text: str, masked: str):
    result = mask(text)
    assert result.text == masked
    assert result.found.total() == 1


@pytest.mark.parametrize(
    "text",
    [
        "1947 से 1950 तक",
        "₹ 12,34,56,789 का बजट",
        "आबादी 9876543210.5 नहीं",
        "संख्या 2341 2341 2347",
        "ISBN 978-81-237-1234-5",
        "version 1.2.3.4.5",
        "10:30 से 11:45, 25-12-2024",
        "user@localhost",
        "300.1.1.1",
    ],
)
def test_other_numbers_stay(text: str):
    assert mask(text).text == text


def test_verhoeff_finds_every_single_wrong_digit():
    right = [int(char) for char in "234123412346"]
    assert is_verhoeff(right)
    for position in range(12):
        for digit in set(range(10)) - {right[position]}:
            assert not is_verhoeff([*right[:position], digit, *right[position + 1 :]])
