"""Texts and segments through cache, batches and engine, without a stage around them."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.errors import DataError, LangadaptError
from data_prep.translate.batching import batches
from data_prep.translate.cache import Cache
from data_prep.translate.engines.base import Failure, Pace
from data_prep.translate.engines.endpoint import EndpointEngine
from data_prep.translate.engines.memory import MemoryEngine, check, masked_like
from data_prep.translate.fetch import open_cache
from data_prep.translate.protect import mask
from data_prep.translate.settings import EndpointSettings, EngineSettings, MemorySettings
from data_prep.translate.translator import Translator
from tests.data_prep.translate.server import TranslationServer, pseudo_hindi


def translator(server: TranslationServer, cache: Cache, **given: int) -> Translator:
    settings = EndpointSettings(url=server.url, model="m", first_wait=0.001, tries=1, **given)  # type: ignore[arg-type]
    return Translator(EndpointEngine(settings, "en-Latn", "hi-Deva"), cache, "en-Latn", "hi-Deva")


def test_messages_are_translated_with_their_structure_in_the_order_given(
    server: TranslationServer, tmp_path: Path
) -> None:
    """What stage instruct calls."""
    texts = ["Make a list:\n- apples\n- 3 pears", "```\ncode\n```", "", "Make a list:"]
    with Cache(tmp_path) as cache:
        made = translator(server, cache).translate_texts(texts)
    assert [each.text for each in made] == [
        f"{pseudo_hindi('Make a list:')}\n- {pseudo_hindi('apples')}\n- 3 {pseudo_hindi('pears')}",
        texts[1],
        "",
        pseudo_hindi("Make a list:"),
    ]
    assert [each.rejection(1.0) for each in made] == [None, "nothing_to_translate", "nothing_to_translate", None]
    assert set(server.asked.values()) == {1}


def test_a_second_call_asks_only_for_what_failed(server: TranslationServer, tmp_path: Path) -> None:
    server.poison = "pears"
    with Cache(tmp_path) as cache:
        (made,) = translator(server, cache).translate_texts(["Apples fall. Some pears fall."])
        assert made.failed == Counter(server_error=1)
        assert made.rejection(1.0) == "server_error"
        assert made.rejection(0.4) is None
        assert "Some pears fall." in made.text
        server.poison = ""
        server.asked.clear()
        (made,) = translator(server, cache).translate_texts(["Apples fall. Some pears fall."])
    assert made.rejection(1.0) is None
    assert list(server.asked) == ["Some pears fall."]


def test_a_doubled_placeholder_fails_as_lost(server: TranslationServer, tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache.put({"Some <ID1> pears": "<ID1> नाशपाती <ID1>"})
        (made,) = translator(server, cache).translate_texts(["Some 3 pears"])
    assert made.failed == Counter(lost_placeholder=1)
    assert made.text == "Some 3 pears"


def test_an_engine_that_answers_nothing_ends_the_run_instead_of_rejecting_the_corpus(
    server: TranslationServer, tmp_path: Path
) -> None:
    server.always = "html"
    texts = [f"Sentence number {word} here." for word in ("one", "two", "three", "four", "five")]
    with Cache(tmp_path) as cache, pytest.raises(LangadaptError, match="reply_html for all of the last 3 batches"):
        translator(server, cache, batch_segments=1, requests=1).translate_texts(texts)
    assert server.requests <= 4


@given(st.lists(st.text("ab", min_size=1, max_size=30)), st.integers(1, 5), st.integers(1, 60))
def test_batches_hold_every_segment_once_within_the_limits(segments: list[str], most: int, characters: int) -> None:
    cut = list(batches(segments, Pace(batch_segments=most, batch_characters=characters)))
    assert Counter(each for batch in cut for each in batch) == Counter(segments)
    for batch in cut:
        assert len(batch) <= most
        assert len(batch) == 1 or len(batch) * max(map(len, batch)) <= characters


MEMORY = '{"source": "She wrote 3 letters.", "target": "उसने 3 चिट्ठियाँ लिखीं।"}\n{"source": "Go.", "target": "जाओ।"}\n'


def memory(tmp_path: Path, content: str = MEMORY) -> MemorySettings:
    path = tmp_path / "memory.jsonl"
    path.write_text(content, "utf-8")
    return MemorySettings(path=path)


def test_a_memory_of_plain_sentences_meets_masked_segments(tmp_path: Path) -> None:
    settings = EngineSettings(use="memory", memory=memory(tmp_path))
    langs = ("en-Latn", "hi-Deva")
    with open_cache(tmp_path / "cache", settings, langs) as cache:
        engine = MemoryEngine(memory(tmp_path))
        made = Translator(engine, cache, *langs).translate_texts(["She wrote 4 letters.", "Stop. Go."])
    assert [each.text for each in made] == ["उसने 4 चिट्ठियाँ लिखीं।", "Stop. जाओ।"]
    assert made[1].failed == Counter(untranslated=1)


def test_the_target_s_protected_text_takes_the_source_s_numbers() -> None:
    source = mask("From 10 to 20 see https://example.org")
    assert masked_like(source, "https://example.org पर 20 और 10 देखें") == "<ID3> पर <ID2> और <ID1> देखें"
    assert masked_like(source, "30 देखें") == "30 देखें"


def test_a_file_that_is_no_memory_is_refused(tmp_path: Path) -> None:
    check(memory(tmp_path))
    with pytest.raises(DataError, match="no field 'source'"):
        check(memory(tmp_path, '{"text": "a"}\n'))


def test_a_memory_says_untranslated_without_being_out_of_order(tmp_path: Path) -> None:
    assert MemoryEngine(memory(tmp_path)).translate(["x", "Go."]) == [Failure("untranslated"), "जाओ।"]
