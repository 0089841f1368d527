"""Has judgements made: each reply goes to disk as it comes, and what is there is not asked for again.

The store is the translator's: append-only, one line a reply, keyed by a hash of the request and the number of the
attempt. A run killed at any moment loses the replies under way and no other.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from data_prep.console import progress
from data_prep.errors import LangadaptError
from data_prep.translate.cache import Cache
from recipes.evaluate.judge.endpoint import Endpoint, Reply, UnansweredError
from recipes.evaluate.judge.prompts import again
from recipes.evaluate.judge.verdicts import InvalidReplyError

Value = TypeVar("Value")

HOPELESS = 5
"""So many requests in a row without a reply mean that the judge is out of order."""


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[Value]):
    """What became of one judgement."""

    value: Value | None = None
    invalid: str | None = None
    """Why the last of its replies could not be used."""
    unanswered: str | None = None
    """Why there is no reply; the next run asks for it again."""
    replies: tuple[Reply, ...] = ()


@dataclass
class Judge:
    """Asks one endpoint, through one store."""

    endpoint: Endpoint
    store: Cache
    attempts: int
    concurrency: int
    asked: int = 0
    """Requests of this run that got a reply."""
    used: dict[str, Reply] = field(default_factory=dict)
    """Replies of this run and of earlier ones that its judgements rest on."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def judge_all(self, prompts: Sequence[str], read: Callable[[str], Value]) -> list[Outcome[Value]]:
        """One outcome a prompt, in order; equal prompts are asked once.

        Args:
            prompts: What to ask.
            read: The value of a reply, or InvalidReplyError.

        Raises:
            LangadaptError: The judge is out of order; the replies so far are kept.
        """
        found: dict[str, Outcome[Value]] = {}
        in_a_row = 0
        for prompt, outcome, detail in self._outcomes(list(dict.fromkeys(prompts)), read):
            found[prompt] = outcome
            # A server that has answered and refuses some requests finds fault with those, not with all.
            hopeless = outcome.unanswered and not (outcome.unanswered == "refused" and len(self.store))
            in_a_row = in_a_row + 1 if hopeless else 0
            if in_a_row == min(HOPELESS, len(prompts)):
                raise _out_of_order(in_a_row, detail)
        return [found[prompt] for prompt in prompts]

    def _outcomes(
        self, prompts: Sequence[str], read: Callable[[str], Value]
    ) -> Iterator[tuple[str, Outcome[Value], str]]:
        """Prompts with outcomes and words about the failed ones, as they come."""
        with ThreadPoolExecutor(self.concurrency) as pool, progress("judge", len(prompts)) as bar:
            try:
                futures = {pool.submit(self._judge, prompt, read): prompt for prompt in prompts}
                for future in as_completed(futures):
                    outcome, detail = future.result()
                    bar.advance()
                    yield futures[future], outcome, detail
            finally:
                pool.shutdown(cancel_futures=True)

    def _judge(self, prompt: str, read: Callable[[str], Value]) -> tuple[Outcome[Value], str]:
        """Ask until a reply is valid."""
        replies: list[Reply] = []
        text, invalid = prompt, ""
        for attempt in range(self.attempts):
            try:
                replies.append(self._reply(text, attempt))
                return Outcome(value=read(_whole(replies[-1])), replies=tuple(replies)), ""
            except InvalidReplyError as error:
                text, invalid = again(prompt, error.detail), error.reason
            except UnansweredError as error:
                return Outcome(unanswered=error.reason, replies=tuple(replies)), error.detail
        return Outcome(invalid=invalid, replies=tuple(replies)), ""

    def _reply(self, prompt: str, attempt: int) -> Reply:
        """From the store, or from the endpoint and then into the store."""
        request = self.endpoint.request(prompt)
        name = json.dumps({"attempt": attempt, "request": request}, sort_keys=True)
        with self._lock:
            kept = self.store.get(name)
        if kept is not None:
            reply = self.used[name] = Reply(**json.loads(kept))
            return reply
        reply = self.endpoint.ask(request)
        with self._lock:
            self.store.put({name: reply.to_json()})
            self.asked += 1
        self.used[name] = reply
        return reply


def _whole(reply: Reply) -> str:
    """The text of a reply.

    Raises:
        InvalidReplyError: The server cut it off or held it back.
    """
    if reply.finish == "length":
        raise InvalidReplyError("cut_off", "it was longer than allowed")
    if not reply.content.strip():
        raise InvalidReplyError("empty", "it was empty")
    return reply.content


def _out_of_order(count: int, detail: str) -> LangadaptError:
    return LangadaptError(
        f"the judge gave no reply to {count} requests in a row: {detail}",
        where="endpoint",
        why="going on would leave most of the answers unjudged",
        fix="mend or start the server, or lower endpoint.concurrency; then run the same command again: the replies so "
        "far are kept",
    )
