"""The transformers tokenizer encodes exactly as SentencePiece does, whatever the text."""

import io
import itertools
import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jinja2.exceptions import TemplateError
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from transformers import AutoTokenizer

from data_prep import chat_template
from data_prep.errors import UsageError
from recipes import hf_tokenizer
from tests.recipes.tiny_tokenizer import SAMPLE, sample_texts, train_tokenizer

MODEL = train_tokenizer(2000)
SENTENCEPIECE = SentencePieceProcessor(model_proto=MODEL)
TOKENIZER = hf_tokenizer.build(MODEL, max_length=4096, where="tokenizer.model")

CASES = [
    "",
    " ",
    "   leading and trailing   ",
    "\n\nनदी\n\n\n  के किनारे\t\r\n",
    "| नाम | दाम |\n|---|---|\n| आलू | ₹२० |\n",
    "1234567890 १२३४५६७८९०",
    "🙂 👩\u200d👩\u200d👧\u200d👦 🇮🇳 \u2764\ufe0f",
    "क्\u200dष न\u200cही र्\u200dय",
    "\u0958 क\u093c \u212b e\u0301",
    "\x00\x01\ufffd\U0010ffff",
    "aaaaaaaaaaaaaaaaaaaaaaaa                        ........................",
    "<extra_id_0>System\n\n<extra_id_1>User\nनमस्ते\n<extra_id_1>Assistant\n",
    "x<extra_id_1>y <extra_id_1> z<extra_id_7><extra_id_8><extra_id_1",
    "中文 العربية தமிழ் ᚠᛇᚻ",
]


@pytest.mark.parametrize("text", CASES)
def test_difficult_texts_encode_as_sentencepiece_does_and_come_back(text):
    ids = TOKENIZER(text)["input_ids"]
    assert ids == SENTENCEPIECE.encode(text)
    assert TOKENIZER.decode(ids) == text


def test_every_document_of_the_sample_corpus_encodes_as_sentencepiece_does():
    chats = [
        message["content"]
        for name in ("chat.jsonl", "preferences.jsonl")
        for line in (SAMPLE / name).read_text(encoding="utf-8").splitlines()
        for message in json.loads(line)["messages"]
    ]
    texts = [*sample_texts(), *chats]
    assert len(texts) > 400
    assert TOKENIZER(texts, verbose=False)["input_ids"] == SENTENCEPIECE.encode(texts)


FRAGMENTS = st.sampled_from(
    ["क", "का", "क्", "\u200d", " ", "  ", "a", "ab", "ना", "न", "\n", ".", "é", "🙂", "<extra_id_1>"]
)


@settings(max_examples=300)
@given(st.lists(st.one_of(FRAGMENTS, st.text(max_size=5)), max_size=40).map("".join))
def test_any_text_encodes_as_sentencepiece_does(text):
    """But for U+2581, SentencePiece's own sign for a space, and control tokens, which transformers keeps whole."""
    text = text.replace("\u2581", "")
    assume(not any(token in text for token in ("<unk>", "<pad>", "<s>", "</s>")))
    assert TOKENIZER(text)["input_ids"] == SENTENCEPIECE.encode(text)
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text


def test_a_text_becomes_what_generate_takes(tmp_path):
    TOKENIZER.save_pretrained(tmp_path)
    assert set(AutoTokenizer.from_pretrained(tmp_path)("नमस्ते")) == {"input_ids", "attention_mask"}


def test_control_tokens_in_a_text_become_their_id():
    """So users of transformers end a text with `eos_token`; SentencePiece would spell it out."""
    assert TOKENIZER("x" + TOKENIZER.eos_token)["input_ids"][-1] == SENTENCEPIECE.eos_id() == 3


def test_roles_and_ids_are_those_of_the_model():
    roles = (TOKENIZER.unk_token_id, TOKENIZER.pad_token_id, TOKENIZER.bos_token_id, TOKENIZER.eos_token_id)
    assert roles == (0, 1, 2, 3)
    assert len(TOKENIZER) == SENTENCEPIECE.get_piece_size()
    assert hf_tokenizer.stop_ids(TOKENIZER) == [3, 5]


