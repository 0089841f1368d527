"""Any server with OpenAI's chat completions: vLLM, llama.cpp, NIM, a paid service.

Plain HTTP by requests: one POST of one shape needs no client library. Segments go out as a numbered JSON array and the
answer must be one again, with the same numbers in the same order; what a model adds or leaves out is never guessed at.
The key is read from the environment when a request is sent. It is in no setting, message or receipt, and no exception
leaves this module with a request attached, because loggers print the variables of a stack trace.
"""

import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import requests
from requests.auth import AuthBase

from data_prep.errors import UsageError
from data_prep.translate.engines.base import EngineFault, Pace, Result
from data_prep.translate.languages import language_name
from data_prep.translate.settings import EndpointSettings

_LARGEST_REPLY = 16 << 20
"""Bytes: far above any translation of a batch."""

_CONNECT_SECONDS = 10.0
_MARKS = "<ID1>"
"""A placeholder as protect.py writes it."""

_REFUSED = {401: "key", 403: "key", 404: "address or model", 405: "address"}


class EndpointEngine:
    """One model at one server; safe to call from several threads."""

    def __init__(self, settings: EndpointSettings, from_lang: str, to_lang: str) -> None:
        self._settings = settings
        self._url = settings.url.rstrip("/") + "/chat/completions"
        self._prompt = _fill(settings.prompt, from_lang, to_lang)
        self._local = threading.local()
        self.pace = Pace(
            batch_segments=settings.batch_segments,
            batch_characters=settings.batch_characters,
            side_by_side=settings.requests,
            tries=settings.tries,
            first_wait=settings.first_wait,
        )

    @property
    def identity(self) -> Mapping[str, Any]:
        """Model, prompt and temperature; not the address, which changes with every job that serves the model."""
        given = self._settings
        return {"engine": "endpoint", "model": given.model, "prompt": self._prompt, "temperature": given.temperature}

    def translate(self, segments: Sequence[str]) -> list[Result]:
        """Ask once."""
        items = [{"id": number, "text": text} for number, text in enumerate(segments, start=1)]
        content = self._ask(json.dumps(items, ensure_ascii=False))
        return list(parse_answer(content, len(segments)))

    def _ask(self, content: str) -> str:
        body = {
            "model": self._settings.model,
            "temperature": self._settings.temperature,
            "messages": [{"role": "system", "content": self._prompt}, {"role": "user", "content": content}],
        }
        failed = ""
        try:
            status, headers, reply = self._post(body)
        except requests.Timeout:
            raise EngineFault("timeout", f"no whole reply from {self._url} within its time") from None
        except (requests.RequestException, OSError, ValueError) as error:
            failed = type(error).__name__  # the exception's own words and frames may hold the key
        if failed:
            raise EngineFault("unreachable", f"{failed} at {self._url}", split=False)
        _check_status(status, headers, self._url)
        return message_of(reply)

    def _post(self, body: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body, within the time limit for the whole reply."""
        given = self._settings
        deadline = time.monotonic() + given.timeout
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        session: requests.Session = self._local.session
        with session.post(
            self._url,
            json=body,
            auth=_Bearer(given.key_variable),
            timeout=(_CONNECT_SECONDS, given.timeout),
            stream=True,
            allow_redirects=False,
        ) as response:
            chunks, size = [], 0
            for chunk in response.iter_content(1 << 16):
                chunks.append(chunk)
                size += len(chunk)
                if time.monotonic() > deadline or size > _LARGEST_REPLY:
                    raise requests.Timeout
            return response.status_code, response.headers, b"".join(chunks)


class _Bearer(AuthBase):
    """Puts the key into a request and shows it to nobody else."""

    def __init__(self, variable: str | None) -> None:
        self._variable = variable

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._variable is not None:
            request.headers["Authorization"] = f"Bearer {os.environ[self._variable].strip()}"
        return request


def check(settings: EndpointSettings) -> None:
    """Refuse a key that is not there.

    Raises:
        UsageError: The environment variable is empty, or holds what no header can.
    """
    if settings.key_variable is None:
        return
    key = os.environ.get(settings.key_variable, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        raise UsageError(
            f"the environment variable {settings.key_variable} holds no usable key",
            where="translate.engine.endpoint.key_variable",
            fix=f"export {settings.key_variable}=... in the shell that starts the run, or set key_variable=null",
        )


def _fill(prompt: str, from_lang: str, to_lang: str) -> str:
    values = {
        "{from_language}": language_name(from_lang),
        "{to_language}": language_name(to_lang),
        "{marks}": _MARKS,
    }
    for name, value in values.items():
        prompt = prompt.replace(name, value)
    return prompt


def _check_status(status: int, headers: Mapping[str, str], url: str) -> None:
    """Raise the fault a status other than 200 stands for."""
    if status == 200:
        return
    detail = f"{url} answered {status}"
    if status in _REFUSED:
        raise EngineFault("refused", f"{detail}: check the {_REFUSED[status]}", retry=False, split=False)
    if status == 429:
        raise EngineFault("rate_limited", detail, wait=_seconds(headers.get("Retry-After")), split=False)
    if status >= 500:
        raise EngineFault("server_error", detail, wait=_seconds(headers.get("Retry-After")))
    raise EngineFault("refused", detail, retry=False)


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None


def message_of(reply: bytes) -> str:
    """The text of a chat completion.

    Raises:
        EngineFault: It is none, or the model was cut off.
    """
    if reply.lstrip()[:1] == b"<":
        raise EngineFault("reply_html", "the server answered with a web page")
    try:
        choice = json.loads(reply)["choices"][0]
        content, finish = choice["message"]["content"], choice.get("finish_reason")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise EngineFault("reply_malformed", "the answer is no chat completion") from None
    if finish == "length":
        raise EngineFault("reply_cut", "the model came to its limit", retry=False)
    if not isinstance(content, str):
        raise EngineFault("reply_malformed", "the answer holds no text")
    return content


def parse_answer(content: str, count: int) -> list[str]:
    """The translations in a model's answer.

    Raises:
        EngineFault: It is not exactly what was asked for.
    """
    text = content.strip()
    if text.startswith("<"):
        raise EngineFault("reply_html", "the model answered with markup")
    if text.startswith("```"):
        text = text.partition("\n")[2].rpartition("```")[0]
    try:
        items = json.loads(text)
        numbers = [item["id"] for item in items]
        translations = [item["text"] for item in items]
        "".join(translations).encode()
    except (ValueError, LookupError, TypeError, RecursionError):
        raise EngineFault("reply_malformed", "the model's answer is not the JSON array it was asked for") from None
    if len(items) != count:
        raise EngineFault("reply_short", f"{len(items)} answers to {count} segments")
    if numbers != list(range(1, count + 1)):
        raise EngineFault("reply_shuffled", "the answers are not in the order of the segments")
    return translations
