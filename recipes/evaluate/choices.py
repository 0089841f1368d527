"""Whether a model's tokenizer can tell the letters or words of a task apart."""

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

from data_prep.errors import LangadaptError
from recipes.evaluate.harness import bars_on_terminals
from recipes.evaluate.task_data import LoadedTask


def colliding(ids: Mapping[str, Sequence[int]]) -> tuple[str, str] | None:
    """Two choices of which the first can never lose to the second: its ids begin the second's, or are the same.

    The probability of a beginning is never below that of the whole.
    """
    for one, other in permutations(ids, 2):
        if list(ids[other][: len(ids[one])]) == list(ids[one]):
            return one, other
    return None


def check_choices(lm: Any, loaded: LoadedTask, *, model: str, chat: bool) -> None:
    """Raises LangadaptError where two letters or words of a task are one to this tokenizer.

    Choices are cut into tokens as they are scored: after the first item's prompt.
    """
    if loaded.scoring != "letter":
        return
    task = loaded.task
    with bars_on_terminals():
        task.build_all_requests(
            limit=1,
            rank=0,
            world_size=1,
            apply_chat_template=chat,
            chat_template=lm.apply_chat_template if chat else None,
            fewshot_as_multiturn=True,
        )
    prompt, answer = task.instances[0].args[:2]
    first = task.doc_to_choice(task.task_docs[0])[0]
    delimiter = answer.removesuffix(first)
    for choices in {tuple(task.doc_to_choice(doc)): None for doc in task.task_docs}:
        ids = {choice: lm._encode_pair(prompt, delimiter + choice)[1] for choice in choices}  # noqa: SLF001 - as it scores them
        if pair := colliding(ids):
            raise LangadaptError(
                f"{loaded.entry.name}: the choices {pair[0]!r} and {pair[1]!r} are the token ids "
                f"{ids[pair[0]]} and {ids[pair[1]]}: the first always wins",
                where=f"models.{model}",
                why="every item would get the same prediction, whatever the model knows",
                fix=f"leave {loaded.entry.name} out; its form without `_letter` scores whole answers",
            )
