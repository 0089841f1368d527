"""Prompts are put to a model as it was trained, and continued greedily."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from data_prep.errors import UsageError
from recipes.evaluate.generation import Prompt, generate, prompt_ids


@pytest.fixture(scope="module")
def tokenizer(models):
    return AutoTokenizer.from_pretrained(models["base"])


def test_a_text_is_continued_as_a_new_document(tokenizer):
    ids = prompt_ids(tokenizer, Prompt(lang="hi-Deva", text="नदी के"))
    assert ids[0] == tokenizer.eos_token_id == 3
    assert tokenizer.decode(ids[1:]) == "नदी के"


def test_a_question_is_put_into_the_chat_template(tokenizer):
    prompt = Prompt(lang="en-Latn", system="Be brief.", user="Why?")
    assert tokenizer.decode(prompt_ids(tokenizer, prompt)) == (
        "<extra_id_0>System\nBe brief.\n\n<extra_id_1>User\nWhy?\n<extra_id_1>Assistant\n"
    )


def test_generation_is_the_greedy_path(models, tokenizer):
    model = AutoModelForCausalLM.from_pretrained(models["base"], torch_dtype=torch.float32).eval()
    prompt = Prompt(lang="en-Latn", text="The river")
    ids = prompt_ids(tokenizer, prompt)
    start = len(ids)
    with torch.inference_mode():
        for _ in range(6):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    assert generate(model, tokenizer, prompt, 6) == tokenizer.decode(ids[start:]).rstrip()


def test_a_repetition_penalty_breaks_a_loop(models, tokenizer):
    model = AutoModelForCausalLM.from_pretrained(models["base"], torch_dtype=torch.float32).eval()
    prompt = Prompt(lang="en-Latn", text="The river")
    answers = [tokenizer(generate(model, tokenizer, prompt, 24, penalty))["input_ids"] for penalty in (1.0, 5.0)]
    assert len(set(answers[1])) > len(set(answers[0]))


def test_a_model_without_template_is_named(tokenizer):
    bare = AutoTokenizer.from_pretrained(tokenizer.name_or_path)
    bare.chat_template = None
    with pytest.raises(UsageError, match=r"no chat template to put 'hi\?' into"):
        prompt_ids(bare, Prompt(lang="en-Latn", user="hi?"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "either `text` to continue or `user` to answer"),
        ({"text": "a", "user": "b"}, "either `text` to continue or `user` to answer"),
        ({"text": "a", "system": "b"}, "`system` goes with `user`"),
    ],
)
def test_prompts_that_make_no_sense_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Prompt(lang="en-Latn", **values)
