import importlib.metadata

import pytest

from data_prep.errors import UsageError
from data_prep.romanize.engines import engine, letters, version


def test_the_library_reads_other_indic_scripts() -> None:
    romanize = engine("anyascii", "Beng")
    assert romanize("ঢাকা é “x” 3").endswith(" é “x” 3")
    assert romanize("ঢাকা").isascii()
    assert engine("anyascii", "Taml")("தமிழ் ABC").endswith(" ABC")


def test_the_library_leaves_other_scripts_and_code_alone() -> None:
    assert engine("anyascii", "Beng")("घर `ঢাকা` https://x.org/ঢাকা") == "घर `ঢাকা` https://x.org/ঢাকা"


def test_our_engine_takes_variants() -> None:
    text = "नहीं मैं ज़्यादा बात करता हूँ यहाँ"
    assert engine("hindi", "Deva")(text) == "nahi main zyada baat karta hoon yahan"
    assert engine("hindi", "Deva", document="a", variants=1.0)(text) != engine("hindi", "Deva")(text)


def test_dandas_and_digits_are_no_letters() -> None:
    assert not letters("Deva").search("१२३। ॥ abc")
    assert letters("Deva").search("अ")


def test_receipts_can_name_the_engine() -> None:
    assert version("hindi") == "hindi (langadapt)"
    assert version("anyascii").startswith("anyascii 0.")


def test_a_missing_library_is_refused_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(UsageError, match="library anyascii, which is not installed") as caught:
        version("anyascii")
    assert "pip install anyascii" in str(caught.value)
