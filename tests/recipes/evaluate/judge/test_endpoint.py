"""One request over real HTTP: a server that behaves, fails and recovers, stalls, refuses, or is not there."""

import json
import socket
from typing import Any

import pytest

from data_prep.errors import LangadaptError, UsageError
from recipes.evaluate.judge.endpoint import Endpoint, UnansweredError, check_key, reply_of
from recipes.evaluate.judge.settings import EndpointSettings
from tests.recipes.evaluate.judge.server import JudgeServer, grades


def ask(server: JudgeServer, **given: Any):
    settings = EndpointSettings(base_url=server.url, **{"model": "judge", "timeout": 0.3, "tries": 2, **given})
    endpoint = Endpoint(settings)
    return endpoint.ask(endpoint.request("Judge this: नदी"))


def test_a_reply_comes_with_the_model_and_the_tokens_it_took(server):
    reply = ask(server)
    assert (reply.content, reply.finish, reply.model) == (grades(), "stop", "judge-2411")
    assert (reply.prompt_tokens, reply.completion_tokens) == (100, 20)
    assert server.bodies == [
        {
            "model": "judge",
            "messages": [{"role": "user", "content": "Judge this: नदी"}],
            "temperature": 0.0,
            "max_tokens": 512,
        }
    ]


def test_what_is_null_is_left_to_the_server(server):
    ask(server, temperature=None, max_tokens=None)
    assert set(server.bodies[0]) == {"model", "messages"}


@pytest.mark.parametrize("fault", [500, 503, 429, "hang", "drop"])
def test_a_fault_that_passes_costs_one_more_request(server, fault):
    server.script = [fault]
    assert ask(server).content == grades()
    assert server.requests == 2


@pytest.mark.parametrize(
    ("fault", "reason", "words", "requests"),
    [
        (500, "server_error", "it answered 500: no", 2),
        (429, "rate_limited", "it answered 429: no", 2),
        ("hang", "timeout", r"nothing within 0.3 s, 2 times", 2),
        (400, "refused", "it answered 400: no", 1),
        (b"<html>Sign in</html>", "no_completion", "no chat completion: b'<html>", 1),
        (b"{}", "no_completion", "no chat completion", 1),
        (b'{"choices": []}', "no_completion", "no chat completion", 1),
        (b"null", "no_completion", "no chat completion", 1),
    ],
)
def test_a_fault_that_stays_leaves_this_request_without_a_reply(server, fault, reason, words, requests):
    server.script = [fault, fault]
    with pytest.raises(UnansweredError, match=words) as error:
        ask(server)
    assert error.value.reason == reason
    assert server.requests == requests


def test_a_server_that_is_not_there_ends_the_run_with_what_to_do():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    endpoint = Endpoint(EndpointSettings(base_url=f"http://127.0.0.1:{port}/v1", model="judge", tries=1))
    with pytest.raises(LangadaptError, match=r"cannot reach the judge: .*refused") as error:
        endpoint.ask(endpoint.request("x"))
    assert f"endpoint.base_url=http://127.0.0.1:{port}/v1" in str(error.value)
    assert "vllm serve judge" in str(error.value)
    assert "the replies so far are kept" in str(error.value)


def test_a_wrong_model_is_named_with_those_the_server_has(server):
    with pytest.raises(LangadaptError, match="`other` does not exist") as error:
        ask(server, model="other")
    assert "endpoint.model=judge-7b; it serves judge-7b" in str(error.value)


def test_a_wrong_address_says_how_one_looks(server, monkeypatch):
    monkeypatch.setattr("tests.recipes.evaluate.judge.server._Handler.do_GET", lambda self: self._error(404, "no"))
    with pytest.raises(LangadaptError, match="does not know this model or address") as error:
        ask(server, model="other")
    assert "usually ends in /v1" in str(error.value)


def test_the_key_is_sent_and_a_wrong_one_is_never_shown(server, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "sk-right\n")
    server.key = "sk-right"
    assert ask(server, key_variable="JUDGE_KEY").content == grades()
    monkeypatch.setenv("JUDGE_KEY", "sk-wrong")
    with pytest.raises(LangadaptError, match="does not accept the key: it answered 401") as error:
        ask(server, key_variable="JUDGE_KEY")
    assert "export JUDGE_KEY=" in str(error.value)
    assert "sk-wrong" not in str(error.value)
    with pytest.raises(LangadaptError, match=r"endpoint\.key_variable=NAME"):
        ask(server)


def test_a_key_that_a_server_repeats_is_not_shown(server, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "sk-secret")
    server.key, server.script = "sk-secret", [400]
    with pytest.raises(UnansweredError, match=r"no, Bearer \*\*\*"):
        ask(server, key_variable="JUDGE_KEY")


def test_an_exception_leaves_no_frame_with_the_key(server, monkeypatch):
    """Loggers print the variables of every frame of an exception and of its causes."""
    monkeypatch.setenv("JUDGE_KEY", "sk-secret")
    server.key, server.script = "sk-secret", ["drop"]
    with pytest.raises(LangadaptError) as error:
        ask(server, key_variable="JUDGE_KEY", tries=1)
    assert error.value.__cause__ is None
    assert error.value.__context__ is None
    frame = error.value.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename != __file__:
            assert "sk-secret" not in repr(frame.tb_frame.f_locals)
        frame = frame.tb_next


@pytest.mark.parametrize("key", ["", "ключ", "a\tb"])
def test_a_key_no_header_can_hold_is_refused_without_showing_it(monkeypatch, key):
    monkeypatch.setenv("JUDGE_KEY", key)
    with pytest.raises(UsageError, match="JUDGE_KEY holds no usable key") as error:
        check_key(EndpointSettings(base_url="http://x/v1", model="m", key_variable="JUDGE_KEY"))
    assert not key or key not in str(error.value)


def test_without_a_key_none_of_the_environment_s_is_sent(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-service")
    server.key = "none"
    assert ask(server).content == grades()


@pytest.mark.parametrize("message", [{"content": None, "refusal": "I will not."}, {}, {"content": 3}])
def test_a_refusal_is_an_empty_reply(message):
    assert reply_of(json.dumps({"choices": [{"message": message}]}).encode()).content == ""


def test_half_a_surrogate_pair_can_be_kept():
    body = b'{"choices": [{"message": {"content": "\\ud800"}}], "usage": {"prompt_tokens": "x"}}'
    reply = reply_of(body)
    assert reply.to_json().encode()
    assert reply.prompt_tokens is None


@pytest.mark.parametrize("url", ["http://user:pw@host/v1", "http://h/v1?key=1", "ftp://h", "h:8000", ""])
def test_an_address_that_could_hold_a_secret_is_refused(url):
    with pytest.raises(ValueError, match="not a plain http or https address") as error:
        EndpointSettings(base_url=url, model="m")
    assert "pw" not in str(error.value)


@pytest.mark.parametrize("name", ["timeout", "tries", "concurrency"])
def test_settings_that_make_no_sense_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} 0 is not above 0"):
        EndpointSettings(base_url="http://h/v1", model="m", **{name: 0})
