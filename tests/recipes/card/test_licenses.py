"""A licence is decided by somebody or named by a document, never guessed."""

import pytest

from data_prep.errors import UsageError
from recipes.card import licenses
from recipes.card.licenses import License


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CC0-1.0", "cc0-1.0"),
        (" cc-by-sa-4.0 ", "cc-by-sa-4.0"),
        ("ODC-By-1.0", "odc-by"),
        ("Apache-2.0", "apache-2.0"),
        ("llama3.2", "llama3.2"),
        ("Apache", None),
        ("", None),
    ],
)
def test_spellings_of_spdx_and_the_hub_are_known_and_nothing_is_made_to_fit(name, expected) -> None:
    assert licenses.hub_id(name) == expected


def test_a_model_nobody_chose_a_licence_for_has_none() -> None:
    undecided = licenses.of_model(None, None)
    assert (undecided, undecided.is_decided) == (License(license="other", license_name="undecided"), False)


def test_a_licence_of_the_hub_needs_no_text() -> None:
    assert licenses.of_model("MIT", None) == License(license="mit")


def test_another_licence_needs_its_text() -> None:
    with pytest.raises(UsageError, match="the hub knows no licence 'NVIDIA Community'") as error:
        licenses.of_model("NVIDIA Community", None)
    assert "license_link=https://" in error.value.fix
    named = licenses.of_model("NVIDIA Community Model License", "https://example.org/l")
    assert named == License(
        license="other", license_name="nvidia-community-model-license", license_link="https://example.org/l"
    )


def test_documents_keep_all_their_licences_and_unknown_ones_are_said_to_be() -> None:
    assert licenses.of_data(["CC0-1.0", "cc0-1.0", "", "unknown", "our own terms", "ODbL-1.0"]) == [
        *("cc0-1.0", "odbl", "other", "unknown")
    ]
