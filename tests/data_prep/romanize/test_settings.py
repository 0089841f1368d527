import re
from typing import Any

import pytest

from data_prep.romanize.settings import RomanizeSettings

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"variants": 1.5}, "variants 1.5 is not a share"),
    ({"engines": {"hi-Deva": "magic"}}, "engine 'magic' of hi-Deva is unknown\nchoose one of: hindi, anyascii"),
    ({"engines": {"bn-Beng": "hindi"}}, "engine 'hindi' does not read the script of bn-Beng\nit reads: Deva"),
    ({"engines": {"bn-Beng": "anyascii"}, "variants": 0.1}, "engine 'anyascii' of bn-Beng knows one spelling a word"),
    ({"kinds": ("romanized",)}, "kind romanized is in Latin letters already"),
]


@pytest.mark.parametrize(("values", "message"), WRONG)
def test_settings_that_cannot_work_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        RomanizeSettings(**values)


def test_hindi_is_romanised_by_default() -> None:
    assert RomanizeSettings().engines == {"hi-Deva": "hindi"}
    assert RomanizeSettings(engines={"bn-Beng": "anyascii", "mr-Deva": "hindi"}).enabled
