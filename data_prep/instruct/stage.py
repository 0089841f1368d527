"""Stage instruct: chat examples and preference pairs -> the JSONL NeMo-Aligner trains on.

instruct/_translations/<set>.jsonl.zst           translated examples that were kept, with receipt
rejects/instruct/<set>.translations/00000...     those that were not, with their back-translations
instruct/_parts/<set>/                           examples of a part of a file, until they are part of the product
instruct/<set>.{train,validation}.jsonl          the product, English and translated

A set that is up to date needs no parts, so none are planned for it: they went when its receipt was written.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.documents import Record
from data_prep.instruct.examples import read_examples, read_translations
from data_prep.instruct.formats import DPO, SFT, Format
from data_prep.instruct.parts import SetFiles, count_parts, write_part, write_set
from data_prep.instruct.settings import InstructSettings
from data_prep.instruct.translations import Translations
from data_prep.jsonl import check_start
from data_prep.layout import SHARD_SUFFIX, receipt_path, resolve_input
from data_prep.parts import Part
from data_prep.tasks import Stage, Step, Task, no_records, write_shard
from data_prep.translate.engines.make import check_engine, make_engine
from data_prep.translate.fetch import direction
from data_prep.translate.stage import cache_root

if TYPE_CHECKING:
    from data_prep.prep_settings import PrepSettings

NAME = "instruct"


def stage(settings: "PrepSettings") -> Stage:
    """One task per set that is translated, one per part of a file, one per set."""
    files = _files(settings.instruct)
    translations = [_translate(settings, form, path) for form, path in files if _is_translated(settings, form)]
    sets = [_Set(settings, form, path) for form, path in files]
    examples = [each.whole() for each in sets]
    done = Stage(name=NAME, steps=())
    parts = [
        part for each, task in zip(sets, examples, strict=True) if not done.is_current(task) for part in each.parts()
    ]
    tasks = {"translations": translations, "parts": parts, "examples": examples}
    return Stage(name=NAME, steps=tuple(Step(name=name, tasks=tuple(each)) for name, each in tasks.items() if each))


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


class _Set:
    """What the tasks of one set share."""

    def __init__(self, settings: "PrepSettings", form: Format, path: Path) -> None:
        self.settings, self.form, self.path = settings, form, path
        self.instruct, self.layout, self.tokenizer = settings.instruct, settings.layout, settings.tokenizer_file
        self.translations = _translations_file(settings, form) if _is_translated(settings, form) else None
        self.pieces = count_parts(path)
        self.rules = {
            "max_length": self.instruct.max_length,
            "on_long": self.instruct.on_long,
            "validation_fraction": self.instruct.validation_fraction,
            "default_lang": self.instruct.default_lang,
            "on_bad_line": settings.on_bad_line,
        }

    def parts(self) -> list[Task]:
        """Check and render each part of the user's file, then the translations."""
        name, shared = self.form.name, (self.tokenizer, self.instruct)
        read = partial(read_examples, name, self.path, *shared, self.settings.on_bad_line)
        tasks = [
            self._part(f"{index:05d}", self.path, partial(read, part=Part(index=index, of=self.pieces)))
            for index in range(self.pieces)
        ]
        if self.translations:
            read_them = partial(read_translations, name, self.translations, *shared)
            tasks.append(self._part("translations", self.translations, read_them))
        return tasks

    def _part(self, part: str, source: Path, read: Callable[[], Iterable[Record]]) -> Task:
        prefix = self._folder / part
        return Task(
            name=f"{self.form.name}/{part}",
            group=self.form.name,
            settings={**self.rules, "parts": self.pieces},
            inputs=(source, self.tokenizer),
            receipt=receipt_path(prefix),
            read=read,
            write=partial(write_part, SetFiles.of_part(prefix), self.instruct.validation_fraction),
        )

    def whole(self) -> Task:
        """Append the parts."""
        name, layout = self.form.name, self.layout
        files = SetFiles(
            train=layout.instruct(name, "train"),
            validation=layout.instruct(name, "validation"),
            rejects=layout.rejects(NAME, name, "00000"),
        )
        names = [*(f"{index:05d}" for index in range(self.pieces)), *(["translations"] if self.translations else [])]
        parts = [self._folder / part for part in names]
        return Task(
            name=name,
            settings=self.rules,
            inputs=(self.path, self.tokenizer, *([self.translations] if self.translations else [])),
            receipt=layout.instruct_receipt(name),
            read=no_records,
            write=partial(write_set, name, files, parts, self.instruct.validation_fraction),
            spent=self._folder,
        )

    @property
    def _folder(self) -> Path:
        return self.layout.side(NAME, "parts") / self.form.name
