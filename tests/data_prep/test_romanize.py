import subprocess
import sys
import unicodedata

import pytest

from data_prep.documents import Document, Reject
from data_prep.romanize import romanize, romanize_document

from .test_documents import document

FREQUENT = {
    "है": "hai",
    "हैं": "hain",
    "में": "mein",
    "और": "aur",
    "के": "ke",
    "की": "ki",
    "को": "ko",
    "से": "se",
    "पर": "par",
    "यह": "yeh",
    "वह": "woh",
    "नहीं": "nahin",
    "एक": "ek",
    "भी": "bhi",
    "तो": "to",
    "ही": "hi",
    "था": "tha",
    "कर": "kar",
    "लिए": "liye",
    "गया": "gaya",
    "हुआ": "hua",
    "अपना": "apna",
    "कुछ": "kuchh",
    "आप": "aap",
    "क्या": "kya",
    "बहुत": "bahut",
    "साथ": "sath",
    "दिन": "din",
    "लोग": "log",
    "जाएगा": "jayega",
    "हूँ": "hoon",
    "न": "na",
}
RULES = {
    "भारत": "bharat",  # final schwa
    "लड़का": "ladka",  # VC_CV
    "समझना": "samajhna",  # right to left: only one of two
    "समझा": "samjha",
    "पुस्तकालय": "pustakalay",  # after a cluster the schwa stays
    "जनसंख्या": "jansankhya",
    "जंगलों": "jangalon",  # an anusvara counts as a consonant
    "हँसने": "hansne",  # a chandrabindu does not
    "मित्र": "mitra",  # clusters that need their vowel
    "राज्य": "rajya",
    "धर्म": "dharm",  # and one that does not
    "प्रिय": "priya",
    "संबंध": "sambandh",  # m before lips
    "साँप": "sanp",
    "विज्ञान": "vigyan",
    "क्षेत्र": "kshetra",
    "अच्छा": "achha",
    "बच्चा": "baccha",
    "दुःख": "dukh",
    "अतः": "atah",
    "ज़रूर": "zarur",
    "फ़िल्म": "film",
    "पढ़ाई": "padhai",
    "क़लम": "qalam",
    "कृषि": "krishi",
    "ऑफ़िस": "ofis",
    "स्वागत": "swagat",
    "द्वारा": "dwara",
    "श्रीमान्": "shriman",
}


@pytest.mark.parametrize(("word", "typed"), [*FREQUENT.items(), *RULES.items()])
def test_words_are_spelt_as_people_type_them(word: str, typed: str) -> None:
    assert romanize(word) == typed


def test_the_sentences_of_the_brief() -> None:
    assert romanize("भारत एक विशाल देश है") == "bharat ek vishal desh hai"
    assert romanize("मुझे बाज़ार जाकर सब्ज़ी खरीदनी है।") == "mujhe bazar jakar sabzi kharidni hai."


def test_composed_and_decomposed_nukta_are_the_same_letter() -> None:
    composed = "\u095b\u0930\u0942\u0930"
    assert unicodedata.normalize("NFC", composed) != composed
    assert romanize(composed) == "zarur"


def test_everything_else_stays() -> None:
    rest = "# Title\n\n- e\u0301 3.5 kg [link](https://example.org/?q=1) `code` | a | \t👩\u200d👩\u200d👧  end\r\n"
    assert romanize(rest) == rest
    assert romanize(f"घर {rest}") == f"ghar {rest}"


def test_dandas_digits_and_joiners() -> None:
    assert romanize("१२३ क्\u200dया॥ डॉ॰") == "123 kya. do."


def test_a_child_knows_its_parent_and_stays_on_its_side() -> None:
    parent = document(text="घर")
    child = romanize_document(parent)
    assert isinstance(child, Document)
    assert (child.text, child.kind, child.lang, child.parent_id, child.group) == (
        "ghar",
        "romanized",
        "hi-Latn",
        parent.id,
        parent.group,
    )
    assert child.id != parent.id


def test_a_document_without_devanagari_is_rejected_with_its_reason() -> None:
    reject = romanize_document(document(text="only English"))
    assert isinstance(reject, Reject)
    assert reject.reason == "no_devanagari"


def test_the_module_is_a_filter_from_standard_input_to_standard_output() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "data_prep.romanize"],
        input="भारत\nx\nदेश".encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.decode() == "bharat\nx\ndesh"
