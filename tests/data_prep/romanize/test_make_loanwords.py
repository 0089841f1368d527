from pathlib import Path

from data_prep.romanize import lexicon
from data_prep.romanize.letters import canonical
from data_prep.romanize.make_loanwords import read_cmudict, rows, variants


def written(english: str, sounds: str) -> list[str]:
    return variants(english, sounds.split())


def test_a_pronunciation_becomes_the_ways_to_write_it() -> None:
    """Ticket is written टिकट and टिकिट, station स्टेशन."""
    assert lexicon.key("टिकट") in written("ticket", "T IH1 K AH0 T")
    assert lexicon.key("स्टेशन") in written("station", "S T EY1 SH AH0 N")
    assert lexicon.key("ऑस्ट्रेलिया") in written("australia", "AO0 S T R EY1 L Y AH0")


def test_short_words_are_not_written_like_hindi_ones() -> None:
    assert lexicon.key("हाल") not in written("hall", "HH AO1 L")
    assert lexicon.key("हॉल") in written("hall", "HH AO1 L")


def test_the_file_is_made_of_the_list_and_the_dictionary(tmp_path: Path) -> None:
    """Given spellings come first, and a key belongs to the earlier word."""
    dictionary = tmp_path / "cmudict.dict"
    dictionary.write_text("son S AH1 N\nsun S AH1 N # comment\nnight N AY1 T\nknight N AY1 T\n")
    made = list(rows(["night", "son", "knight=क्नाइट", "unknown"], read_cmudict(dictionary)))
    assert [row.split("\t")[0] for row in made] == ["night", "son", "knight"]
    assert made[2] == f"knight\t{lexicon.key(canonical('क्नाइट'))}"


def test_the_shipped_file_names_every_listed_word_once() -> None:
    folder = Path(lexicon.__file__).parent
    listed = {word.split("=")[0] for word in (folder / "loanwords.txt").read_text("utf-8").split()}
    made = [
        line.split("\t")[0] for line in (folder / "loanwords.tsv").read_text("utf-8").splitlines() if line[0] != "#"
    ]
    assert len(made) == len(set(made))
    assert set(made) <= listed
