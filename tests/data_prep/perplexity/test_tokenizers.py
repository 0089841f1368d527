"""What the n-gram model sees keeps every mark of the text and nothing that kenlm would misread."""

import unicodedata

import pytest
import sentencepiece
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep.errors import DataError, UsageError
from data_prep.perplexity import tokenizers
from data_prep.perplexity.tokenizers import lines, load, train_sentencepiece, wordpiece

from ..conftest import HINDI

MARKED = "हिंदी में क्‍षा, ड़ और ज़्यादा दुःख।"


ANY = st.text() | st.text("क्‍षा़ं <s>/unk\0\n\t\u00a0\u2028\u2581☃")


@given(ANY)
def test_lines_hold_no_separator_and_no_special_word(text):
    for line in lines(text):
        assert line
        for word in line:
            assert word.split() == [word]
            assert "\0" not in word
            assert not any(special in word for special in ("<s>", "</s>", "<unk>"))


@given(ANY)
def test_lines_lose_nothing_but_white_space(text):
    kept = "".join(word for line in lines(text) for word in line)
    assert kept == "".join(text.replace("\0", " ").replace("\u2581", " ").split())


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_equal_letters_are_one_letter_however_they_are_encoded(pieces, form):
    tokenize = load("sentencepiece", pieces)
    assert tokenize(unicodedata.normalize(form, "ऩज़्यादा é")) == tokenize("ऩज़्यादा é")
    nfc = unicodedata.normalize("NFC", MARKED)
    assert train_sentencepiece([unicodedata.normalize(form, MARKED)], 60) == train_sentencepiece([nfc], 60)


def test_words_keep_marks_and_joiners_and_split_off_punctuation():
    assert load("words", None)(MARKED) == ["हिंदी में क्‍षा , ड़ और ज़्यादा दुःख ।"]


def test_every_line_is_a_sentence_of_its_own():
    assert load("words", None)("एक।\n \nदो तीन\r\n") == ["एक ।", "दो तीन"]


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    path = tmp_path_factory.mktemp("pieces") / "tokenizer.model"
    path.write_bytes(train_sentencepiece([*HINDI, MARKED], 200))
    return path


def test_sentencepiece_gives_the_line_back_exactly(pieces):
    (sentence,) = load("sentencepiece", pieces)(MARKED)
    assert sentence.replace(" ", "").replace("\u2581", " ").strip() == unicodedata.normalize(
        "NFC", " ".join(lines(MARKED)[0])
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ANY)
def test_cutting_word_by_word_is_cutting_the_line(pieces, text):
    processor = sentencepiece.SentencePieceProcessor(model_file=str(pieces))
    composed = lines(unicodedata.normalize("NFC", text))
    whole = [" ".join(processor.encode(" ".join(line), out_type=str)) for line in composed]
    assert load("sentencepiece", pieces)(text) == list(filter(None, whole))


@pytest.mark.parametrize("remembered", [0, 1, 10])
def test_what_is_remembered_changes_nothing(monkeypatch, remembered):
    monkeypatch.setattr(tokenizers, "REMEMBERED_WORDS", remembered)
    assert load("words", None)("क, ख! क, ख! ग") == ["क , ख ! क , ख ! ग"]


def test_a_character_sentencepiece_never_saw_is_a_word_kenlm_does_not_know(pieces):
    (sentence,) = load("sentencepiece", pieces)("नदी ☃")
    assert "☃" in sentence.split()


def test_equal_text_gives_an_equal_model():
    assert train_sentencepiece(HINDI * 20, 100) == train_sentencepiece(HINDI * 20, 100)


def test_a_small_text_gives_fewer_pieces_than_asked_for():
    model = train_sentencepiece(["अ आ अ आ"], 5000)
    assert sentencepiece.SentencePieceProcessor(model_proto=model).get_piece_size() < 50


@pytest.mark.parametrize(("texts", "size"), [([], 100), (["".join(map(chr, range(0x900, 0x970)))], 20)], ids=str)
def test_text_sentencepiece_cannot_train_on_is_an_error_with_a_fix(texts, size):
    with pytest.raises(DataError, match=r"SentencePiece cannot train(.|\n)*vocab_size=(.|\n)*tokenizer=words"):
        train_sentencepiece(texts, size)


@pytest.fixture
def vocabulary(tmp_path):
    path = tmp_path / "vocab.txt"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "हिं", "##दी", "में", "।", "Del", "##hi", "कु"]
    path.write_text("\n".join(words) + "\n", "utf-8")
    return path


def test_wordpiece_keeps_vowel_signs_and_case(vocabulary):
    """BERT's default strips accents, to it all signs of category Mn: कु would be क, हिंदी would be हिदी."""
    assert load("wordpiece", vocabulary)("हिंदी में कु।\nDelhi delhi") == ["हिं ##दी में कु ।", "Del ##hi [UNK]"]


def test_a_word_without_any_piece_leaves_no_gap(vocabulary):
    """BERT drops control characters; a word of nothing else has no token."""
    assert load("wordpiece", vocabulary)("में \x07 कु\n\x07") == ["में कु"]


def test_a_missing_or_foreign_vocabulary_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"does not exist(.|\n)*vocab\.txt(.|\n)*tokenizer=sentencepiece"):
        wordpiece(tmp_path / "vocab.txt")
    (tmp_path / "vocab.txt").write_text('{"model": {}}')
    with pytest.raises(UsageError, match=r"no line is \[UNK\](.|\n)*BERT"):
        wordpiece(tmp_path / "vocab.txt")
