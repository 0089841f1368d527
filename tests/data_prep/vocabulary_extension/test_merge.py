import pytest
from sentencepiece import sentencepiece_model_pb2

from data_prep import bpe
from data_prep.errors import DataError, UsageError
from data_prep.vocabulary_extension import merge


def proto(model: bytes):
    return sentencepiece_model_pb2.ModelProto.FromString(model)


def test_old_pieces_keep_ids_scores_and_types_and_new_ones_come_behind_and_below(extended) -> None:
    before, after = proto(extended.extension.base), proto(extended.extension.model)
    old = len(before.pieces)
    assert list(after.pieces[:old]) == list(before.pieces)
    added = after.pieces[old:]
    assert [piece.piece for piece in added] == list(extended.extension.pieces)
    assert len(added) == extended.asked - extended.extension.left_out.total() > 250
    scores = [piece.score for piece in added]
    assert scores == sorted(set(scores), reverse=True)
    assert scores[0] < min(piece.score for piece in before.pieces)
    assert all(piece.type == piece.NORMAL for piece in added)
    assert after.trainer_spec.vocab_size == len(after.pieces)
    assert after.normalizer_spec == before.normalizer_spec


def test_decoding_still_returns_the_text_exactly(extended) -> None:
    tokenizer = merge.processor(extended.extension.model)
    hard = ["", " ", "  दो  ", "\n\nक\n", "<extra_id_0>System\n\nनमस्ते", "a\u200dक्\u200dष 123 १२३ 🙂 ك", "\u0000\t"]
    for text in [*hard, *extended.hindi, *extended.english]:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_text_of_another_script_is_encoded_as_before(extended) -> None:
    before, after = (merge.processor(model) for model in (extended.extension.base, extended.extension.model))
    for text in extended.english:
        if not any("\u0900" <= character <= "\u097f" for character in text):
            assert after.encode(text) == before.encode(text)


def test_every_new_piece_is_produced_by_its_own_text(extended) -> None:
    tokenizer = merge.bare(extended.extension.model)
    first = tokenizer.get_piece_size() - len(extended.extension.pieces)
    for index, piece in enumerate(extended.extension.pieces):
        assert tokenizer.encode(piece) == [first + index]


def test_a_piece_no_merge_leads_to_is_left_out_with_what_is_built_on_it(extended) -> None:
    """Nothing joins to "ऋऋऋऋ" without "ऋऋ"; "ऋऋऋऋऌ" would be joined from it only."""
    result = merge.extend(extended.extension.base, ["ऋऋऋऋ", "ऋऋऋऋऌ", "ऌऌ"])
    assert result.pieces == ("ऌऌ",)
    assert result.left_out == {"unreachable": 2}


def test_a_model_that_does_not_join_by_score_is_refused() -> None:
    unigram = bpe.train(["a few words to learn from"] * 9, 40, DataError("no"), unk_id=0)
    model = proto(unigram)
    model.trainer_spec.model_type = model.trainer_spec.UNIGRAM
    merge.require_bpe(unigram, "here")
    with pytest.raises(UsageError, match="this tokenizer is of type UNIGRAM") as refused:
        merge.require_bpe(model.SerializeToString(), "base.nemo")
    assert refused.value.where == "base.nemo"
