import pytest

from data_prep import bpe
from data_prep.errors import DataError

from .test_documents import document

DOCUMENTS = [document(id=f"web-{number}") for number in range(400)]


def test_of_much_text_a_share_is_trained_on() -> None:
    assert bpe.share(1_000_000, 200_000) == 0.2
    assert bpe.share(100, 200_000) == bpe.share(0, 200_000) == 1.0


def test_the_share_is_the_same_each_time_and_for_each_document_by_itself() -> None:
    whole, half = (list(bpe.take(DOCUMENTS, share)) for share in (1.0, 0.5))
    assert whole == DOCUMENTS
    assert 0.4 < len(half) / len(whole) < 0.6
    assert half == [each for each in DOCUMENTS if list(bpe.take([each], 0.5))]


def test_a_refusal_says_what_sentencepiece_says() -> None:
    refusal = DataError("cannot train", where="vocab_size=5", fix="more text")
    with pytest.raises(DataError, match=r"cannot train(.|\n)*vocab_size=5(.|\n)*sentences_(.|\n)*more text"):
        bpe.train([], 5, refusal)
