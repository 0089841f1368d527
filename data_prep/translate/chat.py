"""The text of chat messages, and messages with other text: roles, order and all other fields stay."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Messages = Sequence[Mapping[str, Any]]


def contents(messages: Messages) -> list[str]:
    """The content of each message, a document of its own to `spans.cut`."""
    return [message["content"] for message in messages]


def with_contents(messages: Messages, translated: Iterable[str]) -> list[dict[str, Any]]:
    """The messages with these contents, one each."""
    return [{**message, "content": content} for message, content in zip(messages, translated, strict=True)]
