"""The endpoint engine against a real server that behaves, stalls, answers nonsense and recovers."""

from typing import Any

import pytest

from data_prep.errors import LangadaptError, UsageError
from data_prep.translate.attempts import attempt
from data_prep.translate.engines.base import EngineFault, Failure
from data_prep.translate.engines.endpoint import EndpointEngine, check, message_of, parse_answer
from data_prep.translate.settings import EndpointSettings
from tests.data_prep.translate.server import TranslationServer, pseudo_hindi

SEGMENTS = ["The river rises.", "Rice <ID1> needs water.", "नदी", 'say "no" \\ yes']
GOOD = [pseudo_hindi(segment) for segment in SEGMENTS]


def engine(server: TranslationServer, **given: Any) -> EndpointEngine:
    given = {"first_wait": 0.001, "timeout": 1.0, "tries": 3, **given}
    return EndpointEngine(EndpointSettings(url=server.url, model="m", **given), "en-Latn", "hi-Deva")


@pytest.mark.parametrize("mood", ["well", "fenced", "escaped"])
def test_good_answers_in_the_forms_models_give_them(server: TranslationServer, mood: str) -> None:
    server.always = mood
    assert engine(server).translate(SEGMENTS) == GOOD


@pytest.mark.parametrize("mood", ["hang", "error", "html", "short", "shuffled", "numbers", "chatty", "markup", "busy"])
def test_a_fault_that_passes_costs_one_more_request(server: TranslationServer, mood: str) -> None:
    server.moods = [mood]
    assert attempt(engine(server, timeout=0.5), SEGMENTS) == GOOD
    assert server.requests == 2


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("hang", "timeout"),
        ("error", "server_error"),
        ("html", "reply_html"),
        ("markup", "reply_html"),
        ("short", "reply_short"),
        ("numbers", "reply_malformed"),
        ("chatty", "reply_malformed"),
        ("cut", "reply_cut"),
        ("bad_request", "refused"),
    ],
)
def test_a_fault_that_stays_fails_the_segment_with_its_reason(
    server: TranslationServer, mood: str, reason: str
) -> None:
    server.always = mood
    results = attempt(engine(server, timeout=0.3, tries=2), SEGMENTS[:1])
    assert results == [Failure(reason, by_engine=True)]


def test_a_batch_is_tried_again_then_split_until_only_the_bad_segment_fails(server: TranslationServer) -> None:
    server.poison = "Rice"
    assert attempt(engine(server), SEGMENTS) == [GOOD[0], Failure("server_error", by_engine=True), *GOOD[2:]]
    assert server.requests == 3 + 2 + 2  # the whole three times, two halves, two quarters


def test_shuffled_answers_are_never_put_in_order_by_guessing(server: TranslationServer) -> None:
    server.always = "shuffled"
    assert attempt(engine(server, tries=1), SEGMENTS[:2]) == GOOD[:2]  # one at a time, nothing can be shuffled
    assert server.requests == 3


@pytest.mark.parametrize(
    ("mood", "words"), [("missing", "answered 404: check the address or model"), ("drop", "at http")]
)
def test_a_server_that_cannot_serve_ends_the_run(server: TranslationServer, mood: str, words: str) -> None:
    server.always = mood
    with pytest.raises(LangadaptError, match=words):
        attempt(engine(server, tries=2), SEGMENTS)


def test_waiting_grows_and_follows_the_server_s_wish(server: TranslationServer) -> None:
    server.moods = ["error", "error", "busy", "error"]
    waits: list[float] = []
    attempt(engine(server, tries=5, first_wait=2.0), SEGMENTS, sleep=waits.append)
    assert waits == [2.0, 4.0, 8.0, 16.0]
    fault = EngineFault("rate_limited", "", wait=30.0)
    assert fault.wait == 30.0


def test_a_key_is_sent_and_a_wrong_one_ends_the_run(server: TranslationServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-1\n")
    server.key = "sk-1"
    assert engine(server, key_variable="MY_KEY").translate(SEGMENTS) == GOOD
    monkeypatch.setenv("MY_KEY", "sk-wrong")
    with pytest.raises(LangadaptError, match="401: check the key") as error:
        attempt(engine(server, key_variable="MY_KEY"), SEGMENTS)
    assert "sk-wrong" not in str(error.value)


@pytest.mark.parametrize("key", ["", "ключ", "a\x00b"])
def test_a_key_no_header_can_hold_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    if "\x00" not in key:
        monkeypatch.setenv("MY_KEY", key)
    with pytest.raises(UsageError, match="MY_KEY holds no usable key") as error:
        check(EndpointSettings(url="http://x/v1", model="m", key_variable="MY_KEY"))
    assert not key or key not in str(error.value)


def test_an_exception_leaves_no_frame_with_the_key(server: TranslationServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loggers print the variables of every frame of an exception and of its causes."""
    monkeypatch.setenv("MY_KEY", "sk-secret")
    server.always = "drop"
    with pytest.raises(EngineFault) as error:
        engine(server, key_variable="MY_KEY").translate(SEGMENTS)
    seen: BaseException | None = error.value
    while seen is not None:
        frame = seen.__traceback__
        while frame is not None:
            if frame.tb_frame.f_code.co_filename != __file__:
                assert "sk-secret" not in repr(frame.tb_frame.f_locals)
            frame = frame.tb_next
        seen = None if seen.__suppress_context__ else seen.__context__


def test_prompt_and_languages_shape_the_identity_but_the_address_does_not(server: TranslationServer) -> None:
    identity = engine(server).identity
    assert "Hindi (Deva script)" in identity["prompt"]
    assert "<ID1>" in identity["prompt"]
    assert server.url not in str(identity)
    assert engine(server, prompt="Übersetze.").identity != identity


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "reply_malformed"),
        ("{}", "reply_short"),
        ('{"id": 1, "text": "x"}', "reply_malformed"),
        ("[1]", "reply_malformed"),
        ('[{"id": 1}]', "reply_malformed"),
        ('[{"id": 1, "text": null}]', "reply_malformed"),
        ('[{"id": 1, "text": "\\ud800"}]', "reply_malformed"),
        ("[" * 100_000, "reply_malformed"),
        ("[]", "reply_short"),
        ('[{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]', "reply_short"),
        ('[{"id": 2, "text": "a"}]', "reply_shuffled"),
    ],
)
def test_answers_that_are_not_what_was_asked_for(content: str, reason: str) -> None:
    with pytest.raises(EngineFault) as fault:
        parse_answer(content, 1)
    assert fault.value.reason == reason


@pytest.mark.parametrize(
    "reply", [b"", b"null", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{"message": {"content": 3}}]}']
)
def test_replies_that_are_no_completion(reply: bytes) -> None:
    with pytest.raises(EngineFault) as fault:
        message_of(reply)
    assert fault.value.reason == "reply_malformed"


@pytest.mark.parametrize("url", ["http://user:pw@host/v1", "http://h/v1?key=1", "ftp://h", "h:8000", ""])
def test_an_address_that_could_hold_a_secret_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not a plain http or https address") as error:
        EndpointSettings(url=url, model="m")
    assert "pw" not in str(error.value)
