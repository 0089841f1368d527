import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from data_prep.chat_template import render_conversation
from data_prep.documents import Document, Reject
from data_prep.errors import DataError
from data_prep.instruct.examples import read_examples
from data_prep.instruct.formats import DPO, SFT
from data_prep.instruct.settings import InstructSettings
from data_prep.layout import Layout
from data_prep.receipts import Receipt

Make = Callable[..., Path]
QUESTION = {"role": "user", "content": " Why?\n"}
ANSWER = {"role": "assistant", "content": "Because.\n"}
SYSTEM = {"role": "system", "content": "Be brief."}
CHAT = {"id": "c1", "lang": "en-Latn", "messages": [SYSTEM, QUESTION, ANSWER]}
PREFERENCE = {"id": "p1", "lang": "en-Latn", "messages": [QUESTION], "chosen": " Good.", "rejected": "Bad.\n"}


def read(small_prep: Layout, name: str, path: Path, on_bad_line: str = "error", **changes: Any) -> list[Any]:
    return list(read_examples(name, path, small_prep.tokenizer, InstructSettings(**changes), on_bad_line))


def test_a_chat_becomes_aligners_line(small_prep: Layout, make_jsonl: Make) -> None:
    (example,) = read(small_prep, "sft", make_jsonl("chat.jsonl", [CHAT]))
    assert json.loads(example.text) == {
        "system": "Be brief.\n",
        "conversations": [{"from": "User", "value": "Why?"}, {"from": "Assistant", "value": "Because."}],
        "mask": "User",
        "type": None,
    }
    assert (example.id, example.lang, example.group) == ("c1", "en-Latn", "c1")


def test_a_preference_becomes_aligners_line(small_prep: Layout, make_jsonl: Make) -> None:
    (example,) = read(small_prep, "dpo", make_jsonl("pairs.jsonl", [PREFERENCE]))
    assert json.loads(example.text) == {
        "prompt": "<extra_id_0>System\n\n<extra_id_1>User\nWhy?\n<extra_id_1>Assistant\n",
        "chosen_response": "Good.\n<extra_id_1>",
        "rejected_response": "Bad.\n<extra_id_1>",
    }


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("sft", CHAT | {"messages": [QUESTION]}, r"the last message is from 'user'.*\(id c1\)(.|\n)*f\.jsonl:1"),
        ("sft", {"messages": [QUESTION, ANSWER]}, "the example has no `id`"),
        ("dpo", PREFERENCE | {"messages": [QUESTION, ANSWER]}, r"expected 'user' \(id p1\)"),
        ("dpo", PREFERENCE | {"chosen": ""}, r"chosen has no text \(id p1\)"),
        ("dpo", PREFERENCE | {"rejected": None}, "rejected has no text"),
        ("dpo", PREFERENCE | {"rejected": "Good. \n"}, "chosen and rejected are the same"),
    ],
)
def test_bad_examples_are_named_with_line_and_id(
    small_prep: Layout, make_jsonl: Make, name: str, value: dict[str, Any], message: str
) -> None:
    path = make_jsonl("f.jsonl", [value])
    with pytest.raises(DataError, match=message):
        read(small_prep, name, path)
    (reject,) = read(small_prep, name, path, "reject")
    assert isinstance(reject, Reject)


def test_an_example_upstream_would_cut_is_an_error_unless_dropping_is_asked_for(
    small_prep: Layout, make_jsonl: Make
) -> None:
    long = CHAT | {"id": "long", "messages": [QUESTION, {"role": "assistant", "content": "word " * 200}]}
    longest = CHAT | {"id": "longest", "messages": [QUESTION, {"role": "assistant", "content": "word " * 300}]}
    path = make_jsonl("chat.jsonl", [CHAT, long, longest])
    with pytest.raises(DataError, match=LONG_MESSAGE):
        read(small_prep, "sft", path, max_length=90)
    kept, dropped, _ = read(small_prep, "sft", path, max_length=90, on_long="drop")
    assert isinstance(kept, Document)
    assert (dropped.id, dropped.reason, json.loads(dropped.text)) == ("long", "too_long", long)


LONG_MESSAGE = (
    r"2 example\(s\) in this file have more tokens than instruct\.max_length=90; the longest has \d+(.|\n)*"
    r":2 \(id long\)(.|\n)*on_long=drop(.|\n)*instruct\.max_length=\d+ if"
)


