"""Sends one request to the judge; what goes wrong is either this request's fault or ends the run.

The key is read from the environment into the client and shown to nobody: no exception leaves this module with the
client's own attached, because loggers print the variables of a stack trace, and a server's words are cleared of it.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import openai

from data_prep.errors import LangadaptError, UsageError
from recipes.evaluate.judge.settings import EndpointSettings

_KEPT = "then run the same command again: the replies so far are kept"
_WORDS = 300
"""Characters shown of what a server says."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the judge said, and what it took."""

    content: str
    finish: str | None
    """stop; length where the server cut it off; content_filter where it held it back."""
    model: str | None
    """As the server names it."""
    prompt_tokens: int | None
    completion_tokens: int | None

    def to_json(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self), ensure_ascii=False)


class UnansweredError(Exception):
    """A request that got no reply, though others may.

    Args:
        reason: Short code, counted.
        detail: Words for a message.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class Endpoint:
    """One model at one server; safe to call from several threads."""

    def __init__(self, settings: EndpointSettings) -> None:
        self._settings = settings
        self._client = openai.OpenAI(
            base_url=settings.base_url,
            api_key=_key(settings) or "none",
            timeout=settings.timeout,
            max_retries=settings.tries - 1,
        )

    def request(self, prompt: str) -> dict[str, Any]:
        """All that decides the reply."""
        given = {"temperature": self._settings.temperature, "max_tokens": self._settings.max_tokens}
        return {
            "model": self._settings.model,
            "messages": [{"role": "user", "content": prompt}],
            **{name: value for name, value in given.items() if value is not None},
        }

    def ask(self, request: Mapping[str, Any]) -> Reply:
        """The reply to a request.

        Raises:
            UnansweredError: None came to this one.
            LangadaptError: The server cannot be reached, or does not know the key or the model.
        """
        body, failure = b"", None
        try:
            body = self._client.chat.completions.with_raw_response.create(**request).content
        except openai.OpenAIError as error:
            failure = self._failure(error)
        if failure:
            raise failure
        return reply_of(body)

    def _failure(self, error: openai.OpenAIError) -> UnansweredError | LangadaptError:
        """What an exception of the client stands for."""
        given = self._settings
        if isinstance(error, openai.APITimeoutError):
            return UnansweredError("timeout", f"nothing within {given.timeout:g} s, {given.tries} times")
        if isinstance(error, openai.APIConnectionError):
            return LangadaptError(
                f"cannot reach the judge: {error.__cause__ or error}",
                where=f"endpoint.base_url={given.base_url}",
                fix=f"start the server there (e.g. vllm serve {given.model}), or correct the address; {_KEPT}",
            )
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return self._locked(error.status_code)
        if isinstance(error, openai.NotFoundError):
            return self._not_there(error)
        status = error.status_code if isinstance(error, openai.APIStatusError) else 0
        reason = "rate_limited" if status == 429 else "server_error" if status >= 500 else "refused"
        return UnansweredError(reason, f"it answered {status or 'nothing'}: {self._words(error)}")

    def _locked(self, status: int) -> LangadaptError:
        variable = self._settings.key_variable
        return LangadaptError(
            f"the judge does not accept the key: it answered {status}",
            where=f"endpoint.base_url={self._settings.base_url}",
            fix=f"export {variable}=... with a key that is valid there"
            if variable
            else "endpoint.key_variable=NAME, the environment variable that holds its key",
        )

    def _not_there(self, error: openai.OpenAIError) -> LangadaptError:
        given = self._settings
        served: list[str] = []
        with contextlib.suppress(openai.OpenAIError, AttributeError, TypeError, ValueError):
            served = [str(model.id) for model in self._client.models.list().data]
        return LangadaptError(
            f"the judge's server does not know this model or address: {self._words(error)}",
            where=f"endpoint.model={given.model} at {given.base_url}",
            fix=f"endpoint.model={served[0]}; it serves {', '.join(served[:8])}"
            if served
            else f"correct endpoint.model, or the address, which usually ends in /v1; {_KEPT}",
        )

    def _words(self, error: openai.OpenAIError) -> str:
        """What the server said, without the key."""
        body = getattr(error, "body", None)
        text = str(body.get("message", body) if isinstance(body, dict) else body or error)
        key = _key(self._settings)
        return (text.replace(key, "***") if key else text)[:_WORDS]


def _key(settings: EndpointSettings) -> str:
    return os.environ.get(settings.key_variable, "").strip() if settings.key_variable else ""


def check_key(settings: EndpointSettings) -> None:
    """Refuse a key that is not there.

    Raises:
        UsageError: The environment variable is empty, or holds what no header can.
    """
    key = _key(settings)
    if settings.key_variable and not (key and key.isascii() and key.isprintable()):
        raise UsageError(
            f"the environment variable {settings.key_variable} holds no usable key",
            where="endpoint.key_variable",
            fix=f"export {settings.key_variable}=... in the shell that starts the run, or set key_variable=null",
        )


def reply_of(body: bytes) -> Reply:
    """The reply in a chat completion; a refusal or a missing text is an empty one.

    Raises:
        UnansweredError: It is none.
    """
    try:
        completion = json.loads(body)
        choice = completion["choices"][0]
        content, usage = choice["message"].get("content"), completion.get("usage") or {}
        return Reply(
            content=content.encode(errors="replace").decode() if isinstance(content, str) else "",
            finish=choice.get("finish_reason"),
            model=completion.get("model"),
            prompt_tokens=_count(usage.get("prompt_tokens")),
            completion_tokens=_count(usage.get("completion_tokens")),
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise UnansweredError("no_completion", f"it answered with no chat completion: {body[:40]!r}") from None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) else None
