"""Sample continuations, greedy: the same model gives the same text every time."""

from dataclasses import dataclass
from typing import Any

from data_prep.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What a model continues (`text`) or answers (`user`, with an optional `system` prompt)."""

    lang: str
    """BCP-47 with script."""
    text: str | None = None
    user: str | None = None
    system: str | None = None

    def __post_init__(self) -> None:
        if (self.text is None) == (self.user is None):
            raise ValueError("a prompt has either `text` to continue or `user` to answer\nleave one of them out")
        if self.system is not None and self.user is None:
            raise ValueError("`system` goes with `user`; a `text` is continued as it is\nremove `system`")

    @property
    def shown(self) -> str:
        """What the reader of a report sees."""
        return self.text or self.user or ""


def prompt_ids(tokenizer: Any, prompt: Prompt) -> list[int]:
    """Token ids as in training: a document opens with the end-of-document token, a chat with the template.

    Raises:
        UsageError: A chat prompt for a model without a chat template.
    """
    if prompt.text is not None:
        return [tokenizer.eos_token_id, *tokenizer(prompt.text, add_special_tokens=False)["input_ids"]]
    if tokenizer.chat_template is None:
        raise UsageError(
            f"this model has no chat template to put {prompt.user!r} into",
            where=str(tokenizer.name_or_path),
            fix="give it as `text:` to continue, or name other models in generate.models",
        )
    system = [{"role": "system", "content": prompt.system}] if prompt.system else []
    messages = [*system, {"role": "user", "content": prompt.user}]
    ids: list[int] = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
    return ids


def generate(model: Any, tokenizer: Any, prompt: Prompt, max_new_tokens: int, repetition_penalty: float = 1.0) -> str:
    """The most likely continuation, up to the model's own stop tokens or `max_new_tokens`.

    A `repetition_penalty` above 1 makes tokens that stand in the text already less likely (transformers' own).
    """
    import torch

    ids = torch.tensor([prompt_ids(tokenizer, prompt)], device=model.device)
    with torch.inference_mode():
        output = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=max_new_tokens,
            repetition_penalty=repetition_penalty,
            pad_token_id=tokenizer.eos_token_id,
        )
    return str(tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)).rstrip()