def test_the_longer_answer_of_a_pair_counts(small_prep: Layout, make_jsonl: Make) -> None:
    path = make_jsonl("pairs.jsonl", [PREFERENCE | {"rejected": "word " * 200}])
    with pytest.raises(DataError, match="more tokens than"):
        read(small_prep, "dpo", path, max_length=90)


def test_a_tokenizer_that_merges_prompt_and_answer_is_found(small_prep: Layout, make_jsonl: Make) -> None:
    """DPO asserts on this deep inside training; a model without a newline token of its own can do it."""
    merging = io.BytesIO()
    texts = [f"{letter}\nBecause" for letter in "abcdefgh"]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=merging,
        model_type="bpe",
        vocab_size=400,
        hard_vocab_limit=False,
        byte_fallback=True,
        split_by_unicode_script=False,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        user_defined_symbols=["<extra_id_0>", "<extra_id_1>"],
        minloglevel=2,
    )
    model = make_jsonl("chat.jsonl", [CHAT]).with_name("merging.model")
    model.write_bytes(merging.getvalue())
    with pytest.raises(DataError, match=r"merges the end of the prompt with the start of the response \(id c1\)"):
        list(read_examples("sft", model.with_name("chat.jsonl"), model, InstructSettings(), "error"))


def test_files_receipts_and_rejects_account_for_every_example(small_prep: Layout) -> None:
    for name in ("sft", "dpo"):
        receipt = Receipt.load(small_prep.instruct_receipt(name))
        lines = {
            split: small_prep.instruct(name, split).read_text("utf-8").splitlines() for split in ("train", "validation")
        }
        assert receipt.details == {split: len(found) for split, found in lines.items()}
        assert sum(map(len, lines.values())) == receipt.documents == 60
        assert min(map(len, lines.values())) > 0
        assert small_prep.rejects("instruct", name, "00000").is_file()


def test_the_text_upstream_builds_is_the_text_we_checked() -> None:
    """Aligner's own dataset code renders our SFT line; its prompt is the start of our DPO line."""
    from nemo.collections.nlp.data.language_modeling.megatron import gpt_sft_chat_dataset as upstream

    tokens = {
        "system_turn_start": "<extra_id_0>",
        "turn_start": "<extra_id_1>",
        "label_start": "<extra_id_2>",
        "end_of_turn": "\n",
        "end_of_name": "\n",
    }
    for messages in (CHAT["messages"], CHAT["messages"][1:]):
        line = SFT.to_aligner({"id": 1, "messages": messages})
        _, text, _, mask = upstream._get_header_conversation_type_mask_role(line, tokens)
        assert text == render_conversation(messages)
        assert mask == "User"
    dpo = DPO.to_aligner(PREFERENCE)
    answered = render_conversation([QUESTION, {"role": "assistant", "content": PREFERENCE["chosen"]}])
    assert dpo["prompt"] + dpo["chosen_response"] == answered


def test_upstream_learns_exactly_the_answers_of_our_chats(small_prep: Layout) -> None:
    """The loss mask of Aligner's preprocessing, with our tokenizer: answers and the marker that ends them."""
    from nemo.collections.common.tokenizers.sentencepiece_tokenizer import SentencePieceTokenizer
    from nemo.collections.nlp.data.language_modeling.megatron import gpt_sft_chat_dataset as upstream

    tokenizer = SentencePieceTokenizer(str(small_prep.tokenizer))
    turns = [SYSTEM, QUESTION, ANSWER, QUESTION, {"role": "assistant", "content": "Rain."}]
    line = SFT.to_aligner({"id": 1, "messages": turns})
    tokens = dict.fromkeys(("end_of_turn", "end_of_name"), "\n")
    tokens |= {"system_turn_start": "<extra_id_0>", "turn_start": "<extra_id_1>", "label_start": "<extra_id_2>"}
    newline, label = tokenizer.text_to_ids("\n"), tokenizer.text_to_ids("<extra_id_2>")
    result = upstream.preprocess(line, tokenizer, newline, label, tokens, 1)
    learnt = result["input_ids"][result["mask"]].tolist()
    assert tokenizer.ids_to_text(learnt) == "Because.\n<extra_id_1>Rain.\n<extra_id_1>"
