"""Loss falls on the answers and nothing else: NeMo's own dataset classes, whose tokens with loss are decoded here.

And what is counted before a run is what they make: the same ids, the same mask, for every sample conversation.
"""

import itertools
import json

import numpy as np
import pytest
from omegaconf import OmegaConf

from data_prep.vocabulary import load
from recipes.examples.packing import as_array
from recipes.examples.readers import ChatReader, Example, PairReader, PromptReader
from recipes.examples.templates import NEMOTRON, ChatTokens, JinjaTemplate
from recipes.examples.tokens import tokenised, with_encoder
from tests.data_prep import hf_tokenizers
from tests.recipes.examples.conftest import rows

CONTROL = ChatTokens(system_turn_start="\x00", turn_start="\x11", label_start="\x12")
"""NeMo-Aligner's own default markers, which are not tokens of this vocabulary."""
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write(path, lines) -> str:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def spans_with_loss(labels, mask, decode) -> list[str]:
    """The text of every unbroken run of tokens that loss falls on."""
    pairs = zip(np.asarray(labels).tolist(), np.asarray(mask).tolist(), strict=True)
    groups = itertools.groupby(pairs, key=lambda pair: bool(pair[1]))
    return [decode([label for label, _ in group]) for has_loss, group in groups if has_loss]


def answers(row) -> list[str]:
    """What an assistant says in a sample conversation."""
    return [message["content"].strip() for message in row["messages"] if message["role"] == "assistant"]


def tokens_of(vocabulary, examples: list[Example]):
    return with_encoder(vocabulary, lambda encode, _: tokenised(examples, encode))


def items(dataset) -> list[dict]:
    return [dataset[number] for number in range(len(dataset))]


def chat_dataset(path, tokenizer, tokens=NEMOTRON, **options):
    from nemo.collections.nlp.data.language_modeling.megatron.gpt_sft_chat_dataset import GPTSFTChatDataset

    markers = {name: getattr(tokens, name) for name in tokens.__dataclass_fields__}
    return GPTSFTChatDataset(path, tokenizer, special_tokens=markers, memmap_workers=1, **options)


@pytest.mark.parametrize("markers", [NEMOTRON, CONTROL], ids=["nemotron", "aligner's default"])
def test_chat_loss_is_on_every_answer_up_to_the_next_turns_marker(
    markers, vocabulary, nemo_tokenizer, tmp_path
) -> None:
    reader = ChatReader(template=markers)
    samples = rows("chat")
    examples = [reader(row) for row in samples]
    path = write(tmp_path / "chat.jsonl", [example.line for example in examples])
    dataset = chat_dataset(path, nemo_tokenizer, markers, max_seq_length=4096)
    ours = tokens_of(vocabulary, examples)
    closed = f"\n{markers.turn_start}"
    for item, row, (found,) in zip(items(dataset), samples, ours, strict=True):
        batch = dataset.collate_fn([item])
        learnt = spans_with_loss(batch["labels"][0], batch["loss_mask"][0], nemo_tokenizer.ids_to_text)
        assert learnt == [answer + closed for answer in answers(row)]
        assert found.ids.tolist() == item["input_ids"].tolist()
        assert found.learnt.tolist() == item["mask"].tolist()


def test_a_conversation_cut_by_upstream_is_the_one_we_counted(vocabulary, nemo_tokenizer, tmp_path) -> None:
    example = ChatReader(template=NEMOTRON)(rows("chat")[0])
    ((found,),) = tokens_of(vocabulary, [example])
    limit = len(found.ids) - 9
    path = write(tmp_path / "chat.jsonl", [example.line])
    dataset = chat_dataset(path, nemo_tokenizer, max_seq_length=limit)
    batch = dataset.collate_fn([dataset[0]])
    cut = limit + 1
    assert batch["labels"][0].tolist() == found.ids[1:cut].tolist()
    assert batch["loss_mask"][0].tolist() == found.learnt[1:cut].astype(int).tolist()


def test_dpo_loss_is_on_the_two_answers(vocabulary, nemo_tokenizer) -> None:
    from nemo_aligner.data.nlp.datasets import DPOModelDataset

    reader = PairReader(template=NEMOTRON, after=())
    samples = rows("preferences")
    examples = [reader(row) for row in samples]
    lines = [example.line for example in examples]
    dataset = DPOModelDataset(
        OmegaConf.create({"data": {}}), nemo_tokenizer, "train", "", np.arange(len(lines)), lines, 4096, 1
    )
    for number, (row, found) in enumerate(zip(samples, tokens_of(vocabulary, examples), strict=True)):
        item = dataset[number]
        assert not item["ignore_example"]
        for name, tokens in zip(("chosen", "rejected"), found, strict=True):
            labels = item[f"{name}_labels"]
            learnt = spans_with_loss(labels, labels != -100, nemo_tokenizer.ids_to_text)
            assert learnt == [f"{row[name].strip()}\n<extra_id_1>"]
            assert tokens.ids[:-1].tolist() == item[name][: item[f"{name}_length"]].tolist()
            assert labels[labels != -100].tolist() == tokens.ids[tokens.learnt].tolist()


