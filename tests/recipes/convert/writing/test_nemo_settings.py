"""Rows of the embedding table that NeMo will build."""

import pytest

from data_prep.errors import UsageError
from recipes.convert.writing.nemo_settings import table_rows


def test_the_table_is_padded_as_nemo_pads_it():
    assert table_rows(256_000, 256_000, 128, "") == 256_000
    assert table_rows(128_256, 128_256, 512, "") == 128_512
    assert table_rows(1000, 1000, 128, "") == 1024


def test_rows_above_the_tokenizer_stay_where_they_fit():
    assert table_rows(1000, 1020, 128, "") == 1024


def test_more_rows_than_fit_are_refused_with_the_divisor_that_keeps_them():
    with pytest.raises(
        UsageError, match="has 32064 rows; NeMo would give a tokenizer of 32000 entries 32000"
    ) as raised:
        table_rows(32_000, 32_064, 128, "")
    divisor = int(raised.value.fix.removeprefix("make_vocab_size_divisible_by="))
    assert table_rows(32_000, 32_064, divisor, "") >= 32_064


def test_a_tokenizer_with_more_entries_than_rows_is_refused():
    with pytest.raises(UsageError, match="the tokenizer has 1001 entries, the embedding table 1000 rows"):
        table_rows(1001, 1000, 128, "")
