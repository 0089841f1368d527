"""A document leaves cleaned, or as a reject that keeps its original text and says what was measured."""

import unicodedata
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from data_prep.clean.cleaner import clean
from data_prep.clean.settings import CleanSettings, LanguageRules
from data_prep.documents import Document, Reject
from tests.data_prep.clean.conftest import ENGLISH, HINDI, document

SETTINGS = CleanSettings()


def kept(text: str, settings: CleanSettings = SETTINGS) -> tuple[Document, Counter[str]]:
    notes: Counter[str] = Counter()
    record = clean(document(text), settings, notes)
    assert isinstance(record, Document), record
    return record, +notes


def test_clean_text_is_left_as_it_is():
    original = document(HINDI)
    assert clean(original, SETTINGS, Counter()) is original


def test_every_change_is_noted():
    broken = HINDI.encode().decode("latin-1") + "\nशेयर करें\nसंपर्क: a@example.org\u200b"
    record, notes = kept(broken, CleanSettings(mask_personal_data=True))
    assert record.text == f"{HINDI}\nसंपर्क: <EMAIL>"
    assert notes == {"mojibake_repaired": 1, "normalized": 1, "boilerplate_lines": 1, "masked_email": 1}


def test_personal_data_stays_unless_asked():
    assert "a@example.org" in kept(f"{HINDI}\nसंपर्क: a@example.org")[0].text


def test_a_reject_keeps_the_original_and_counts_no_change():
    notes: Counter[str] = Counter()
    original = f"{ENGLISH}\u200b\nRead more"
    record = clean(document(original), SETTINGS, notes)
    assert record == Reject(
        id="d1", reason="wrong_script", where="clean: Deva letters (most: Latn) 0 < 0.7", text=original
    )
    assert not notes


def test_damage_that_cannot_be_repaired_rejects_the_document():
    record = clean(document(HINDI.replace("की", "\ufffd\ufffd")), SETTINGS, Counter())
    assert isinstance(record, Reject)
    assert record.reason == "mojibake"
    assert record.where.startswith("clean: damaged character share 0.0")
    assert record.where.endswith("> 0.002")


def test_a_document_too_long_is_refused_before_any_work():
    settings = CleanSettings(languages={"hi-Deva": LanguageRules(max_characters=100)})
    record = clean(document(HINDI), settings, Counter())
    assert isinstance(record, Reject)
    assert (record.reason, record.where) == ("too_long", f"clean: characters {len(HINDI)} > 100")


def test_rules_belong_to_their_language():
    settings = CleanSettings(languages={"hi-Deva": LanguageRules(min_words=1000)})
    assert isinstance(clean(document(ENGLISH, "en-Latn"), settings, Counter()), Document)
    assert isinstance(clean(document(HINDI), settings, Counter()), Reject)


@given(
    st.lists(st.sampled_from([*HINDI.split(), "क्\u200dष", "क़लम", "ज़्यादा", "\u200b", "\u00a0", "अँ", "॥"]), max_size=80)
)
def test_a_kept_document_has_all_its_combining_marks(words: list[str]):
    text = f"{HINDI} {' '.join(words)}"
    record = clean(document(text), SETTINGS, Counter())
    if isinstance(record, Document):
        assert marks(record.text) == marks(text)


def marks(text: str) -> list[str]:
    return [char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char)[0] == "M"]