@pytest.mark.parametrize("template", ["{input} {output}", "Q: {input}\\n\\nA: {output}", "{input}{output}"])
def test_prompt_and_response_loss_is_on_the_response(template, vocabulary, nemo_tokenizer, tmp_path) -> None:
    from nemo.collections.nlp.data.language_modeling.megatron.gpt_sft_dataset import GPTSFTDataset

    reader = PromptReader(
        template=template.encode().decode("unicode_escape"),
        label_key="output",
        is_space_sensitive=nemo_tokenizer.space_sensitive,
        before=(vocabulary.bos_id,),
        between=(0,),
        after=(vocabulary.eod_id,),
    )
    samples = [
        {"input": row["messages"][-2]["content"], "output": row["messages"][-1]["content"]} for row in rows("chat")
    ]
    path = write(tmp_path / "plain.jsonl", samples)
    dataset = GPTSFTDataset(
        path, nemo_tokenizer, max_seq_length=4096, label_key="output", prompt_template=template, add_bos=True,
        add_sep=True, sep_id=0, truncation_field="input", memmap_workers=1,
    )  # fmt: skip
    for item, (found,) in zip(items(dataset), tokens_of(vocabulary, [reader(row) for row in samples]), strict=True):
        assert found.ids.tolist() == item["input_ids"]
        assert found.learnt.tolist() == [bool(learnt) for learnt in dataset._build_loss_mask(item)]


def packed_dataset(path, array, tokenizer):
    from nemo.collections.nlp.data.language_modeling.megatron.gpt_sft_dataset import GPTSFTPackedDataset

    np.save(path, array, allow_pickle=True)
    return GPTSFTPackedDataset(
        str(path), tokenizer, max_seq_length=512, prompt_template="{input} {output}", label_key="output",
        truncation_field="input",
    )  # fmt: skip


def test_packed_loss_is_on_the_same_answers_and_every_example_begins_at_position_0(
    vocabulary, nemo_tokenizer, tmp_path
) -> None:
    samples = [row for row in rows("chat") if len(answers(row)) > 1]
    found = [tokens for (tokens,) in tokens_of(vocabulary, [ChatReader(template=NEMOTRON)(row) for row in samples])]
    dataset = packed_dataset(tmp_path / "packs.npy", as_array(found, 512), nemo_tokenizer)
    learnt = []
    for number in range(len(dataset)):
        batch = dataset.collate_fn([dataset[number]])
        learnt += spans_with_loss(batch["labels"][0], batch["loss_mask"][0], nemo_tokenizer.ids_to_text)
        begins = [begin for begin in batch["cu_seqlens"][0].tolist() if begin >= 0]
        positions = batch["position_ids"][0].tolist()
        assert all(positions[begin] == 0 for begin in begins[:-1])
        assert batch["cu_seqlens_unpadded"][0].tolist()[: len(begins) - 1] == begins[:-1]
    assert sorted(learnt) == sorted(f"{answer}\n<extra_id_1>" for row in samples for answer in answers(row))
    assert len(dataset) < len(samples)


def test_a_jinja_template_puts_loss_on_answers_and_their_end(tmp_path) -> None:
    from nemo.collections.common.tokenizers.huggingface.auto_tokenizer import AutoTokenizer

    made = hf_tokenizers.byte_level()
    made.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    folder = hf_tokenizers.save(made, tmp_path / "tokenizer")
    (tmp_path / "chatml.jinja").write_text(CHATML)
    reader = ChatReader(template=JinjaTemplate(tmp_path / "chatml.jinja", {}))
    samples = rows("chat")[:40]
    found = [tokens for (tokens,) in tokens_of(load(folder), [reader(row) for row in samples])]
    upstream = AutoTokenizer(str(folder), use_fast=True)
    dataset = packed_dataset(tmp_path / "packs.npy", as_array(found, max(len(each.ids) for each in found)), upstream)
    learnt = []
    for number in range(len(dataset)):
        item = dataset[number]
        mask, ids = dataset._build_loss_mask(item), np.array(item["input_ids"])
        bounds = zip(item["seq_boundaries"], item["seq_boundaries"][1:], strict=False)
        labels = np.concatenate([ids[begin + 1 : end] for begin, end in bounds])
        learnt += spans_with_loss(labels, mask, lambda ids: upstream.tokenizer.decode(ids, skip_special_tokens=False))
    assert sorted(learnt) == sorted(f"{answer}<|im_end|>\n" for row in samples for answer in answers(row))
