from data_prep.documents import Document
from data_prep.tokenizer import train
from data_prep.vocabulary_extension import measure, merge, words
from data_prep.vocabulary_extension.measure import Comparison


def document(lang: str, text: str) -> Document:
    return Document(id="a", text=text, lang=lang, kind="real", source="s", license="CC0-1.0", parent_id=None, group="a")


def test_figures_of_one_language_written_out() -> None:
    comparison = Comparison()
    comparison.add("hi-Deva", "एक दो", [1, 2, 3, 4, 4], [1, 9, 4])
    comparison.add("hi-Deva", "तीन", [5, 5, 5], [8])
    assert comparison.as_dict() == {
        "hi-Deva": {
            "words": 3,
            "tokens": {"before": 8, "after": 4},
            "tokens_per_word": {"before": 2.6667, "after": 1.3333},
            "replaced_share": 0.75,  # 2, 3 and one 4 of the first, all of the second
        }
    }


def test_held_out_hindi_takes_fewer_tokens_and_english_the_same(extended) -> None:
    documents = [
        *(document("hi-Deva", text) for text in extended.hindi),
        *(document("en-Latn", text) for text in extended.english),
    ]
    figures = measure.compare(extended.extension, documents)
    assert figures["hi-Deva"]["tokens"]["after"] < 0.5 * figures["hi-Deva"]["tokens"]["before"]
    assert figures["en-Latn"]["replaced_share"] < 0.001


def test_merges_learnt_on_the_base_save_more_than_pieces_of_a_fresh_tokenizer_pasted_on(extended) -> None:
    """The other way to extend a vocabulary, with as many pieces."""
    pattern, known = words.word_pattern("hi-Deva"), merge.known_pieces(extended.extension.base)
    fresh = merge.processor(train(extended.learnt_from, 900))
    pieces = [fresh.id_to_piece(index) for index in range(fresh.get_piece_size())]
    new = [piece for piece in pieces if pattern.fullmatch(piece) and piece not in known]
    pasted = merge.extend(extended.extension.base, new[: extended.asked])
    assert len(pasted.pieces) + pasted.left_out.total() == extended.asked
    held_out = [document("hi-Deva", text) for text in extended.hindi]
    tokens = [measure.compare(each, held_out)["hi-Deva"]["tokens"]["after"] for each in (extended.extension, pasted)]
    assert tokens[0] < tokens[1]