def test_saved_folder_loads_offline_and_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    TOKENIZER.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert [loaded(text)["input_ids"] for text in CASES] == [SENTENCEPIECE.encode(text) for text in CASES]
    assert loaded.chat_template == hf_tokenizer.CHAT_TEMPLATE
    assert (loaded.model_max_length, loaded.eos_token_id, loaded.pad_token_id) == (4096, 3, 1)


def test_decoding_without_special_tokens_keeps_newlines():
    """The newline is a user-defined symbol of its own, but no marker."""
    ids = SENTENCEPIECE.encode("<extra_id_1>User\nनमस्ते\n<extra_id_1>")
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == "User\nनमस्ते\n"


CONVERSATIONS = [
    [{"role": "user", "content": " Why is the sky blue?\n"}, {"role": "assistant", "content": "Air scatters blue."}],
    [
        {"role": "system", "content": "संक्षेप में उत्तर दें।"},
        {"role": "user", "content": "दो और दो?"},
        {"role": "assistant", "content": "चार।"},
        {"role": "user", "content": "और एक?"},
        {"role": "assistant", "content": "पाँच।\n\nबस।"},
    ],
    [{"role": "system", "content": "  "}, {"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}],
]


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_chat_template_renders_what_training_saw(messages):
    rendered = TOKENIZER.apply_chat_template(messages, tokenize=False)
    assert rendered == chat_template.render_conversation(messages)
    prompt = TOKENIZER.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
    assert prompt == chat_template.render_prompt(messages[:-1])
    assert rendered.startswith(prompt)


def test_chat_template_of_one_question_written_out():
    ids = TOKENIZER.apply_chat_template([{"role": "user", "content": "hi"}], add_generation_prompt=True)
    assert TOKENIZER.decode(ids) == "<extra_id_0>System\n\n<extra_id_1>User\nhi\n<extra_id_1>Assistant\n"
    assert ids == SENTENCEPIECE.encode(TOKENIZER.decode(ids))


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "tool", "content": "x"}],
        [{"role": "user", "content": "x"}, {"role": "system", "content": "late"}],
    ],
)
def test_chat_template_refuses_roles_it_does_not_have(messages):
    with pytest.raises(TemplateError, match="Roles are system"):
        TOKENIZER.apply_chat_template(messages)


def trained(**options) -> bytes:
    model = io.BytesIO()
    exact = {
        "model_type": "bpe",
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "add_dummy_prefix": False,
        "remove_extra_whitespaces": False,
    }
    SentencePieceTrainer.train(
        sentence_iterator=iter(itertools.islice(sample_texts(), 12)),
        model_writer=model,
        vocab_size=700,
        hard_vocab_limit=False,
        minloglevel=2,
        **{**exact, **options},
    )
    return model.getvalue()


def test_a_model_without_chat_markers_gets_no_chat_template():
    tokenizer = hf_tokenizer.build(trained(), max_length=64, where="")
    assert tokenizer.chat_template is None
    assert hf_tokenizer.stop_ids(tokenizer) == [tokenizer.eos_token_id]
    assert tokenizer.pad_token is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model_type": "unigram"}, "it is not of type BPE"),
        ({"byte_fallback": False}, "it has no byte fallback"),
        ({"normalization_rule_name": "nmt_nfkc"}, r"it normalises text \(nmt_nfkc\)"),
        ({"add_dummy_prefix": True}, "it puts a space before every text"),
        ({"remove_extra_whitespaces": True}, "it removes repeated spaces"),
        ({"treat_whitespace_as_suffix": True}, "it writes spaces at the end of words"),
        ({"user_defined_symbols": ["a b"]}, "a user-defined symbol contains a space"),
        ({"user_defined_symbols": ["\u2581b"]}, "a user-defined symbol contains a space"),
    ],
)
def test_models_that_transformers_could_only_approximate_are_refused(options, message):
    with pytest.raises(UsageError, match=message) as raised:
        hf_tokenizer.build(trained(**options), max_length=64, where="my.model")
    assert raised.value.where == "my.model"


def test_a_model_without_end_of_document_is_refused():
    with pytest.raises(UsageError, match=r"no end-of-document token"):
        hf_tokenizer.build(trained(eos_id=-1), max_length=64, where="")


@pytest.mark.parametrize("content", [b"", b"not a model"])
def test_what_is_no_model_is_refused(content):
    with pytest.raises(UsageError, match="not a SentencePiece model"):
        hf_tokenizer.build(content, max_length=64, where="")
