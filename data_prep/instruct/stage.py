"""Stage instruct: chat examples and preference pairs -> the JSONL NeMo-Aligner trains on.

instruct/_translations/<set>.jsonl.zst           translated examples that were kept, with receipt
rejects/instruct/<set>.translations/00000...     those that were not, with their back-translations
instruct/<set>.{train,validation}.jsonl          the product, English and translated
"""

from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.documents import Record, split_of
from data_prep.errors import DataError
from data_prep.files import atomic_write
from data_prep.instruct.examples import read_examples
from data_prep.instruct.formats import DPO, SFT, Format
from data_prep.instruct.settings import InstructSettings
from data_prep.instruct.translations import Translations
from data_prep.jsonl import check_start
from data_prep.layout import SHARD_SUFFIX, Layout, receipt_path, resolve_input
from data_prep.receipts import Tally
from data_prep.tasks import Stage, Step, Task, Written, split_off_rejects, write_shard
from data_prep.translate.engines.make import check_engine, make_engine
from data_prep.translate.fetch import direction
from data_prep.translate.stage import cache_root

if TYPE_CHECKING:
    from data_prep.prep_settings import PrepSettings

NAME = "instruct"


def stage(settings: "PrepSettings") -> Stage:
    """One task per file that is configured, after one per set that is translated."""
    files = _files(settings.instruct)
    translating = [_translate(settings, form, path) for form, path in files if _is_translated(settings, form)]
    examples = Step(name="examples", tasks=tuple(_task(settings, form, path) for form, path in files))
    translations = Step(name="translations", tasks=tuple(translating))
    return Stage(name=NAME, steps=(translations, examples) if translating else (examples,))


def check(settings: "PrepSettings") -> None:
    """Refuse missing, empty or malformed input, and engines that cannot run, before any work."""
    for form, path in _files(settings.instruct):
        check_start(path, form.row_fault, settings.on_bad_line)
    rules = settings.instruct.translate
    if rules.enabled and rules.engine and rules.back_engine:
        check_engine(rules.engine, rules.from_lang, rules.to_lang)
        check_engine(rules.back_engine, rules.to_lang, rules.from_lang)


def _files(settings: InstructSettings) -> list[tuple[Format, Path]]:
    pairs = [(SFT, settings.chat), (DPO, settings.preferences)]
    return [(form, resolve_input(path)) for form, path in pairs if path]


def _is_translated(settings: "PrepSettings", form: Format) -> bool:
    rules = settings.instruct.translate
    return rules.enabled and form.name in rules.sets


def _translations_file(settings: "PrepSettings", form: Format) -> Path:
    return settings.layout.side(NAME, "translations") / f"{form.name}{SHARD_SUFFIX}"


def _translate(settings: "PrepSettings", form: Format, path: Path) -> Task:
    rules, output = settings.instruct.translate, _translations_file(settings, form)
    assert rules.engine  # noqa: S101  the settings have seen to it
    assert rules.back_engine  # noqa: S101
    there, back = (rules.from_lang, rules.to_lang), (rules.to_lang, rules.from_lang)
    rejects = settings.layout.rejects(NAME, f"{form.name}.translations", "00000")
    translations = Translations(
        name=form.name,
        path=path,
        rules=rules,
        default_lang=settings.instruct.default_lang,
        on_bad_line=settings.on_bad_line,
        cache=cache_root(settings) / f"{NAME}.{form.name}",
        writer=partial(write_shard, output, rejects),
    )
    return Task(
        name=f"{form.name} translated",
        settings={
            "forward": direction(make_engine(rules.engine, *there).identity, *there),
            "back": direction(make_engine(rules.back_engine, *back).identity, *back),
            "checks": asdict(rules.checks),
            "min_chrf": rules.min_chrf,
            "max_examples": rules.max_examples,
            "default_lang": settings.instruct.default_lang,
            "on_bad_line": settings.on_bad_line,
        },
        inputs=(path,),
        receipt=receipt_path(output),
        read=translations.read,
        write=translations.write,
    )


def _task(settings: "PrepSettings", form: Format, path: Path) -> Task:
    layout, instruct = settings.layout, settings.instruct
    translations = _translations_file(settings, form) if _is_translated(settings, form) else None
    return Task(
        name=form.name,
        settings={
            "max_length": instruct.max_length,
            "on_long": instruct.on_long,
            "validation_fraction": instruct.validation_fraction,
            "default_lang": instruct.default_lang,
            "on_bad_line": settings.on_bad_line,
        },
        inputs=(path, settings.tokenizer_file, *([translations] if translations else [])),
        receipt=layout.instruct_receipt(form.name),
        read=partial(
            read_examples, form.name, path, settings.tokenizer_file, instruct, settings.on_bad_line, translations
        ),
        write=partial(_write_examples, layout, form.name, instruct.validation_fraction),
    )


def _write_examples(
    layout: Layout, name: str, validation_fraction: float, records: Iterable[Record], _tally: Tally
) -> Written:
    outputs = tuple(layout.instruct(name, split) for split in ("train", "validation"))
    rejects = layout.rejects(NAME, name, "00000")
    counts = {"train": 0, "heldout": 0}
    with (
        atomic_write(outputs[0]) as train,
        atomic_write(outputs[1]) as validation,
        split_off_rejects(records, rejects) as documents,
    ):
        for document in documents:
            split = split_of(document.group, validation_fraction)
            counts[split] += 1
            (train if split == "train" else validation).write(document.text.encode() + b"\n")
        _require_both(name, counts, validation_fraction)
    return Written(outputs=(*outputs, rejects), details={"train": counts["train"], "validation": counts["heldout"]})


def _require_both(name: str, counts: dict[str, int], fraction: float) -> None:
    if not all(counts.values()):
        raise DataError(
            f"{name}: {counts['train']} training and {counts['heldout']} validation examples",
            where=f"instruct.validation_fraction={fraction}",
            why="NeMo-Aligner needs at least one of each",
            fix="instruct.validation_fraction=0.3, or more examples",
        )
