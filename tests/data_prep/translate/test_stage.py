"""Stage translate from English shards to Hindi ones, with a real server as the engine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_prep.documents import Document
from data_prep.errors import LangadaptError, UsageError
from data_prep.files import open_binary, read_shard
from data_prep.layout import Layout
from data_prep.pipeline import STAGES
from data_prep.prep_settings import PrepSettings
from data_prep.receipts import Receipt
from data_prep.translate.stage import default_parts, stage, to_translate
from tests.data_prep.translate.conftest import MakeSettings, endpoint, run, write_config
from tests.data_prep.translate.server import TranslationServer, pseudo_hindi

DATASET = "s0.hi-Deva.translated"


def translated(layout: Layout, dataset: str = DATASET) -> list[Document]:
    return [doc for path in sorted(layout.folder("translate", dataset).glob("*.zst")) for doc in read_shard(path)]


def products(layout: Layout) -> dict[str, bytes]:
    """Every file that must not depend on how often a run was interrupted."""
    root = layout.root
    folders = [root / "translate", root / "rejects" / "translate"]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and "_cache" not in path.parts]
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in files if not path.name.endswith("receipt.json")
    }


def test_a_document_keeps_its_structure_its_group_and_its_parent(
    server: TranslationServer, make_settings: MakeSettings
) -> None:
    settings = make_settings(engine=endpoint(server))
    run(settings)
    first, table, code, *_ = translated(settings.layout)
    own = pseudo_hindi("Source a holds document a of many.")
    assert first == Document(
        id="0/0.hi-Deva",
        text="# "
        + pseudo_hindi("The river")
        + "\n\n"
        + pseudo_hindi("The river rises in the hills. It is long.")
        + f"\n\n- {pseudo_hindi('one bank')}\n- {pseudo_hindi('the other bank')}\n\n{own}\n",
        lang="hi-Deva",
        kind="translated",
        source="s0",
        license="CC0-1.0",
        parent_id="0/0",
        group=first.group,
    )
    english = next(read_shard(to_translate(settings)[0].path))
    assert first.group == english.group
    assert table.text.splitlines()[1] == "|---|---|"
    assert "`make all`" in code.text
    assert "a.b@example.org" in code.text
    assert "```\ncode stays\n```" in code.text


def test_each_different_segment_of_the_corpus_is_asked_for_once(
    server: TranslationServer, make_settings: MakeSettings
) -> None:
    settings = make_settings(sources=2, partitions=3, engine=endpoint(server))
    run(settings)
    assert set(server.asked.values()) == {1}
    assert len(translated(settings.layout)) == 9
    assert len(translated(settings.layout, "s1.hi-Deva.translated")) == 9
    folder = settings.layout.side("translate", "translations")
    parts = [Receipt.load(path).details for path in folder.glob("*.receipt.json")]
    assert sum(part["different"] for part in parts) == len(server.asked)


def test_nothing_runs_again_when_nothing_changed(server: TranslationServer, make_settings: MakeSettings) -> None:
    settings = make_settings(engine=endpoint(server))
    run(settings)
    requests, before = server.requests, products(settings.layout)
    run(settings)
    again = stage(settings)
    assert all(again.is_current(task) for task in again.tasks)
    assert (server.requests, products(settings.layout)) == (requests, before)


def test_other_checks_and_a_grown_corpus_ask_only_for_what_is_new(
    server: TranslationServer, make_settings: MakeSettings
) -> None:
    run(make_settings(engine=endpoint(server)))
    old = set(server.asked)
    run(make_settings(engine=endpoint(server), checks={"min_script_share": 0.9}))
    assert set(server.asked) == old
    run(make_settings(engine=endpoint(server), sources=3, partitions=4))
    assert set(server.asked.values()) == {1}
    assert set(server.asked) > old


def test_segments_the_engine_cannot_do_reject_their_documents_with_the_reason(
    server: TranslationServer, make_settings: MakeSettings
) -> None:
    """A document is complete, or it is in the rejects; every document is in exactly one of them."""
    server.poison = "food for the people"
    settings = make_settings(engine=endpoint(server))
    run(settings)
    receipt = Receipt.load(settings.layout.stage_receipt("translate", DATASET, "00000"))
    assert receipt.counts == {"in": 9, "kept": 6, "dropped": {"server_error": 3}}
    assert receipt.details["failed_server_error"] == 3
    rejects = open_binary(settings.layout.rejects("translate", DATASET, "00000")).read().decode()
    assert rejects.count("of 7 segments server_error 1 failed") == 3
    assert "food for the people" in rejects


def test_below_one_min_accepted_leaves_failed_segments_as_they_were_and_counts_them(
    server: TranslationServer, make_settings: MakeSettings
) -> None:
    server.poison = "the other bank"
    settings = make_settings(engine=endpoint(server), min_accepted=0.8)
    run(settings)
    receipt = Receipt.load(settings.layout.stage_receipt("translate", DATASET, "00000"))
    assert receipt.counts["kept"] == 9
    assert receipt.details["characters_left_as_they_were"] == 3 * len("the other bank")
    assert "- the other bank\n" in translated(settings.layout)[0].text


def test_only_the_named_sources_are_translated(server: TranslationServer, make_settings: MakeSettings) -> None:
    settings = make_settings(sources=2, engine=endpoint(server))
    chosen = make_settings("chosen", 9, 2, engine=endpoint(server))
    rules = {**vars(chosen.translate), "sources": ("s1",)}
    chosen = type(chosen)(**{**vars(chosen), "translate": type(chosen.translate)(**rules)})
    run(settings, "ingest")
    run(chosen, "ingest")
    assert {shard.dataset.source for shard in to_translate(settings)} == {"s0", "s1"}
    assert {shard.dataset.source for shard in to_translate(chosen)} == {"s1"}


RUN = """
import sys
from pathlib import Path
from data_prep.prep_settings import PrepSettings
from data_prep.settings import load
from tests.data_prep.translate.conftest import run
run(load(PrepSettings, [Path(sys.argv[1])]))
"""


def start(config: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", RUN, str(config)], start_new_session=True)


def test_a_run_killed_at_any_moment_ends_byte_identical_and_asks_again_only_for_batches_under_way(
    server: TranslationServer, tmp_path: Path, make_settings: MakeSettings
) -> None:
    engine = endpoint(server, batch_segments=4, requests=2)
    whole = make_settings("whole", 60, engine=engine)
    run(whole)
    alone = sum(server.asked.values())
    server.asked.clear()

    config = write_config(tmp_path, "killed", 60, 1, {"enabled": True, "engine": engine})
    server.delay, kills = 0.05, 0
    for requests in (3, 4, 2):
        seen = server.requests
        process = start(config)
        while process.poll() is None and server.requests < seen + requests:
            time.sleep(0.002)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    server.delay = 0.0
    assert start(config).wait() == 0
    assert kills == 3
    assert sum(server.asked.values()) <= alone + kills * 2 * 4
    assert products(Layout(tmp_path / "killed")) == products(whole.layout)


def test_an_engine_out_of_order_ends_the_run_and_the_next_one_goes_on(
    server: TranslationServer, make_settings: MakeSettings
) -> None:
    settings = make_settings(engine=endpoint(server, batch_segments=4, requests=1))
    server.moods = ["well", "missing"]
    with pytest.raises(LangadaptError, match="404: check the address or model") as error:
        run(settings)
    assert "finished segments are kept" in str(error.value)
    run(settings)
    assert sorted(server.asked.values())[-4:] == [2, 2, 2, 2]
    assert sorted(server.asked.values())[:-4].count(1) == len(server.asked) - 4


def test_the_key_is_in_no_file_of_a_run_that_works_or_fails(
    server: TranslationServer,
    make_settings: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-very-secret")
    server.key = "sk-very-secret"
    settings = make_settings(engine=endpoint(server, key_variable="TEST_KEY"))
    run(settings)
    for number, mood in enumerate(("drop", "hang", "missing", "error", "html")):
        server.always = mood
        with pytest.raises(LangadaptError):
            run(make_settings(f"failed{number}", engine=endpoint(server, key_variable="TEST_KEY", batch_segments=1)))
    server.key = "another"
    with pytest.raises(LangadaptError, match="401: check the key"):
        run(make_settings("refused", engine=endpoint(server, key_variable="TEST_KEY")))
    files = [path for path in settings.layout.root.parent.rglob("*") if path.is_file()]
    assert len(files) > 50
    for path in files:
        content = open_binary(path).read() if path.suffix == ".zst" else path.read_bytes()
        assert b"very-secret" not in content, path
    assert "very-secret" not in "".join(capfd.readouterr())


def test_a_missing_key_is_refused_before_any_work(
    server: TranslationServer, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    settings = make_settings(engine=endpoint(server, key_variable="NO_SUCH_KEY"))
    with pytest.raises(UsageError, match="the environment variable NO_SUCH_KEY holds no usable key"):
        STAGES["translate"].check(settings)


def test_parts_follow_the_number_of_shards_by_powers_of_two() -> None:
    """So that a grown corpus finds its finished segments in one file each."""
    assert [default_parts(shards) for shards in (1, 2, 3, 4, 5, 1000)] == [1, 2, 4, 4, 8, 1024]


def test_an_empty_shard_is_translated_to_an_empty_one(server: TranslationServer, make_settings: MakeSettings) -> None:
    settings = make_settings(engine=endpoint(server))
    run(settings, "ingest")
    (shard,) = to_translate(settings)
    from data_prep.files import shard_writer

    with shard_writer(shard.path):
        pass
    run(settings, "translate")
    assert translated(settings.layout) == []
    assert server.requests == 0


def test_a_preparation_without_translate_has_no_tasks(make_settings: MakeSettings) -> None:
    settings: PrepSettings = make_settings(enabled=False)
    assert stage(settings).steps == ()
