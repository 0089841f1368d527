"""Stage translate: real documents in one language -> documents with the same structure in another.

    translate/_segments/<dataset>/<shard>.zst      what is to translate, by part of the segments' hashes
    translate/_translations/<part>-of-<parts>.zst  checked results, by shard; each different segment translated once
    translate/_cache/<engine>/...                  finished segments; survives kills, new documents and new settings
    translate/<source>.<to_lang>.translated/<shard>.jsonl.zst

Everything but the cache follows from its inputs and can be deleted; deleting the cache costs the engine's time again.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.documents import Dataset
from data_prep.flow import Shard, shard_task, shards_into
from data_prep.layout import receipt_path
from data_prep.tasks import Stage, Step, Task, no_records
from data_prep.translate.apply import Apply
from data_prep.translate.collect import Collect
from data_prep.translate.engines.make import check_engine, make_engine
from data_prep.translate.fetch import Fetch, direction
from data_prep.translate.frames import index_path
from data_prep.translate.settings import TranslateSettings

if TYPE_CHECKING:
    from data_prep.prep_settings import PrepSettings

NAME = "translate"


def check(settings: "PrepSettings") -> None:
    """Refuse what cannot run.

    Raises:
        UsageError: The engine lacks a file, a key or a language.
        DataError: The translation memory is none.
    """
    rules = settings.translate
    if rules.enabled and rules.engine is not None:
        check_engine(rules.engine, rules.from_lang, rules.to_lang)


def stage(settings: "PrepSettings") -> Stage:
    """Three steps: collect the segments, translate them, rebuild the documents."""
    shards = to_translate(settings)
    rules = settings.translate
    if not shards or rules.engine is None:
        return Stage(name=NAME, steps=())
    parts = rules.partitions or default_parts(len(shards))
    segments = tuple(segments_file(settings, shard) for shard in shards)
    translations = tuple(settings.layout.side(NAME, "translations") / f"{k}-of-{parts}.zst" for k in range(parts))
    identity = direction(make_engine(rules.engine, rules.from_lang, rules.to_lang).identity, *_langs(rules))
    collecting = [_collect(shard, path, parts) for shard, path in zip(shards, segments, strict=True)]
    fetching = [_fetch(settings, segments, path, (k, parts), identity) for k, path in enumerate(translations)]
    applying = [_apply(settings, shard, (k, segments[k]), translations) for k, shard in enumerate(shards)]
    return Stage(
        name=NAME,
        steps=(
            Step(name="segments", tasks=tuple(collecting)),
            Step(name="translations", tasks=tuple(fetching)),
            Step(name="documents", tasks=tuple(applying)),
        ),
    )


def to_translate(settings: "PrepSettings") -> tuple[Shard, ...]:
    """The shards of the real documents that are translated."""
    wanted = settings.to_translate()
    return tuple(shard for shard in shards_into(settings, NAME) if shard.dataset in wanted)


def default_parts(shards: int) -> int:
    """The power of two not below the number of shards.

    A part then holds about one shard's segments however large the corpus is, and a corpus that grows keeps its parts
    or halves them, so that each part finds its finished segments in one older file of the cache.
    """
    return 1 << (shards - 1).bit_length()


def segments_file(settings: "PrepSettings", shard: Shard) -> Path:
    """What is to translate in a shard."""
    return settings.layout.side(NAME, "segments") / shard.dataset.name / f"{shard.name}.zst"


def cache_root(settings: "PrepSettings") -> Path:
    """Where finished segments are kept."""
    given = settings.translate.cache_dir
    return given.expanduser().absolute() if given else settings.layout.side(NAME, "cache")


def _langs(rules: TranslateSettings) -> tuple[str, str]:
    return rules.from_lang, rules.to_lang


def _collect(shard: Shard, output: Path, parts: int) -> Task:
    collect = Collect(shard=shard.path, lang=shard.dataset.lang, output=output, parts=parts)
    return Task(
        name=f"segments of {shard.dataset.name}/{shard.name}",
        group=f"segments of {shard.dataset.name}",
        settings={"lang": shard.dataset.lang, "parts": parts},
        inputs=(shard.path,),
        receipt=receipt_path(output),
        read=no_records,
        write=collect.write,
    )


def _fetch(
    settings: "PrepSettings", segments: tuple[Path, ...], output: Path, part: tuple[int, int], identity: dict[str, Any]
) -> Task:
    rules = settings.translate
    assert rules.engine is not None  # noqa: S101  stage() has seen to it
    fetch = Fetch(
        segments=segments,
        output=output,
        part=part[0],
        parts=part[1],
        engine=rules.engine,
        langs=_langs(rules),
        checks=rules.checks,
        cache=cache_root(settings),
    )
    return Task(
        name=f"translations {part[0]} of {part[1]}",
        group="translations",
        settings={"part": part, "checks": asdict(rules.checks), **identity},
        inputs=tuple(map(index_path, segments)),
        receipt=receipt_path(output),
        read=no_records,
        write=fetch.write,
    )


def _apply(settings: "PrepSettings", shard: Shard, segments: tuple[int, Path], translations: tuple[Path, ...]) -> Task:
    rules = settings.translate
    number, path = segments
    task = shard_task(
        settings,
        NAME,
        shard,
        shaping={"to_lang": rules.to_lang, "min_accepted": rules.min_accepted},
        extra_inputs=tuple(map(index_path, (path, *translations))),
        dataset=Dataset(source=shard.dataset.source, lang=rules.to_lang, kind="translated"),
    )
    apply = Apply(
        shard=shard.path,
        segments=path,
        number=number,
        translations=translations,
        to_lang=rules.to_lang,
        min_accepted=rules.min_accepted,
        writer=task.write,
    )
    return replace(task, read=apply.read, write=apply.write)
